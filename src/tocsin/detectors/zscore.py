"""Z-scores: a reading is anomalous where a feature lies many standard deviations from its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.deviation import Deviation, Floats
from tocsin.kernels import deviation, variance
from tocsin.models import Ragged
from tocsin.panel import Panel

NORMAL_95 = 1.6448536269514722
"""How many standard deviations above the mean 95 % of a normal distribution lie."""


class ZScore(Deviation):
    """The largest absolute z-score among a row's features, as a Shewhart chart of each would show it (1931).

    The score is in standard deviations: with one feature it is ``abs(x - mean) / std``, `std` that of all training
    rows (NumPy's, with ``ddof=0``).

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    half_life : float, optional
        Rows after which what was learned counts half, for models that are updated. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    A missing value contributes 0. Of a feature that was constant in training, a value that differs contributes 1e9,
    which stands for infinity and is the highest contribution there is.

    A contribution is the feature's own absolute z-score; the largest one is the score. Explanations take features as
    normally distributed: their usual range is where 90 % of the readings would lie, and a tail's probability is the
    normal one, though never rarer than one reading in all that were learned.

    Models hold weight, mean and sum of squares of each feature, 24 bytes, and merge after Chan, Golub and LeVeque
    (1983, doi:10.1080/00031305.1983.10483115). Cost, of values in cache: half a nanosecond a value to learn, a quarter
    to score; thresholds and p-values cost some 10 ns a row besides.

    Limits: outliers in training widen the scale that they are measured by; `MAD` withstands them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = ZScore().fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [-2.5, 9.0, 0.2]]).tolist()
    [0, 1]
    >>> detector.explain([[-2.5, 9.0, 0.2]], top=1)["feature"].item()
    'x1'
    """

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.half_life = half_life
        self.infinite = infinite

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        moments = np.empty((panel.n_assets * panel.n_features, 3))
        variance.learn(panel.values, panel.offsets, moments)
        state = _state(moments, panel.n_assets, panel.values.dtype)
        return state, self._scores_of(panel, *self._location(state, panel.n_assets))

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        panel, moments = self._like(state, panel), _moments(state).copy()
        variance.absorb(panel.values, panel.offsets, weights, scales, moments)
        return _state(moments, panel.n_assets, panel.values.dtype)

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        moments = _moments(state).copy()
        variance.combine(moments, _moments(other))
        return _state(moments, len(state["moments"].offsets) - 1, state["precision"].values.dtype)

    def _location(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        return location(_moments(state), n_assets)

    def _like(self, state: Mapping[str, Ragged], panel: Panel) -> Panel:
        return panel.astype(state["precision"].values.dtype)

    def _normal(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        centers, scales = self._location(state, n_assets)
        return centers - NORMAL_95 * scales, centers + NORMAL_95 * scales

    def _tails(
        self, state: Mapping[str, Ragged], panel: Panel, features: NDArray[np.int32], above: NDArray[np.bool_]
    ) -> Floats:
        tail = np.full(features.shape, np.nan)
        centers, scales = self._location(state, panel.n_assets)
        weights = _moments(state)[:, 0].reshape(centers.shape)
        deviation.normal_tails(panel.values, panel.offsets, centers, scales, weights, features, tail)
        return tail


def location(moments: Floats, n_assets: int) -> tuple[Floats, Floats]:
    """Return means and standard deviations, shape (n_assets, n_features), from moments of shape (n_cells, 3)."""
    weight, mean, squares = moments.T
    seen = weight > 0.0
    scale = np.sqrt(np.divide(squares, weight, out=np.zeros(len(moments)), where=seen))
    shape = (n_assets, len(moments) // max(n_assets, 1))
    return np.where(seen, mean, np.nan).reshape(shape), scale.reshape(shape)


def _moments(state: Mapping[str, Ragged]) -> Floats:
    return state["moments"].values.reshape(-1, 3)


def _state(moments: Floats, n_assets: int, dtype: Any) -> dict[str, Ragged]:
    """Return moments as entries an asset, and beside them nothing but the type of what was learned."""
    rows = moments.reshape(n_assets, -1) if n_assets else moments.reshape(0, 0)
    return {"moments": Ragged.of_rows(rows), "precision": Ragged(np.zeros(0, dtype), np.zeros(n_assets + 1, np.int64))}

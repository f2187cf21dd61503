"""HBOS: a reading is anomalous where its features have values that few others had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.forgetting import Forgetful
from tocsin.features.settings import check_whole
from tocsin.kernels import hbos as kernels
from tocsin.kernels.hbos import Histograms
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

LOW, HIGH = 0.05, 0.95
"""The shares between which a value is usual."""


class HBOS(Forgetful):
    """Histogram-based outlier score (Goldstein and Dengel, KI 2012).

    Each feature contributes -log of the height of the bin that its value falls into, the highest bin being 1; the score
    is the sum over the features. Unlike `ECOD` it sees a value in a gap between two modes.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    bins : int, default 30
        The most bins of equal width that span a feature's training values, from 2; there are at least half as many.
    half_life : float, optional
        Rows after which what was learned counts half, for models that are updated. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    Bins are a power of 2 wide and lie on multiples of it. So they nest, and models that are updated or merged are those
    that would have been learned from all rows at once, bit for bit (save that a forgetful one never gets finer).

    A new row is counted in, as `ECOD` does it: with c readings in its bin and m in the highest one a value costs
    ``log((m + 1) / (c + 1))``, and in training ``log(m / c)``. Beyond the training range all values cost
    ``log(m + 1)``. A missing value contributes 0. A feature that was constant in training contributes when it differs.

    Models take 16 bytes and 8 for each bin, per feature: 256 with the default. Explanations take their usual ranges and
    tail probabilities from the bins, too.

    Cost, on one core: some 3 ns a value to learn, and to score.

    Limits: features are taken one by one, so an unusual combination of usual values goes unseen. One extreme reading
    in training widens all bins, and the others crowd into few of them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> X[:, 1] = np.sign(X[:, 1]) + 0.1 * X[:, 1]
    >>> detector = HBOS().fit(X)
    >>> detector.predict([[0.0, 1.0, 0.0], [2.5, 0.0, 2.0]]).tolist()
    [0, 1]
    >>> detector.explain([[2.5, 0.0, 2.0]], top=1)["feature"].item()
    'x1'
    """

    additive: ClassVar[bool] = True
    incremental: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        bins: int = 30,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.bins = bins
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("bins", self.bins, 2, most=100_000)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        n_cells = panel.n_assets * panel.n_features
        none = Histograms(np.full(n_cells, np.nan), np.full(n_cells, np.nan), np.zeros((n_cells, self.bins)))
        kernels.absorb(panel.values, panel.offsets, np.ones(panel.n_rows), np.ones(panel.n_assets), none)
        state = _state(none, panel.n_assets, panel.values.dtype)
        return state, self._score(lent(state), panel, 0, learned=True)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        panel, scores = _like(state, panel), np.empty(panel.n_rows)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        features, parts = np.empty(shape, np.int32), np.empty(shape)
        kernels.score(panel.values, panel.offsets, _histograms(state), learned, top is None, scores, features, parts)
        return scores, Contributions(features, parts)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, histograms, features = _like(models.state, panel), _histograms(models.state), contributions.feature
        low, median, high = (np.empty(len(histograms.lows)) for _ in range(3))
        for share, out in ((LOW, low), (0.5, median), (HIGH, high)):
            kernels.quantiles(histograms, share, out)
        above, tail, limit = np.zeros(features.shape, np.bool_), *np.full((2, *features.shape), np.nan)
        kernels.evidence(
            panel.values, panel.offsets, histograms, models.threshold, median, features, above, tail, limit
        )
        cells = panel.asset_of_row[:, None] * panel.n_features + np.maximum(features, 0)
        return Evidence(
            np.where(features >= 0, low[cells], np.nan),
            np.where(features >= 0, high[cells], np.nan),
            above,
            tail,
            limit,
        )

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        panel, own = _like(state, panel), _copied(_histograms(state))
        kernels.absorb(panel.values, panel.offsets, weights, scales, own)
        return _state(own, panel.n_assets, panel.values.dtype)

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        own = _copied(_histograms(state))
        kernels.combine(own, _histograms(other))
        return _state(own, len(state["lows"].offsets) - 1, state["precision"].values.dtype)


def _histograms(state: Mapping[str, Ragged]) -> Histograms:
    lows = state["lows"].values
    bins = len(state["counts"].values) // max(len(lows), 1)
    return Histograms(lows, state["highs"].values, state["counts"].values.reshape(len(lows), bins))


def _copied(histograms: Histograms) -> Histograms:
    return Histograms(*(array.copy() for array in histograms))


def _state(histograms: Histograms, n_assets: int, dtype: Any) -> dict[str, Ragged]:
    width = len(histograms.lows) // max(n_assets, 1)
    return {
        "lows": Ragged.of_rows(histograms.lows.reshape(n_assets, width)),
        "highs": Ragged.of_rows(histograms.highs.reshape(n_assets, width)),
        "counts": Ragged.of_rows(histograms.counts.reshape(n_assets, width * histograms.counts.shape[1])),
        "precision": Ragged(np.zeros(0, dtype), np.zeros(n_assets + 1, np.int64)),
    }


def _like(state: Mapping[str, Ragged], panel: Panel) -> Panel:
    """Return the panel in the precision that was learned from, so that a constant equals itself."""
    return panel.astype(state["precision"].values.dtype)

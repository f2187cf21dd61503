"""Robust z-scores: distance from the median in median absolute deviations, which outliers cannot widen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.deviation import HIGH, LOW, Deviation, Floats
from tocsin.detectors.sketches import Sketches, rank_ratio
from tocsin.kernels import mad as kernels
from tocsin.kernels.ecod import count_present
from tocsin.models import Ragged
from tocsin.panel import Panel

TAIL_ERROR = 0.02
"""The largest relative error of a tail probability in the sketch of a feature."""


class MAD(Deviation):
    """The largest robust z-score among a row's features (Iglewicz and Hoaglin 1993, section 3.4).

    With one feature the score is ``abs(x - median) / (1.4826 * MAD)``, where `MAD` is the median of
    ``abs(x - median)`` in training and 1.4826 makes it a standard deviation where readings are normally distributed.
    Up to half of the training rows may be outliers before the scale breaks.

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
    Where more than half of a feature's readings are equal, `MAD` is 0, and 1.2533 mean absolute deviations are the
    scale in its place. Of a feature that was constant in training, a value that differs contributes 1e9, which stands
    for infinity and is the highest contribution there is. A missing value contributes 0.

    A contribution is the feature's own absolute robust z-score; the largest one is the score. Usual ranges and tail
    probabilities in explanations are those of the training readings.

    Median and scale of rows that are learned in one go are exact. For updates and merges a model keeps a sketch, up to
    256 readings all of them and of more the values at ranks that spread from both ends (see `ECOD`); medians come from
    it then, off by a few percent of a scale where it had to leave readings out.

    Cost: a sort of each feature to learn (5 to 8 ns a value on one core); a quarter of a nanosecond a value to score.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> X[::4] *= 1000.0
    >>> MAD().fit(X).decision_function([[0.0, 8.0, 0.0]]).round(0).tolist()
    [6.0]
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
        counts = np.empty((panel.n_assets, panel.n_features), np.int64)
        count_present(panel.values, panel.offsets, counts)
        sketches = Sketches.at_grid(counts.reshape(-1), rank_ratio(TAIL_ERROR), panel.values.dtype)
        centers, scales = np.empty(counts.size), np.empty(counts.size)
        kernels.fit(panel.values, panel.offsets, sketches.ranks, sketches.cells, centers, scales)
        state = self._state(sketches, centers, scales, panel.n_assets, at_grid=True)
        return state, self._scores_of(panel, *self._location(state, panel.n_assets))

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        panel, ratio = self._like(state, panel), rank_ratio(TAIL_ERROR)
        merged = _sketches(state).absorb(panel, weights, scales, ratio, self._slack())
        return self._of_sketches(merged, panel.n_assets)

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        merged = _sketches(state).combine(_sketches(other), rank_ratio(TAIL_ERROR), self._slack())
        return self._of_sketches(merged, len(state["center"].offsets) - 1)

    def _of_sketches(self, sketches: Sketches, n_assets: int) -> dict[str, Ragged]:
        centers, scales = np.empty(len(sketches.cells.totals)), np.empty(len(sketches.cells.totals))
        kernels.of_sketches(sketches.cells, centers, scales)
        return self._state(sketches, centers, scales, n_assets, at_grid=False)

    def _state(
        self, sketches: Sketches, centers: Floats, scales: Floats, n_assets: int, *, at_grid: bool
    ) -> dict[str, Ragged]:
        width = len(centers) // max(n_assets, 1)
        return {
            **sketches.to_state(n_assets, at_grid=at_grid, whole=self._whole()),
            "center": Ragged.of_rows(centers.reshape(n_assets, width)),
            "scale": Ragged.of_rows(scales.reshape(n_assets, width)),
        }

    def _location(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        width = len(state["center"].values) // max(n_assets, 1)
        centers, scales = (state[name].values.reshape(n_assets, width) for name in ("center", "scale"))
        return centers, scales

    def _like(self, state: Mapping[str, Ragged], panel: Panel) -> Panel:
        return panel.astype(state["knots"].values.dtype)

    def _normal(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        sketches = _sketches(state)
        width = len(sketches.cells.totals) // max(n_assets, 1)
        return sketches.quantiles(LOW).reshape(n_assets, width), sketches.quantiles(HIGH).reshape(n_assets, width)

    def _tails(
        self, state: Mapping[str, Ragged], panel: Panel, features: NDArray[np.int32], above: NDArray[np.bool_]
    ) -> Floats:
        tail = np.full(features.shape, np.nan)
        kernels.tails(panel.values, panel.offsets, _sketches(state).cells, features, above, tail)
        return tail


def _sketches(state: Mapping[str, Ragged]) -> Sketches:
    return Sketches.from_state(state, rank_ratio(TAIL_ERROR))

"""Thresholds and p-values from a detector's own training scores, the same for every detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.sketches import Sketches
from tocsin.kernels import calibration as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

PREFIX = "score_"


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What the training scores of each asset looked like, and the score above which a row is an alert."""

    sketches: Sketches
    thresholds: NDArray[np.float64]
    at_grid: bool = False

    @classmethod
    def learn(cls, scores: NDArray[np.float64], offsets: NDArray[np.int64], share: float, ratio: float) -> Self:
        """Learn from training scores; `share` of them lie under the threshold."""
        sketches = Sketches.at_grid(np.diff(offsets), ratio, np.float64)
        thresholds = np.empty(len(offsets) - 1)
        kernels.calibrate(scores, offsets, share, sketches.ranks, sketches.cells, thresholds)
        return cls(sketches, thresholds, at_grid=True)

    def p_values(
        self, scores: NDArray[np.float64], offsets: NDArray[np.int64], *, learned: bool = False
    ) -> NDArray[np.float64]:
        """Return the share of training scores at least as high, shape (n_rows,); each row itself counts once.

        `learned` says that these are the training scores, where it is counted already.
        """
        p_values = np.empty(len(scores))
        kernels.survival(scores, offsets, learned, self.sketches.cells, p_values)
        return p_values

    def absorb(
        self,
        scores: NDArray[np.float64],
        offsets: NDArray[np.int64],
        weights: NDArray[np.float64],
        scales: NDArray[np.float64],
        share: float,
        ratio: float,
        slack: float,
    ) -> Calibration:
        """Learn from the scores of new rows."""
        keys = pa.array(np.arange(len(offsets) - 1))
        panel = Panel(np.ascontiguousarray(scores[None, :]), offsets, keys, ("score",))
        return self._with(self.sketches.absorb(panel, weights, scales, ratio, slack), share)

    def combine(self, other: Calibration, share: float, ratio: float, slack: float) -> Calibration:
        """Merge with what was learned from other rows of the same assets."""
        return self._with(self.sketches.combine(other.sketches, ratio, slack), share)

    def _with(self, sketches: Sketches, share: float) -> Calibration:
        thresholds = sketches.quantiles(share)
        return Calibration(sketches, np.where(np.isnan(thresholds), np.inf, thresholds))

    def to_state(self, *, whole: bool) -> dict[str, Ragged]:
        """Return the arrays that `from_state` reads; `whole` as in `Sketches.to_state`."""
        return self.sketches.to_state(len(self.thresholds), PREFIX, at_grid=self.at_grid, whole=whole)

    @classmethod
    def from_state(cls, state: Mapping[str, Ragged], thresholds: NDArray[np.float64], ratio: float) -> Self:
        """Undo `to_state`."""
        return cls(Sketches.from_state(state, ratio, PREFIX), thresholds)


def over(scores: NDArray[np.float64], offsets: NDArray[np.int64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which scores are above their asset's threshold, shape (n_rows,)."""
    alerts = np.empty(len(scores), np.bool_)
    kernels.exceed(scores, offsets, thresholds, alerts)
    return alerts

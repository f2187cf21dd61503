"""The usual range of each feature, kept beside models that do not say it themselves, for their explanations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.sketches import Sketches, rank_ratio
from tocsin.kernels import mad, ranges
from tocsin.kernels.ecod import count_present
from tocsin.models import Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

PREFIX = "range_"
LOW, HIGH = 0.05, 0.95
"""The shares between which a value is usual."""
RATIO = rank_ratio(0.1)
"""How far apart the ranks of kept values may be; a tail's probability errs by 10 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Sketches of the values of each feature of each asset.

    A model keeps some 130 values a feature of a thousand rows, 8 bytes each and half of that in single precision.

    Examples
    --------
    >>> panel = Panel.of_matrix(np.arange(101.0)[:, None])
    >>> low, high = Ranges.learn(panel).usual()
    >>> low.item(), high.item()
    (5.0, 95.0)
    """

    sketches: Sketches
    n_assets: int

    @classmethod
    def learn(cls, panel: Panel) -> Self:
        """Learn the ranges of a panel; costs 3 ns a value, or 5 to 8 where values crowd beside far outliers."""
        counts = np.empty((panel.n_assets, panel.n_features), np.int64)
        count_present(panel.values, panel.offsets, counts)
        sketches = Sketches.at_grid(counts.reshape(-1), RATIO, panel.values.dtype)
        ranges.learn(panel.values, panel.offsets, sketches.ranks, sketches.cells)
        return cls(sketches, panel.n_assets)

    def to_state(self, *, at_grid: bool = True, whole: bool = True) -> dict[str, Ragged]:
        """Return the arrays that `from_state` reads.

        `at_grid` holds of ranges as `learn` returns them, and of no others; `whole` says that all rows weighed 1.
        """
        return self.sketches.to_state(self.n_assets, PREFIX, at_grid=at_grid, whole=whole)

    @classmethod
    def from_state(cls, state: Mapping[str, Ragged]) -> Self:
        """Undo `to_state`."""
        return cls(Sketches.from_state(state, RATIO, PREFIX), len(state[f"{PREFIX}knots"].offsets) - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of the values that were learned."""
        dtype: np.dtype[Any] = self.sketches.cells.knots.dtype
        return dtype

    def absorb(self, panel: Panel, weights: Floats, scales: Floats, slack: float) -> Ranges:
        """Learn from new rows; the arguments are those of `Detector._absorb` and the detector's own slack."""
        return Ranges(self.sketches.absorb(panel.astype(self.dtype), weights, scales, RATIO, slack), self.n_assets)

    def combine(self, other: Ranges, slack: float) -> Ranges:
        """Merge with the ranges of other rows of the same assets."""
        return Ranges(self.sketches.combine(other.sketches, RATIO, slack), self.n_assets)

    def usual(self) -> tuple[Floats, Floats]:
        """Return the 5th and the 95th percentile of each feature, both of shape (n_assets, n_features)."""
        return self._at(LOW), self._at(HIGH)

    def medians(self) -> Floats:
        """Return the median of each feature, shape (n_assets, n_features); NaN of what was never seen."""
        return self._at(0.5)

    def evidence(
        self,
        panel: Panel,
        contributions: Contributions,
        limit: Floats | None = None,
        above: NDArray[np.bool_] | None = None,
    ) -> Evidence:
        """Return the evidence for contributions from the features' own distributions.

        Without `above` a value above its limit counts as high, and where there is none a value above the median.
        Without `limit` no feature is said to be able to mend its row.
        """
        panel, features = panel.astype(self.dtype), contributions.feature
        named, assets = np.maximum(features, 0), panel.asset_of_row[:, None]
        low, high = (np.where(features >= 0, end[assets, named], np.nan) for end in self.usual())
        if above is None:
            values = panel.values[named, np.arange(panel.n_rows)[:, None]]
            side = self.medians()[assets, named]
            side = side if limit is None else np.where(np.isnan(limit), side, limit)
            above = (features >= 0) & (values > side)
        tail = np.full(features.shape, np.nan)
        mad.tails(panel.values, panel.offsets, self.sketches.cells, features, above, tail)
        return Evidence(low, high, above, tail, np.full(features.shape, np.nan) if limit is None else limit)

    def _at(self, share: float) -> Floats:
        return self.sketches.quantiles(share).reshape(self.n_assets, -1)

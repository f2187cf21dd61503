"""Sketches of many cells (asset by feature) as one set of flat arrays, and their place in a model's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import sketch, update
from tocsin.models import Ragged
from tocsin.panel import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rank_ratio(tail_error: float) -> float:
    """Return how far apart two kept ranks may be so that the best guess between them errs by `tail_error`."""
    return (1.0 + tail_error) / (1.0 - tail_error)


@lru_cache(maxsize=4096)
def _grid(count: int, ratio: float) -> Ints:
    return sketch.grid(count, ratio)


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Sketches of cells; see `tocsin.kernels.sketch` for what they are.

    Parameters
    ----------
    totals : ndarray of shape (n_cells,), float64
        The weight each has seen.
    knots : ndarray, float32 or float64
        The knots of all cells, one cell after the other.
    starts : ndarray of shape (n_cells + 1,), int64
        Cell ``c`` has ``knots[starts[c]:starts[c + 1]]``.
    bounds : ndarray of shape (n_cells,), int64
        Where each cell's bounds begin in the pools.
    below, upto : ndarray, float64
        Pools of bounds. Cells that were learned in one go sit at ranks that follow from their row count alone, and
        share one entry.
    """

    totals: Floats
    knots: NDArray[Any]
    starts: Ints
    bounds: Ints
    below: Floats
    upto: Floats

    @classmethod
    def at_grid(cls, counts: Ints, ratio: float, dtype: Any) -> Self:
        """Lay out sketches of cells with `counts` rows of weight 1; their knots are still to be filled in."""
        distinct, which = np.unique(counts, return_inverse=True)
        grids = [_grid(int(count), ratio) for count in distinct]
        sizes = np.array([len(grid) for grid in grids], np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes[which])]).astype(np.int64)
        upto = np.concatenate([np.zeros(0), *grids])
        at = (np.cumsum(sizes) - sizes)[which]
        return cls(counts.astype(np.float64), np.empty(starts[-1], dtype), starts, at, upto - 1.0, upto)

    @property
    def ranks(self) -> Ints:
        """The pool of `upto` as ranks, for sketches at their grid."""
        return self.upto.astype(np.int64)

    @property
    def arrays(self) -> tuple[Floats, NDArray[Any], Ints, Ints, Floats, Floats]:
        """The arrays in the order in which kernels take them."""
        return self.totals, self.knots, self.starts, self.bounds, self.below, self.upto

    @property
    def tail_error(self) -> Floats:
        """The largest relative error that either tail probability can have, a cell, shape (n_cells,)."""
        errors = np.zeros(len(self.totals))
        for cell, total in enumerate(self.totals):
            size, at = self.starts[cell + 1] - self.starts[cell], self.bounds[cell]
            low = np.concatenate([[0.0], self.upto[at : at + size]]) + 1.0
            high = np.concatenate([self.below[at : at + size], [total]]) + 1.0
            left, right = (high - low) / (high + low), (high - low) / (2 * total + 4 - high - low)
            errors[cell] = max(left.max(), right.max())
        return errors

    def to_state(self, n_assets: int, prefix: str = "", *, at_grid: bool) -> dict[str, Ragged]:
        """Return the arrays as entries an asset; bounds that follow from the row counts are left out."""
        cells = len(self.totals) // n_assets if n_assets else 0
        edges = self.starts[::cells] if cells else np.zeros(n_assets + 1, np.int64)
        sizes = np.diff(self.starts).astype(np.int32)
        none = Ragged(np.zeros(0), np.zeros(n_assets + 1, np.int64))
        return {
            f"{prefix}totals": Ragged.of_rows(self.totals.reshape(n_assets, cells)),
            f"{prefix}sizes": Ragged.of_rows(sizes.reshape(n_assets, cells)),
            f"{prefix}knots": Ragged(self.knots, edges),
            f"{prefix}below": none if at_grid else Ragged(self.below, edges),
            f"{prefix}upto": none if at_grid else Ragged(self.upto, edges),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Ragged], ratio: float, prefix: str = "") -> Self:
        """Undo `to_state`, without copying knots that lie one after the other."""
        totals, _ = state[f"{prefix}totals"]
        sizes = state[f"{prefix}sizes"].values.astype(np.int64)
        knots, edges = state[f"{prefix}knots"]
        below, bound_edges = state[f"{prefix}below"]
        upto = state[f"{prefix}upto"].values
        starts = np.concatenate([[0], np.cumsum(sizes)])
        cells = len(totals) // max(len(edges) - 1, 1)
        fresh = np.repeat(np.diff(bound_edges) == 0, cells)
        if not fresh.any():
            return cls(totals, knots, starts, starts[:-1], below, upto)
        shared = cls.at_grid(np.where(fresh, totals, 0).astype(np.int64), ratio, knots.dtype)
        own = len(shared.upto) + np.cumsum(np.where(fresh, 0, sizes)) - np.where(fresh, 0, sizes)
        bounds = np.where(fresh, shared.bounds, own)
        return cls(
            totals, knots, starts, bounds, np.concatenate([shared.below, below]), np.concatenate([shared.upto, upto])
        )

    def absorb(self, panel: Panel, weights: Floats, scales: Floats, ratio: float, slack: float) -> Sketches:
        """Learn from the rows of a panel, after scaling what each asset has seen; cells are asset by feature."""
        rows = np.repeat(np.diff(panel.offsets), panel.n_features)
        places = np.concatenate([[0], np.cumsum(np.diff(self.starts) + rows)])
        knots = np.empty(places[-1], self.knots.dtype)
        below, upto = np.empty(places[-1]), np.empty(places[-1])
        sizes, totals = np.zeros(len(self.totals), np.int64), np.zeros(len(self.totals))
        update.absorb(
            panel.values,
            panel.offsets,
            weights,
            scales,
            ratio,
            slack,
            *self.arrays,
            places,
            totals,
            knots,
            below,
            upto,
            sizes,
        )
        return _packed(totals, places, sizes, knots, below, upto)

    def combine(self, other: Sketches, ratio: float, slack: float) -> Sketches:
        """Merge with sketches of other rows of the same cells."""
        places = self.starts + other.starts
        knots = np.empty(places[-1], self.knots.dtype)
        below, upto = np.empty(places[-1]), np.empty(places[-1])
        sizes = np.zeros(len(self.totals), np.int64)
        update.combine(ratio, slack, *self.arrays, *other.arrays, knots, below, upto, sizes)
        return _packed(self.totals + other.totals, places, sizes, knots, below, upto)

    def quantiles(self, share: float) -> Floats:
        """Return the value that `share` of each cell's weight lies under, shape (n_cells,)."""
        out = np.empty(len(self.totals))
        sketch.quantiles(*self.arrays, share, out)
        return out


def _packed(totals: Floats, places: Ints, sizes: Ints, knots: NDArray[Any], below: Floats, upto: Floats) -> Sketches:
    """Close the gaps that a merge leaves between cells."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    packed = [np.empty(starts[-1], loose.dtype) for loose in (knots, below, upto)]
    for loose, out in zip((knots, below, upto), packed, strict=True):
        update.squeeze(places, sizes, starts, loose, out)
    return Sketches(totals, packed[0], starts, starts[:-1], packed[1], packed[2])

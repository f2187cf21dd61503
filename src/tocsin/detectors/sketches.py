"""Sketches of many cells (asset by feature) as one set of flat arrays, and their place in a model's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import ParameterError
from tocsin.kernels import sketch, update
from tocsin.kernels.sketch import Cells
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


@dataclass(frozen=True, slots=True)
class Sketches:
    """Sketches of cells, and what can be done with them; see `tocsin.kernels.sketch` for what a sketch is.

    Cells that were learned in one go sit at ranks that follow from their row count alone, and share their bounds.
    """

    cells: Cells

    @classmethod
    def at_grid(cls, counts: Ints, ratio: float, dtype: Any) -> Self:
        """Lay out sketches of cells with `counts` rows of weight 1; their knots are still to be filled in."""
        distinct, which = np.unique(counts, return_inverse=True)
        grids = [_grid(int(count), ratio) for count in distinct]
        sizes = np.array([len(grid) for grid in grids], np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes[which])]).astype(np.int64)
        upto = np.concatenate([np.zeros(0), *grids])
        at = (np.cumsum(sizes) - sizes)[which]
        return cls(Cells(counts.astype(np.float64), np.empty(starts[-1], dtype), starts, at, upto - 1.0, upto))

    @property
    def ranks(self) -> Ints:
        """The pool of `upto` as ranks, for sketches at their grid."""
        return self.cells.upto.astype(np.int64)

    @property
    def tail_error(self) -> Floats:
        """The largest relative error that either tail probability can have, a cell, shape (n_cells,)."""
        totals, _, starts, bounds, below, upto = self.cells
        errors = np.zeros(len(totals))
        for cell, (total, at) in enumerate(zip(totals, bounds, strict=True)):
            end = at + starts[cell + 1] - starts[cell]
            low = np.concatenate([[0.0], upto[at:end]]) + 1.0
            high = np.concatenate([below[at:end], [total]]) + 1.0
            left, right = (high - low) / (high + low), (high - low) / (2 * total + 4 - high - low)
            errors[cell] = max(left.max(), right.max())
        return errors

    def to_state(self, n_assets: int, prefix: str = "", *, at_grid: bool, whole: bool) -> dict[str, Ragged]:
        """Return the arrays as entries an asset; bounds that follow from the row counts are left out.

        `whole` says that all rows weigh 1, so that bounds are whole numbers, in half the space.
        """
        totals, knots, starts, _, below, upto = self.cells
        width = len(totals) // n_assets if n_assets else 0
        edges = starts[::width] if width else np.zeros(n_assets + 1, np.int64)
        sizes = np.diff(starts).astype(np.int32)
        kind = np.uint32 if whole else np.float64
        none = Ragged(np.zeros(0, kind), np.zeros(n_assets + 1, np.int64))
        return {
            f"{prefix}totals": Ragged.of_rows(totals.reshape(n_assets, width)),
            f"{prefix}sizes": Ragged.of_rows(sizes.reshape(n_assets, width)),
            f"{prefix}knots": Ragged(knots, edges),
            f"{prefix}below": none if at_grid else Ragged(below.astype(kind), edges),
            f"{prefix}upto": none if at_grid else Ragged(upto.astype(kind), edges),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Ragged], ratio: float, prefix: str = "") -> Self:
        """Undo `to_state`, without copying knots that lie one after the other."""
        totals, _ = state[f"{prefix}totals"]
        sizes = state[f"{prefix}sizes"].values.astype(np.int64)
        knots, edges = state[f"{prefix}knots"]
        bound_edges = state[f"{prefix}below"].offsets
        below, upto = (state[f"{prefix}{name}"].values.astype(np.float64, copy=False) for name in ("below", "upto"))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        width = len(totals) // max(len(edges) - 1, 1)
        fresh = np.repeat(np.diff(bound_edges) == 0, width)
        if not fresh.any():
            return cls(Cells(totals, knots, starts, starts[:-1], below, upto))
        shared = cls.at_grid(np.where(fresh, totals, 0).astype(np.int64), ratio, knots.dtype).cells
        if (np.diff(shared.starts)[fresh] != sizes[fresh]).any():
            raise ParameterError("these models were learned with another tail_error or form; set it back, or fit anew")
        own = len(shared.upto) + np.cumsum(np.where(fresh, 0, sizes)) - np.where(fresh, 0, sizes)
        bounds = np.where(fresh, shared.bounds, own)
        pools = np.concatenate([shared.below, below]), np.concatenate([shared.upto, upto])
        return cls(Cells(totals, knots, starts, bounds, *pools))

    def absorb(self, panel: Panel, weights: Floats, scales: Floats, ratio: float, slack: float) -> Sketches:
        """Learn from the rows of a panel, after scaling what each asset has seen; cells are asset by feature."""
        loose = self._room(np.repeat(np.diff(panel.offsets), panel.n_features))
        sizes = np.empty(len(loose.totals), np.int64)
        update.absorb(panel.values, panel.offsets, weights, scales, ratio, slack, self.cells, loose, sizes)
        return _packed(loose, sizes)

    def combine(self, other: Sketches, ratio: float, slack: float) -> Sketches:
        """Merge with sketches of other rows of the same cells."""
        loose = self._room(np.diff(other.cells.starts))
        sizes = np.empty(len(loose.totals), np.int64)
        update.combine(ratio, slack, self.cells, other.cells, loose, sizes)
        return _packed(loose, sizes)

    def quantiles(self, share: float) -> Floats:
        """Return the value that `share` of each cell's weight lies under, shape (n_cells,)."""
        out = np.empty(len(self.cells.totals))
        sketch.quantiles(self.cells, share, out)
        return out

    def _room(self, more: Ints) -> Cells:
        """Return empty cells with room for what each has and `more` knots."""
        return _empty(np.diff(self.cells.starts) + more, np.empty(len(more)), self.cells.knots.dtype)


def _empty(sizes: Ints, totals: Floats, dtype: Any) -> Cells:
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Cells(totals, np.empty(starts[-1], dtype), starts, starts[:-1], np.empty(starts[-1]), np.empty(starts[-1]))


def _packed(loose: Cells, sizes: Ints) -> Sketches:
    """Close the gaps that a merge leaves between cells."""
    packed = _empty(sizes, loose.totals, loose.knots.dtype)
    update.squeeze(loose, sizes, packed)
    return Sketches(packed)

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
from tocsin.models import Ragged, place_of
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
        distinct, which = _distinct(counts)
        grids = [_grid(int(count), ratio) for count in distinct]
        sizes = np.array([len(grid) for grid in grids], np.int64)
        own = sizes[which]
        upto, at = np.concatenate([np.zeros(0), *grids]), (np.cumsum(sizes) - sizes)[which]
        return cls(cells_of(counts.astype(np.float64), np.empty(own.sum(), dtype), own, at, upto - 1.0, upto))

    @property
    def ranks(self) -> Ints:
        """The pool of `upto` as ranks, for sketches at their grid."""
        return self.cells.upto.astype(np.int64)

    @property
    def tail_error(self) -> Floats:
        """The largest relative error that either tail probability can have, a cell, shape (n_cells,)."""
        errors = np.zeros(len(self.cells.totals))
        for cell, total in enumerate(self.cells.totals):
            _, below, upto = sketch.cell_of(self.cells, cell)
            low = np.concatenate([[0.0], upto]) + 1.0
            high = np.concatenate([below, [total]]) + 1.0
            left, right = (high - low) / (high + low), (high - low) / (2 * total + 4 - high - low)
            errors[cell] = max(left.max(), right.max())
        return errors

    def to_state(self, n_assets: int, prefix: str = "", *, at_grid: bool, whole: bool) -> dict[str, Ragged]:
        """Return the arrays as entries an asset; bounds that follow from the row counts are left out.

        `whole` says that all rows weigh 1, so that bounds are whole numbers, in half the space.
        """
        totals, knots, sizes, below, upto = (getattr(self.cells, name) for name in _STORED)
        width = len(totals) // n_assets if n_assets else 0
        edges = np.zeros(n_assets + 1, np.int64)
        np.cumsum(sizes.reshape(n_assets, width).sum(axis=1), out=edges[1:])
        sizes = sizes.astype(np.int32)
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
        """Undo `to_state`, without copying what is large.

        The knots and bounds of entries are read where they are, be it one after the other or anywhere; see `Shelf`.
        """
        totals, sizes = (state[f"{prefix}{name}"].values for name in ("totals", "sizes"))
        knots, below, upto = (place_of(state, f"{prefix}{name}") for name in ("knots", "below", "upto"))
        n_assets = len(knots.starts)
        sizes = sizes.astype(np.int64).reshape(n_assets, len(totals) // max(n_assets, 1))
        starts, bounds = np.empty(len(totals), np.int64), np.empty(len(totals), np.int64)
        sketch.lay_out(sizes, knots.starts, below.starts, starts, bounds)
        shared = np.zeros(0, below.values.dtype), np.zeros(0, below.values.dtype)
        if (fresh := below.sizes == 0).any():
            shared = _on_grids(totals.reshape(sizes.shape), sizes, fresh, bounds.reshape(sizes.shape), ratio, shared[0])
        return cls(Cells(totals, knots.values, starts, sizes.reshape(-1), bounds, below.values, upto.values, *shared))

    def absorb(self, panel: Panel, weights: Floats, scales: Floats, ratio: float, slack: float) -> Sketches:
        """Learn from the rows of a panel, after scaling what each asset has seen; cells are asset by feature."""
        loose = self._room(np.repeat(np.diff(panel.offsets), panel.n_features))
        sizes = np.empty(len(loose.totals), np.int64)
        update.absorb(panel.values, panel.offsets, weights, scales, ratio, slack, self.cells, loose, sizes)
        return _packed(loose, sizes)

    def combine(self, other: Sketches, ratio: float, slack: float) -> Sketches:
        """Merge with sketches of other rows of the same cells."""
        loose = self._room(other.cells.sizes)
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
        return _empty(self.cells.sizes + more, np.empty(len(more)), self.cells.knots.dtype)


_STORED = ("totals", "knots", "sizes", "below", "upto")


def cells_of(totals: Floats, knots: NDArray[Any], sizes: Ints, bounds: Ints, below: Floats, upto: Floats) -> Cells:
    """Return cells whose knots lie one after the other."""
    return Cells(totals, knots, np.cumsum(sizes) - sizes, sizes, bounds, below, upto, np.zeros(0), np.zeros(0))


def _empty(sizes: Ints, totals: Floats, dtype: Any) -> Cells:
    room, starts = int(sizes.sum()), np.cumsum(sizes) - sizes
    return cells_of(totals, np.empty(room, dtype), sizes, starts, np.empty(room), np.empty(room))


def _packed(loose: Cells, sizes: Ints) -> Sketches:
    """Close the gaps that a merge leaves between cells."""
    packed = _empty(sizes, loose.totals, loose.knots.dtype)
    update.squeeze(loose, packed)
    return Sketches(packed)


def _on_grids(
    totals: NDArray[np.float64], sizes: Ints, fresh: NDArray[np.bool_], bounds: Ints, ratio: float, kind: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Let the cells of assets that are `fresh`, at their grid, share bounds; return these, of the type of `kind`."""
    counts = totals[fresh].astype(np.int64)
    distinct, which = _distinct(counts)
    grids = [_grid(int(count), ratio) for count in distinct]
    lengths = np.array([len(grid) for grid in grids], np.int64)
    if (lengths[which] != sizes[fresh].reshape(-1)).any():
        raise ParameterError("these models were learned with another tail_error or form; set it back, or fit anew")
    bounds[fresh] = (-1 - (np.cumsum(lengths) - lengths)[which]).reshape(counts.shape)
    upto = np.concatenate([np.zeros(0, np.int64), *grids])
    return (upto - 1).astype(kind.dtype), upto.astype(kind.dtype)


def _distinct(counts: Ints) -> tuple[Ints, Ints]:
    """Return the distinct numbers, and which of them each one is, in one dimension."""
    flat = counts.reshape(-1)
    if len(flat) and (flat == flat[0]).all():  # as a rule, and there is no need to sort
        return flat[:1], np.zeros(len(flat), np.int64)
    distinct, which = np.unique(flat, return_inverse=True)
    return distinct, which

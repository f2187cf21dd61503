"""Let sketches learn: from new rows, or from sketches of other rows, without the rows they were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.sketch import Cells, cell_of, longest, merge, thin, widest


@kernel
def _keep(
    size: int,
    total: float,
    ratio: float,
    slack: float,
    keep: NDArray[np.int64],
    knots: NDArray[Any],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
) -> int:
    """Thin the first `size` knots in place."""
    kept = thin(below[:size], upto[:size], total, ratio, slack, keep)
    for i in range(kept):
        knots[i], below[i], upto[i] = knots[keep[i]], below[keep[i]], upto[keep[i]]
    return kept


@kernel
def absorb(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    scales: NDArray[np.float64],
    ratio: float,
    slack: float,
    cells: Cells,
    loose: Cells,
    sizes: NDArray[np.int64],
) -> None:
    """Merge rows into sketches whose weights are first scaled by one factor an asset.

    Cell ``c`` of `loose` has room for its old knots and its asset's rows together; how much of it is used goes into
    `sizes`. Cost: a sort of the new values and one pass over the knots.
    """
    n_features = values.shape[0]
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, values.dtype)
    row_below, row_upto = np.empty(most), np.empty(most)
    keep = np.empty(widest(loose), np.int64)
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        for feature in range(n_features):
            cell = asset * n_features + feature
            count = argsort(values[feature, first:last], work, rows, ordered)
            weight = 0.0
            for i in range(count):
                row_below[i] = weight
                weight += weights[first + rows[i]]
                row_upto[i] = weight
            knots, below, upto = cell_of(cells, cell)
            new_knots, new_below, new_upto = cell_of(loose, cell)
            merge(
                knots,
                below,
                upto,
                cells.totals[cell],
                scales[asset],
                ordered[:count],
                row_below[:count],
                row_upto[:count],
                weight,
                new_knots,
                new_below,
                new_upto,
            )
            total = cells.totals[cell] * scales[asset] + weight
            loose.totals[cell] = total
            sizes[cell] = _keep(len(knots) + count, total, ratio, slack, keep, new_knots, new_below, new_upto)


@kernel
def combine(ratio: float, slack: float, cells: Cells, other: Cells, loose: Cells, sizes: NDArray[np.int64]) -> None:
    """Merge two sets of sketches, cell by cell, into `loose`, which has room for both; see `absorb`."""
    keep = np.empty(widest(loose), np.int64)
    for cell in range(len(cells.totals)):
        knots, below, upto = cell_of(cells, cell)
        other_knots, other_below, other_upto = cell_of(other, cell)
        new_knots, new_below, new_upto = cell_of(loose, cell)
        total = cells.totals[cell] + other.totals[cell]
        merge(
            knots,
            below,
            upto,
            cells.totals[cell],
            1.0,
            other_knots,
            other_below,
            other_upto,
            other.totals[cell],
            new_knots,
            new_below,
            new_upto,
        )
        loose.totals[cell] = total
        sizes[cell] = _keep(len(knots) + len(other_knots), total, ratio, slack, keep, new_knots, new_below, new_upto)


@kernel
def squeeze(loose: Cells, packed: Cells) -> None:
    """Copy the part of each loose cell that `packed` has room for."""
    for cell in range(len(packed.sizes)):
        source, target, size = loose.starts[cell], packed.starts[cell], packed.sizes[cell]
        packed.knots[target : target + size] = loose.knots[source : source + size]
        packed.below[target : target + size] = loose.below[source : source + size]
        packed.upto[target : target + size] = loose.upto[source : source + size]

"""Two-sided rank sketches: the few values of a sample that pin down both of its tails.

A sketch is an ascending list of knots taken from the sample. Of each knot it knows that at least `upto` weight of the
sample lies at or under it, and that at most `below` weight lies before it. So the weight at or under any `x` is
between the `upto` of the last knot at or under `x` and the `below` of the next one. Knots are dropped only while

    below[next] + slack <= ratio * (upto[last] + slack)         seen from the left end, and
    total - upto[last] + slack <= ratio * (total - below[next] + slack)   seen from the right,

so counts from either end are known to a factor of `ratio`, and exactly near the ends. Both inequalities survive
merging and scaling: the error bound holds after any sequence of updates. The bookkeeping is that of Greenwald and
Khanna (SIGMOD 2001, doi:10.1145/375663.375670) with the relative error of Cormode et al. (PODS 2006,
doi:10.1145/1142351.1142389) asked of both ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.prefetch import LINE, prefetch

COMPLETE = 256
"""Up to this many values a sketch keeps them all."""


class Cells(NamedTuple):
    """Sketches of many cells (asset by feature) as flat arrays, wherever in these each cell's part lies.

    Cell ``c`` has seen the weight ``totals[c]`` and keeps ``sizes[c]`` knots from ``starts[c]`` on in `knots`. The
    bounds of its knots begin at ``bounds[c]`` in `below` and `upto`. Where that is negative, its knots sit at the same
    ranks as those of other cells, and they share bounds at ``-1 - bounds[c]`` in `grid_below` and `grid_upto`.
    """

    totals: NDArray[np.float64]
    knots: NDArray[Any]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    bounds: NDArray[np.int64]
    below: NDArray[Any]
    upto: NDArray[Any]
    grid_below: NDArray[Any]
    grid_upto: NDArray[Any]


@kernel
def knots_of(cells: Cells, cell: int) -> NDArray[Any]:
    """Return the knots of one cell."""
    return cells.knots[cells.starts[cell] : cells.starts[cell] + cells.sizes[cell]]


@kernel
def cell_of(cells: Cells, cell: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the knots of one cell and their bounds, `below` and `upto`."""
    at, size = cells.bounds[cell], cells.sizes[cell]
    if at < 0:
        at = -1 - at
        return knots_of(cells, cell), cells.grid_below[at : at + size], cells.grid_upto[at : at + size]
    return knots_of(cells, cell), cells.below[at : at + size], cells.upto[at : at + size]


@kernel
def fetch_ahead(cells: Cells, first: int, last: int) -> None:
    """Let the knots and own bounds of some cells come into the cache while other work goes on; costs 0.5 ns a knot."""
    for cell in range(first, last):
        start, at, size = cells.starts[cell], cells.bounds[cell], cells.sizes[cell]
        for i in range(start, start + size, LINE // cells.knots.itemsize):
            prefetch(cells.knots, i)
        if at >= 0:
            for i in range(at, at + size, LINE // cells.upto.itemsize):
                prefetch(cells.below, i)
                prefetch(cells.upto, i)


@kernel
def widest(cells: Cells) -> int:
    """Return the most knots that any cell has."""
    most = 0
    for cell in range(len(cells.totals)):
        most = max(most, cells.sizes[cell])
    return most


@kernel
def lay_out(
    sizes: NDArray[np.int64],
    knot_starts: NDArray[np.int64],
    bound_starts: NDArray[np.int64],
    starts: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> None:
    """Write where each cell's knots and bounds begin, from where those of its asset do; `sizes` is (assets, width)."""
    width = sizes.shape[1]
    for asset in range(len(sizes)):
        knot, bound = knot_starts[asset], bound_starts[asset]
        for i in range(width):
            starts[asset * width + i], bounds[asset * width + i] = knot, bound
            knot += sizes[asset, i]
            bound += sizes[asset, i]


@kernel
def longest(offsets: NDArray[np.int64]) -> int:
    """Return the most rows that any asset has."""
    most = 0
    for asset in range(len(offsets) - 1):
        most = max(most, offsets[asset + 1] - offsets[asset])
    return most


@kernel
def thin(
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    total: float,
    ratio: float,
    slack: float,
    keep: NDArray[np.int64],
) -> int:
    """Choose the fewest knots, from left to right, that keep the bounds; return how many, their places in `keep`.

    A sample without gaps of at most `COMPLETE` values is kept whole.
    """
    size = len(below)
    gaps = False
    at = 0.0
    for i in range(size):
        gaps |= below[i] > at
        at = upto[i]
    if not gaps and size <= COMPLETE:
        for i in range(size):
            keep[i] = i
        return size
    kept = 0
    at = 0.0
    for i in range(size):
        after = below[i + 1] if i + 1 < size else total
        left = after + slack <= ratio * (at + slack)
        right = total - at + slack <= ratio * (total - after + slack)
        needed = not (left and right)  # a choice of numbers, not of ways to go on, which none could foresee
        keep[kept] = i
        kept += np.int64(needed)
        at = upto[i] if needed else at
    return kept


@kernel
def grid(count: int, ratio: float) -> NDArray[np.int64]:
    """Return the ranks, from 1, that `thin` would choose from `count` rows of weight 1, without looking at each."""
    if count <= COMPLETE:
        return np.arange(1, count + 1)
    ranks = [0]
    at = 0
    while at < count:
        rank = min(int(ratio * at) + 1, int(count + 1 - (count - at) / ratio))
        while rank > at + 1 and not (rank - 1.0 <= ratio * at and count - at <= ratio * (count - rank + 1.0)):
            rank -= 1
        at = max(rank, at + 1)
        ranks.append(at)
    return np.array(ranks[1:])


@kernel
def middle(low: float, high: float) -> float:
    """Return the estimate of a count plus one, known to lie between two bounds, whose relative error is least."""
    low += 1.0
    high += 1.0
    between = 2.0 * low * high / (low + high)
    return low if low == high else between


@kernel
def merge(
    knots_a: NDArray[Any],
    below_a: NDArray[np.float64],
    upto_a: NDArray[np.float64],
    total_a: float,
    scale_a: float,
    knots_b: NDArray[Any],
    below_b: NDArray[np.float64],
    upto_b: NDArray[np.float64],
    total_b: float,
    knots: NDArray[Any],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
) -> None:
    """Merge two sketches, the weights of the first scaled, into arrays as long as both together."""
    size_a, size_b = len(knots_a), len(knots_b)
    i, j = 0, 0
    before_a, before_b = 0.0, 0.0
    while i < size_a and j < size_b:
        first = knots_a[i] <= knots_b[j]  # a choice of numbers, not of ways to go on, which none could foresee
        own_a, own_b = upto_a[i] * scale_a, upto_b[j]
        below[i + j] = below_a[i] * scale_a + below_b[j]
        knots[i + j] = knots_a[i] if first else knots_b[j]
        upto[i + j] = own_a + before_b if first else before_a + own_b
        before_a, before_b = own_a if first else before_a, before_b if first else own_b
        step = np.int64(first)
        i, j = i + step, j + 1 - step
    for k in range(i, size_a):
        knots[k + j], below[k + j] = knots_a[k], below_a[k] * scale_a + total_b
        upto[k + j] = upto_a[k] * scale_a + before_b
    for k in range(j, size_b):
        knots[i + k], below[i + k], upto[i + k] = knots_b[k], total_a * scale_a + below_b[k], before_a + upto_b[k]


@kernel
def quantile(
    knots: NDArray[Any], below: NDArray[np.float64], upto: NDArray[np.float64], total: float, share: float
) -> float:
    """Return the value under which `share` of the weight lies, NaN without weight.

    Where every value is kept this is NumPy's linear interpolation; elsewhere it interpolates between knots.
    """
    size = len(knots)
    if size == 0:
        return np.nan
    target = share * max(total - 1.0, 0.0)
    last_rank = 0.0
    for i in range(size):
        rank = 0.5 * (below[i] + upto[i] - 1.0)
        if rank >= target:
            if i == 0 or rank == last_rank:
                return float(knots[i])
            part = (target - last_rank) / (rank - last_rank)
            return float(knots[i - 1]) + part * (float(knots[i]) - float(knots[i - 1]))
        last_rank = rank
    return float(knots[size - 1])


@kernel
def quantiles(cells: Cells, share: float, out: NDArray[np.float64]) -> None:
    """Write the `quantile` of each cell."""
    for cell in range(len(cells.totals)):
        knots, below, upto = cell_of(cells, cell)
        out[cell] = quantile(knots, below, upto, cells.totals[cell], share)

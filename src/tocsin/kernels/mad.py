"""Median and median absolute deviation: from all values of a column, and from the sketch that is kept of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.sketch import Cells, cell_of, longest, quantile, widest
from tocsin.kernels.tails import tail_cost

NORMAL_MEDIAN = 1.482602218505602
"""The standard deviation of a normal distribution, in units of its median absolute deviation."""
NORMAL_MEAN = 1.2533141373155003
"""The same in units of its mean absolute deviation: sqrt(pi / 2)."""


@kernel
def _first_from(ordered: NDArray[Any], count: int, x: float) -> int:
    """Return how many of the first `count` ascending values are under `x`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def robust(ordered: NDArray[Any], count: int) -> tuple[float, float]:
    """Return median and scale of the first `count` ascending values; NaN without any.

    The scale is 1.4826 median absolute deviations. Where more than half of the values are equal that would be 0, and
    it is 1.2533 mean absolute deviations, which is 0 only of a constant (Iglewicz and Hoaglin 1993, section 3.4).
    """
    if count == 0:
        return np.nan, np.nan
    center = 0.5 * (np.float64(ordered[(count - 1) // 2]) + np.float64(ordered[count // 2]))
    over = _first_from(ordered, count, center)
    under = over - 1
    before, now = 0.0, 0.0
    for _ in range(count // 2 + 1):
        before = now
        if under < 0 or (over < count and ordered[over] - center < center - ordered[under]):
            now = ordered[over] - center
            over += 1
        else:
            now = center - ordered[under]
            under -= 1
    middle = now if count % 2 else 0.5 * (before + now)
    if middle > 0.0:
        return center, NORMAL_MEDIAN * middle
    total = 0.0
    for i in range(count):
        total += abs(ordered[i] - center)
    return center, NORMAL_MEAN * total / count


@kernel
def fit(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    ranks: NDArray[np.int64],
    cells: Cells,
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
) -> None:
    """Fill the knots of `cells` with the values at the given ranks, and the centre and scale of each cell, exactly.

    Cost: one sort of each cell, 5 to 8 ns a value.
    """
    n_features = values.shape[0]
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, values.dtype)
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            count = argsort(values[feature, offsets[asset] : offsets[asset + 1]], work, rows, ordered)
            knots, _, _ = cell_of(cells, cell)
            for i in range(len(knots)):
                knots[i] = ordered[ranks[cells.bounds[cell] + i] - 1]
            centers[cell], scales[cell] = robust(ordered, count)


@kernel
def locate(
    values: NDArray[Any], offsets: NDArray[np.int64], centers: NDArray[np.float64], scales: NDArray[np.float64]
) -> None:
    """Write the centre and scale of each cell as `robust` has them, both of shape (n_assets, n_features)."""
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, values.dtype)
    for asset in range(len(offsets) - 1):
        for feature in range(values.shape[0]):
            count = argsort(values[feature, offsets[asset] : offsets[asset + 1]], work, rows, ordered)
            centers[asset, feature], scales[asset, feature] = robust(ordered, count)


@kernel
def _masses(below: NDArray[np.float64], upto: NDArray[np.float64], total: float, masses: NDArray[np.float64]) -> None:
    """Share a sketch's weight out among its knots: each has what lies nearer to its rank than to its neighbours'."""
    size = len(below)
    at = 0.0
    for i in range(size):
        rank = 0.5 * (below[i] + upto[i])
        after = 0.5 * (below[i + 1] + upto[i + 1]) if i + 1 < size else 2.0 * total - rank
        until = min(max(0.5 * (rank + after), at), total)
        masses[i] = until - at
        at = until


@kernel
def _robust_of_sketch(
    knots: NDArray[Any],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    total: float,
    masses: NDArray[np.float64],
) -> tuple[float, float]:
    """Return what `robust` would of the values behind a sketch, exactly where each value is a knot."""
    size = len(knots)
    if size == 0 or total <= 0.0:
        return np.nan, np.nan
    center = quantile(knots, below, upto, total, 0.5)
    _masses(below, upto, total, masses)
    target = 0.5 * max(total - 1.0, 0.0)
    over = _first_from(knots, size, center)
    under = over - 1
    at, rank, last_rank, now, before, middle = 0.0, 0.0, 0.0, 0.0, 0.0, -1.0
    mean = 0.0
    for step in range(size):
        last_rank, before = rank, now
        if under < 0 or (over < size and knots[over] - center < center - knots[under]):
            now, mass = knots[over] - center, masses[over]
            over += 1
        else:
            now, mass = center - knots[under], masses[under]
            under -= 1
        rank = at + 0.5 * (mass - 1.0)
        at += mass
        mean += mass * now
        if middle < 0.0 and rank >= target:
            part = (target - last_rank) / (rank - last_rank) if step > 0 and rank > last_rank else 1.0
            middle = before + part * (now - before)
    if middle > 0.0:
        return center, NORMAL_MEDIAN * middle
    return center, NORMAL_MEAN * mean / total


@kernel
def of_sketches(cells: Cells, centers: NDArray[np.float64], scales: NDArray[np.float64]) -> None:
    """Write centre and scale of each cell from its sketch."""
    masses = np.empty(widest(cells))
    for cell in range(len(cells.totals)):
        knots, below, upto = cell_of(cells, cell)
        centers[cell], scales[cell] = _robust_of_sketch(knots, below, upto, cells.totals[cell], masses)


@kernel
def tails(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    cells: Cells,
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    tail: NDArray[np.float64],
) -> None:
    """Write the probability of a value at least as far out on its side, the reading itself counted as one more."""
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset], offsets[asset + 1]):
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                cell = asset * n_features + feature
                knots, below, upto = cell_of(cells, cell)
                x, right = values[feature, row], above[row, place]
                under = _first_from(knots, len(knots), x)
                while not right and under < len(knots) and knots[under] == x:
                    under += 1
                tail[row, place] = np.exp(-tail_cost(below, upto, cells.totals[cell], under, right, False))

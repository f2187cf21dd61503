"""Smooth as rows come in: weighted means of the last values, and the exponentially weighted one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

TILE = 1024


@kernel
def _add(x: NDArray[np.float64], weight: float, out: NDArray[np.float64]) -> None:
    for i in range(len(out)):
        out[i] += x[i] * weight


@kernel
def _add_four(
    a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]
) -> None:
    first, second, third, fourth = weights[0], weights[1], weights[2], weights[3]
    for i in range(len(out)):
        out[i] += ((a[i] * first + b[i] * second) + c[i] * third) + d[i] * fourth


@kernel
def _sum(x: NDArray[np.float64], weights: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the weighted sum of each window, four of its values at a time."""
    n, size = len(out), len(weights)
    out[:] = 0.0
    whole = size // 4 * 4
    for at in range(0, whole, 4):
        _add_four(
            x[at : at + n], x[at + 1 : at + 1 + n], x[at + 2 : at + 2 + n], x[at + 3 : at + 3 + n],
            weights[at : at + 4], out,
        )  # fmt: skip
    for at in range(whole, size):
        _add(x[at : at + n], weights[at], out)


@kernel
def _mend(x: NDArray[np.float64], weights: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write anew what belongs to windows with missing values: the mean of the others, weighted."""
    size, latest = len(weights), -1
    for i in range(size - 1):
        latest = i if x[i] != x[i] else latest
    for i in range(len(out)):
        latest = i + size - 1 if x[i + size - 1] != x[i + size - 1] else latest
        if latest >= i:
            total, weight = 0.0, 0.0
            for k in range(size):
                if x[i + k] == x[i + k]:
                    total += x[i + k] * weights[k]
                    weight += weights[k]
            out[i] = total / weight if weight > 0.0 else np.nan


@kernel
def smooth(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    weights: NDArray[np.float64],
    mending: bool,
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write the weighted sum of the last ``len(weights)`` values, the oldest first, at each row that has so many.

    With missing values in a window it is the weighted mean of the others if `mending`, else missing. An asset has
    ``len(weights) - 1`` fewer rows in `out`, or none. Cost in cache: a tenth of a nanosecond a value and weight.
    """
    size = len(weights)
    tile = max(TILE, size)
    x, sums = np.empty(tile + size), np.empty(tile)
    for asset in range(len(offsets) - 1):
        first, rows = offsets[asset], offsets[asset + 1] - offsets[asset] - (size - 1)
        for column in range(len(chosen)):
            for at in range(0, rows, tile):
                n, begin = min(tile, rows - at), out_offsets[asset] + at
                part, missing = values[chosen[column], first + at : first + at + n + size - 1], np.int64(0)
                for i in range(len(part)):
                    x[i] = part[i]
                    missing += np.int64(part[i] != part[i])
                _sum(x, weights, sums[:n])
                if mending and missing > 0:
                    _mend(x, weights, sums[:n])
                target = out[targets[column], begin : begin + n]
                for i in range(n):
                    target[i] = sums[i]


@kernel
def ewma(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    alpha: float,
    levels: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    """Write the level of each feature after each row, which moves by `alpha` of the way to each value.

    `levels`, shape (n_assets, n_chosen), are those before the first row, NaN where there is none, and become those
    after the last. A missing value moves nothing. Cost: 3 ns a value; each level waits for the one before.
    """
    for asset in range(len(offsets) - 1):
        for column in range(len(chosen)):
            source, target, level = values[chosen[column]], out[targets[column]], levels[asset, column]
            for row in range(offsets[asset], offsets[asset + 1]):
                value = np.float64(source[row])
                moved = level + alpha * (value - level) if level == level else value
                level = moved if value == value else level
                target[row] = level
            levels[asset, column] = level

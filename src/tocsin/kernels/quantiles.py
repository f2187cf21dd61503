"""Quantiles of the last rows before and with each row: a window that is kept in order, one value out and one in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]


@kernel
def _place(ordered: Floats, count: int, value: float) -> int:
    """Return how many of the first `count` ascending values are under `value`."""
    low, left = 0, count
    while left > 0:
        half = left // 2
        under = ordered[low + half] < value
        low = low + half + 1 if under else low
        left = left - half - 1 if under else half
    return low


@kernel
def _exchange(ordered: Floats, count: int, old: float, new: float) -> int:
    """Take a value out of ascending ones and put one in, either of which may be missing; return how many there are."""
    if old == old:
        at = _place(ordered, count, old)
    elif new == new:
        at = count
        count += 1
    else:
        return count
    if new != new:
        count -= 1
        for i in range(at, count):
            ordered[i] = ordered[i + 1]
        return count
    while at + 1 < count and old == old and ordered[at + 1] < new:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > new:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = new
    return count


@kernel
def quantiles(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    size: int,
    shares: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write quantiles of the last `size` values at each row that has so many; lines join neighbouring ranks.

    The arguments are those of `tocsin.kernels.windows.statistics`, with `targets` of shape (n_chosen, n_shares). The
    window is kept in order: each row takes one value out and puts one in. Cost: some 40 ns a value over 10 rows, 100
    over 144, growing with the size.
    """
    ordered = np.empty(size + 1)
    for asset in range(len(offsets) - 1):
        for column in range(len(chosen)):
            x = values[chosen[column], offsets[asset] : offsets[asset + 1]]
            count = 0
            for row in range(len(x)):
                old = np.float64(x[row - size]) if row >= size else np.nan
                count = _exchange(ordered, count, old, np.float64(x[row]) + 0.0)  # -0.0 becomes 0.0
                if row < size - 1:
                    continue
                to = out_offsets[asset] + row - (size - 1)
                for which in range(len(shares)):
                    rank = shares[which] * (count - 1)
                    under = int(max(rank, 0.0))
                    result = np.nan
                    if count > 0:
                        low, high = ordered[under], ordered[min(under + 1, count - 1)]
                        result = low + (high - low) * (rank - under)
                    out[targets[column, which], to] = result

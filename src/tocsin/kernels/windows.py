"""Statistics of the last rows before and with each row: mean, min, max, range, std, slope and quantiles.

A window is put together from halves of halves: of the values come sums of two, of those sums of four, and what a size
is in binary says which of them make it up. So a window costs a few passes over a block in cache whatever its size, all
rows of a block side by side in the vector registers. Nothing slides, so that each result comes from its own window
alone, by the same operations wherever the window lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

MEAN, MIN, MAX, RANGE, STD, SLOPE = range(6)
"""The columns of `targets` in `statistics`."""
TILE = 512
"""The fewest rows that are worked on at a time; what is kept of them fits in the first cache."""

Floats = NDArray[np.float64]


@kernel
def _lower(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(out)):
        left = a[i] if a[i] < b[i] else b[i]
        right = c[i] if c[i] < d[i] else d[i]
        out[i] = left if left < right else right


@kernel
def _higher(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(out)):
        left = a[i] if a[i] > b[i] else b[i]
        right = c[i] if c[i] > d[i] else d[i]
        out[i] = left if left > right else right


@kernel
def _extreme(x: NDArray[Any], size: int, highest: bool, work: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the lowest or highest value of each window; those of four pieces may overlap, which does no harm."""
    rows, width = len(out), 1
    source, target, spare = x, work[0], work[1]
    while 4 * width <= size:
        n = rows + size - 4 * width
        first, second = source[:n], source[width : width + n]
        third, fourth = source[2 * width : 2 * width + n], source[3 * width : 3 * width + n]
        if highest:
            _higher(first, second, third, fourth, target[:n])
        else:
            _lower(first, second, third, fourth, target[:n])
        source, target, spare = target, spare, target
        width *= 4
    last = size - width
    one, two = min(width, last), min(2 * width, last)
    if highest:
        _higher(source[:rows], source[one : one + rows], source[two : two + rows], source[last : last + rows], out)
    else:
        _lower(source[:rows], source[one : one + rows], source[two : two + rows], source[last : last + rows], out)


@kernel
def _twice(a: Floats, b: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = a[i] + b[i]


@kernel
def _fourfold(a: Floats, b: Floats, c: Floats, d: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = (a[i] + b[i]) + (c[i] + d[i])


@kernel
def _begin(sums: Floats, scale: float, out: NDArray[Any]) -> None:
    for i in range(len(out)):
        out[i] = sums[i] * scale


@kernel
def _go_on(means: Floats, sums: Floats, scale: float, share: float, out: NDArray[Any]) -> None:
    for i in range(len(out)):
        out[i] = means[i] + (sums[i] * scale - means[i]) * share


@kernel
def _mean(x: Floats, size: int, work: Floats, means: Floats, out: NDArray[Any]) -> None:
    """Write the mean of each window; means of pieces are merged, so that a constant is its own mean to the last bit."""
    rows, width, done = len(out), 1, 0
    source, target, spare = x, work[0], work[1]
    own = means[:rows]
    while True:
        if size & width:
            piece, scale, share = source[done : done + rows], 1.0 / width, width / (done + width)
            final = 2 * width > size
            if done == 0 and final:
                _begin(piece, scale, out)
            elif done == 0:
                _begin(piece, scale, own)
            elif final:
                _go_on(own, piece, scale, share, out)
            else:
                _go_on(own, piece, scale, share, own)
            done += width
        if 2 * width > size:
            return
        if size & (2 * width) or 4 * width > size:
            n = rows + size - 2 * width
            _twice(source[:n], source[width : width + n], target[:n])
            width *= 2
        else:
            n = rows + size - 4 * width
            _fourfold(
                source[:n], source[width : width + n], source[2 * width : 2 * width + n],
                source[3 * width : 3 * width + n], target[:n],
            )  # fmt: skip
            width *= 4
        source, target, spare = target, spare, target


@kernel
def _join(a: Floats, b: Floats, of_a: Floats, of_b: Floats, square: float, product: float, out: Floats) -> None:
    """Write the squares or products of two pieces together, whose sums are `a` and `b`; one of the factors is 0.

    A loop with more arrays than this would not be told that they are apart, and go one by one.
    """
    for i in range(len(out)):
        delta = b[i] - a[i]
        out[i] = of_a[i] + of_b[i] + (delta * delta * square + delta * product)


@kernel
def _take_in(
    means: Floats, sums: Floats, scale: float, squares: Floats, square: float, product: float, own: Floats
) -> None:
    """Add the squares or products of a piece to those of the pieces before it, whose means are `means`."""
    for i in range(len(own)):
        delta = sums[i] * scale - means[i]
        own[i] += squares[i] + (delta * delta * square + delta * product)


@kernel
def _moments(x: Floats, size: int, products: bool, work: Floats, means: Floats, own: Floats) -> None:
    """Write the squares of each window about its mean, or its products with the row number about both means.

    Two pieces merge by their weights and the distance of their means (Chan, Golub and LeVeque 1983), in both.
    """
    rows, width, done = len(own), 1, 0
    sums, next_sums, parts, next_parts = x, work[0], work[1], work[2]
    spare_sums = work[3]
    parts[: rows + size - 1] = 0.0
    own[:], means[:rows] = 0.0, 0.0
    while True:
        if size & width:
            piece, end = sums[done : done + rows], done + rows
            total, scale = done + width, 1.0 / width
            # Of the first piece all is taken over: its mean by a share of 1, with nothing to be far from.
            share = width / total
            square = 0.0 if products else done * share
            product = done * share * (0.5 * total) if products else 0.0
            _take_in(means[:rows], piece, scale, parts[done:end], square, product, own)
            _go_on(means[:rows], piece, scale, share, means[:rows])
            done = total
        if 2 * width > size:
            return
        n = rows + size - 2 * width
        square, product = 0.0 if products else 0.5 / width, 0.5 * width if products else 0.0
        first, second = sums[:n], sums[width : width + n]
        _join(first, second, parts[:n], parts[width : width + n], square, product, next_parts[:n])
        _twice(first, second, next_sums[:n])
        sums, next_sums, spare_sums = next_sums, spare_sums, next_sums
        parts, next_parts = next_parts, parts
        width *= 2


@kernel
def _finish(x: Floats, scale: float, root: bool, out: NDArray[Any]) -> None:
    """Write a multiple of each value, or the root of it."""
    if root:
        for i in range(len(out)):
            out[i] = np.sqrt(x[i] * scale)
    else:
        for i in range(len(out)):
            out[i] = x[i] * scale


@kernel
def _minus(a: Floats, b: Floats, out: NDArray[Any]) -> None:
    for i in range(len(out)):
        out[i] = a[i] - b[i]


@kernel
def _with_gaps(window: Floats, size: int, found: Floats) -> None:
    """Write the six statistics of the values of one window that are not missing; NaN where they are too few."""
    found[:] = np.nan
    count, origin, total, rows = 0, 0.0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for i in range(size):
        value = window[i]
        if value == value:
            origin = value if count == 0 else origin
            count += 1
            total += value - origin
            rows += i
            low, high = min(low, value), max(high, value)
    if count == 0:
        return
    mean, middle = origin + total / count, rows / count
    found[MEAN], found[MIN], found[MAX], found[RANGE] = mean, low, high, high - low
    if count == 1:
        return
    squares, products, spread = 0.0, 0.0, 0.0
    for i in range(size):
        value = window[i]
        if value == value:
            squares += (value - mean) * (value - mean)
            products += (value - mean) * (i - middle)
            spread += (i - middle) * (i - middle)
    found[STD], found[SLOPE] = np.sqrt(squares / (count - 1)), products / spread


@kernel
def _mend(x: Floats, size: int, targets: NDArray[np.int64], out: NDArray[Any], start: int, rows: int) -> None:
    """Write anew what belongs to the windows with missing values."""
    found, latest = np.empty(6), -1
    for i in range(size - 1):
        latest = i if x[i] != x[i] else latest
    for i in range(rows):
        latest = i + size - 1 if x[i + size - 1] != x[i + size - 1] else latest
        if latest >= i:
            _with_gaps(x[i : i + size], size, found)
            for which in range(6):
                if targets[which] >= 0:
                    out[targets[which], start + i] = found[which]


@kernel
def _fill(part: NDArray[Any], x: Floats) -> bool:
    """Copy values in double precision; return whether any is missing."""
    missing = np.int64(0)
    for i in range(len(part)):
        value = np.float64(part[i])
        x[i] = value
        missing += np.int64(value != value)
    return missing > 0


@kernel
def statistics(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    size: int,
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write statistics of the last `size` values at each row that has so many.

    Parameters
    ----------
    values : array of shape (n_features, n_rows)
        NaN is left out; a window with nothing else gives NaN, and so do the std and slope of a single value.
    offsets, out_offsets : int64 arrays of shape (n_assets + 1,)
        An asset has `size` - 1 fewer rows in `out`, or none.
    chosen : int64 array of shape (n_chosen,)
        The features that are looked at.
    targets : int64 array of shape (n_chosen, 6)
        Which feature of `out` takes `MEAN`, `MIN`, `MAX`, `RANGE`, `STD` (of a sample) and `SLOPE` (per row); -1: none.
    out : array of shape (n_out, n_out_rows)
        What is computed in double precision is rounded to its dtype.

    Notes
    -----
    Cost in cache: 1 ns a value for each of mean, min and max over 10 rows, 3 ns for std and slope together, growing
    with the logarithm of the size. A window with missing values is summed up one by one.
    """
    tile = max(TILE, 2 * size)
    x, work, own = np.empty(tile + size), np.empty((4, tile + size)), np.empty((2, tile + size))
    extremes = np.empty((2, tile + size), values.dtype)
    spread = np.float64(size) * (np.float64(size) * np.float64(size) - 1.0) / 12.0
    for asset in range(len(offsets) - 1):
        first, rows = offsets[asset], offsets[asset + 1] - offsets[asset] - (size - 1)
        for column in range(len(chosen)):
            wanted = targets[column]
            for at in range(0, rows, tile):
                n, begin = min(tile, rows - at), out_offsets[asset] + at
                end = begin + n
                part = values[chosen[column], first + at : first + at + n + size - 1]
                gaps = _fill(part, x)
                if wanted[MEAN] >= 0:
                    _mean(x, size, work, own[0], out[wanted[MEAN], begin:end])
                if wanted[MIN] >= 0:
                    _extreme(part, size, False, extremes, out[wanted[MIN], begin:end])
                if wanted[MAX] >= 0:
                    _extreme(part, size, True, extremes, out[wanted[MAX], begin:end])
                if wanted[RANGE] >= 0:
                    _extreme(part, size, False, extremes, own[0, :n])
                    _extreme(part, size, True, extremes, own[1, :n])
                    _minus(own[1, :n], own[0, :n], out[wanted[RANGE], begin:end])
                if wanted[STD] >= 0:
                    _moments(x, size, False, work, own[0], own[1, :n])
                    _finish(own[1, :n], 1.0 / (size - 1), True, out[wanted[STD], begin:end])
                if wanted[SLOPE] >= 0:
                    _moments(x, size, True, work, own[0], own[1, :n])
                    _finish(own[1, :n], 1.0 / spread, False, out[wanted[SLOPE], begin:end])
                if gaps:
                    _mend(x, size, wanted, out, begin, n)


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

    The arguments are those of `statistics`, with `targets` of shape (n_chosen, n_shares). The window is kept in order:
    each row takes one value out and puts one in. Cost: some 20 ns a value over 10 rows, growing with the size.
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

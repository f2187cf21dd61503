"""Statistics of the last rows before and with each row: mean, min, max, range, std and slope.

A window is put together from halves of halves: of the values come sums of two, of those sums of four, and what a size
is in binary says which of them make it up. So a window costs a few passes over a block in cache whatever its size, all
rows of a block side by side in the vector registers. Nothing slides, so that each result comes from its own window
alone, by the same operations wherever the window lies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
        out[i] = sums[i] * scale + 0.0  # -0.0 becomes 0.0, as it does in a sum


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
def _finish(x: Floats, by: float, root: bool, out: NDArray[Any]) -> None:
    """Write a part of each value, or the root of it."""
    if root:
        for i in range(len(out)):
            out[i] = np.sqrt(x[i] / by)
    else:
        for i in range(len(out)):
            out[i] = x[i] / by


@kernel
def _minus(a: NDArray[Any], b: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(out)):
        out[i] = a[i] - b[i]


@kernel
def _filled(part: NDArray[Any], value: float, out: NDArray[Any]) -> None:
    for i in range(len(part)):
        out[i] = part[i] if part[i] == part[i] else value


@kernel
def _marked(x: Floats, sums: Floats, counts: Floats) -> None:
    for i in range(len(x)):
        present = x[i] == x[i]
        sums[i] = x[i] if present else 0.0
        counts[i] = 1.0 if present else 0.0


@kernel
def _join_some(a: Floats, b: Floats, n_a: Floats, n_b: Floats, of_a: Floats, of_b: Floats, out: Floats) -> None:
    for i in range(len(out)):
        delta = b[i] / max(n_b[i], 1.0) - a[i] / max(n_a[i], 1.0)
        out[i] = of_a[i] + of_b[i] + delta * delta * (n_a[i] * (n_b[i] / max(n_a[i] + n_b[i], 1.0)))


@kernel
def _take_in_some(means: Floats, done: Floats, sums: Floats, counts: Floats, squares: Floats, own: Floats) -> None:
    for i in range(len(own)):
        delta = sums[i] / max(counts[i], 1.0) - means[i]
        own[i] += squares[i] + delta * delta * (done[i] * (counts[i] / max(done[i] + counts[i], 1.0)))


@kernel
def _go_on_some(means: Floats, done: Floats, sums: Floats, counts: Floats) -> None:
    for i in range(len(means)):
        share = counts[i] / max(done[i] + counts[i], 1.0)
        means[i] += (sums[i] / max(counts[i], 1.0) - means[i]) * share
        done[i] += counts[i]


@kernel
def _moments_with_gaps(x: Floats, size: int, work: Floats, own: Floats) -> None:
    """Write mean, count and squares of the values of each window that are not missing, into the rows of `own`.

    The operations are those of `_mean` and `_moments`, so that a window without gaps gets what they give, bit for bit.
    """
    means, counts, squares = own[0], own[1], own[2]
    rows, width, done = len(x) - (size - 1), 1, 0
    sums, next_sums, some, next_some, parts, next_parts = work[0], work[1], work[2], work[3], work[4], work[5]
    _marked(x, sums, some)
    parts[: len(x)] = 0.0
    own[:, :rows] = 0.0
    while True:
        if size & width:
            end = done + rows
            _take_in_some(means[:rows], counts[:rows], sums[done:end], some[done:end], parts[done:end], squares[:rows])
            _go_on_some(means[:rows], counts[:rows], sums[done:end], some[done:end])
            done += width
        if 2 * width > size:
            return
        n, end = rows + size - 2 * width, rows + size - width
        _join_some(
            sums[:n], sums[width:end], some[:n], some[width:end], parts[:n], parts[width:end], next_parts[:n]
        )  # fmt: skip
        _twice(sums[:n], sums[width:end], next_sums[:n])
        _twice(some[:n], some[width:end], next_some[:n])
        sums, next_sums, some, next_some, parts, next_parts = next_sums, sums, next_some, some, next_parts, parts
        width *= 2


@kernel
def _write_means(
    means: Floats, counts: Floats, low: NDArray[Any], high: NDArray[Any], size: int, out: NDArray[Any]
) -> None:
    """Write means; of windows with gaps none beyond the extremes, so that a constant is its own mean there, too."""
    for i in range(len(out)):
        within = min(max(means[i], np.float64(low[i])), np.float64(high[i]))
        mean = within if counts[i] < size else means[i]
        out[i] = mean if counts[i] > 0.0 else np.nan


@kernel
def _write_spreads(squares: Floats, counts: Floats, low: NDArray[Any], high: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(out)):
        spread = np.sqrt(squares[i] / max(counts[i] - 1.0, 1.0)) if low[i] < high[i] else 0.0
        out[i] = spread if counts[i] > 1.0 else np.nan


@kernel
def _write_present(x: NDArray[Any], counts: Floats, out: NDArray[Any]) -> None:
    for i in range(len(out)):
        out[i] = x[i] if counts[i] > 0.0 else np.nan


@kernel
def _slope_with_gaps(window: Floats, size: int) -> float:
    """Return the slope of the values of one window that are not missing."""
    count, origin, total, rows = 0, 0.0, 0.0, 0.0
    for i in range(size):
        value = window[i]
        if value == value:
            origin = value if count == 0 else origin
            count += 1
            total += value - origin
            rows += i
    if count < 2:
        return np.nan
    mean, middle, products, spread = origin + total / count, rows / count, 0.0, 0.0
    for i in range(size):
        if window[i] == window[i]:
            products += (window[i] - mean) * (i - middle)
            spread += (i - middle) * (i - middle)
    return products / spread


@kernel
def _mend_slopes(x: Floats, size: int, out: NDArray[Any]) -> None:
    """Write anew the slopes of windows with missing values."""
    latest = -1
    for i in range(size - 1):
        latest = i if x[i] != x[i] else latest
    for i in range(len(out)):
        latest = i + size - 1 if x[i + size - 1] != x[i + size - 1] else latest
        if latest >= i:
            out[i] = _slope_with_gaps(x[i : i + size], size)


@kernel
def _mend(
    part: NDArray[Any], x: Floats, size: int, wanted: NDArray[np.int64], out: NDArray[Any], begin: int, end: int
) -> None:
    """Write anew a block of windows of which some have missing values."""
    n, m = end - begin, len(part)
    room, extremes = np.empty((9, m)), np.empty((5, m), part.dtype)
    low, high = extremes[0, :n], extremes[1, :n]
    for which in range(2):
        _filled(part, -np.inf if which else np.inf, extremes[2])
        _extreme(extremes[2], size, which == 1, extremes[3:], extremes[which, :n])
    _moments_with_gaps(x[:m], size, room[:6], room[6:])
    means, counts, squares = room[6, :n], room[7, :n], room[8, :n]
    if wanted[MEAN] >= 0:
        _write_means(means, counts, low, high, size, out[wanted[MEAN], begin:end])
    if wanted[MIN] >= 0:
        _write_present(low, counts, out[wanted[MIN], begin:end])
    if wanted[MAX] >= 0:
        _write_present(high, counts, out[wanted[MAX], begin:end])
    if wanted[RANGE] >= 0:
        _minus(high, low, out[wanted[RANGE], begin:end])
        _write_present(out[wanted[RANGE], begin:end], counts, out[wanted[RANGE], begin:end])
    if wanted[STD] >= 0:
        _write_spreads(squares, counts, low, high, out[wanted[STD], begin:end])
    if wanted[SLOPE] >= 0:
        _mend_slopes(x, size, out[wanted[SLOPE], begin:end])


@kernel
def _fill(part: NDArray[Any], x: Floats) -> bool:
    """Copy values in double precision; return whether any is missing."""
    missing = np.int64(0)
    for i in range(len(part)):
        value = np.float64(part[i])
        x[i] = value
        missing += np.int64(value != value)
    return missing > 0


class Room(NamedTuple):
    """What a block of rows is worked on in."""

    x: Floats
    work: Floats
    own: Floats
    extremes: NDArray[Any]
    ends: NDArray[Any]


@kernel
def _block(
    part: NDArray[Any], size: int, wanted: NDArray[np.int64], room: Room, out: NDArray[Any], begin: int, end: int
) -> None:
    """Write the statistics of all windows of a block of rows."""
    x, work, own, ends = room.x, room.work, room.own, room.ends
    n = end - begin
    gaps = _fill(part, x)
    if wanted[MEAN] >= 0:
        _mean(x, size, work, own[0], out[wanted[MEAN], begin:end])
    for which in range(2):
        if wanted[MIN + which] >= 0 or wanted[RANGE] >= 0:
            alone = wanted[RANGE] < 0
            into = out[wanted[MIN + which], begin:end] if alone else ends[which, :n]
            _extreme(part, size, which == 1, room.extremes, into)
    if wanted[RANGE] >= 0:
        _minus(ends[1, :n], ends[0, :n], out[wanted[RANGE], begin:end])
        for which in range(2):
            if wanted[MIN + which] >= 0:
                out[wanted[MIN + which], begin:end] = ends[which, :n]
    for which in range(2):
        if wanted[STD + which] >= 0:
            spread = np.float64(size) * (np.float64(size) * np.float64(size) - 1.0) / 12.0 if which else size - 1.0
            _moments(x, size, which == 1, work, own[0], own[1, :n])
            _finish(own[1, :n], spread, which == 0, out[wanted[STD + which], begin:end])
    if gaps:
        _mend(part, x, size, wanted, out, begin, end)


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
    with the logarithm of the size. A block with missing values is done twice, for some 15 ns a value; the slopes of
    windows with missing values are summed up one by one. Short assets are worked on together, as windows that reach
    into the next one cost less than a start for each.
    """
    tile = max(TILE, 2 * size)
    room = Room(
        np.empty(tile + size), np.empty((4, tile + size)), np.empty((2, tile + size)),
        np.empty((2, tile + size), values.dtype), np.empty((2, tile + size), values.dtype),
    )  # fmt: skip
    several = np.empty((SLOPE + 1, tile), out.dtype)
    here = np.empty(SLOPE + 1, np.int64)
    asset, n_assets = 0, len(offsets) - 1
    while asset < n_assets:
        first, until = offsets[asset], asset + 1
        while (
            until < n_assets
            and 4 * (offsets[until] - offsets[until - 1]) <= tile
            and offsets[until + 1] <= first + tile
        ):
            until += 1
        for column in range(len(chosen)):
            wanted, x = targets[column], values[chosen[column]]
            if until == asset + 1:
                rows = offsets[until] - first - (size - 1)
                for at in range(0, rows, tile):
                    n, begin = min(tile, rows - at), out_offsets[asset] + at
                    _block(x[first + at : first + at + n + size - 1], size, wanted, room, out, begin, begin + n)
                continue
            n = offsets[until] - first - (size - 1)
            if n <= 0:
                continue
            for which in range(len(here)):
                here[which] = which if wanted[which] >= 0 else -1
            _block(x[first : offsets[until]], size, here, room, several, 0, n)
            for each in range(asset, until):
                to, at = out_offsets[each], offsets[each] - first
                for which in range(len(here)):
                    if wanted[which] >= 0:
                        for row in range(out_offsets[each + 1] - to):
                            out[wanted[which], to + row] = several[which, at + row]
        asset = until

"""Sort one feature of one asset and remember where each value came from, faster than a plain sort.

A float's bits, read as an integer with the sign folded, rise with its value. That integer's distance from the
smallest one and the row's index share 64 bits, and a radix sort with digits of at most 11 bits moves both at once: two
or three passes whatever the distribution. The few neighbours that agree in all bits that were sorted are settled after.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import by_width, kernel

DIGIT_BITS = 11
TWO_DIGITS = 22
SPARSE = 4096
"""Up to so many single-precision values hardly any two agree in all of the upper 22 bits of their keys."""
FEW = 32
"""Up to so many values an insertion sort beats clearing the histograms of a radix sort."""
SMALL, TWO_SHORT_DIGITS = 512, 16
"""Up to so many values clearing large histograms costs more than settling those that agree in the upper 16 bits."""


@kernel
def _width(span: np.uint64) -> int:
    """Return how many bits an integer needs."""
    bits = 0
    while span > 0:
        span >>= np.uint64(1)
        bits += 1
    return bits


@kernel
def _fold_single(word: np.uint32) -> np.uint32:
    """Return a float's bits as an integer that rises with it; -0.0 equals 0.0."""
    word = np.uint32(0) if word == np.uint32(1 << 31) else word
    return word ^ (np.uint32(np.int32(word) >> np.int32(31)) | np.uint32(1 << 31))


@kernel
def _fold_double(word: np.uint64) -> np.uint64:
    word = np.uint64(0) if word == np.uint64(1 << 63) else word
    return word ^ (np.uint64(np.int64(word) >> np.int64(63)) | np.uint64(1 << 63))


@kernel
def _span_single(x: NDArray[Any]) -> tuple[int, np.uint64, np.uint64]:
    """Return how many values are missing, and the lowest and highest key."""
    bits = x.view(np.uint32)
    low, high, missing = np.uint32(0xFFFFFFFF), np.uint32(0), np.int32(0)
    for row in range(len(x)):
        key, nan = _fold_single(bits[row]), x[row] != x[row]
        missing += np.int32(nan)
        low = low if nan or low < key else key
        high = high if nan or high > key else key
    return np.int64(missing), np.uint64(low), np.uint64(high)


@kernel
def _span_double(x: NDArray[Any]) -> tuple[int, np.uint64, np.uint64]:
    bits = x.view(np.uint64)
    low, high, missing = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.int64(0)
    for row in range(len(x)):
        key, nan = _fold_double(bits[row]), x[row] != x[row]
        missing += np.int64(nan)
        low = low if nan or low < key else key
        high = high if nan or high > key else key
    return missing, low, high


@kernel
def _keys_single(x: NDArray[Any], keys: NDArray[np.uint64]) -> None:
    """Write the key of each value."""
    bits = x.view(np.uint32)
    for row in range(len(x)):
        keys[row] = np.uint64(_fold_single(bits[row]))


@kernel
def _keys_double(x: NDArray[Any], keys: NDArray[np.uint64]) -> None:
    bits = x.view(np.uint64)
    for row in range(len(x)):
        keys[row] = _fold_double(bits[row])


_span = by_width(_span_single, _span_double)
_keys = by_width(_keys_single, _keys_double)


@kernel
def _pack(x: NDArray[Any], packed: NDArray[np.uint64]) -> tuple[int, np.uint64, int, int]:
    """Write (key - lowest key) >> cut << 32 | row for each value that is not NaN; return count, lowest key, width, cut.

    The lowest bits of a key that would cost a pass but seldom decide are cut off; `_settle` sees to them.
    """
    missing, low, high = _span(x)
    count = len(x) - missing
    width = _width(high - low) if count > 0 else 0
    room = TWO_DIGITS if x.itemsize == 4 and count <= SPARSE else 32
    room = TWO_SHORT_DIGITS if FEW < count <= SMALL else room
    cut = max(0, width - room)
    _keys(x, packed)
    if missing == 0:
        for row in range(count):
            packed[row] = (((packed[row] - low) >> np.uint64(cut)) << np.uint64(32)) | np.uint64(row)
    else:
        slot = 0
        for row in range(len(x)):
            if x[row] == x[row]:
                packed[slot] = (((packed[row] - low) >> np.uint64(cut)) << np.uint64(32)) | np.uint64(row)
                slot += 1
    return count, low, width - cut, cut


@kernel
def _insertion_sort(packed: NDArray[np.uint64], count: int) -> None:
    for i in range(1, count):
        item = packed[i]
        j = i
        while j > 0 and packed[j - 1] > item:
            packed[j] = packed[j - 1]
            j -= 1
        packed[j] = item


@kernel
def _radix_sort(
    packed: NDArray[np.uint64], spare: NDArray[np.uint64], count: int, bits: int, histogram: NDArray[np.uint32]
) -> bool:
    """Sort by the lowest `bits` of the upper 32 bits, stably; return whether `spare` holds the result."""
    if bits == 0:
        return False
    passes = (bits + DIGIT_BITS - 1) // DIGIT_BITS
    width = (bits + passes - 1) // passes
    mask = np.uint64((1 << width) - 1)
    first, second, third = histogram[0], histogram[1], histogram[2]
    histogram[:passes, : 1 << width] = 0
    for i in range(count):
        key = packed[i] >> np.uint64(32)
        first[key & mask] += np.uint32(1)
        if passes > 1:
            second[(key >> np.uint64(width)) & mask] += np.uint32(1)
        if passes > 2:
            third[(key >> np.uint64(2 * width)) & mask] += np.uint32(1)
    source, target, swapped = packed, spare, False
    for step in range(passes):
        shift = np.uint64(32 + step * width)
        starts = histogram[step]
        if starts[(source[0] >> shift) & mask] == count:
            continue
        total = np.uint32(0)
        for digit in range(1 << width):
            total, starts[digit] = total + starts[digit], total
        for i in range(count):
            digit = (source[i] >> shift) & mask
            target[starts[digit]] = source[i]
            starts[digit] += np.uint32(1)
        source, target, swapped = target, source, not swapped
    return swapped


@kernel
def _sort(
    packed: NDArray[np.uint64], spare: NDArray[np.uint64], count: int, bits: int, histogram: NDArray[np.uint32]
) -> NDArray[np.uint64]:
    """Sort packed keys and rows; return whichever of the two buffers holds the result."""
    if count <= FEW:
        _insertion_sort(packed, count)
        return packed
    return spare if _radix_sort(packed, spare, count, bits, histogram) else packed


@kernel
def _insert(rows: NDArray[np.int32], ordered: NDArray[Any]) -> None:
    """Sort a few values, and their rows with them, stably."""
    for i in range(1, len(rows)):
        value, row, j = ordered[i], rows[i], i
        while j > 0 and ordered[j - 1] > value:
            ordered[j], rows[j] = ordered[j - 1], rows[j - 1]
            j -= 1
        ordered[j], rows[j] = value, row


@kernel
def _settle(
    x: NDArray[Any],
    rows: NDArray[np.int32],
    ordered: NDArray[Any],
    packed: NDArray[np.uint64],
    spare: NDArray[np.uint64],
    count: int,
    low: np.uint64,
    cut: int,
    histogram: NDArray[np.uint32],
) -> None:
    """Sort runs of equal upper key bits that are out of order by the `cut` lower ones."""
    mask = np.uint64((1 << cut) - 1)
    at = 1
    while at < count:
        if ordered[at - 1] <= ordered[at]:
            at += 1
            continue
        upper = packed[at] >> np.uint64(32)
        start, end = at - 1, at + 1
        while start > 0 and (packed[start - 1] >> np.uint64(32)) == upper:
            start -= 1
        while end < count and (packed[end] >> np.uint64(32)) == upper:
            end += 1
        size = end - start
        if size <= FEW or cut > 32:
            _insert(rows[start:end], ordered[start:end])
            at = end
            continue
        run, other = packed[start:end], spare[start:end]
        _keys(ordered[start:end], run)
        for i in range(size):
            run[i] = (((run[i] - low) & mask) << np.uint64(32)) | np.uint64(rows[start + i])
        done = _sort(run, other, size, cut, histogram)
        for i in range(size):
            row = done[i] & np.uint64(0xFFFFFFFF)
            rows[start + i] = np.int32(row)
            ordered[start + i] = x[row]
        at = end


@kernel
def scratch(rows: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
    """Return the working memory that `argsort` needs for columns of up to `rows` values."""
    return np.empty(rows + 1, np.uint64), np.empty(rows + 1, np.uint64), np.empty((3, 1 << DIGIT_BITS), np.uint32)


@kernel
def argsort(
    x: NDArray[Any],
    work: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]],
    rows: NDArray[np.int32],
    ordered: NDArray[Any],
) -> int:
    """Sort a contiguous column stably, leaving NaN out.

    Parameters
    ----------
    x : array of shape (n,), float32 or float64, fewer than 2**31 values
    work : tuple of arrays
        From `scratch` with at least `n` rows.
    rows, ordered : arrays of shape (n,), int32 and the dtype of `x`
        Filled with the row of each value in ascending order, and with the values themselves.

    Returns
    -------
    int
        How many values are not NaN; the rest of `rows` and `ordered` is undefined.

    Notes
    -----
    About 5 ns a value in cache, where a sort of the values alone takes 7.
    """
    packed, spare, histogram = work
    count, low, width, cut = _pack(x, packed)
    done = _sort(packed, spare, count, width, histogram)
    for i in range(count):
        row = done[i] & np.uint64(0xFFFFFFFF)
        rows[i] = np.int32(row)
        ordered[i] = x[row]
    if cut > 0:
        _settle(x, rows, ordered, done, packed if done is spare else spare, count, low, cut, histogram)
    return count

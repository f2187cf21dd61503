"""Sort one feature of one asset and remember where each value came from, faster than a plain sort.

A float's bits, read as an integer with the sign folded, rise with its value. That integer's distance from the
smallest one and the row's index share 64 bits, and a radix sort with digits of at most 11 bits moves both at once:
three passes for float32 whatever the distribution, fewer where the values span a narrow range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import by_width, kernel

DIGIT_BITS = 11
FEW = 32
"""Up to so many values an insertion sort beats clearing the histograms of a radix sort."""


@kernel
def _width(span: np.uint64) -> int:
    """Return how many bits an integer needs."""
    bits = 0
    while span > 0:
        span >>= np.uint64(1)
        bits += 1
    return bits


@kernel
def _bits_single(x: NDArray[Any], _: int) -> NDArray[Any]:
    return x.view(np.uint32)


@kernel
def _bits_double(x: NDArray[Any], _: int) -> NDArray[Any]:
    return x.view(np.uint64)


@kernel
def _key_single(bits: NDArray[np.uint32], row: int) -> np.uint64:
    word = bits[row]
    word = np.uint32(0) if word == np.uint32(1 << 31) else word  # -0.0 equals 0.0
    return np.uint64(word ^ (np.uint32(np.int32(word) >> np.int32(31)) | np.uint32(1 << 31)))


@kernel
def _key_double(bits: NDArray[np.uint64], row: int) -> np.uint64:
    word = bits[row]
    word = np.uint64(0) if word == np.uint64(1 << 63) else word
    return word ^ (np.uint64(np.int64(word) >> np.int64(63)) | np.uint64(1 << 63))


_bits = by_width(_bits_single, _bits_double)
_key = by_width(_key_single, _key_double)


@kernel
def _pack(x: NDArray[Any], packed: NDArray[np.uint64]) -> tuple[int, np.uint64, int]:
    """Write (key - lowest key) << 32 | row for each value that is not NaN; return count, lowest key and span."""
    bits = _bits(x, 0)
    low, high, missing = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), 0
    for row in range(len(x)):
        key = _key(bits, row)
        nan = x[row] != x[row]
        missing += np.int64(nan)
        low = low if nan or low < key else key
        high = high if nan or high > key else key
    count = len(x) - missing
    span = high - low if count > 0 else np.uint64(0)
    shift = np.uint64(max(0, _width(span) - 32))
    if missing == 0:
        for row in range(count):
            packed[row] = (((_key(bits, row) - low) >> shift) << np.uint64(32)) | np.uint64(row)
    else:
        slot = 0
        for row in range(len(x)):
            packed[slot] = (((_key(bits, row) - low) >> shift) << np.uint64(32)) | np.uint64(row)
            slot += np.int64(x[row] == x[row])
    return count, low, span


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
    passes = (bits + DIGIT_BITS - 1) // DIGIT_BITS
    width = (bits + passes - 1) // max(passes, 1)
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
def _settle(
    x: NDArray[Any],
    rows: NDArray[np.int32],
    packed: NDArray[np.uint64],
    spare: NDArray[np.uint64],
    count: int,
    low: np.uint64,
    shift: int,
    histogram: NDArray[np.uint32],
) -> None:
    """Sort each run of equal upper key bits by the `shift` lower ones, which the first sort did not see."""
    bits = _bits(x, 0)
    mask = np.uint64((1 << shift) - 1)
    start = 0
    while start < count:
        end = start + 1
        in_order = True
        while end < count and (packed[end] >> np.uint64(32)) == (packed[start] >> np.uint64(32)):
            in_order &= x[rows[end - 1]] <= x[rows[end]]
            end += 1
        if not in_order:
            for i in range(start, end):
                packed[i] = (((_key(bits, rows[i]) - low) & mask) << np.uint64(32)) | np.uint64(rows[i])
            done = _sort(packed[start:end], spare[start:end], end - start, shift, histogram)
            for i in range(end - start):
                rows[start + i] = np.int32(done[i] & np.uint64(0xFFFFFFFF))
        start = end


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
    count, low, span = _pack(x, packed)
    bits = _width(span)
    done = _sort(packed, spare, count, min(bits, 32), histogram)
    for i in range(count):
        row = done[i] & np.uint64(0xFFFFFFFF)
        rows[i] = np.int32(row)
        ordered[i] = x[row]
    if bits > 32:
        other = packed if done is spare else spare
        _settle(x, rows, done, other, count, low, bits - 32, histogram)
        for i in range(count):
            ordered[i] = x[rows[i]]
    return count

"""Order statistics of more values than fit in memory: count, digit by digit, instead of sorting.

The bits of a float, its sign folded, are an integer that rises with it. A pass over all values counts the next 16 bits
of those that agree with what is known of the wanted one so far; four passes find it, exactly. Counts add up, so that it
does not matter how the values are cut into parts or in which order these come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

DIGIT_BITS = 16
PASSES = 4
TILE = 1024


@kernel
def _fold(word: np.uint64) -> np.uint64:
    """Return a float64's bits as an integer that rises with it; -0.0 equals 0.0."""
    word = np.uint64(0) if word == np.uint64(1 << 63) else word
    return word ^ (np.uint64(np.int64(word) >> np.int64(63)) | np.uint64(1 << 63))


@kernel
def count_digits(
    x: NDArray[Any],
    center: float,
    distances: bool,
    prefixes: NDArray[np.uint64],
    step: int,
    counts: NDArray[np.int64],
) -> None:
    """Add up how often each digit number `step` occurs among values that begin with each of the prefixes.

    Values are those of `x`, or if `distances` those of ``abs(x - center)``; NaN is left out. `counts` has the shape
    (len(prefixes), 65536). Cost: 1 to 2 ns a value in the first two steps, half of that later.
    """
    shift = np.uint64(64 - DIGIT_BITS * (step + 1))
    width, mask = np.uint64(DIGIT_BITS), np.uint64((1 << DIGIT_BITS) - 1)
    values, keys = np.empty(TILE), np.empty(TILE, np.uint64)
    words = values.view(np.uint64)
    for start in range(0, len(x), TILE):
        part = x[start : start + TILE]
        for i in range(len(part)):
            values[i] = abs(part[i] - center) if distances else part[i]
        for i in range(len(part)):
            keys[i] = _fold(words[i]) >> shift
        for which in range(len(prefixes)):
            prefix, own = prefixes[which], counts[which]
            hits = np.int64(0)
            for i in range(len(part)):
                hits += np.int64((keys[i] >> width) == prefix)
            if hits == 0:
                continue
            for i in range(len(part)):
                if (keys[i] >> width) == prefix and values[i] == values[i]:
                    own[keys[i] & mask] += 1


@kernel
def value_of(key: np.uint64) -> float:
    """Return the float64 that folds to a key."""
    word = np.empty(1, np.uint64)
    word[0] = key ^ np.uint64(1 << 63) if key >> np.uint64(63) else ~key
    return float(word.view(np.float64)[0])

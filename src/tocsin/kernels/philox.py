"""Random words that are a function of where they are: Philox4x32-10, a counter in, 128 random bits out.

Nothing is stepped, so any part of a sequence can be made without the rest, on any thread, in any order. A counter is
(index, stream, feature, asset) under the seed as key, so every feature of every asset has sequences of its own.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011,
doi:10.1145/2063384.2063405, section 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

COUNTERS = 256
"""How many counters are turned at once."""
WORDS = 4 * COUNTERS
"""How many words come of them."""
STREAMS = 1 << 24
"""How many streams a feature of an asset has."""

_ROUNDS = 10
_FIRST, _SECOND = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_QUARTER = COUNTERS // 4

Words = NDArray[np.uint32]
Keys = NDArray[np.uint64]


def keys(seed: int) -> Keys:
    """Return the keys of all rounds, shape (20,), for a seed of 64 bits."""
    halves = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
    rounds = [(half + turn * weyl) & 0xFFFFFFFF for turn in range(_ROUNDS) for half, weyl in zip(halves, _WEYL)]  # noqa: B905
    return np.array(rounds, np.uint64)


@kernel
def words(keys: Keys, asset: int, feature: int, stream: int, group: int, out: Words) -> None:
    """Fill `out` of shape (WORDS,) from the counters of one group of them.

    The first word of each counter comes first, then the second of each, and so on. Four counters are turned side by
    side: one round waits for the one before, and a processor has time for three more.
    """
    start = np.uint64(group) * np.uint64(COUNTERS)
    low = start & _LOW
    second, third, fourth = _place(start, asset, feature, stream)
    for i in range(_QUARTER):
        a = low + np.uint64(i)
        b = a + np.uint64(_QUARTER)
        c = b + np.uint64(_QUARTER)
        d = c + np.uint64(_QUARTER)
        x = (a, second, third, fourth, b, second, third, fourth, c, second, third, fourth, d, second, third, fourth)
        # Written out, since a loop of ten would stay one, and the loop around it would not be vectorised.
        x = _turn(x, keys[0], keys[1])
        x = _turn(x, keys[2], keys[3])
        x = _turn(x, keys[4], keys[5])
        x = _turn(x, keys[6], keys[7])
        x = _turn(x, keys[8], keys[9])
        x = _turn(x, keys[10], keys[11])
        x = _turn(x, keys[12], keys[13])
        x = _turn(x, keys[14], keys[15])
        x = _turn(x, keys[16], keys[17])
        x = _turn(x, keys[18], keys[19])
        for word in range(4):
            for counter in range(4):
                out[word * COUNTERS + counter * _QUARTER + i] = np.uint32(x[4 * counter + word] & _LOW)


@kernel
def words_at(keys: Keys, asset: int, feature: int, stream: int, index: int) -> tuple[int, int, int, int]:
    """Return the four words of one counter."""
    second, third, fourth = _place(np.uint64(index), asset, feature, stream)
    a, b, c, d = np.uint64(index) & _LOW, second, third, fourth
    for turn in range(_ROUNDS):
        a, b, c, d = _round(a, b, c, d, keys[2 * turn], keys[2 * turn + 1])
    return a & _LOW, b & _LOW, c & _LOW, d & _LOW


@kernel
def uniform_at(keys: Keys, asset: int, feature: int, stream: int, index: int) -> float:
    """Return a number in [0, 1) with 53 random bits, from the first two words of one counter."""
    a, b, _, _ = words_at(keys, asset, feature, stream, index)
    return float((a << np.uint64(21)) | (b >> np.uint64(11))) * 2.0**-53


@kernel
def uniforms(keys: Keys, first_asset: int, stream: int, out: NDArray[np.float64]) -> None:
    """Fill `out` of shape (n_assets, n): number j of an asset is its `uniform_at` index j of feature 0."""
    for asset in range(out.shape[0]):
        for index in range(out.shape[1]):
            out[asset, index] = uniform_at(keys, first_asset + asset, np.int64(0), stream, index)


@kernel
def _place(index: Any, asset: int, feature: int, stream: int) -> tuple[int, int, int]:
    """Return the second, third and fourth word of a counter; the upper bits of the index share one with the stream."""
    return (index >> _HALF) << np.uint64(24) | np.uint64(stream), np.uint64(feature), np.uint64(asset)


@kernel
def _round(a: Any, b: Any, c: Any, d: Any, key: Any, other: Any) -> Any:
    """Turn one counter once. Words are the low halves of 64 bits; what is above them is left as it comes."""
    p, q = (a & _LOW) * _FIRST, (c & _LOW) * _SECOND
    return (q >> _HALF) ^ b ^ key, q, (p >> _HALF) ^ d ^ other, p


@kernel
def _turn(x: Any, key: Any, other: Any) -> Any:
    """Turn four counters once."""
    a = _round(x[0], x[1], x[2], x[3], key, other)
    b = _round(x[4], x[5], x[6], x[7], key, other)
    c = _round(x[8], x[9], x[10], x[11], key, other)
    d = _round(x[12], x[13], x[14], x[15], key, other)
    return a + b + c + d

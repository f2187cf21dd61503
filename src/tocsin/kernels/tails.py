"""From a reading to the rarity of its two tails, by way of a sketch.

A feature's knots cut the line into slots: `u` for values between knot `u - 1` and knot `u`, and `width + u` for
values that equal knot `u - 1`. What a value costs is looked up by its slot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.logarithm import minus_log
from tocsin.kernels.sketch import middle

COARSE = 8
STEPWISE = 8
"""From so many values on they are looked for step by step together, and not one after the other."""
_EVEN = 1e-9
"""Tails whose weights differ by less, as a share of the whole, are told apart by what they are rounded to."""


@kernel
def slots_for(size: int) -> int:
    """Return the width of a slot table for `size` knots: a power of two above it, and at least 8."""
    width = COARSE
    while width <= size:
        width *= 2
    return width


@kernel
def repeats(ordered: NDArray[Any], count: int) -> bool:
    """Return whether any of the first `count` values, in ascending order, occurs twice."""
    repetitions = np.int64(0)
    for i in range(count - 1):
        repetitions += np.int64(ordered[i] == ordered[i + 1])
    return repetitions > 0


@kernel
def pad_knots(knots: NDArray[Any], width: int, padded: NDArray[Any]) -> bool:
    """Lay knots out for `locate`, infinities around them; return whether any value occurs twice."""
    padded[0] = -np.inf
    for i in range(len(knots)):
        padded[i + 1] = knots[i]
    for i in range(len(knots) + 1, width + 1):
        padded[i] = np.inf
    return repeats(knots, len(knots))


@kernel
def locate(x: NDArray[Any], padded: NDArray[Any], width: int, slots: NDArray[np.uint32]) -> None:
    """Find the slot of each value; NaN gets slot 0.

    The first three steps of the binary search are seven comparisons with fixed knots, which need no gathering, and
    all steps run over all rows before the next, so that they fill the vector registers.
    """
    stride = width // COARSE
    a, b, c, d = padded[stride], padded[2 * stride], padded[3 * stride], padded[4 * stride]
    e, f, g = padded[5 * stride], padded[6 * stride], padded[7 * stride]
    for row in range(len(x)):
        v = x[row]
        above = np.uint32(a <= v) + np.uint32(b <= v) + np.uint32(c <= v) + np.uint32(d <= v)
        above += np.uint32(e <= v) + np.uint32(f <= v) + np.uint32(g <= v)
        slots[row] = np.uint32(stride) * np.uint32(above)
    step = np.uint32(stride // 2)
    while step > np.uint32(0):
        for row in range(len(x)):
            at = slots[row]
            slots[row] = at + step * np.uint32(padded[np.uint64(at) + np.uint64(step)] <= x[row])
        step = step >> np.uint32(1)
    for row in range(len(x)):
        at = slots[row]
        slots[row] = at + np.uint32(width) * np.uint32(padded[np.uint64(at)] == x[row])


@kernel
def locate_few(x: NDArray[Any], knots: NDArray[Any], width: int, slots: NDArray[np.uint32]) -> None:
    """Find the slots of values that are too few to be worth the laying out that `locate` asks for."""
    size = len(knots)
    if len(x) < STEPWISE:
        for row in range(len(x)):
            low, high = 0, size
            while low < high:
                between = (low + high) >> 1
                if knots[between] <= x[row]:
                    low = between + 1
                else:
                    high = between
            slots[row] = np.uint32(low + width if low > 0 and knots[low - 1] == x[row] else low)
        return
    slots[: len(x)] = np.uint32(0)
    left = size
    while left > 0:  # as many steps for every row, so that they overlap
        half = (left + 1) >> 1
        for row in range(len(x)):
            at = slots[row]
            slots[row] = at + np.uint32(half) * np.uint32(knots[np.uint64(at) + np.uint64(half - 1)] <= x[row])
        left -= half
    for row in range(len(x)):
        at = slots[row]
        slots[row] = at + np.uint32(width) * np.uint32(at > 0 and knots[np.uint64(at) - np.uint64(at > 0)] == x[row])


@kernel
def counts_at(knots: NDArray[Any], value: float, slot: int, width: int) -> tuple[int, int]:
    """Return how many knots are at or under a value, and how many are strictly under it, from its slot."""
    upper = slot % width
    under = upper
    if slot >= width:
        under -= 1
        while under > 0 and knots[under - 1] == value:
            under -= 1
    return upper, under


@kernel
def _share(low: float, high: float, total: float, seen: float) -> float:
    """Return the probability of a tail whose weight is between two bounds, of which `seen` is the row's own."""
    return float(middle(max(low - seen, 0.0), max(high - seen, 0.0)) / (max(total - seen, 0.0) + 1.0))


@kernel
def tail_share(
    below: NDArray[np.float64], upto: NDArray[np.float64], total: float, u: int, right: bool, learned: bool
) -> float:
    """Return one tail's probability for a value between knots ``u - 1`` and ``u``.

    The row itself counts once: a row that was `learned` is among the counts already, a new one is added to them.
    """
    low = upto[u - 1] if u > 0 else 0.0
    high = below[u] if u < len(below) else total
    if right:
        low, high = total - high, total - low
    return float(_share(low, high, total, 1.0 if learned else 0.0))


@kernel
def rarer_shares(
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    totals: NDArray[np.float64],
    learned: bool,
    shares: NDArray[np.float64],
) -> None:
    """Write the smaller of both tails' probabilities of values that equal no knot.

    Under each value lies a weight between `lows` and `highs`, of `totals` in all. Where `highs` is negative the share
    is known already, and stands in `lows`.
    """
    seen = 1.0 if learned else 0.0
    for i in range(len(shares)):
        low, high, total = lows[i], highs[i], totals[i]
        left = 1.0 * (low + high <= total)  # a choice of numbers, not of ways to go on, which none could foresee
        right = 1.0 - left
        own, other = left * low + right * (total - high), left * high + right * (total - low)
        shares[i] = _share(own, other, total, seen)
    for i in range(len(shares)):
        low, high, total = lows[i], highs[i], totals[i]
        if high < 0.0:
            shares[i] = low
        elif abs(low + high - total) <= _EVEN * total:
            shares[i] = min(_share(low, high, total, seen), _share(total - high, total - low, total, seen))


@kernel
def tail_cost(
    below: NDArray[np.float64], upto: NDArray[np.float64], total: float, u: int, right: bool, learned: bool
) -> float:
    """Return -log of `tail_share`."""
    return float(-np.log(tail_share(below, upto, total, u, right, learned)))


@kernel
def tail_costs(
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    total: float,
    learned: bool,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    mantissas: NDArray[np.float64],
    exponents: NDArray[np.float64],
) -> None:
    """Write -log of the tail probabilities, by how many knots are at or under a value.

    ``left[u]`` speaks of the weight at or under a value with `u` knots at or under it, ``right[u]`` of the weight at
    or over a value with `u` knots strictly under it. The last two arrays are scratch, longer than `below`.
    """
    size, seen = len(below), 1.0 if learned else 0.0
    for u in range(1, size):
        left[u] = _share(upto[u - 1], below[u], total, seen)
    for u in range(1, size):
        right[u] = _share(total - below[u], total - upto[u - 1], total, seen)
    for u in (0, size):
        left[u] = tail_share(below, upto, total, u, False, learned)
        right[u] = tail_share(below, upto, total, u, True, learned)
    minus_log(left[: size + 1], mantissas, exponents)
    minus_log(right[: size + 1], mantissas, exponents)


@kernel
def spread(
    knots: NDArray[Any],
    costs: NDArray[np.float64],
    from_right: bool,
    width: int,
    table: NDArray[np.float64],
) -> None:
    """Lay tail costs out by slot: values equal to a knot count all of its repetitions on the side that is asked."""
    size = len(knots)
    table[0] = costs[0]
    first = 0
    for u in range(1, size + 1):
        table[u] = costs[u]
        if u > 1 and knots[u - 1] != knots[u - 2]:
            first = u - 1
        table[width + u] = costs[first] if from_right else costs[u]


@kernel
def third_moment_vanishes(x: NDArray[Any], count: int) -> bool:
    """Tell whether the sample skewness is exactly 0 or undefined, summing in the order of SciPy on a column."""
    mean = 0.0
    for row in range(len(x)):
        mean += x[row] if x[row] == x[row] else 0.0
    mean /= count
    second, third = 0.0, 0.0
    for row in range(len(x)):
        if x[row] == x[row]:
            t = x[row] - mean
            second += t * t
            third += t * t * t
    return third == 0.0 or second / count <= (1e-15 * mean) ** 2

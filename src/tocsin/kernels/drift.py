"""How far two samples are apart that are known by their sketches only, and whether chance could have done it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.sketch import Cells, cell_of, knots_of, longest, widest
from tocsin.kernels.tails import locate, pad_knots, slots_for


@kernel
def _share(
    knots: NDArray[Any], below: NDArray[np.float64], upto: NDArray[np.float64], total: float, u: int, x: float
) -> float:
    """Return the best guess of the weight at or under `x`, where `u` knots are at or under it.

    It is linear between knots, as far as their bounds leave it open.
    """
    before = max(upto[u - 1], 0.5 * (below[u - 1] + upto[u - 1])) if u > 0 else 0.0
    after = min(below[u], 0.5 * (below[u] + upto[u])) if u < len(knots) else total
    if u == 0 or u == len(knots) or after <= before:
        return before if u > 0 else min(after, before)
    left, right = float(knots[u - 1]), float(knots[u])
    return before + (after - before) * (x - left) / (right - left)


@kernel
def distance(cells: Cells, others: Cells, cell: int, out: NDArray[np.float64]) -> None:
    """Write the Kolmogorov-Smirnov distance of one cell of both, with its sign, and its two bounds.

    The sign is positive where values of `others` are the higher ones. NaN where a cell has seen nothing. Where both
    sketches keep all values the three are one number.

    Parameters
    ----------
    out : ndarray of shape (3,)
        Guess, lower and upper bound; the bounds have no sign, and hold of the true distance.
    """
    knots, below, upto = cell_of(cells, cell)
    other, other_below, other_upto = cell_of(others, cell)
    total, other_total = cells.totals[cell], others.totals[cell]
    out[:] = np.nan
    if not (total > 0.0 and other_total > 0.0):
        return
    guess, least, most = 0.0, 0.0, 0.0
    u, v = 0, 0
    while u < len(knots) or v < len(other):
        x = np.inf
        if u < len(knots):
            x = float(knots[u])
        if v < len(other):
            x = min(x, float(other[v]))
        while u < len(knots) and knots[u] == x:
            u += 1
        while v < len(other) and other[v] == x:
            v += 1
        own = _share(knots, below, upto, total, u, x) / total
        its = _share(other, other_below, other_upto, other_total, v, x) / other_total
        if abs(own - its) > abs(guess):
            guess = own - its
        low, high = upto[u - 1] if u > 0 else 0.0, below[u] if u < len(knots) else total
        other_low = other_upto[v - 1] if v > 0 else 0.0
        other_high = other_below[v] if v < len(other) else other_total
        low, high, other_low, other_high = low / total, high / total, other_low / other_total, other_high / other_total
        least = max(least, low - other_high, other_low - high)
        most = max(most, high - other_low, other_high - low)
    out[0], out[1], out[2] = guess, min(least, abs(guess)), min(max(most, abs(guess)), 1.0)


@kernel
def chance(distance: float, weight: float, other_weight: float) -> float:
    """Return how likely independent samples of one distribution are to be at least so far apart.

    Kolmogorov's limit with Stephens' correction for small samples, good to about 0.02 from 30 rows on.
    """
    size = np.sqrt(weight * other_weight / (weight + other_weight))
    reach = (size + 0.12 + 0.11 / size) * distance
    if np.isnan(reach):
        return np.nan
    if reach < 0.2:
        return 1.0
    found, sign = 0.0, 1.0
    for i in range(1, 101):
        term = np.exp(-2.0 * (i * reach) ** 2)
        found += 2.0 * sign * term
        sign = -sign
        if term < 1e-17 * found:
            break
    return min(max(found, 0.0), 1.0)


@kernel
def distances(cells: Cells, others: Cells, out: NDArray[np.float64]) -> None:
    """Write `distance` of each cell, shape (n_cells, 3); costs one pass over the knots, some 80 ns each."""
    for cell in range(len(cells.totals)):
        distance(cells, others, cell, out[cell])


@kernel
def chances(
    found: NDArray[np.float64],
    weights: NDArray[np.float64],
    others: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write `chance` of each cell's distance, shape (n_cells,)."""
    for cell in range(len(found)):
        out[cell] = chance(found[cell], weights[cell], others[cell])


@kernel
def apart(values: NDArray[Any], offsets: NDArray[np.int64], cells: Cells, out: NDArray[np.float64]) -> None:
    """Write how far rows are from cells that keep all their values, shape (n_cells,): the distance without its sign.

    NaN where either has nothing. Cost: a search among the kept values a row, 5 ns, and 2 ns a kept value.
    """
    n_features = values.shape[0]
    width = slots_for(widest(cells))
    padded = np.empty(width + 1, values.dtype)
    slots, held = np.empty(longest(offsets), np.uint32), np.zeros(2 * width, np.int64)
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            x, knots = values[feature, offsets[asset] : offsets[asset + 1]], knots_of(cells, cell)
            pad_knots(knots, width, padded)
            locate(x, padded, width, slots)
            out[cell] = _farthest(x, slots, knots, width, held) if len(knots) else np.nan


@kernel
def _farthest(
    x: NDArray[Any], slots: NDArray[np.uint32], knots: NDArray[Any], width: int, held: NDArray[np.int64]
) -> float:
    """Return the distance of a sample in any order, whose slots are known, from one in ascending order."""
    held[:] = 0
    size = 0
    for row in range(len(x)):
        there = np.int64(x[row] == x[row])
        held[np.int64(slots[row])] += there
        size += there
    if size == 0:
        return np.nan
    found, under, knot = 0.0, held[0], 0
    while knot < len(knots):
        value = knots[knot]
        found = max(found, abs(under / size - knot / len(knots)))
        while knot < len(knots) and knots[knot] == value:
            knot += 1
        under += held[width + knot]
        found = max(found, abs(under / size - knot / len(knots)))
        under += held[knot]
    return found


@kernel
def memories(values: NDArray[Any], offsets: NDArray[np.int64], farthest: int, out: NDArray[np.float64]) -> None:
    """Write how many rows tell as much as one independent row would, shape (n_assets, n_features); at least 1.

    The sum of the autocorrelations, as far as those of two neighbouring lags together are positive (Geyer, Statistical
    Science 1992, doi:10.1214/ss/1177011137), and at most `farthest` lags. Cost: 1 ns a row and lag.
    """
    for asset in range(len(offsets) - 1):
        for feature in range(values.shape[0]):
            out[asset, feature] = _memory(values[feature, offsets[asset] : offsets[asset + 1]], farthest)


@kernel
def _memory(x: NDArray[Any], farthest: int) -> float:
    rows, mean = 0, 0.0
    for value in x:
        if value == value:
            rows += 1
            mean += (value - mean) / rows
    whole = _product(x, mean, 0)
    found, lag = 1.0, 1
    while whole > 0.0 and lag + 1 <= min(farthest, len(x) // 4):
        pair = (_product(x, mean, lag) + _product(x, mean, lag + 1)) / whole
        if pair <= 0.0:
            break
        found += 2.0 * pair
        lag += 2
    return max(found, 1.0)


@kernel
def _product(x: NDArray[Any], mean: float, lag: int) -> float:
    """Return the sum of the products of deviations `lag` rows apart; a missing one is 0."""
    found = 0.0
    for row in range(len(x) - lag):
        both = (float(x[row]) - mean) * (float(x[row + lag]) - mean)
        if both == both:
            found += both
    return found


@kernel
def counts(marks: NDArray[np.bool_], offsets: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Write how many rows of each asset are marked, shape (n_assets,)."""
    for asset in range(len(out)):
        found = 0
        for row in range(offsets[asset], offsets[asset + 1]):
            found += np.int64(marks[row])
        out[asset] = found


@kernel
def binomial_tail(count: int, rows: int, share: float) -> float:
    """Return the probability of `count` or more among `rows` that each happen with probability `share`."""
    if count <= 0:
        return 1.0
    log_ratio = np.log(share) - np.log1p(-share)
    term = rows * np.log1p(-share)
    for i in range(count):
        term += np.log(rows - i) - np.log(i + 1.0) + log_ratio
    found = 0.0
    for i in range(count, rows + 1):
        more = np.exp(term)
        found += more
        if more < 1e-17 * found and i > rows * share:
            break
        if i < rows:
            term += np.log(rows - i) - np.log(i + 1.0) + log_ratio
    return min(found, 1.0)


@kernel
def tolerated(rows: int, share: float, level: float) -> int:
    """Return the most alerts among `rows` that chance explains at a level of significance."""
    count = int(rows * share)
    while count < rows and binomial_tail(count + 1, rows, share) >= level:
        count += 1
    return count


@kernel
def tolerances(rows: NDArray[np.int64], share: float, level: float, out: NDArray[np.int64]) -> None:
    """Write `tolerated` of each number of rows."""
    for i in range(len(rows)):
        out[i] = out[i - 1] if i and rows[i] == rows[i - 1] else tolerated(rows[i], share, level)

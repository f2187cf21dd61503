"""Matches: which sub-sequence of a series is nearest to another one, and how far away it is.

Distances are between sub-sequences less their mean, in the units of the series, so that both shape and amplitude count.
Sums of products are carried on from one row to the next, so a pair costs a few operations however long it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESTART = 256
"""After how many rows sums of products are taken anew, so that rounding errors cannot pile up."""
FADED = 8.0
"""How many times as large as all that is left a value was whose rounding errors are not carried on."""
EQUAL, LEVEL = 1e-11, 1e-14
"""The shares of two variances, and of a squared mean, below which a squared distance is rounding, and 0."""
LANES = 32
"""Minima that are taken side by side, so that they fill the vector registers."""
STEPS = 32
"""At how many places between a value and a usual one a row is tried before the nearest is made exact."""


class Past(NamedTuple):
    """The sub-sequences that others are compared with, all windows of `size` values of a series `x`.

    Missing values are 0 in `x`. Each window has a mean and a variance, which is infinite if a value is missing.
    """

    x: Floats
    size: int
    means: Floats
    variances: Floats


@kernel
def past(values: Floats, size: int) -> Past:
    """Prepare the windows of a series; costs `size` operations for each of them."""
    x, n = values.copy(), max(len(values) - size + 1, 0)
    means, variances = np.zeros(n), np.full(n, np.inf)
    for j in range(n):
        mean, variance = _moments(x[j : j + size])
        if variance == variance:
            means[j], variances[j] = mean, variance
    _fill(x)
    return Past(x, size, means, variances)


@kernel
def distances(recent: Floats, place: int, zone: int, history: Past, found: Floats, match: Ints) -> None:
    """Write how far each window of `recent` is from the nearest one of a history, and which that is.

    Parameters
    ----------
    recent : (n_windows + size - 1,) values, NaN where missing
    place : where the first window begins in the history, before its beginning (negative) or after its end
    zone : windows that begin fewer places than that apart are not compared
    history : the windows to compare with
    found : (n_windows,) root mean squares; NaN where a value is missing or there is nothing to compare with
    match : (n_windows,) the number of the nearest window, the first of equals in its lane; -1 where `found` is NaN

    Cost: 0.8 ns for each pair of windows.
    """
    size, n = history.size, len(history.means)
    x = recent.copy()
    _fill(x)
    dots, before = np.empty(n), np.empty(n)
    peak, since = 0.0, RESTART
    for row in range(len(found)):
        mean, variance = _moments(recent[row : row + size])
        largest = np.abs(x[row : row + size]).max()
        peak, since = max(peak, largest), since + 1
        before, dots = dots, before
        if since >= RESTART or peak > FADED * largest:
            _products(x[row : row + size], history.x, dots)
            peak, since = largest, 0
        else:
            _advance(x, row, history, before, dots)
        found[row], match[row] = np.nan, -1
        if variance == variance:
            square, at = _closest(dots, mean, variance, place + row, zone, history)
            if square < np.inf:
                found[row], match[row] = np.sqrt(square), at


class Side(NamedTuple):
    """One of two looks at a window whose last value is still open, and what it is compared with.

    `head` are its other values, `dots` their sums of products with each window of the history. A last value t, in the
    units of the readings, is (t - `start`) / `unit` here. `gauges` are the distances that count as 1.
    """

    head: Floats
    dots: Floats
    start: float
    unit: float
    history: Past
    gauges: Floats


@kernel
def side(head: Floats, start: float, unit: float, history: Past, gauges: Floats) -> Side:
    """Prepare a window for trials of its last value."""
    dots = np.empty(len(history.means))
    _products(head, history.x, dots)
    return Side(head, dots, start, unit, history, gauges)


@kernel
def limit(last: float, place: int, zone: int, one: Side, other: Side, most: float) -> float:
    """Return the last value nearest to `last`, on the way to the window's other end, that counts at most `most`.

    What counts is the mean of both sides; NaN if no place on the way would do. The readings of the window are the head
    of `one`. Cost: some 100 distances of each side.
    """
    goal = one.head.min() if last > one.head.mean() else one.head.max()
    loud, quiet, reached = last, last, False
    for step in range(1, STEPS + 1):
        quiet = last + (goal - last) * (step / STEPS)
        if _counts(quiet, place, zone, one, other) <= most:
            reached = True
            break
        loud = quiet
    if not reached:
        return np.nan
    while True:
        middle = quiet + (loud - quiet) / 2.0
        if middle in (quiet, loud) or abs(loud - quiet) <= 1e-12 * abs(loud):
            return quiet
        if _counts(middle, place, zone, one, other) <= most:
            quiet = middle
        else:
            loud = middle


@kernel
def _counts(last: float, place: int, zone: int, one: Side, other: Side) -> float:
    """Return what a window with this last value counts, the mean of its sides."""
    total = 0.0
    for each in (one, other):
        own = (last - each.start) / each.unit
        window = np.append(each.head, own)
        dots, ends = each.dots.copy(), each.history.x[each.history.size - 1 :]
        for j in range(len(dots)):
            dots[j] += own * ends[j]
        mean, variance = _moments(window)
        square, at = _closest(dots, mean, variance, place, zone, each.history)
        total += np.sqrt(square) / each.gauges[at]
    return total / 2.0


@kernel
def _closest(dots: Floats, mean: float, variance: float, place: int, zone: int, history: Past) -> tuple[float, int]:
    """Return the squared distance of the nearest window, in mean squares, and its number; infinite and -1 if none."""
    best, where = np.full(LANES, np.inf), np.full(LANES, -1.0)
    n, share, twice = len(dots), 2.0 / history.size, 2.0 * mean
    for half in range(2):
        first = 0 if half == 0 else min(max(place + zone, 0), n)
        until = min(max(place - zone + 1, 0), n) if half == 0 else n
        for start in range(first, until, LANES):
            part = slice(start, min(start + LANES, until))
            products, means, variances = dots[part], history.means[part], history.variances[part]
            base = float(start)
            for lane in range(len(products)):
                square = variances[lane] - products[lane] * share + twice * means[lane]
                closer = square < best[lane]
                best[lane] = square if closer else best[lane]
                where[lane] = base + lane if closer else where[lane]
    lane = int(best.argmin())
    at = int(where[lane])
    if at < 0:
        return np.inf, -1
    square = best[lane] + variance
    rounding = EQUAL * (variance + history.variances[at]) + LEVEL * mean * mean
    return (square if square > rounding else 0.0), at


@kernel
def _moments(values: Floats) -> tuple[float, float]:
    """Return the mean and the variance of values, NaN if one is missing; a constant has exactly none."""
    mean = 0.0
    for value in values:
        mean += value
    mean /= len(values)
    total = 0.0
    for value in values:
        total += (value - mean) * (value - mean)
    variance = total / len(values)
    return mean, 0.0 if variance == variance and values.min() == values.max() else variance


@kernel
def _fill(x: Floats) -> None:
    """Take missing values for 0."""
    for i in range(len(x)):
        if x[i] != x[i]:
            x[i] = 0.0


@kernel
def _products(values: Floats, x: Floats, dots: Floats) -> None:
    """Write the sums of products of some values with those of each window."""
    dots[:] = 0.0
    for i in range(len(values)):
        for j in range(len(dots)):
            dots[j] += values[i] * x[i + j]


@kernel
def _advance(x: Floats, row: int, history: Past, before: Floats, dots: Floats) -> None:
    """Write the sums of products of a row's window from those of the window before it."""
    end = row + history.size - 1
    gone, new, coming = x[row - 1], x[end], history.x[history.size - 1 :]
    for j in range(1, len(dots)):
        dots[j] = before[j - 1] - gone * history.x[j - 1] + new * coming[j]
    _products(x[row : end + 1], history.x, dots[:1])

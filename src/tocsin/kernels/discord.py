"""Discords: how far each sub-sequence of a series is from the one that is most like it, and what would have been less.

Distances are between sub-sequences less their mean, in units of their own standard deviation. With covariances carried
on from one row to the next, as in SCRIMP and STOMP, that costs a few operations for each pair of sub-sequences,
however long they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

RESTART = 256
"""After how many rows sums of products are taken anew, so that rounding errors cannot pile up."""
LANES = 32
"""Minima that are taken side by side, so that they fill the vector registers."""
STEPS = 32
"""At how many places between a value and a usual one a row is tried before the nearest is made exact."""
UNLIKE = 1e9
"""The distance, in its usual size, of what varies where nothing ever did: infinite by rights, but a number."""


class History(NamedTuple):
    """The sub-sequences that others are compared with, all windows of a series `x` of n values less their mean.

    Missing values are 0 in `x`. `means` and `steeps`, one over the standard deviation, have an entry for each window.
    A window without deviation has a steepness of 0, as has one with a missing value, and it is told apart by `own`: the
    mean square that it has in its own units, 1, or 0 if it is constant, or infinity if it cannot be compared with.
    `least` and `most` are the smallest and the largest standard deviation that any window has, 0 without any; `known`
    says that there is a window without missing values.
    """

    x: Floats
    means: Floats
    steeps: Floats
    own: Floats
    center: float
    least: float
    most: float
    known: bool


@kernel
def history(values: NDArray[np.float64], window: int) -> History:
    """Prepare the windows of a series; costs `window` operations for each of them."""
    total, count = 0.0, 0
    for value in values:
        if value == value:
            total += value
            count += 1
    center = total / count if count > 0 else 0.0
    x = values - center
    n = len(values) - window + 1
    means, steeps, own = np.zeros(n), np.zeros(n), np.full(n, np.inf)
    least, most, known = np.inf, 0.0, False
    for j in range(n):
        part = x[j : j + window]
        low, high, mean = part.min(), part.max(), part.sum() / window
        if mean != mean:
            continue
        means[j], own[j], known = mean, 0.0, True
        if low < high:
            squares = 0.0
            for value in part:
                squares += (value - mean) * (value - mean)
            deviation = np.sqrt(squares / window)
            if deviation > 0.0:
                steeps[j], own[j] = 1.0 / deviation, 1.0
                least, most = min(least, deviation), max(most, deviation)
    for i in range(len(x)):
        if x[i] != x[i]:
            x[i] = 0.0
    return History(x, means, steeps, own, center, least if most > 0.0 else 0.0, most, known)


class Window(NamedTuple):
    """A sub-sequence but for its last value, which is still open: its values less the history's centre.

    `dots` are its sums of products with the first values of each window of the history, and `place` is where it begins
    in the history, before its beginning (negative) or after its end; windows within `zone` of it are not compared.
    """

    head: Floats
    dots: Floats
    place: int
    zone: int


@kernel
def _nearest(last: float, mean: float, squares: float, open_: Window, past: History) -> float:
    """Return the distance of a window with this last value, less the centre, from the nearest one of the history.

    `mean` and `squares` are of the other values: their mean, and the sum of squares about it. Distances are in root
    mean squares, from 0 to 2 of windows like those of the history.
    """
    size = len(open_.head) + 1
    away = last - mean
    middle = mean + away / size
    square = (squares + away * away * (1.0 - 1.0 / size)) / size
    deviation = np.sqrt(square)
    scale = min(max(deviation, past.least), past.most)
    if not past.known:
        return np.inf
    if scale == 0.0:
        return UNLIKE if deviation > 0.0 else 0.0
    ratio, steep, ends = square / (scale * scale), 2.0 / scale, past.x[size - 1 :]
    best, share, n = np.full(LANES, np.inf), 1.0 / size, len(past.means)
    for side in range(2):
        first = 0 if side == 0 else max(open_.place + open_.zone + 1, 0)
        until = min(max(open_.place - open_.zone, 0), n) if side == 0 else n
        for start in range(first, until, LANES):
            part = slice(start, min(start + LANES, until))
            dots, closing, means = open_.dots[part], ends[part], past.means[part]
            steeps, own = past.steeps[part], past.own[part]
            for lane in range(len(dots)):
                covariance = (dots[lane] + last * closing[lane]) * share - middle * means[lane]
                distance = own[lane] - covariance * steep * steeps[lane]
                best[lane] = distance if distance < best[lane] else best[lane]
    return np.sqrt(max(best.min() + ratio, 0.0))


@kernel
def _spread(head: Floats) -> tuple[float, float]:
    """Return the mean of values, and the sum of squares about it."""
    mean, squares = 0.0, 0.0
    for value in head:
        mean += value / len(head)
    for value in head:
        squares += (value - mean) * (value - mean)
    return mean, squares


@kernel
def _dots(head: Floats, x: Floats, dots: Floats) -> None:
    """Write the sums of products of some values with those of each window."""
    dots[:] = 0.0
    for i in range(len(head)):
        for j in range(len(dots)):
            dots[j] += head[i] * x[i + j]


@kernel
def _advance(x: Floats, row: int, window: int, past: History, before: Floats, dots: Floats) -> None:
    """Write the sums of products of a row's window, but for its last value, from those of the window `before`."""
    end = row + window - 1
    if row % RESTART == 0:
        _dots(x[row:end], past.x, dots)
        return
    gone, new, coming = x[row - 1], x[end - 1], past.x[window - 2 :]
    for j in range(1, len(dots)):
        dots[j] = before[j - 1] - gone * past.x[j - 1] + new * coming[j]
    _dots(x[row:end], past.x, dots[:1])


@kernel
def distances(recent: Floats, window: int, place: int, past: History, found: Floats) -> None:
    """Write the distance of each window of `recent` from the nearest one of the history; NaN where a value is missing.

    Parameters
    ----------
    recent : (n_windows + window - 1,) values, the last of each window is the one that is judged
    place : where the first window begins in the history; windows within a quarter of a window are not compared
    past : the history, of windows of the same length
    found : (n_windows,) the result, in root mean squares

    Cost: about 1 ns for each pair of windows.
    """
    _walk(recent, window, place, past, np.empty(0), 1.0, found)


@kernel
def limits(
    recent: Floats, window: int, place: int, past: History, thresholds: Floats, unit: float, found: Floats
) -> None:
    """Write the nearest last value of each window, on the way to its other values, that is within its threshold.

    `thresholds`, in units of `unit`, are NaN where nothing is asked; where nothing is found the result is NaN, too. The
    others are as in `distances`. Cost: some 100 distances for each window that is asked for.
    """
    _walk(recent, window, place, past, thresholds, unit, found)


@kernel
def _walk(
    recent: Floats, window: int, place: int, past: History, thresholds: Floats, unit: float, found: Floats
) -> None:
    """Go over windows; without thresholds write distances, and else limits."""
    zone, missing = (window + 3) // 4, -1
    x = recent - past.center
    for row in range(len(x)):
        if x[row] != x[row]:
            x[row] = 0.0
    dots, before = np.empty(len(past.means)), np.empty(len(past.means))
    for row in range(min(window - 1, len(x))):
        missing = row if recent[row] != recent[row] else missing
    for row in range(len(found)):
        end = row + window - 1
        missing = end if recent[end] != recent[end] else missing
        before, dots = dots, before
        _advance(x, row, window, past, before, dots)
        found[row] = np.nan
        if missing >= row or (len(thresholds) > 0 and thresholds[row] != thresholds[row]):
            continue
        head = x[row:end]
        open_ = Window(head, dots, place + row, zone)
        if len(thresholds) == 0:
            mean, squares = _spread(head)
            distance = _nearest(x[end], mean, squares, open_, past)
            found[row] = distance if distance < np.inf else np.nan
        else:
            found[row] = past.center + _limit(x[end], open_, past, thresholds[row] * unit)


@kernel
def _limit(x: float, open_: Window, past: History, most: float) -> float:
    """Return the last value nearest to x, on the way to the other end of the window's range, that is near enough."""
    mean, squares = _spread(open_.head)
    goal = open_.head.min() if x > mean else open_.head.max()
    loud, quiet, reached = x, x, False
    for step in range(1, STEPS + 1):
        quiet = x + (goal - x) * (step / STEPS)
        if _nearest(quiet, mean, squares, open_, past) <= most:
            reached = True
            break
        loud = quiet
    if not reached:
        return np.nan
    while True:
        middle = quiet + (loud - quiet) / 2.0
        if middle in (quiet, loud) or abs(loud - quiet) <= 1e-12 * abs(loud + past.center):
            return quiet
        if _nearest(middle, mean, squares, open_, past) <= most:
            quiet = middle
        else:
            loud = middle

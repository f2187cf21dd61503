"""Loess on a regular grid, the smoother inside STL, as convolutions.

A line fitted around a point of a regular grid weighs its neighbours by how far they are, and by nothing else. Away from
the ends an unweighted fit is therefore one fixed symmetric filter, and a weighted one needs five: of the weights with
the bell and its first two moments, and of the weighted values with the bell and its first. Only the half window at each
end has weights of its own, kept in a table.

The conventions are those of the authors' program (Cleveland, Cleveland, McRae and Terpenning, Journal of Official
Statistics 6, 1990, with netlib's `stl`), which others follow: tricube weights that end at 0.999 of the farthest
neighbour, windows that do not shrink at the ends, and no slope where the neighbours lie within a thousandth of the
whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.convolve import add_filtered
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

# Typed, because Numba would compile all that follows once for each value of a plain constant.
FIT = np.int64(0)
"""The filter of an unweighted fit."""
ZEROTH, FIRST, SECOND = np.int64(1), np.int64(2), np.int64(3)
"""The filters that give the moments of weights under the bell."""
PLAIN, WEIGHTED = np.int64(1), np.int64(4)
"""How many filters are needed without weights, and with them."""

_LARGEST_TABLE = 1 << 23


class Loess(NamedTuple):
    """How `n` points on a regular grid are smoothed; see `plan`.

    Parameters
    ----------
    n, window, degree, jump : int
        Points, neighbours a fit looks at (odd), degree of the fit (0 or 1), and distance between fits; the points in
        between are interpolated.
    guard : float
        The spread of neighbours up to which a fit has no slope.
    middle : ndarray of shape (4, window), or (1, window) where no weights are foreseen
        What each neighbour counts in the middle of the series: in a fit, and in the three moments. Empty if the window
        is as long as the series.
    ends : ndarray of shape (4 or 1, min(window, n), n_columns)
        The same for the points from -1, one before the first, to the last whose window touches the start, and then 0 up
        to full vectors; the end is their mirror image. Without columns where it would be huge: then each such point is
        seen to by itself.
    """

    n: int
    window: int
    degree: int
    jump: int
    guard: float
    middle: NDArray[np.float64]
    ends: NDArray[np.float64]


@kernel
def plan(n: int, window: int, degree: int, jump: int, whole: int, kinds: int) -> Any:
    """Prepare to smooth `n` points that stand for a series of `whole` points; `kinds` is `PLAIN` or `WEIGHTED`."""
    jump, guard = max(min(jump, n - 1), 1), 0.001 * (whole - 1.0)
    half, width = window // 2, min(window, n)
    points = n if window >= n else half
    columns = 1 + (points + 7) // 8 * 8 if points * width * kinds <= _LARGEST_TABLE else 0
    middle = np.empty((kinds, window if window < n else 0))
    ends = np.zeros((kinds, width, columns))
    if window < n:
        bare = Loess(2 * window, window, degree, jump, guard, middle, ends)
        for kind in range(kinds):
            column(bare, kind, window, window - half, middle[kind])
    how = Loess(n, window, degree, jump, guard, middle, ends)
    counts = np.empty(width)
    for kind in range(kinds):
        for at in range(min(columns, 1 + points)):
            column(how, kind, at - 1, np.int64(0), counts)
            for j in range(width):
                ends[kind, j, at] = counts[j]
    return how


@kernel
def column(how: Loess, kind: int, x: int, left: int, counts: Floats) -> None:
    """Write what each neighbour from `left` on counts at the point `x`, shape (min(window, n),)."""
    width = counts.size
    farthest = float(max(x - left, left + width - 1 - x) + max(how.window - how.n, 0) // 2)
    total = first = 0.0
    for j in range(width):
        distance = float(left + j - x)
        bell = _tricube(abs(distance), farthest)
        counts[j] = bell
        total += bell
        first += bell * distance
    if kind == FIT:
        first /= total
        spread = 0.0
        for j in range(width):
            spread += counts[j] / total * (left + j - x - first) ** 2
        slope = -first / spread if how.degree > 0 and np.sqrt(spread) > how.guard else 0.0
        for j in range(width):
            counts[j] *= (1.0 + slope * (left + j - x - first)) / total
    elif kind != ZEROTH:
        for j in range(width):
            distance = float(left + j - x)
            counts[j] *= distance if kind == FIRST else distance * distance


@kernel
def _tricube(distance: float, farthest: float) -> float:
    if distance > 0.999 * farthest:
        return 0.0
    if distance <= 0.001 * farthest:
        return 1.0
    ratio = distance / farthest
    rest = 1.0 - ratio * ratio * ratio
    return rest * rest * rest


@kernel
def last_fit(how: Loess) -> int:
    """Return the last point that a whole number of jumps reaches."""
    return (how.n - 1) // how.jump * how.jump


@kernel
def left_of(how: Loess, x: int) -> int:
    """Return where the window of the point `x` begins; the last of all borrows the window of the fit before it."""
    x = min(x, last_fit(how)) if x == how.n - 1 else x
    return min(max(x - how.window // 2, 0), how.n - min(how.window, how.n))


@kernel
def tabled(how: Loess) -> int:
    """Return how many points from the first on have their filters in the table."""
    return 0 if how.ends.shape[2] == 0 else how.n if how.window >= how.n else how.window // 2


@kernel
def filter_ends(how: Loess, kind: int, x: Floats, out: Floats) -> None:
    """Apply one of the filters at each fitted point whose window is not its own middle."""
    if tabled(how) == 0:
        _one_by_one(how, kind, x, np.int64(0), how.n, out)
    else:
        _at_the_ends(how, kind, x, out)
    if last_fit(how) < how.n - 1:
        _one_by_one(how, kind, x, how.n - 1, how.n, out)


@kernel
def filter_middle(how: Loess, kind: int, x: Floats, out: Floats) -> None:
    """Apply one of the filters at each other fitted point; what `out` holds where there is no fit is undefined."""
    half = how.window // 2
    if how.window >= how.n:
        return
    out[half : how.n - half] = 0.0
    if how.jump == 1:
        add_filtered(x, how.middle[kind], np.int64(1), out[half : how.n - half])
    else:
        _jumping(how, kind, x, out)


@kernel
def _at_the_ends(how: Loess, kind: int, x: Floats, out: Floats) -> None:
    """Filter the half window at each end, all its points at once, four neighbours at a time."""
    width, columns = how.ends.shape[1:]
    table, n, points = how.ends[kind], how.n, tabled(how)
    sums = np.empty(columns - 1)
    for side in range(1 if width == n else 2):
        y = x if side == 0 else x[n - width :][::-1].copy()
        sums[:] = 0.0
        for j in range(0, width - 3, 4):
            a, b, c, d = y[j], y[j + 1], y[j + 2], y[j + 3]
            first, second, third, fourth = table[j, 1:], table[j + 1, 1:], table[j + 2, 1:], table[j + 3, 1:]
            for i in range(sums.size):
                sums[i] += (first[i] * a + second[i] * b) + (third[i] * c + fourth[i] * d)
        for j in range(width // 4 * 4, width):
            a, first = y[j], table[j, 1:]
            for i in range(sums.size):
                sums[i] += first[i] * a
        if side == 0:
            out[:points] = sums[:points]
        else:
            sign = -1.0 if kind == FIRST else 1.0
            for i in range(points):
                out[n - 1 - i] = sign * sums[i]


@kernel
def _one_by_one(how: Loess, kind: int, x: Floats, start: int, stop: int, out: Floats) -> None:
    """Filter the fitted points from `start` on that no table has."""
    width, half = min(how.window, how.n), how.window // 2
    counts = np.empty(width)
    for at in range(start, stop):
        if (width < how.n and half <= at < how.n - half and at != how.n - 1) or (
            at % how.jump != 0 and at != how.n - 1
        ):
            continue
        left = left_of(how, at)
        column(how, kind, at, left, counts)
        total = 0.0
        for j in range(width):
            total += counts[j] * x[left + j]
        out[at] = total


@kernel
def _jumping(how: Loess, kind: int, x: Floats, out: Floats) -> None:
    """Filter every point at a distance of `jump` in the middle, as a sum over the phases of the jump."""
    half, jump = how.window // 2, how.jump
    first = (half + jump - 1) // jump * jump
    fits = (how.n - 1 - half - first) // jump + 1
    if fits <= 0:
        return
    sums = np.zeros(fits)
    taps = how.middle[kind]
    for phase in range(min(jump, how.window)):
        part = taps[phase::jump].copy()
        values = x[first - half + phase :: jump][: fits + part.size - 1].copy()
        add_filtered(values, part, np.int64(1), sums)
    for i in range(fits):
        out[first + i * jump] = sums[i]


@kernel
def smooth(how: Loess, y: Floats, out: Floats) -> None:
    """Smooth `y` of shape (n,), all points weighing the same."""
    filter_ends(how, FIT, y, out)
    filter_middle(how, FIT, y, out)
    interpolate(how, out)


@kernel
def weigh(how: Loess, weights: Floats, level: Floats, slope: Floats, second: Floats) -> bool:
    """Prepare `smooth_weighted` for weights in [0, 1]; return whether any fit in the middle may have a slope.

    A fit is `level` times the sum of weighted values under the bell plus `slope` times their first moment; a level of
    NaN says that no neighbour has any weight. All arrays have the shape (n,), and `second` is scratch.
    """
    if how.jump > 1:
        level[:], slope[:], second[:] = 0.0, 0.0, 0.0
    filter_ends(how, ZEROTH, weights, level)
    filter_ends(how, FIRST, weights, slope)
    filter_ends(how, SECOND, weights, second)
    filter_middle(how, ZEROTH, weights, level)
    start, stop = middle_of(how)
    sloped = _may_slope(how, level[start:stop])
    if sloped:
        filter_middle(how, FIRST, weights, slope)
        filter_middle(how, SECOND, weights, second)
    else:
        slope[start:stop] = 0.0
        second[start:stop] = 0.0
    solve(how, level, slope, second)
    return sloped


@kernel
def middle_of(how: Loess) -> tuple[int, int]:
    """Return the first point whose window is its own middle, and the first after them."""
    if how.window >= how.n or how.n - how.window // 2 <= how.window // 2:
        return how.n, how.n
    return how.window // 2, how.n - how.window // 2


@kernel
def _may_slope(how: Loess, zeroth: Floats) -> bool:
    """Return whether the neighbours of any point in the middle may spread farther than the guard.

    The second moment is the greatest where all weights are 1, so a sum of weights bounds the spread without it.
    """
    least = how.middle[SECOND].sum() / (how.guard * how.guard) if how.degree > 0 else 0.0
    below = False
    for i in range(zeroth.size):
        below |= zeroth[i] < least
    return below


@kernel
def solve(how: Loess, level: Floats, slope: Floats, second: Floats) -> None:
    """Turn the weights' three moments into what values and their first moment count in a fit, in place."""
    least = how.guard * how.guard if how.degree > 0 else np.inf
    for i in range(level.size):
        zeroth = level[i]
        share = 1.0 / (zeroth if zeroth > 0.0 else 1.0)
        mean = slope[i] * share
        spread = second[i] * share - mean * mean
        steep = spread > least
        tilt = -mean / (spread if steep else 1.0)
        tilt = tilt if steep else 0.0
        level[i] = (1.0 - tilt * mean) * share if zeroth > 0.0 else np.nan
        slope[i] = tilt * share


@kernel
def smooth_weighted(
    how: Loess, y: Floats, weighted: Floats, level: Floats, slope: Floats, sloped: bool, moment: Floats, out: Floats
) -> None:
    """Smooth `y` of shape (n,) by weights that `weigh` has seen.

    `weighted` are the products of values and weights, `moment` is scratch; both have the shape of `y`. A fit without
    any neighbour of weight gives the value itself.
    """
    filter_ends(how, ZEROTH, weighted, out)
    filter_ends(how, FIRST, weighted, moment)
    filter_middle(how, ZEROTH, weighted, out)
    start, stop = middle_of(how)
    if sloped:
        filter_middle(how, FIRST, weighted, moment)
        start, stop = how.n, how.n
    for i in range(start):
        out[i] = level[i] * out[i] + slope[i] * moment[i]
    for i in range(start, stop):
        out[i] *= level[i]
    for i in range(stop, how.n):
        out[i] = level[i] * out[i] + slope[i] * moment[i]
    for i in range(how.n):
        if level[i] != level[i]:
            out[i] = y[i]
    interpolate(how, out)


@kernel
def interpolate(how: Loess, out: Floats) -> None:
    """Draw lines between the points that were fitted."""
    if how.jump == 1:
        return
    n, last = how.n, last_fit(how)
    start = 0
    while start < n - 1:
        stop = start + how.jump if start < last else n - 1
        rise = (out[stop] - out[start]) / (stop - start)
        for i in range(start + 1, stop):
            out[i] = out[start] + rise * (i - start)
        start = stop

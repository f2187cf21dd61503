"""Loess of each phase of a cycle over the cycles, all phases at once.

A series of a given period is a matrix with a row a cycle and a column a phase, in one run of memory. A phase's own
series is a column, but neighbours in a column count the same in every column, so the work goes along the rows; away
from the first and last cycles it is one filter over the whole run, with taps a period apart.

The last row may be cut short: the phases it has are smoothed over one more cycle than the others. Fits include one
cycle before the first and one after the last, so the result is two periods longer than the series.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import loess
from tocsin.kernels.convolve import add_filtered
from tocsin.kernels.jit import kernel
from tocsin.kernels.loess import FIRST, FIT, SECOND, ZEROTH, Loess

Floats = NDArray[np.float64]


class Cycles(NamedTuple):
    """How `n` points with a period are smoothed phase by phase.

    The first `split` phases have one cycle more than the others; `long` and `short` are the smoothers of both.
    """

    n: int
    period: int
    split: int
    long: Loess
    short: Loess


@kernel
def plan(n: int, period: int, window: int, degree: int, jump: int, whole: int, kinds: int) -> Any:
    """Prepare to smooth `n` points, at least two periods, that are part of a series of `whole` points."""
    cycles = (n + period - 1) // period
    split = n - (cycles - 1) * period
    missing = (whole - n) // period
    long = loess.plan(cycles, window, degree, jump, cycles + missing, kinds)
    shorter = cycles - 1 if split < period else cycles
    short = loess.plan(shorter, window, degree, jump, shorter + missing, kinds) if split < period else long
    return Cycles(n, period, split, long, short)


@kernel
def _shared(how: Cycles) -> tuple[int, int]:
    """Return the rows in which all phases are filtered alike."""
    half = how.long.window // 2
    if how.long.jump > 1 or how.short.n <= how.short.window:
        return 0, 0
    return half, how.short.n - half


@kernel
def _filtered(how: Cycles, kind: int, x: Floats, out: Floats) -> None:
    """Apply one of the filters of loess to each phase; `out` has two periods more than `x`."""
    period = how.period
    out[:] = 0.0
    start, stop = _shared(how)
    if stop > start:
        reach = how.long.window // 2
        rows = out[(start + 1) * period : (stop + 1) * period]
        add_filtered(x[(start - reach) * period :], how.long.middle[kind], period, rows)
    _other_rows(how.long, kind, x, start, stop, period, np.int64(0), how.split, out)
    if how.split < period:
        _other_rows(how.short, kind, x, start, stop, period, how.split, period, out)


@kernel
def _other_rows(
    how: Loess, kind: int, x: Floats, start: int, stop: int, period: int, first: int, last: int, out: Floats
) -> None:
    """Filter the phases from `first` to `last` in all rows but those from `start` to `stop`."""
    width = min(how.window, how.n)
    counts = np.empty(width)
    for row in range(-1, how.n + 1):
        if start <= row < stop or not _is_fitted(how, row):
            continue
        left = 0 if row < 0 else how.n - width if row == how.n else loess.left_of(how, row)
        _counts(how, kind, row, left, counts)
        target = out[(row + 1) * period + first : (row + 1) * period + last]
        add_filtered(x[left * period + first :], counts, period, target)


@kernel
def _is_fitted(how: Loess, row: int) -> bool:
    return row < 0 or row >= how.n - 1 or row % how.jump == 0


@kernel
def _counts(how: Loess, kind: int, row: int, left: int, counts: Floats) -> None:
    """Write what each neighbour counts at one row, from the table where it is there."""
    width, points, half = counts.size, loess.tabled(how), how.window // 2
    borrowed = row == how.n - 1 and loess.last_fit(how) < row
    if width < how.n and half <= row < how.n - half and not borrowed:
        counts[:] = how.middle[kind]
    elif row < points and not borrowed:
        counts[:] = how.ends[kind, :, row + 1]
    elif how.n - 1 - row < points and not borrowed:
        sign = -1.0 if kind == FIRST else 1.0
        for j in range(width):
            counts[j] = sign * how.ends[kind, width - 1 - j, how.n - row]
    else:
        loess.column(how, kind, row, left, counts)


@kernel
def smooth(how: Cycles, y: Floats, out: Floats) -> None:
    """Smooth `y` of shape (n,) into `out` of shape (n + 2 * period,), all points weighing the same."""
    _filtered(how, FIT, y, out)
    _interpolate(how, out)


@kernel
def weigh(how: Cycles, weights: Floats, level: Floats, slope: Floats, second: Floats) -> None:
    """Prepare `smooth_weighted`; all but `weights` have the shape (n + 2 * period,) and `second` is scratch."""
    _filtered(how, ZEROTH, weights, level)
    _filtered(how, FIRST, weights, slope)
    _filtered(how, SECOND, weights, second)
    for start in range(0, level.size, how.period):
        split, stop = min(start + how.split, level.size), min(start + how.period, level.size)
        loess.solve(how.long, level[start:split], slope[start:split], second[start:split])
        loess.solve(how.short, level[split:stop], slope[split:stop], second[split:stop])


@kernel
def smooth_weighted(
    how: Cycles, y: Floats, weighted: Floats, level: Floats, slope: Floats, moment: Floats, out: Floats
) -> None:
    """Smooth `y` by weights that `weigh` has seen; see `loess.smooth_weighted`."""
    period = how.period
    _filtered(how, ZEROTH, weighted, out)
    _filtered(how, FIRST, weighted, moment)
    for i in range(out.size):
        out[i] = level[i] * out[i] + slope[i] * moment[i]
    for i in range(y.size):
        if level[i + period] != level[i + period]:
            out[i + period] = y[i]
    _interpolate(how, out)
    for i in range(period):
        if level[i] != level[i]:
            out[i] = out[i + period]
        last = out.size - period + i
        if level[last] != level[last]:
            out[last] = out[last - period]


@kernel
def _interpolate(how: Cycles, out: Floats) -> None:
    """Draw lines between the cycles that were fitted."""
    if how.long.jump == 1:
        return
    for phase in range(how.period):
        own = how.long if phase < how.split else how.short
        series = out[phase + how.period :: how.period][: own.n]
        loess.interpolate(own, series)

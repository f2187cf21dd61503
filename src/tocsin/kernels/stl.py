"""STL: seasonal-trend decomposition by loess, exactly as published and as statsmodels computes it.

Cleveland, Cleveland, McRae and Terpenning, Journal of Official Statistics 6 (1990), 3-73. In a pass of the inner loop

1. the series without its trend is smoothed phase by phase over the cycles,
2. what is low in frequency in that, by three moving averages and a loess, is taken away: the seasonal component,
3. the series without its season is smoothed: the trend.

Each pass of the outer loop weighs every value by how far it lies from the fit, and the smoothers weigh it so.

A missing value has no weight in any smoother, so it takes no part; the moving averages see only the smoothed cycles,
which are defined everywhere. Where no neighbour in a window has any weight, a smoother falls back on the value itself,
and for a missing one that is what the fit said last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import cycles, loess
from tocsin.kernels.convolve import moving_average
from tocsin.kernels.cycles import Cycles
from tocsin.kernels.jit import kernel
from tocsin.kernels.loess import Loess

Floats = NDArray[np.float64]

_MANY = 16_384


class Plan(NamedTuple):
    """How series of one length are decomposed: the three smoothers, and how often the loops run."""

    n: int
    period: int
    inner: int
    outer: int
    seasonal: Cycles
    trend: Loess
    low_pass: Loess


class Work(NamedTuple):
    """Scratch that decompositions by the same plan share; rows are of length `n + 2 * period` or `n`."""

    cycles: NDArray[np.float64]
    long: NDArray[np.float64]
    short: NDArray[np.float64]


@kernel
def plan(
    n: int,
    period: int,
    windows: tuple[int, int, int],
    degrees: tuple[int, int, int],
    jumps: tuple[int, int, int],
    loops: tuple[int, int],
    whole: int,
    weighted: bool,
) -> Any:
    """Prepare to decompose series of `n` points, each a part of one of `whole` points.

    `windows`, `degrees` and `jumps` are those of the seasonal, trend and low-pass smoothers, `loops` the passes of the
    inner and outer loop. Weights need `weighted`, which costs memory and time.
    """
    kinds = loess.WEIGHTED if weighted else loess.PLAIN
    return Plan(
        n,
        period,
        loops[0],
        loops[1],
        cycles.plan(n, period, windows[0], degrees[0], jumps[0], whole, kinds),
        loess.plan(n, windows[1], degrees[1], jumps[1], whole, kinds),
        loess.plan(n, windows[2], degrees[2], jumps[2], whole, loess.PLAIN),
    )


@kernel
def scratch(n: int, period: int, weighted: bool) -> Any:
    """Return the working memory for series of `n` points."""
    rows = 1 if weighted else 0
    return Work(np.empty((3, n + 2 * period)), np.empty((3 * rows, n + 2 * period)), np.empty((1 + 4 * rows, n)))


@kernel
def decompose(how: Plan, series: Floats, work: Work, trend: Floats, seasonal: Floats, resid: Floats) -> None:
    """Decompose series without missing values, all values weighing 1; all but `work` have the shape (n_series, n).

    What has no outer loop needs no more than this, and compiles in half the time.
    """
    for i in range(len(series)):
        y = series[i]
        if not _is_constant(y, trend[i], seasonal[i]):
            trend[i] = 0.0
            for _ in range(how.inner):
                _plain_pass(how, y, trend[i], seasonal[i], work)
        for j in range(how.n):
            resid[i, j] = y[j] - seasonal[i, j] - trend[i, j]


@kernel
def decompose_weighted(
    how: Plan, series: Floats, work: Work, trend: Floats, seasonal: Floats, resid: Floats, weights: Floats
) -> None:
    """Decompose series of which none is missing whole; all but `work` have the shape (n_series, n).

    NaN is a missing value. `weights` is filled with the weights of the last pass of the outer loop, 1 where there is
    none and 0 where a value is missing. Needs a plan and scratch with weights.
    """
    for i in range(len(series)):
        y = series[i]
        gaps = y[0] != y[0]
        for j in range(how.n):
            weights[i, j] = 1.0 if y[j] == y[j] else 0.0
            gaps |= y[j] != y[j]
        if not _is_constant(y, trend[i], seasonal[i]):
            _decompose_weighted(how, y, gaps, weights[i], trend[i], seasonal[i], work)
        for j in range(how.n):
            resid[i, j] = y[j] - seasonal[i, j] - trend[i, j]


@kernel
def _is_constant(y: Floats, trend: Floats, seasonal: Floats) -> bool:
    """Return whether all values are one, but for missing ones, which then is the trend."""
    low, high = np.inf, -np.inf
    for i in range(y.size):
        low = y[i] if y[i] < low else low
        high = y[i] if y[i] > high else high
    if low == high:
        trend[:] = low
        seasonal[:] = 0.0
    return low == high


@kernel
def _decompose_weighted(
    how: Plan, y: Floats, gaps: bool, weights: Floats, trend: Floats, seasonal: Floats, work: Work
) -> None:
    trend[:] = 0.0
    seasonal[:] = 0.0
    values, sloped = y, False
    if gaps:
        values = work.short[4]
        fill(y, how.period, values)
    for step in range(how.outer + 1):
        if step > 0:
            _judge(y, trend, seasonal, weights, work.short[0])
        if gaps or step > 0:
            cycles.weigh(how.seasonal, weights, work.long[0], work.long[1], work.long[2])
            sloped = loess.weigh(how.trend, weights, work.short[2], work.short[3], work.short[0])
        for turn in range(how.inner):
            if gaps and (step > 0 or turn > 0):
                for i in range(how.n):
                    values[i] = y[i] if y[i] == y[i] else trend[i] + seasonal[i]
            if gaps or step > 0:
                _weighted_pass(how, values, weights, sloped, trend, seasonal, work)
            else:
                _plain_pass(how, values, trend, seasonal, work)


@kernel
def _plain_pass(how: Plan, y: Floats, trend: Floats, seasonal: Floats, work: Work) -> None:
    """Run the inner loop once, all values weighing the same."""
    rest = work.short[0]
    for i in range(how.n):
        rest[i] = y[i] - trend[i]
    cycles.smooth(how.seasonal, rest, work.cycles[0])
    _take_low_pass(how, seasonal, work)
    for i in range(how.n):
        rest[i] = y[i] - seasonal[i]
    loess.smooth(how.trend, rest, trend)


@kernel
def _weighted_pass(
    how: Plan, y: Floats, weights: Floats, sloped: bool, trend: Floats, seasonal: Floats, work: Work
) -> None:
    """Run the inner loop once with weights."""
    rest, weighted, moment = work.short[0], work.short[1], work.long[2]
    for i in range(how.n):
        rest[i] = y[i] - trend[i]
        weighted[i] = rest[i] * weights[i]
    cycles.smooth_weighted(how.seasonal, rest, weighted, work.long[0], work.long[1], moment, work.cycles[0])
    _take_low_pass(how, seasonal, work)
    for i in range(how.n):
        rest[i] = y[i] - seasonal[i]
        weighted[i] = rest[i] * weights[i]
    loess.smooth_weighted(how.trend, rest, weighted, work.short[2], work.short[3], sloped, moment[: how.n], trend)


@kernel
def _take_low_pass(how: Plan, seasonal: Floats, work: Work) -> None:
    """Set the seasonal component to the smoothed cycles less what is low in frequency in them."""
    n, period = how.n, how.period
    smoothed, once, twice = work.cycles[0], work.cycles[1][: n + period + 1], work.cycles[2][: n + 2]
    moving_average(smoothed, period, once)
    moving_average(once, period, twice)
    for i in range(n):
        once[i] = (twice[i] + twice[i + 1] + twice[i + 2]) / 3.0
    low = work.short[0]
    loess.smooth(how.low_pass, once[:n], low)
    for i in range(n):
        seasonal[i] = smoothed[period + i] - low[i]


@kernel
def _judge(y: Floats, trend: Floats, seasonal: Floats, weights: Floats, distance: Floats) -> None:
    """Weigh each value by how far it lies from the fit, by the bisquare of six median absolute deviations."""
    seen = 0
    for i in range(y.size):
        weights[i] = abs(y[i] - (trend[i] + seasonal[i]))
        if y[i] == y[i]:
            distance[seen] = weights[i]
            seen += 1
    scale = 6.0 * median(distance[:seen])
    for i in range(y.size):
        ratio = weights[i] / scale
        inside = (1.0 - ratio * ratio) ** 2
        weights[i] = 1.0 if scale == 0.0 or ratio <= 0.001 else inside if ratio <= 0.999 else 0.0
        if y[i] != y[i]:
            weights[i] = 0.0


@kernel
def median(x: Floats) -> float:
    """Return the median of values that are not NaN, which are put in another order.

    Of many values, those between two quantiles of a sample are looked at, in which the median all but surely lies.
    """
    middle, below, inside = x.size // 2, 0, x
    if x.size >= _MANY:
        sample = x[:: x.size // 1024].copy()
        first, last = sample.size // 2 - 80, sample.size // 2 + 80
        _select(sample, first)
        low = sample[first]
        _select(sample, last)
        high = sample[last]
        some = np.empty(x.size + 1)
        count = 0
        for i in range(x.size):
            some[count] = x[i]
            count += low <= x[i] <= high
            below += x[i] < low
        if below < middle < below + count:
            inside = some[:count]
        else:
            below = 0
    _select(inside, middle - below)
    upper = inside[middle - below]
    return upper if x.size % 2 == 1 else 0.5 * (inside[: middle - below].max() + upper)


@kernel
def _select(x: Floats, place: int) -> None:
    """Put the value in its place that it has in ascending order, smaller ones before it (Hoare's selection)."""
    low, high = 0, x.size - 1
    while low < high:
        pivot = x[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if j < place:
            low = i
        if place < i:
            high = j


@kernel
def fill(y: Floats, period: int, filled: Floats) -> None:
    """Set `filled` to `y` with its missing values on lines between the same phase of the nearest cycles that have it.

    A phase that is missing in all cycles then lies on a line between its neighbours in time.
    """
    filled[:] = y
    for phase in range(period):
        bridge(filled[phase::period])
    bridge(filled)


@kernel
def bridge(x: Floats) -> None:
    """Draw lines over the missing values inside a series, and go on level at its ends; leave it if all are missing."""
    before = -1
    for i in range(x.size):
        if x[i] != x[i]:
            continue
        if before < 0:
            x[:i] = x[i]
        else:
            for j in range(before + 1, i):
                x[j] = x[before] + (x[i] - x[before]) * ((j - before) / (i - before))
        before = i
    if before >= 0:
        x[before + 1 :] = x[before]

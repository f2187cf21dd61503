"""Trend and season of a stream, a sample at a time, at a cost that does not depend on the period.

The form is that of OnlineSTL (Mishra, Sriharsha and Zhong, VLDB 2022, doi:10.14778/3523210.3523215): the trend is a
one-sided smooth of what the season leaves, and each point of the cycle has a value of its own that is smoothed from
cycle to cycle. Its tricube window, which costs as many operations as it has samples, is an exponential one here, of the
same mean age. Three things are added, each for a fault of the plain form:

- what a sample can teach is bounded at `CLIP` times the usual surprise, so that a spike does not become season;
- when surprises keep their sign for longer than noise does, the trend hurries after them: a step of the level is trend,
  and not season;
- the mean of the cycle is counted to the trend, not to the season, as the low-pass filter of STL does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

LEVEL, MEAN, SPREAD, DRIFT, DRIFT_SPREAD = range(5)
"""What a filter remembers beside its season: the level, the mean of the season, the mean square of surprises, their
mean of late, and the mean square of that."""
FILTER = 5
"""How many numbers these are."""

CLIP = 4.0
"""How many times the usual surprise a sample can teach at most, and how far the mean of late must go to hurry."""
FINEST = 1e-9
"""Surprises under this share of the level are rounding, and say nothing of what is usual."""
TRICUBE_AGE = 0.318
"""The mean age of a one-sided tricube window, as a share of its length."""


class Gains(NamedTuple):
    """Which share of a surprise each part of a filter takes up."""

    trend: float
    hurried: float
    spread: float
    season: float
    mean: float


@kernel
def gains_of(trend: int, seasonal: int, period: int) -> Gains:
    """Return the gains of windows of `trend` samples and `seasonal` cycles; a period of 1 is no season."""
    gain = 1.0 / (1.0 + TRICUBE_AGE * trend)
    season = 2.0 / (seasonal + 1.0) if period > 1 else 0.0
    return Gains(gain, max(gain, min(8.0 * gain, 0.5)), 1.0 / (4.0 * trend), season, season / period)


@kernel
def follow(
    x: float, point: int, gains: Gains, numbers: NDArray[np.float64], season: NDArray[np.float64]
) -> tuple[float, float]:
    """Take one sample in at a point of the cycle, and return how far it was from what was expected, and the part of
    that which was neither bounded away nor put into the trend.

    A missing sample teaches nothing.
    """
    surprise = x - numbers[LEVEL] - season[point]
    if surprise != surprise:
        return np.nan, 0.0
    told, most = surprise, CLIP * CLIP * numbers[SPREAD]
    if surprise * surprise > most > FINEST * FINEST * numbers[LEVEL] * numbers[LEVEL]:
        told = np.copysign(np.sqrt(most), surprise)
    numbers[SPREAD] += gains.spread * (told * told - numbers[SPREAD])
    numbers[DRIFT] += gains.hurried * (told - numbers[DRIFT])
    square, usual = numbers[DRIFT] * numbers[DRIFT], CLIP * CLIP * numbers[DRIFT_SPREAD]
    gain = gains.trend
    if square > usual:
        gain += (gains.hurried - gains.trend) * (1.0 - usual / square)
    numbers[DRIFT_SPREAD] += gains.spread * (min(square, usual) - numbers[DRIFT_SPREAD])
    moved = gain * told
    numbers[LEVEL] += moved
    numbers[DRIFT] -= moved
    left = told - moved
    season[point] += gains.season * left
    numbers[MEAN] += gains.mean * left
    return surprise, left


@kernel
def median(values: NDArray[np.float64]) -> float:
    """Return the median of values, none of which is missing."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half]))


@kernel
def present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values that are not missing."""
    kept, count = np.empty(len(values)), 0
    for value in values:
        if value == value:
            kept[count] = value
            count += 1
    return kept[:count]


@kernel
def spread_of(residuals: NDArray[np.float64]) -> float:
    """Return the mean square that residuals have but for outliers, by their median size; NaN is left out."""
    sizes = np.abs(present(residuals))
    if len(sizes) == 0:
        return 0.0
    robust = 1.4826 * median(sizes)
    return robust * robust if robust > 0.0 else float(np.mean(sizes * sizes))


@kernel
def begin(
    level: float,
    cycle: NDArray[np.float64],
    spread: float,
    gains: Gains,
    numbers: NDArray[np.float64],
    season: NDArray[np.float64],
) -> None:
    """Start a filter at a level, with a cycle and the mean square of surprises to expect."""
    season[:] = cycle
    numbers[LEVEL], numbers[MEAN], numbers[SPREAD] = level, np.mean(cycle), spread
    numbers[DRIFT], numbers[DRIFT_SPREAD] = 0.0, 2.0 * spread * gains.hurried / (2.0 - gains.hurried)


@kernel
def begin_all(
    levels: NDArray[np.float64],
    cycles: NDArray[np.float64],
    residuals: NDArray[np.float64],
    gains: Gains,
    numbers: NDArray[np.float64],
    season: NDArray[np.float64],
) -> None:
    """Start a filter a series, whose surprises are as large as its residuals, shape (n_series, n)."""
    for series in range(len(levels)):
        begin(levels[series], cycles[series], spread_of(residuals[series]), gains, numbers[series], season[series])


@kernel
def decompose(
    x: NDArray[np.float64],
    place: int,
    trend: int,
    seasonal: int,
    numbers: NDArray[np.float64],
    season: NDArray[np.float64],
    trends: NDArray[np.float64],
    seasons: NDArray[np.float64],
) -> None:
    """Take new samples of many series in, shape (n_series, n), and write the trend and the season of each.

    `place` is how many samples came before. Cost: one pass, 15 to 25 ns a sample, whatever the period.
    """
    n_series, count = x.shape
    period = season.shape[1]
    gains = gains_of(trend, seasonal, period)
    for series in range(n_series):
        point = place % period
        own, cycle = numbers[series], season[series]
        for i in range(count):
            follow(x[series, i], point, gains, own, cycle)
            trends[series, i] = own[LEVEL] + own[MEAN]
            seasons[series, i] = cycle[point] - own[MEAN]
            point = point + 1 if point + 1 < period else 0

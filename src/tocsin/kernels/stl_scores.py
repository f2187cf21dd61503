"""What trend, season and residual of a stream say of each reading, in units of what was usual in training.

A filter (`tocsin.kernels.online_stl`) runs over a feature's readings. Of each it tells how far it was from what was
expected, how far the level stands from a baseline that follows it slowly, and how far the cycle's shape is from one
that is learned slowly. Each of the three is divided by its own usual size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.online_stl import (
    FILTER,
    FINEST,
    LEVEL,
    MEAN,
    SPREAD,
    Gains,
    begin,
    follow,
    gains_of,
    median,
    present,
    spread_of,
)

BASELINE, REFERENCE_MEAN, SHAPE, SEEN, UNIT, TREND_UNIT, USUAL_SHAPE, SHAPE_UNIT = range(FILTER, FILTER + 8)
"""What is remembered beside the filter: the slow level, the mean of the slow season, the mean square of the shape's
change, how many readings the units rest on, the mean squares of surprises and of moves of the level, and mean and mean
square of the shape's change."""
NUMBERS = FILTER + 8

RESIDUAL, TREND, SEASON = range(3)
PARTS = 3

SLOW_TREND, SLOW_SEASON = 8.0, 4.0
"""How many times slower the baselines are than what they are compared with."""
BOUND = 3.0
"""How many units a reading counts at most for when units are learned."""
UNSURE = 4.0
"""How much wider the square of a unit is made, over the number of independent values that it rests on: moves of the
level and changes of the shape are slow, so that training may hold but a few."""
MOST = 1e100
USUAL = 1.6448536269514722
"""Between so many units on either side lie 90 % of normal noise."""


class Filters(NamedTuple):
    """One filter a cell (asset by feature): the cell's cycle is ``season[starts[c]:starts[c + 1]]``, length 1 if none.

    `numbers` has the shape (n_cells, NUMBERS), `reference` is the slow season.
    """

    starts: NDArray[np.int64]
    numbers: NDArray[np.float64]
    season: NDArray[np.float64]
    reference: NDArray[np.float64]


class Setting(NamedTuple):
    """What all cells share: windows in samples (0: the period) and in cycles, for cells without a season, and parts."""

    trend: int
    seasonal: int
    plain: int
    all_parts: bool


@kernel
def gains_for(setting: Setting, period: int) -> Gains:
    """Return the gains of a cell's filter."""
    window = setting.trend if setting.trend > 0 else (period if period > 1 else setting.plain)
    return gains_of(window, setting.seasonal, period)


@kernel
def place_of(tick: int, period: int, last: int, point: int) -> int:
    """Return the point of the cycle that a tick is at, given the `point` of the `last` tick; divisions are slow."""
    if period == 1:
        return 0
    if tick == last + 1:
        return point + 1 if point + 1 < period else 0
    return tick % period


@kernel
def observe(
    values: NDArray[Any],
    ticks: NDArray[np.int64],
    backwards: bool,
    gains: Gains,
    numbers: NDArray[np.float64],
    season: NDArray[np.float64],
    reference: NDArray[np.float64],
    told: NDArray[np.float64],
) -> None:
    """Take readings of one cell in, in order or `backwards`, and write what is told of each, shape (PARTS, n).

    That is the surprise, how far the level stands from its baseline, and how far the shape is from its own.
    """
    period, count = len(season), len(values)
    each, slow_trend, slow_season = 1.0 / period, gains.trend / SLOW_TREND, gains.season / SLOW_SEASON
    tick, point = np.int64(-(2**62)), np.int64(0)  # no tick comes after the first of these
    for i in range(count):
        at = count - 1 - i if backwards else i
        point, tick = place_of(ticks[at], period, tick, point), ticks[at]
        before = season[point]
        surprise, left = follow(min(max(float(values[at]), -MOST), MOST), point, gains, numbers, season)
        if surprise != surprise:
            told[RESIDUAL, at] = told[TREND, at] = told[SEASON, at] = np.nan
            continue
        moved = numbers[LEVEL] + numbers[MEAN] - numbers[BASELINE]
        numbers[BASELINE] += slow_trend * moved
        if period > 1:
            step = slow_season * (before + left - reference[point])
            reference[point] += step
            numbers[REFERENCE_MEAN] += step * each
            change = season[point] - numbers[MEAN] - reference[point] + numbers[REFERENCE_MEAN]
            numbers[SHAPE] += (change * change - numbers[SHAPE]) * each
        told[RESIDUAL, at], told[TREND, at], told[SEASON, at] = surprise, moved, np.sqrt(numbers[SHAPE])


@kernel
def _in_units(distance: float, square: float, size: float) -> float:
    """Return a distance in units whose square is given, which are never finer than rounding is."""
    finest = FINEST * size
    units = distance / np.sqrt(max(square, finest * finest, 1e-300))
    return min(max(units, -MOST), MOST)


@kernel
def _bounded(distance: float, square: float) -> float:
    """Return a distance, at most `BOUND` units; without a unit, all of it."""
    most = BOUND * BOUND * square
    return float(np.copysign(np.sqrt(most), distance)) if distance * distance > most > 0.0 else distance


@kernel
def learn_units(surprise: float, moved: float, shape: float, numbers: NDArray[np.float64]) -> None:
    """Let the units follow one reading, by its share among all that were seen."""
    if surprise != surprise:
        return
    numbers[SEEN] += 1.0
    share = 1.0 / numbers[SEEN]
    surprise, moved = _bounded(surprise, numbers[UNIT]), _bounded(moved, numbers[TREND_UNIT])
    numbers[UNIT] += (surprise * surprise - numbers[UNIT]) * share
    numbers[TREND_UNIT] += (moved * moved - numbers[TREND_UNIT]) * share
    off = _bounded(shape - numbers[USUAL_SHAPE], numbers[SHAPE_UNIT])
    numbers[USUAL_SHAPE] += off * share
    numbers[SHAPE_UNIT] += (off * off - numbers[SHAPE_UNIT]) * share


@kernel
def grade(
    values: NDArray[Any],
    told: NDArray[np.float64],
    setting: Setting,
    period: int,
    learning: bool,
    numbers: NDArray[np.float64],
    units: NDArray[np.float64],
) -> None:
    """Write what each part of one cell's readings says, in its units, shape (PARTS, n); a missing one says nothing.

    `learning` says that the units learn from each reading once it is graded.
    """
    for at in range(len(values)):
        surprise, moved, shape = told[RESIDUAL, at], told[TREND, at], told[SEASON, at]
        units[RESIDUAL, at] = units[TREND, at] = units[SEASON, at] = 0.0
        if surprise != surprise:
            continue
        x = min(max(float(values[at]), -MOST), MOST)
        size = abs(x) + abs(x - surprise)
        units[RESIDUAL, at] = _in_units(surprise, numbers[UNIT], size)
        if setting.all_parts:
            units[TREND, at] = _in_units(moved, numbers[TREND_UNIT], size)
            if period > 1:
                units[SEASON, at] = max(_in_units(shape - numbers[USUAL_SHAPE], numbers[SHAPE_UNIT], size), 0.0)
        if learning:
            learn_units(surprise, moved, shape, numbers)


@kernel
def _usual_square(distances: NDArray[np.float64]) -> float:
    """Return the mean square of distances that count for `BOUND` units at most, which is what they give then."""
    square = np.inf
    for _ in range(1000):
        last, most, square = square, min(BOUND * BOUND * square, MOST), 0.0
        for distance in distances:
            square += min(distance * distance, most)
        square /= len(distances)
        if square >= last * (1.0 - 1e-6):
            break
    return square


@kernel
def _settled(gains: Gains) -> float:
    """Return the mean square of the shape's change that noise alone gives, as a share of the mean square of noise."""
    fast, slow = gains.season, gains.season / SLOW_SEASON
    both = fast * slow / (fast + slow - fast * slow)
    return float(fast / (2.0 - fast) + slow / (2.0 - slow) - 2.0 * both)


@kernel
def _first_units(told: NDArray[np.float64], period: int, gains: Gains, numbers: NDArray[np.float64]) -> None:
    """Find the units of what was told of all readings of one cell, shape (PARTS, n)."""
    surprises, moves, shapes = present(told[RESIDUAL]), present(told[TREND]), present(told[SEASON])
    numbers[SEEN] = len(surprises)
    if len(surprises) == 0:
        return
    numbers[UNIT] = _usual_square(surprises)
    numbers[TREND_UNIT] = _usual_square(moves) * (1.0 + UNSURE * 2.0 * SLOW_TREND / gains.trend / len(moves))
    if period > 1:
        noise = _settled(gains) * numbers[UNIT]
        numbers[USUAL_SHAPE] = max(median(shapes), np.sqrt(noise))
        square = max(_usual_square(shapes - numbers[USUAL_SHAPE]), noise / (2.0 * period))
        numbers[SHAPE_UNIT] = square * (1.0 + UNSURE * 2.0 * period / gains.season / len(shapes))


@kernel
def _start(numbers: NDArray[np.float64], period: int, gains: Gains) -> None:
    """Set the slow parts of a filter that has just begun."""
    numbers[BASELINE], numbers[REFERENCE_MEAN] = numbers[LEVEL] + numbers[MEAN], numbers[MEAN]
    numbers[SHAPE] = _settled(gains) * numbers[SPREAD] if period > 1 else 0.0


@kernel
def begin_without_season(
    values: NDArray[Any], offsets: NDArray[np.int64], window: int, setting: Setting, filters: Filters, backward: Filters
) -> None:
    """Start the filters of cells without a season at the median of the readings at their end.

    Of an asset without any, the level is 0, and the first reading that comes sets it.
    """
    none = np.zeros(1)
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        length = min(window, last - first)
        for feature in range(values.shape[0]):
            cell = asset * values.shape[0] + feature
            at = filters.starts[cell]
            if filters.starts[cell + 1] - at > 1:
                continue
            for which, each in enumerate((filters, backward)):
                start = first if which == 0 else last - length
                near = values[feature, start : start + length].astype(np.float64)
                near = present(near)
                level = median(near) if len(near) > 0 else 0.0
                begin(
                    level,
                    none,
                    spread_of(near - level),
                    gains_for(setting, 1),
                    each.numbers[cell],
                    each.season[at : at + 1],
                )


@kernel
def learn(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    ticks: NDArray[np.int64],
    setting: Setting,
    warm: NDArray[np.int64],
    filters: Filters,
    backward: Filters,
    units: NDArray[np.float64],
) -> None:
    """Run filters over the rows that they were begun on, find their units, and write what each part of each row says.

    Parameters
    ----------
    ticks : (n_rows,) where each row stands in time, in sampling intervals
    warm : (n_cells,) how many of the asset's first rows the filter was begun from
    filters, backward : begun at the first row of each asset, and at the last; left at the other end
    units : (n_features, PARTS, n_rows) the result

    A row that a filter was begun from is told of by the one that comes from the other end, for which it is as new as a
    later row is for the first: so the scores of training are like those of later rows.
    """
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        for feature in range(n_features):
            cell = asset * n_features + feature
            begin, end = filters.starts[cell], filters.starts[cell + 1]
            period = end - begin
            gains = gains_for(setting, period)
            x, when = values[feature, first:last], ticks[first:last]
            told, later = np.empty((PARTS, last - first)), np.empty((PARTS, last - first))
            numbers, other = filters.numbers[cell], backward.numbers[cell]
            _start(other, period, gains)
            observe(x, when, True, gains, other, backward.season[begin:end], backward.reference[begin:end], told)
            _start(numbers, period, gains)
            observe(x, when, False, gains, numbers, filters.season[begin:end], filters.reference[begin:end], later)
            for part in range(PARTS):
                for at in range(warm[cell], last - first):
                    told[part, at] = later[part, at]
            _first_units(told, period, gains, numbers)
            grade(x, told, setting, period, False, numbers, units[feature, :, first:last])


@kernel
def settle(values: NDArray[Any], numbers: NDArray[np.float64]) -> None:
    """Set the level of a filter that has seen nothing to the first reading that comes."""
    if numbers[SEEN] > 0.0:
        return
    for x in values:
        if x == x:
            numbers[LEVEL] = numbers[BASELINE] = min(max(float(x), -MOST), MOST)
            return


@kernel
def follow_rows(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    ticks: NDArray[np.int64],
    setting: Setting,
    filters: Filters,
    units: NDArray[np.float64],
) -> None:
    """Let filters go on over new rows, and write what each part of each says, shape (n_features, PARTS, n_rows)."""
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        told = np.empty((PARTS, last - first))
        for feature in range(values.shape[0]):
            cell = asset * values.shape[0] + feature
            begin, end = filters.starts[cell], filters.starts[cell + 1]
            gains, numbers = gains_for(setting, end - begin), filters.numbers[cell]
            x = values[feature, first:last]
            settle(x, numbers)
            season, reference = filters.season[begin:end], filters.reference[begin:end]
            observe(x, ticks[first:last], False, gains, numbers, season, reference, told)
            grade(x, told, setting, end - begin, True, numbers, units[feature, :, first:last])


@kernel
def total(
    units: NDArray[np.float64],
    everything: bool,
    scores: NDArray[np.float64],
    features: NDArray[np.int32],
    parts: NDArray[np.int8],
    shares: NDArray[np.float64],
) -> None:
    """Sum up what all parts say of each row, and name the heaviest, or `everything` in order.

    A score is the root of the sum of squares, and a contribution is its square divided by the score.
    """
    n_features, n_parts, n_rows = units.shape
    scores[:] = 0.0
    for feature in range(n_features):
        for part in range(n_parts):
            for row in range(n_rows):
                scores[row] += units[feature, part, row] * units[feature, part, row]
    top = shares.shape[1]
    for row in range(n_rows):
        scores[row] = np.sqrt(scores[row])
        filled = 0
        for feature in range(n_features if top > 0 else 0):
            for part in range(n_parts):
                one = units[feature, part, row]
                share = abs(one) * (abs(one) / scores[row]) if scores[row] > 0.0 else 0.0
                place = feature * n_parts + part
                if not everything:
                    if share <= 0.0:
                        continue
                    place = min(filled, top)
                    while place > 0 and shares[row, place - 1] < share:
                        place -= 1
                    if place == top:
                        continue
                    for each in range(min(filled, top - 1), place, -1):
                        shares[row, each], features[row, each] = shares[row, each - 1], features[row, each - 1]
                        parts[row, each] = parts[row, each - 1]
                    filled = min(filled + 1, top)
                shares[row, place], features[row, place], parts[row, place] = share, feature, part
        if not everything:
            for place in range(filled, top):
                shares[row, place], features[row, place], parts[row, place] = 0.0, -1, -1

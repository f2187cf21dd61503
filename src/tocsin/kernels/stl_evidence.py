"""What stands behind the parts of a score: the range that was usual then, and the nearest value without an alert."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.online_stl import LEVEL, Gains
from tocsin.kernels.stl_scores import (
    PARTS,
    RESIDUAL,
    SEASON,
    TREND,
    UNIT,
    USUAL,
    Filters,
    Setting,
    gains_for,
    grade,
    learn_units,
    observe,
    settle,
)

LEAST_TAIL = 1e-15
"""Smaller tail probabilities than this no model of noise can tell."""


class Before(NamedTuple):
    """A filter as it was before a row, whose place in time is `ticks`, shape (1,)."""

    numbers: NDArray[np.float64]
    season: NDArray[np.float64]
    reference: NDArray[np.float64]
    ticks: NDArray[np.int64]


class Row(NamedTuple):
    """What all features and parts say of a row, shape (n_features, PARTS), and the threshold of its asset."""

    units: NDArray[np.float64]
    feature: int
    threshold: float


@kernel
def _alerts(x: float, before: Before, row: Row, gains: Gains, setting: Setting) -> bool:
    """Return whether the row would be an alert with another value of its feature; sums as `total` does."""
    numbers, season, reference = before.numbers.copy(), before.season, before.reference
    values, told, own = np.array([x]), np.empty((PARTS, 1)), np.empty((PARTS, 1))
    point = before.ticks[0] % len(season)
    now, slow = season[point], reference[point]
    observe(values, before.ticks, False, gains, numbers, season, reference, told)
    season[point], reference[point] = now, slow
    grade(values, told, setting, len(season), False, numbers, own)
    square = 0.0
    for feature in range(row.units.shape[0]):
        for part in range(PARTS):
            each = own[part, 0] if feature == row.feature else row.units[feature, part]
            square += each * each
    return np.sqrt(square) > row.threshold


@kernel
def _limit(x: float, expected: float, before: Before, row: Row, gains: Gains, setting: Setting) -> float:
    """Return the value nearest to `x`, on the way to what was expected, with which the row would not be an alert."""
    if not _alerts(x, before, row, gains, setting) or _alerts(expected, before, row, gains, setting):
        return np.nan
    quiet, loud = expected, x
    while True:
        middle = quiet + (loud - quiet) / 2.0
        if middle in (quiet, loud):
            return quiet
        if _alerts(middle, before, row, gains, setting):
            loud = middle
        else:
            quiet = middle


@kernel
def _named(features: NDArray[np.int32], feature: int, row: int) -> bool:
    """Return whether a feature is named in a row."""
    return bool((features[row] == feature).any())


@kernel
def _last_named(features: NDArray[np.int32], feature: int, first: int, last: int) -> int:
    """Return the last row of an asset in which a feature is named, or `first` - 1."""
    row = last - 1
    while row >= first and not _named(features, feature, row):
        row -= 1
    return row


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    ticks: NDArray[np.int64],
    setting: Setting,
    filters: Filters,
    units: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    features: NDArray[np.int32],
    parts: NDArray[np.int8],
    tail: NDArray[np.float64],
    above: NDArray[np.bool_],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    limit: NDArray[np.float64],
    change: NDArray[np.float64],
) -> None:
    """Run filters over rows again, and say of each named part of each row what it rests on.

    Results have the shape (n_rows, top). `low` and `high` are the range of 90 % of readings at that point of the
    cycle, `tail` the probability that normal noise has of going as far, `limit` the value nearest to the reading, on
    the way to what was expected, with which the row would not pass its threshold (NaN where none is, or it does not),
    and `change` how far the reading was from what was expected, the level from its baseline, or the shape from its own.
    """
    told = np.empty((PARTS, 1))
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        for feature in range(values.shape[0]):
            cell = asset * values.shape[0] + feature
            begin, end = filters.starts[cell], filters.starts[cell + 1]
            gains, numbers = gains_for(setting, end - begin), filters.numbers[cell]
            season, reference = filters.season[begin:end], filters.reference[begin:end]
            settle(values[feature, first:last], numbers)
            for row in range(first, _last_named(features, feature, first, last) + 1):
                x, when = values[feature, row : row + 1], ticks[row : row + 1]
                expected, unit = numbers[LEVEL] + season[when[0] % len(season)], np.sqrt(numbers[UNIT])
                nearest = np.nan
                if _named(features, feature, row):
                    before = Before(numbers.copy(), season.copy(), reference.copy(), when)
                    said = Row(units[:, :, row], feature, thresholds[asset])
                    nearest = _limit(float(x[0]), expected, before, said, gains, setting)
                observe(x, when, False, gains, numbers, season, reference, told)
                for place in range(features.shape[1]):
                    if features[row, place] != feature:
                        continue
                    part = parts[row, place]
                    low[row, place], high[row, place] = expected - USUAL * unit, expected + USUAL * unit
                    change[row, place] = told[part, 0]
                    above[row, place] = told[TREND, 0] > 0.0 if part == TREND else x[0] > expected
                    size = abs(units[feature, part, row])
                    tail[row, place] = max(0.5 * math.erfc(size / math.sqrt(2.0)), LEAST_TAIL)
                    limit[row, place] = nearest
                learn_units(told[RESIDUAL, 0], told[TREND, 0], told[SEASON, 0], numbers)

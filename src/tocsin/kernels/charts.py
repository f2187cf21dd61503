"""What control charts share: where a reading stands, how that is learned as it comes, and what follows from it.

Whatever a chart keeps of the readings before, what it says of the next one, x, has the form
``max(abs(x - center) * steep + base, 0)``, with numbers that do not depend on x. So one function gives the score and
another one undoes it, exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import variance
from tocsin.kernels.deviation import BEYOND, TILE, name_largest, room_of
from tocsin.kernels.jit import kernel

SEEN, CENTER, SQUARE, LEAN, SHARE = range(5)
"""Of a feature's location: readings seen, mean, variance, and the means of bounded distances and of their squares."""
LOCATION = 5
BOUND = 3.0
"""How many standard deviations a reading counts for at most in what is learned after training."""
LARGEST = 1e150
"""The largest scale; its square is still finite."""


class Told(NamedTuple):
    """What a chart says of each value, (n_features, n_rows) each; all but `units` may be empty, and are not written.

    `units` is what counts, and the others are the numbers that it was computed from.
    """

    units: NDArray[np.float64]
    centers: NDArray[np.float64]
    steeps: NDArray[np.float64]
    bases: NDArray[np.float64]


@kernel
def unit_of(x: float, center: float, steep: float, base: float) -> float:
    """Return what a chart says of a reading, from 0 to `BEYOND`."""
    distance = abs(x - center)
    away = distance * steep if distance > 0.0 else 0.0
    return min(max(away + base, 0.0), BEYOND)


@kernel
def tell(told: Told, feature: int, row: int, x: float, center: float, steep: float, base: float) -> None:
    """Write what a chart says of a reading."""
    told.units[feature, row] = unit_of(x, center, steep, base)
    if told.centers.shape[1] > 0:
        told.centers[feature, row], told.steeps[feature, row], told.bases[feature, row] = center, steep, base


@kernel
def steepness(scale: float) -> float:
    """Return one over a scale; of 0 that is infinity."""
    return 1.0 / scale if scale > 0.0 else np.inf


@kernel
def locate(values: NDArray[Any], offsets: NDArray[np.int64], numbers: NDArray[np.float64]) -> None:
    """Write the location of each feature of each asset; `numbers` has at least `LOCATION` columns, a row a cell.

    Cost: about 2 ns a value.
    """
    moments = np.empty((len(numbers), 3))
    variance.learn(values, offsets, moments)
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            own, weight = numbers[cell], moments[cell, 0]
            own[SEEN], own[CENTER], own[SQUARE], own[LEAN], own[SHARE] = weight, 0.0, 0.0, 0.0, 1.0
            if weight == 0.0:
                continue
            own[CENTER] = moments[cell, 1]
            own[SQUARE] = min(moments[cell, 2] / weight, LARGEST * LARGEST)
            scale = np.sqrt(own[SQUARE])
            if scale == 0.0:
                continue
            total, squares = 0.0, 0.0
            for row in range(offsets[asset], offsets[asset + 1]):
                distance = (values[feature, row] - own[CENTER]) / scale
                bounded = min(max(distance, -BOUND), BOUND)
                total += bounded if distance == distance else 0.0
                squares += bounded * bounded if distance == distance else 0.0
            own[LEAN], own[SHARE] = total / weight, squares / weight


@kernel
def distance_of(x: float, numbers: NDArray[np.float64]) -> float:
    """Return how many standard deviations a reading is from its mean, at most `BEYOND`; 0 where nothing was seen."""
    if numbers[SEEN] == 0.0 or x == numbers[CENTER]:
        return 0.0
    distance = (x - numbers[CENTER]) * steepness(np.sqrt(numbers[SQUARE]))
    return min(max(distance, -BEYOND), BEYOND)


@kernel
def learn_location(x: float, least: float, numbers: NDArray[np.float64]) -> None:
    """Move a location towards one more reading, by its share among all that were seen, or the `least` if that is more.

    The reading counts for `BOUND` standard deviations at most. What that takes from mean and variance was measured in
    training, and is made up for: of readings like those of training nothing moves but by chance.
    """
    seen = numbers[SEEN] + 1.0
    share = max(1.0 / seen, least)
    numbers[SEEN] = seen
    if seen == 1.0:
        numbers[CENTER] = x
        return
    scale = np.sqrt(numbers[SQUARE])
    if scale == 0.0:
        away = min(max(x - numbers[CENTER], -LARGEST), LARGEST)
        numbers[SQUARE] = share * (1.0 - share) * away * away
        numbers[CENTER] += share * away
        return
    bounded = min(max((x - numbers[CENTER]) / scale, -BOUND), BOUND)
    numbers[CENTER] += share * scale * (bounded - numbers[LEAN])
    grown = numbers[SQUARE] * (1.0 + share * (bounded * bounded / numbers[SHARE] - 1.0))
    numbers[SQUARE] = min(grown, LARGEST * LARGEST)


@kernel
def total(
    units: NDArray[np.float64],
    everything: bool,
    scores: NDArray[np.float64],
    features: NDArray[np.int32],
    contributions: NDArray[np.float64],
) -> None:
    """Write the largest unit of each row, and name the features with the largest ones, or `everything` in order."""
    n_features, n_rows = units.shape
    best, carried = room_of(features.shape[1])
    for first in range(0, n_rows, TILE):
        last = min(first + TILE, n_rows)
        largest, parts = scores[first:last], units[:, first:last]
        largest[:] = 0.0
        for feature in range(n_features):
            for row in range(last - first):
                largest[row] = max(largest[row], parts[feature, row])
        if features.shape[1] > 0:
            name_largest(parts, everything, best, carried, features[first:last], contributions[first:last])


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    told: Told,
    thresholds: NDArray[np.float64],
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    limit: NDArray[np.float64],
) -> None:
    """Say of each named feature on which side of its centre it is, and how far it could have gone without an alert.

    Results have the shape of `features`, (n_rows, top). The limit is NaN where another feature of the row alone is
    over the threshold, or no value would do.
    """
    for asset in range(len(offsets) - 1):
        threshold = thresholds[asset]
        for row in range(offsets[asset], offsets[asset + 1]):
            over = 0
            for feature in range(values.shape[0]):
                over += told.units[feature, row] > threshold
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                x, center = float(values[feature, row]), told.centers[feature, row]
                above[row, place] = x > center
                if over - (told.units[feature, row] > threshold) == 0:
                    steep, base = told.steeps[feature, row], told.bases[feature, row]
                    limit[row, place] = _limit(center, steep, base, threshold, x > center)


@kernel
def _limit(center: float, steep: float, base: float, threshold: float, above: bool) -> float:
    """Return the farthest value on one side that is not over the threshold, rounding included; NaN if none is."""
    if unit_of(center, center, steep, base) > threshold:
        return np.nan
    reach = (threshold - base) / steep
    value = center + reach if above else center - reach
    while unit_of(value, center, steep, base) > threshold:
        value = np.nextafter(value, center)
    return value

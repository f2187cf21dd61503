"""How many scales a value lies from its feature's centre: what a z-score and its robust kin have in common."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

TILE = 2048
"""Rows that are scored at once, so that their scores stay in the nearest cache while features pass over them."""

BEYOND = 1e9
"""The deviation of a value that differs from a constant: infinite by rights, but a number; the highest there is."""


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Write the largest deviation among each row's features; `centers` and `scales` have shape (n_assets, n_features).

    A missing value, and the constant of a feature whose scale is 0, give NaN, which is above nothing.
    Cost: a quarter of a nanosecond a value that is in cache.
    """
    for asset in range(len(offsets) - 1):
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            last = min(first + TILE, offsets[asset + 1])
            total = scores[first:last]
            total[:] = 0.0
            for feature in range(values.shape[0]):
                center, steepness = centers[asset, feature], 1.0 / scales[asset, feature]
                x = values[feature, first:last]
                for row in range(len(x)):
                    deviation = abs(x[row] - center) * steepness
                    total[row] = deviation if deviation > total[row] else total[row]
            for row in range(len(total)):
                total[row] = min(total[row], BEYOND)


@kernel
def deviations(
    values: NDArray[Any],
    first: int,
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    parts: NDArray[np.float64],
) -> None:
    """Write the deviation of each value of the rows from `first` on, all of one asset, into (n_features, n_rows)."""
    n_features, n_rows = parts.shape
    for feature in range(n_features):
        center, steepness = centers[feature], 1.0 / scales[feature]
        x, part = values[feature, first : first + n_rows], parts[feature]
        for row in range(n_rows):
            deviation = min(abs(x[row] - center) * steepness, BEYOND)
            part[row] = deviation if deviation > 0.0 else 0.0


@kernel
def attribute(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    dense: bool,
    features: NDArray[np.int32],
    contributions: NDArray[np.float64],
) -> None:
    """Name the features that deviate most in each row, largest first; of equals the earlier one.

    Results have shape (n_rows, top). If `dense` there are as many columns as features, and these are in their own
    order.
    """
    n_features = values.shape[0]
    best, carried = room_of(features.shape[1])
    buffer = np.empty(n_features * TILE)
    for asset in range(len(offsets) - 1):
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            parts = buffer[: n_features * rows].reshape((n_features, rows))
            deviations(values, first, centers[asset], scales[asset], parts)
            named, heaviest = features[first : first + rows], contributions[first : first + rows]
            name_largest(parts, dense, best, carried, named, heaviest)


@kernel
def room_of(top: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the working arrays of `name_largest`, of shape (2, top, TILE) and (2, TILE).

    Names are floats there: of one width with the parts, they are exchanged in vector registers.
    """
    return np.empty((2, top, TILE)), np.empty((2, TILE))


@kernel
def name_largest(
    parts: NDArray[np.float64],
    dense: bool,
    best: NDArray[np.float64],
    carried: NDArray[np.float64],
    features: NDArray[np.int32],
    contributions: NDArray[np.float64],
) -> None:
    """Name the features with the largest parts in each of up to `TILE` rows; see `attribute` for what results are.

    `parts` has shape (n_features, n_rows), and no part is under 0; one that is 0 is not named. `best` and `carried`
    are of `room_of`.
    """
    n_features, rows = parts.shape
    if dense:
        for row in range(rows):
            for feature in range(n_features):
                features[row, feature] = feature
                contributions[row, feature] = parts[feature, row]
        return
    best[0], best[1] = 0.0, -1.0
    for feature in range(n_features):
        carried[0, :rows], carried[1, :rows] = parts[feature], feature
        for place in range(features.shape[1]):
            _exchange(carried[0, :rows], carried[1, :rows], best[0, place], best[1, place])
    for row in range(rows):
        for place in range(features.shape[1]):
            features[row, place] = np.int32(best[1, place, row])
            contributions[row, place] = best[0, place, row]


@kernel
def _exchange(
    carried: NDArray[np.float64], name: NDArray[np.float64], best: NDArray[np.float64], named: NDArray[np.float64]
) -> None:
    """Put the larger of each pair, with its name, in the second place, and go on with the other."""
    for row in range(len(carried)):
        new, held, who, whose = carried[row], best[row], name[row], named[row]
        larger = new > held
        best[row], carried[row] = (new, held) if larger else (held, new)
        named[row], name[row] = (who, whose) if larger else (whose, who)


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    limit: NDArray[np.float64],
) -> None:
    """Say of each named feature which side of its centre it is on, and how far it could have gone without an alert.

    The limit is NaN where another feature of the row alone is over the threshold: mending this one would not do.
    """
    n_features = values.shape[0]
    parts = np.empty((n_features, 1))
    for asset in range(len(offsets) - 1):
        threshold = thresholds[asset]
        for row in range(offsets[asset], offsets[asset + 1]):
            deviations(values, row, centers[asset], scales[asset], parts)
            over = 0
            for feature in range(n_features):
                over += parts[feature, 0] > threshold
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                center, scale = centers[asset, feature], scales[asset, feature]
                above[row, place] = values[feature, row] > center
                if over - (parts[feature, 0] > threshold) > 0:
                    continue
                limit[row, place] = _limit(center, scale, threshold, above[row, place])


@kernel
def _limit(center: float, scale: float, threshold: float, above: bool) -> float:
    """Return the farthest value on one side whose deviation, rounding included, is not over the threshold."""
    if scale == 0.0:
        return center
    value = center + threshold * scale if above else center - threshold * scale
    while abs(value - center) * (1.0 / scale) > threshold:
        value = np.nextafter(value, center)
    return value


@kernel
def normal_tails(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    weights: NDArray[np.float64],
    features: NDArray[np.int32],
    tail: NDArray[np.float64],
) -> None:
    """Write a normal distribution's probability of a value at least as far out on its side.

    It is never less than one reading in all that were seen and this one: so few cannot speak of anything rarer.
    """
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset], offsets[asset + 1]):
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature >= 0:
                    deviation = abs(values[feature, row] - centers[asset, feature]) * (1.0 / scales[asset, feature])
                    rarest = 1.0 / (weights[asset, feature] + 1.0)
                    tail[row, place] = max(0.5 * math.erfc(deviation / math.sqrt(2.0)), rarest)

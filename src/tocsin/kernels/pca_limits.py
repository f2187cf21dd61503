"""The nearest value of a feature with which a row would have been no alert to principal components.

A row's score is a quadratic form of its standard scores, so that value is the root of a quadratic equation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.pca import Floats, Planes
from tocsin.kernels.pca_scores import BEYOND, Tile, approach, attribute, gains, measure, room

TRIES = 60


@kernel
def _limit(
    values: NDArray[Any], row: int, feature: int, planes: Planes, asset: int, threshold: float, pull: float, own: float,
    trial: NDArray[Any], tile: Tile, over: float,
) -> float:  # fmt: skip
    """Return the nearest value with which a row scores no more than the threshold, NaN if there is none.

    With standard score ``z + s`` the score is ``over + threshold + 2 * pull * s + own * s * s``. The root nearest to 0
    is moved inwards, doubling from the last bit on, until the row as it would be read scores so indeed. Where values
    are missing, which follow the others, the score is lower than that but still convex, and the way is halved.
    """
    gaps = False
    for other in range(values.shape[0]):
        gaps |= values[other, row] != values[other, row]
    inner = pull * pull - own * over
    if not gaps and (not (inner >= 0.0 and own > 0.0) or pull == 0.0):
        return np.nan
    step = -over / (pull + (np.sqrt(inner) if pull > 0.0 else -np.sqrt(inner)))
    farthest = -pull / own
    total = np.empty(1)
    for other in range(values.shape[0]):
        trial[other, 0] = values[other, row]
    if gaps:  # where it scores least, all that is missing following, is where it would be if it were missing, too
        trial[feature, 0] = np.nan
        measure(trial, 0, 1, planes, asset, tile, total)
        farthest = (
            tile.scores[feature, 0]
            - (values[feature, row] - planes.centers[asset, feature]) / planes.spreads[asset, feature]
        )
        step = farthest
    share = 2.0 ** (-22 if values.itemsize == 4 else -50)
    slip = 0.0
    for _ in range(TRIES):
        shift = step + slip * (farthest - step)
        trial[feature, 0] = float(values[feature, row]) + shift * planes.spreads[asset, feature]
        measure(trial, 0, 1, planes, asset, tile, total)
        if total[0] <= threshold:
            break
        slip = min(max(2.0 * slip, share), 1.0)
    if not total[0] <= threshold:
        return np.nan
    outer, inner = float(values[feature, row]), float(trial[feature, 0])
    for _ in range(TRIES if gaps else 0):
        trial[feature, 0] = 0.5 * (outer + inner)
        measure(trial, 0, 1, planes, asset, tile, total)
        if total[0] <= threshold:
            inner = float(trial[feature, 0])
        else:
            outer = float(trial[feature, 0])
    return inner


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    planes: Planes,
    thresholds: Floats,
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    limit: Floats,
) -> None:
    """Say of each named feature whether it is too high, and with which value its row would have been no alert.

    Too high is a value that ought to be lower: for the row to be no alert, or where that cannot be, to lie nearer to
    the others.
    """
    n_features = values.shape[0]
    parts, signed, total = np.empty((n_features, 1)), np.empty((n_features, 1)), np.empty(1)
    tile, other, trial = room(planes), room(planes), np.empty((n_features, 1), values.dtype)
    for asset in range(len(offsets) - 1):
        approach(planes, asset, tile)
        approach(planes, asset, other)
        inside, off = gains(planes, asset)
        for row in range(offsets[asset], offsets[asset + 1]):
            measure(values, row, 1, planes, asset, tile, total)
            attribute(values, row, planes, asset, tile, total, parts, signed)
            outside = tile.measures[2, 0]
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                above[row, place] = signed[feature, 0] > 0.0
                over = total[0] - thresholds[asset]
                if planes.spreads[asset, feature] == 0.0:
                    if over <= BEYOND and outside == 1.0:
                        limit[row, place] = planes.centers[asset, feature]
                    continue
                if over <= 0.0 or outside > 0.0:
                    continue
                pull, own = off * tile.scores[feature, 0], off
                for component in range(tile.counts[1]):
                    loading = tile.loadings[component, feature]
                    weight = (inside * tile.steepness[component] - off) * loading
                    pull += weight * tile.coordinates[component, 0]
                    own += weight * loading
                found = _limit(values, row, feature, planes, asset, thresholds[asset], pull, own, trial, other, over)
                limit[row, place] = found
                if found == found:
                    above[row, place] = values[feature, row] > found

"""The CUSUM chart: how far readings have gone to one side, summed up since they last were where they belong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.charts import CENTER, LOCATION, SEEN, SQUARE, Told, distance_of, learn_location, steepness, tell
from tocsin.kernels.jit import kernel

UPPER, LOWER, INTERVAL = LOCATION, LOCATION + 1, LOCATION + 2
"""The sums to both sides, in standard deviations, and the decision interval that they are measured by."""
NUMBERS = LOCATION + 3
HELD = 2.0
"""How many decision intervals a sum is carried on with at most."""
ROUNDS = 4
"""How often an interval is found anew with the sums that the one before has bounded."""


@kernel
def _add(distance: float, allowance: float, most: float, numbers: NDArray[np.float64]) -> float:
    """Add a reading to both sums, and return the larger one before it is bounded."""
    upper = max(numbers[UPPER] + distance - allowance, 0.0)
    lower = max(numbers[LOWER] - distance - allowance, 0.0)
    numbers[UPPER], numbers[LOWER] = min(upper, most), min(lower, most)
    return max(upper, lower)


@kernel
def begin(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    allowance: float,
    contamination: float,
    numbers: NDArray[np.float64],
) -> None:
    """Find the decision interval of each feature: what a share `contamination` of the training sums passes, at least 1.

    `numbers` has the locations already, shape (n_cells, NUMBERS).
    """
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        sums = np.empty(last - first)
        for feature in range(n_features):
            own = numbers[asset * n_features + feature]
            own[INTERVAL] = np.inf
            for _ in range(ROUNDS):
                own[UPPER], own[LOWER], count = 0.0, 0.0, 0
                for row in range(first, last):
                    x = float(values[feature, row])
                    if x == x:
                        sums[count] = _add(distance_of(x, own), allowance, HELD * own[INTERVAL], own)
                        count += 1
                before = own[INTERVAL]
                place = int((1.0 - contamination) * count)
                place = min(place, count - 1)
                own[INTERVAL] = max(np.partition(sums[:count], place)[place], 1.0) if count > 0 else 1.0
                if own[INTERVAL] > 0.99 * before:
                    break
            own[UPPER], own[LOWER] = 0.0, 0.0


@kernel
def follow(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    allowance: float,
    learns: bool,
    least: float,
    numbers: NDArray[np.float64],
    told: Told,
) -> None:
    """Let charts go on over rows, and say of each value how far the larger sum goes with it, in decision intervals.

    Parameters
    ----------
    learns : whether mean and standard deviation of the readings follow, too
    least : the least share of a reading in them
    numbers : (n_cells, NUMBERS) the charts, as they are after the rows on return
    """
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            own = numbers[asset * n_features + feature]
            interval = own[INTERVAL]
            for row in range(offsets[asset], offsets[asset + 1]):
                x = float(values[feature, row])
                if x != x:
                    tell(told, feature, row, 0.0, 0.0, 0.0, 0.0)
                    continue
                distance, scale = distance_of(x, own), np.sqrt(own[SQUARE])
                if own[SEEN] > 0.0:
                    # max(d + U, L - d) = abs(d + (U - L) / 2) + (U + L) / 2
                    center = own[CENTER] - scale * (0.5 * (own[UPPER] - own[LOWER]))
                    base = (0.5 * (own[UPPER] + own[LOWER]) - allowance) / interval
                    tell(told, feature, row, x, center, steepness(scale) / interval, base)
                else:
                    tell(told, feature, row, x, x, 0.0, 0.0)
                _add(distance, allowance, HELD * interval, own)
                if learns:
                    learn_location(x, least, own)

"""The EWMA chart: a mean of readings that forgets, in units of its own standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.charts import CENTER, LOCATION, SEEN, SQUARE, Told, distance_of, learn_location, steepness, tell
from tocsin.kernels.jit import kernel

MEAN, FADED, INFLATION = LOCATION, LOCATION + 1, LOCATION + 2
"""The moving mean of standardised readings, the weight that its start still has, squared, and its excess variance."""
NUMBERS = LOCATION + 3
OVER = 1e-17
"""The weight from which on the start says nothing: one less this is one."""
HELD = 10.0
"""How many of its standard deviations a mean is carried on with at most."""


@kernel
def _variance(faded: float, gain: float, inflation: float) -> float:
    """Return the variance of the moving mean of standardised readings (Lucas and Saccucci 1990, section 1)."""
    return gain / (2.0 - gain) * (1.0 - faded) * inflation


@kernel
def begin(values: NDArray[Any], offsets: NDArray[np.int64], gain: float, numbers: NDArray[np.float64]) -> None:
    """Find how much more the mean of each feature varies than that of independent readings would.

    `numbers` has the locations already, shape (n_cells, NUMBERS).
    """
    n_features, kept = values.shape[0], (1.0 - gain) * (1.0 - gain)
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            own = numbers[asset * n_features + feature]
            mean, faded, total, count = 0.0, 1.0, 0.0, 0
            for row in range(offsets[asset], offsets[asset + 1]):
                x = float(values[feature, row])
                if x != x:
                    continue
                mean = (1.0 - gain) * mean + gain * distance_of(x, own)
                faded *= kept
                total += mean * mean / _variance(faded, gain, 1.0)
                count += 1
            own[MEAN], own[FADED], own[INFLATION] = 0.0, 1.0, max(total / max(count, 1), 1.0)


@kernel
def follow(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    gain: float,
    learns: bool,
    least: float,
    numbers: NDArray[np.float64],
    told: Told,
) -> None:
    """Let charts go on over rows, and say of each value how far it takes the mean.

    Parameters
    ----------
    learns : whether mean and standard deviation of the readings follow, too
    least : the least share of a reading in them
    numbers : (n_cells, NUMBERS) the charts, as they are after the rows on return
    """
    n_features, kept, widening = values.shape[0], (1.0 - gain) * (1.0 - gain), 1.0 / gain
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            own = numbers[asset * n_features + feature]
            unit = np.sqrt(_variance(0.0, gain, own[INFLATION]))
            sharpness = gain / unit
            for row in range(offsets[asset], offsets[asset + 1]):
                x = float(values[feature, row])
                if x != x:
                    tell(told, feature, row, 0.0, 0.0, 0.0, 0.0)
                    continue
                distance, scale = distance_of(x, own), np.sqrt(own[SQUARE])
                if own[FADED] > OVER:
                    own[FADED] *= kept
                    unit = np.sqrt(_variance(own[FADED], gain, own[INFLATION]))
                    sharpness = gain / unit
                held = (1.0 - gain) * own[MEAN]
                if own[SEEN] > 0.0:
                    center = own[CENTER] - scale * (held * widening)
                    tell(told, feature, row, x, center, steepness(scale) * sharpness, 0.0)
                else:
                    tell(told, feature, row, x, x, 0.0, 0.0)
                mean = held + gain * distance
                own[MEAN] = min(max(mean, -HELD * unit), HELD * unit)
                if learns:
                    learn_location(x, least, own)

"""Weight, mean, and second and third central moment sums that learn and merge (Pébay, SAND2008-6212, eq. 2.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def _add(moments: NDArray[np.float64], weight: float, mean: float, second: float, third: float) -> None:
    """Merge one set of moments into another, in place."""
    total = moments[0] + weight
    if weight == 0.0 or total == 0.0:
        return
    delta = mean - moments[1]
    moments[3] += (
        third
        + delta**3 * moments[0] * weight * (moments[0] - weight) / total**2
        + 3.0 * delta * (moments[0] * second - weight * moments[2]) / total
    )
    moments[2] += second + delta**2 * moments[0] * weight / total
    moments[1] += delta * weight / total
    moments[0] = total


@kernel
def absorb(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    scales: NDArray[np.float64],
    moments: NDArray[np.float64],
) -> None:
    """Scale the moments of each cell, shape (n_assets * n_features, 4), by its asset's factor and add weighted rows."""
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            own = moments[asset * n_features + feature]
            own[0] *= scales[asset]
            own[2] *= scales[asset]
            own[3] *= scales[asset]
            for row in range(offsets[asset], offsets[asset + 1]):
                x = values[feature, row]
                if x == x:
                    _add(own, weights[row], float(x), 0.0, 0.0)


@kernel
def combine(moments: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Merge the moments of each cell into those of the first argument."""
    for cell in range(len(moments)):
        _add(moments[cell], other[cell, 0], other[cell, 1], other[cell, 2], other[cell, 3])

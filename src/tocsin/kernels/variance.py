"""Weight, mean and sum of squares that merge (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115).

A column is cut into blocks of fixed size, and the sums of the blocks are merged in their order. So a column that is
read in parts, each a whole number of blocks, gives the same number to the last bit as one that is read at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

BLOCK = 4096
LANES = 64
"""Sums that run side by side, so that they fill the vector registers."""


@kernel
def _block(x: NDArray[Any], sums: NDArray[np.float64], counts: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write weight, mean and sum of squares about the mean of one block that lies in cache; NaN is left out.

    Both passes look at distances from a value of the block, so that a constant has exactly itself as mean. Infinite
    values give an infinite mean, or none.
    """
    whole = len(x) // LANES * LANES
    origin, at = 0.0, 0
    while at < len(x) and not np.isfinite(x[at]):
        at += 1
    if at < len(x):
        origin = float(x[at])
    sums[:], counts[:] = 0.0, 0.0
    for start in range(0, len(x), LANES):
        part = x[start : start + LANES] if start < whole else x[whole:]
        for lane in range(len(part)):
            distance = part[lane] - origin
            present = distance == distance
            sums[lane] += distance if present else 0.0
            counts[lane] += 1.0 if present else 0.0
    total, weight = 0.0, 0.0
    for lane in range(LANES):
        total += sums[lane]
        weight += counts[lane]
    mean = origin + total / max(weight, 1.0)
    sums[:] = 0.0
    for start in range(0, len(x), LANES):
        part = x[start : start + LANES] if start < whole else x[whole:]
        for lane in range(len(part)):
            distance = part[lane] - mean
            sums[lane] += distance * distance if distance == distance else 0.0
    squares = 0.0
    for lane in range(LANES):
        squares += sums[lane]
    out[0], out[1], out[2] = weight, mean, squares


@kernel
def blocks(x: NDArray[Any], out: NDArray[np.float64]) -> None:
    """Write weight, mean and squares of each block of a column, shape (ceil(n / BLOCK), 3)."""
    sums, counts = np.empty(LANES), np.empty(LANES)
    for block in range(len(out)):
        _block(x[block * BLOCK : (block + 1) * BLOCK], sums, counts, out[block])


@kernel
def add(moments: NDArray[np.float64], weight: float, mean: float, squares: float) -> None:
    """Merge weight, mean and squares of other values into `moments`, shape (3,)."""
    total = moments[0] + weight
    if weight == 0.0 or total == 0.0:
        return
    delta = mean - moments[1]
    if moments[0] == 0.0:
        moments[1] = mean
    else:
        moments[1] += delta * (weight / total)
        moments[2] += delta * delta * moments[0] * (weight / total)
    moments[2] += squares
    moments[0] = total


@kernel
def merged(parts: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Merge the moments of blocks, shape (n, 3), in their order, into `out`, shape (3,)."""
    out[:] = 0.0
    for part in range(len(parts)):
        add(out, parts[part, 0], parts[part, 1], parts[part, 2])


@kernel
def learn(values: NDArray[Any], offsets: NDArray[np.int64], moments: NDArray[np.float64]) -> None:
    """Write the moments of each cell, shape (n_assets * n_features, 3). Cost: half a nanosecond a value in cache."""
    n_features = values.shape[0]
    sums, counts, own = np.empty(LANES), np.empty(LANES), np.empty(3)
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            x = values[feature, offsets[asset] : offsets[asset + 1]]
            total = moments[asset * n_features + feature]
            total[:] = 0.0
            for start in range(0, len(x), BLOCK):
                _block(x[start : start + BLOCK], sums, counts, own)
                add(total, own[0], own[1], own[2])


@kernel
def absorb(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    scales: NDArray[np.float64],
    moments: NDArray[np.float64],
) -> None:
    """Scale the moments of each cell by its asset's factor and add weighted rows."""
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            own = moments[asset * n_features + feature]
            own[0] *= scales[asset]
            own[2] *= scales[asset]
            for row in range(offsets[asset], offsets[asset + 1]):
                x = values[feature, row]
                if x == x:
                    add(own, weights[row], float(x), 0.0)


@kernel
def combine(moments: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Merge the moments of each cell into those of the first argument."""
    for cell in range(len(moments)):
        add(moments[cell], other[cell, 0], other[cell, 1], other[cell, 2])

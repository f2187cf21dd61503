"""Weight, mean and sum of squares that merge (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115).

A column is cut into blocks of fixed size, and the sums of the blocks are merged in their order. So a column that is
read in parts, each a whole number of blocks, gives the same number to the last bit as one that is read at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.caches import fetch
from tocsin.kernels.jit import kernel
from tocsin.kernels.registers import LANES, fill, fused, known, load, total

BLOCK = 4096
STRIDE = 4 * LANES
"""Values that are added up side by side, so that they fill the vector registers."""
FAR = 64.0
"""How many times the variance the squared distance of a mean may be from where distances are taken."""


@kernel
def _distances(x: NDArray[Any], origin: float) -> tuple[float, float]:
    """Return the sums of the distances of values from one of them, and of their squares; NaN is left out."""
    start, whole = fill(origin), len(x) // STRIDE * STRIDE
    a, b, c, d = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
    e, f, g, h = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
    for at in range(0, whole, STRIDE):
        p, q = known(load(x, at) - start), known(load(x, at + LANES) - start)
        r, s = known(load(x, at + 2 * LANES) - start), known(load(x, at + 3 * LANES) - start)
        a, b, c, d = a + p, b + q, c + r, d + s
        e, f, g, h = fused(p, p, e), fused(q, q, f), fused(r, r, g), fused(s, s, h)
    distance, squares = total((a + b) + (c + d)), total((e + f) + (g + h))
    for at in range(whole, len(x)):
        away = float(x[at]) - origin
        if away == away:
            distance += away
            squares += away * away
    return distance, squares


@kernel
def _block(x: NDArray[Any], out: NDArray[np.float64]) -> None:
    """Write weight, mean and sum of squares about the mean of one block that lies in cache; NaN is left out.

    Distances are from a value of the block, so that a constant has exactly itself as mean, and where that value is an
    outlier, once more from the mean. Infinite values give an infinite mean, or none.
    """
    origin, at, count = 0.0, 0, 0
    while at < len(x) and not np.isfinite(x[at]):
        at += 1
    if at < len(x):
        origin = float(x[at])
    for place in range(len(x)):
        count += x[place] == x[place]
    weight = max(float(count), 1.0)
    distance, squares = _distances(x, origin)
    about = squares - distance * (distance / weight)
    if distance * (distance / weight) > FAR * about:
        origin += distance / weight
        distance, squares = _distances(x, origin)
        about = squares - distance * (distance / weight)
    out[0], out[1], out[2] = count, origin + distance / weight, 0.0 if about < 0.0 else about


@kernel
def blocks(x: NDArray[Any], out: NDArray[np.float64]) -> None:
    """Write weight, mean and squares of each block of a column, shape (ceil(n / BLOCK), 3)."""
    for block in range(len(out)):
        _block(x[block * BLOCK : (block + 1) * BLOCK], out[block])


@kernel
def add(moments: NDArray[np.float64], weight: float, mean: float, squares: float) -> None:
    """Merge weight, mean and squares of other values into `moments`, shape (3,)."""
    whole = moments[0] + weight
    if weight == 0.0 or whole == 0.0:
        return
    delta = mean - moments[1]
    if moments[0] == 0.0:
        moments[1] = mean
    else:
        moments[1] += delta * (weight / whole)
        moments[2] += delta * delta * moments[0] * (weight / whole)
    moments[2] += squares
    moments[0] = whole


@kernel
def merged(parts: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Merge the moments of blocks, shape (n, 3), in their order, into `out`, shape (3,)."""
    out[:] = 0.0
    for part in range(len(parts)):
        add(out, parts[part, 0], parts[part, 1], parts[part, 2])


@kernel
def learn(values: NDArray[Any], offsets: NDArray[np.int64], moments: NDArray[np.float64]) -> None:
    """Write the moments of each cell, shape (n_assets * n_features, 3). Cost: 0.3 ns a value."""
    n_features = values.shape[0]
    own = np.empty(3)
    for asset in range(len(offsets) - 1):
        fetch(values, offsets[asset], offsets[asset + 1])
        for feature in range(n_features):
            x = values[feature, offsets[asset] : offsets[asset + 1]]
            cell = moments[asset * n_features + feature]
            cell[:] = 0.0
            for start in range(0, len(x), BLOCK):
                _block(x[start : start + BLOCK], own)
                add(cell, own[0], own[1], own[2])


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

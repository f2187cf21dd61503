"""How features vary together: sums of products about their means, of many assets, that merge.

Beside the moments of `tocsin.kernels.variance` an asset has a lower triangle of co-moments, row by row, whose diagonal
holds the features' own sums of squares. A missing value stands at its feature's mean, so that the matrix is that of a
set of rows, and has no negative eigenvalue, whatever is missing.

Merging: Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import variance
from tocsin.kernels.caches import fetch
from tocsin.kernels.dots import LANES, SIDE, dots
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

TILE = 768
"""Up to so many rows are multiplied at once, in the precision of the readings, and their sums added up in double.

Those of 100 features in single precision are 300 KB and stay in the second cache.
"""


@kernel
def triangle(n_features: int) -> int:
    """Return how many entries a lower triangle has, its diagonal among them."""
    return n_features * (n_features + 1) // 2


@kernel
def _lay_out(values: NDArray[Any], first: int, rows: int, moments: Floats, roots: Floats, tile: NDArray[Any]) -> int:
    """Write standard scores of some rows, times the root of each row's weight, feature by feature; 0 for missing ones.

    Returns up to where features are filled, zeros after the last row among them.
    """
    filled = (rows + LANES - 1) // LANES * LANES
    for feature in range(values.shape[0]):
        weight, mean, squares = moments[feature, 0], moments[feature, 1], moments[feature, 2]
        steepness = np.sqrt(weight / squares) if squares > 0.0 else 0.0
        x, own, scores = values[feature, first : first + rows], roots[first : first + rows], tile[feature]
        for row in range(rows):
            score = (x[row] - mean) * steepness * own[row]
            scores[row] = score if score == score else 0.0
        scores[rows:filled] = 0.0
    return filled


@kernel
def _multiply(tile: NDArray[Any], filled: int, sums: NDArray[Any], totals: Floats) -> None:
    """Add the products of all pairs of features, summed over the rows, to the lower triangle of `totals`."""
    for i in range(0, len(totals), SIDE):
        for j in range(0, i + 1, SIDE):
            dots(tile, i, j, filled, sums)
            for place in range(SIDE * SIDE):
                totals[i + place // SIDE, j + place % SIDE] += sums[place]


@kernel
def learn(values: NDArray[Any], offsets: NDArray[np.int64], roots: Floats, moments: Floats, comoments: Floats) -> None:
    """Write the co-moments of each asset, shape (n_assets, n_features * (n_features + 1) / 2).

    Parameters
    ----------
    roots : ndarray of shape (n_rows,)
        The root of each row's weight.
    moments : ndarray of shape (n_assets, n_features, 3)
        Weight, mean and sum of squares of the same rows.

    Notes
    -----
    Products are those of standard scores, so that single precision does for readings in it. Cost: about 0.03 ns a row
    for each pair of features, in double precision twice that.
    """
    n_features = values.shape[0]
    padded = (n_features + SIDE - 1) // SIDE * SIDE
    tile, sums = np.zeros((padded, TILE), values.dtype), np.empty(SIDE * SIDE, values.dtype)
    totals = np.empty((padded, padded))
    for asset in range(len(offsets) - 1):
        _learn_one(values, offsets[asset], offsets[asset + 1], roots, moments[asset], tile, sums, totals)
        _scale_back(totals, moments[asset], comoments[asset])


@kernel
def learn_both(values: NDArray[Any], offsets: NDArray[np.int64], moments: Floats, comoments: Floats) -> None:
    """Write moments, shape (n_assets, n_features, 3), and co-moments of each asset while its readings are at hand."""
    n_features = values.shape[0]
    padded = (n_features + SIDE - 1) // SIDE * SIDE
    tile, sums = np.zeros((padded, TILE), values.dtype), np.empty(SIDE * SIDE, values.dtype)
    totals, roots = np.empty((padded, padded)), np.ones(values.shape[1])
    for asset in range(len(offsets) - 1):
        variance.learn(values, offsets[asset : asset + 2], moments[asset])
        _learn_one(values, offsets[asset], offsets[asset + 1], roots, moments[asset], tile, sums, totals)
        _scale_back(totals, moments[asset], comoments[asset])


@kernel
def _learn_one(
    values: NDArray[Any],
    start: int,
    end: int,
    roots: Floats,
    moments: Floats,
    tile: NDArray[Any],
    sums: NDArray[Any],
    totals: Floats,
) -> None:
    """Write the sums of products of one asset's standard scores, tiles of like size at a time."""
    totals[:] = 0.0
    tiles = max((end - start + TILE - 1) // TILE, 1)
    step = max((end - start + tiles * LANES - 1) // (tiles * LANES), 1) * LANES
    for first in range(start, end, step):
        rows = min(step, end - first)
        fetch(values, first, first + rows)
        filled = _lay_out(values, first, rows, moments, roots, tile)
        _multiply(tile, filled, sums, totals)


@kernel
def _scale_back(totals: Floats, moments: Floats, comoments: Floats) -> None:
    """Write the lower triangle of co-moments, from products of standard scores."""
    n_features, at = len(moments), 0
    scales = np.empty(n_features)
    for i in range(n_features):
        scales[i] = np.sqrt(moments[i, 2] / moments[i, 0]) if moments[i, 0] > 0.0 else 0.0
        for j in range(i):
            comoments[at + j] = totals[i, j] * (scales[i] * scales[j])
        comoments[at + i] = moments[i, 2]
        at += i + 1


@kernel
def combine(moments: Floats, comoments: Floats, scales: Floats, others: Floats, other_comoments: Floats) -> None:
    """Scale moments and co-moments by one factor an asset and merge those of other rows into them.

    Exact where no value is missing, and always for means and the diagonal. Elsewhere what two features' means moved by
    counts in proportion to the roots of both features' own weights.
    """
    n_features = moments.shape[1]
    shift = np.empty(n_features)
    for asset in range(len(moments)):
        for feature in range(n_features):
            own, other = moments[asset, feature], others[asset, feature]
            own[0] *= scales[asset]
            total = own[0] + other[0]
            shift[feature] = 0.0
            if own[0] > 0.0 and other[0] > 0.0:
                delta = other[1] - own[1]
                shift[feature] = delta * np.sqrt(own[0] * (other[0] / total))
                own[1] += delta * (other[0] / total)
            elif other[0] > 0.0:
                own[1] = other[1]
            own[0] = total
        at = 0
        for i in range(n_features):
            for j in range(i + 1):
                here = comoments[asset, at + j] * scales[asset] + other_comoments[asset, at + j]
                comoments[asset, at + j] = here + shift[i] * shift[j]
            moments[asset, i, 2] = comoments[asset, at + i]
            at += i + 1

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

from tocsin.kernels.dots import LANES, SIDE, dots
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

TILE = 512
"""Rows that are multiplied at once, in the precision of the readings; their sums are added up in double precision.

That of 100 features in single precision is 200 KB and stays in the second cache.
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
    totals, scales = np.empty((padded, padded)), np.empty(n_features)
    for asset in range(len(offsets) - 1):
        own, of_feature = comoments[asset], moments[asset]
        totals[:] = 0.0
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            filled = _lay_out(values, first, rows, of_feature, roots, tile)
            _multiply(tile, filled, sums, totals)
        at = 0
        for i in range(n_features):
            scales[i] = np.sqrt(of_feature[i, 2] / of_feature[i, 0]) if of_feature[i, 0] > 0.0 else 0.0
            for j in range(i):
                own[at + j] = totals[i, j] * (scales[i] * scales[j])
            own[at + i] = of_feature[i, 2]
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

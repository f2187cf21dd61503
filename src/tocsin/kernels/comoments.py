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

from tocsin.kernels.fma import fma
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

TILE = 128
"""Rows that are multiplied at once, in the precision of the readings; their sums are added up in double precision."""
ABREAST = 4
"""Features whose sums run side by side, so that each value that is read is used for all of them."""


@kernel
def triangle(n_features: int) -> int:
    """Return how many entries a lower triangle has, its diagonal among them."""
    return n_features * (n_features + 1) // 2


@kernel
def _lay_out(
    values: NDArray[Any],
    first: int,
    rows: int,
    moments: Floats,
    roots: Floats,
    tile: NDArray[Any],
    column: NDArray[Any],
) -> None:
    """Write standard scores of some rows, times the root of each row's weight, row by row; 0 where there is none.

    Rows after the last one, up to an even number, and features after the last one are left 0.
    """
    tile[rows : rows + 1] = 0.0
    for feature in range(values.shape[0]):
        weight, mean, squares = moments[feature, 0], moments[feature, 1], moments[feature, 2]
        steepness = np.sqrt(weight / squares) if squares > 0.0 else 0.0
        x = values[feature, first : first + rows]
        for row in range(rows):
            score = (x[row] - mean) * steepness * roots[first + row]
            column[row] = score if score == score else 0.0
        for row in range(rows):
            tile[row, feature] = column[row]


@kernel
def _multiply(tile: NDArray[Any], rows: int, n_features: int, sums: NDArray[Any]) -> None:
    """Write the products of all pairs of columns, summed over the rows, into the lower triangle of `sums`."""
    for i in range(0, n_features, ABREAST):
        end = i + ABREAST
        a, b, c, d = sums[i], sums[i + 1], sums[i + 2], sums[i + 3]
        a[:end], b[:end], c[:end], d[:end] = 0.0, 0.0, 0.0, 0.0
        for row in range(0, rows, 2):
            x, y = tile[row], tile[row + 1]
            xa, xb, xc, xd = x[i], x[i + 1], x[i + 2], x[i + 3]
            ya, yb, yc, yd = y[i], y[i + 1], y[i + 2], y[i + 3]
            for j in range(end):
                xj, yj = x[j], y[j]
                a[j] = fma(ya, yj, fma(xa, xj, a[j]))
                b[j] = fma(yb, yj, fma(xb, xj, b[j]))
                c[j] = fma(yc, yj, fma(xc, xj, c[j]))
                d[j] = fma(yd, yj, fma(xd, xj, d[j]))


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
    Products are those of standard scores, so that single precision does for readings in it. Cost: about 0.05 ns a row
    for each pair of features.
    """
    n_features = values.shape[0]
    padded = (n_features + ABREAST - 1) // ABREAST * ABREAST
    tile, column = np.zeros((TILE + 1, padded), values.dtype), np.empty(TILE, values.dtype)
    sums = np.zeros((padded, padded), values.dtype)
    for asset in range(len(offsets) - 1):
        own, of_feature = comoments[asset], moments[asset]
        own[:] = 0.0
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            _lay_out(values, first, rows, of_feature, roots, tile, column)
            _multiply(tile, rows, n_features, sums)
            at = 0
            for i in range(n_features):
                for j in range(i + 1):
                    own[at + j] += sums[i, j]
                at += i + 1
        at = 0
        for i in range(n_features):
            scale = np.sqrt(of_feature[i, 2] / of_feature[i, 0]) if of_feature[i, 0] > 0.0 else 0.0
            for j in range(i):
                other = np.sqrt(of_feature[j, 2] / of_feature[j, 0]) if of_feature[j, 0] > 0.0 else 0.0
                own[at + j] *= scale * other
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

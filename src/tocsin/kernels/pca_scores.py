"""How far rows lie inside the plane of their asset's principal components and off it, and which features say so.

A tile of rows is kept in the nearest cache while it is standardised and multiplied. What a row gets does not depend on
the rows beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.caches import fetch, rows_at_once
from tocsin.kernels.fma import fma
from tocsin.kernels.heaviest import name_heaviest
from tocsin.kernels.jit import kernel
from tocsin.kernels.pca import FAINT, Floats, Planes
from tocsin.kernels.registers import LANES, fill, fused, greater, lesser, load, store

TILE = 32
"""Rows that are scored at once: 100 standard scores of each are 25 KB."""
ABREAST = 5
"""Components whose coordinates are summed side by side."""
BEYOND = 1e9
"""What a value adds that differs from a constant: infinite by rights, but a number."""
FARTHEST = 1e50
"""The largest standard score, so that its square is a number."""
STEEPEST = 1e300
"""The largest inverse of a spread."""
FINE = 1e6
"""How much larger the variance that is kept may be than the limit of Q for Q to be told as a difference."""


class Tile(NamedTuple):
    """What is known of an asset, and of up to `TILE` of its rows.

    Of the asset: `varying`, the features that vary, ``counts[0]`` of them, with `centers` and `steeps`, which standard
    scores are made with; of its ``counts[1]`` components the `loadings`, and in `steepness` what T2 gains from the
    square of a coordinate. `loadings` go on with zeros, to `ABREAST` at least.

    Of the rows, a column each: `scores` of all features, `coordinates` along the components, and in the three rows of
    `measures` T2, Q and how many values differ from a constant.
    """

    counts: NDArray[np.int64]
    varying: NDArray[np.int64]
    centers: Floats
    steeps: Floats
    loadings: Floats
    steepness: Floats
    scores: Floats
    coordinates: Floats
    measures: Floats


@kernel
def most_components(planes: Planes) -> int:
    """Return the most components that any asset keeps."""
    most = 0
    for asset in range(len(planes.starts) - 1):
        most = max(most, planes.starts[asset + 1] - planes.starts[asset])
    return most


@kernel
def room(planes: Planes) -> Tile:
    """Return the arrays for a tile."""
    n_features = planes.loadings.shape[1]
    most = max(most_components(planes), ABREAST)
    return Tile(
        np.zeros(2, np.int64),
        np.empty(n_features, np.int64),
        np.empty(n_features),
        np.empty(n_features),
        np.zeros((most, n_features)),
        np.empty(most),
        np.zeros((n_features, TILE)),
        np.empty((most, TILE)),
        np.empty((3, TILE)),
    )


@kernel
def approach(planes: Planes, asset: int, tile: Tile) -> None:
    """Turn to an asset."""
    start, varying = planes.starts[asset], 0
    n_components = planes.starts[asset + 1] - start
    for feature in range(planes.loadings.shape[1]):
        spread = planes.spreads[asset, feature]
        if spread > 0.0:
            tile.varying[varying] = feature
            tile.centers[varying] = planes.centers[asset, feature]
            tile.steeps[varying] = min(1.0 / spread, STEEPEST)
            varying += 1
        else:
            tile.scores[feature] = 0.0
    tile.counts[0], tile.counts[1] = varying, n_components
    for component in range(n_components):
        tile.loadings[component] = planes.loadings[start + component]
        tile.steepness[component] = 1.0 / planes.variances[start + component]
    tile.loadings[n_components:] = 0.0


@kernel
def gains(planes: Planes, asset: int) -> tuple[float, float]:
    """Return what a unit of T2 and a unit of Q add to the score."""
    inside, off = planes.limits[asset, 0], planes.limits[asset, 1]
    return 1.0 / inside if inside > 0.0 else 0.0, 1.0 / off if off > 0.0 else 0.0


@kernel
def _standardise_all(values: NDArray[Any], first: int, tile: Tile) -> None:
    """Standardise a whole tile, four vectors of rows at a time, whose squares are summed in registers."""
    farthest, other_way = fill(FARTHEST), fill(-FARTHEST)
    qa, qb, qc, qd = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
    for place in range(tile.counts[0]):
        x, scores = values[tile.varying[place]], tile.scores[tile.varying[place]]
        center, steep = fill(tile.centers[place]), fill(tile.steeps[place])
        a = greater(other_way, lesser(farthest, (load(x, first) - center) * steep))
        b = greater(other_way, lesser(farthest, (load(x, first + LANES) - center) * steep))
        c = greater(other_way, lesser(farthest, (load(x, first + 2 * LANES) - center) * steep))
        d = greater(other_way, lesser(farthest, (load(x, first + 3 * LANES) - center) * steep))
        qa, qb, qc, qd = fused(a, a, qa), fused(b, b, qb), fused(c, c, qc), fused(d, d, qd)
        store(scores, 0, a)
        store(scores, LANES, b)
        store(scores, 2 * LANES, c)
        store(scores, 3 * LANES, d)
    q = tile.measures[1]
    store(q, 0, qa)
    store(q, LANES, qb)
    store(q, 2 * LANES, qc)
    store(q, 3 * LANES, qd)


@kernel
def _standardise(values: NDArray[Any], first: int, rows: int, tile: Tile) -> None:
    """Write standard scores, and in the place of Q their squared length, NaN where a value is missing."""
    if rows == TILE:
        _standardise_all(values, first, tile)
        return
    q = tile.measures[1]
    q[:] = 0.0
    for place in range(tile.counts[0]):
        x, scores = values[tile.varying[place]], tile.scores[tile.varying[place]]
        center, steep = tile.centers[place], tile.steeps[place]
        for row in range(rows):
            z = (x[first + row] - center) * steep
            z = FARTHEST if z > FARTHEST else z
            z = -FARTHEST if z < -FARTHEST else z
            scores[row], q[row] = z, fma(z, z, q[row])


@kernel
def _complete(tile: Tile, row: int, missing: NDArray[np.int64], steepness: Floats, residual: float) -> None:
    """Put those values in the place of missing ones with which the row scores least, given the others.

    The score is quadratic, so these solve linear equations, by Cholesky's method; they are the means of what is missing
    under the condition of what is not, as the components see it. `steepness` is what each squared coordinate adds to
    the score beyond `residual`, which is what each squared standard score adds.
    """
    m, loadings, scores = len(missing), tile.loadings, tile.scores
    lower, right = np.zeros((m, m)), np.zeros(m)
    for component in range(len(steepness)):
        along = 0.0
        for feature in range(loadings.shape[1]):
            along += loadings[component, feature] * scores[feature, row]
        for i in range(m):
            pull = steepness[component] * loadings[component, missing[i]]
            right[i] -= pull * along
            for j in range(i + 1):
                lower[i, j] += pull * loadings[component, missing[j]]
    for i in range(m):
        lower[i, i] += residual
        least = FAINT * lower[i, i]
        for j in range(i + 1):
            for k in range(j):
                lower[i, j] -= lower[i, k] * lower[j, k]
            if i == j:
                lower[i, i] = np.sqrt(max(lower[i, i], least))
            else:
                lower[i, j] /= lower[j, j]
        for k in range(i):
            right[i] -= lower[i, k] * right[k]
        right[i] /= lower[i, i]
    for i in range(m - 1, -1, -1):
        for k in range(i + 1, m):
            right[i] -= lower[k, i] * right[k]
        right[i] /= lower[i, i]
        scores[missing[i], row] = right[i]


@kernel
def _fill_gaps(tile: Tile, rows: int, inside: float, off: float) -> None:
    """Complete the rows in which values are missing, and write the squared length of their standard scores."""
    scores, q = tile.scores, tile.measures[1]
    missing = np.empty(tile.counts[0], np.int64)
    for row in range(rows):
        if q[row] == q[row]:
            continue
        gaps = 0
        for place in range(tile.counts[0]):
            feature = tile.varying[place]
            if scores[feature, row] != scores[feature, row]:
                missing[gaps], scores[feature, row] = feature, 0.0
                gaps += 1
        _complete(tile, row, missing[:gaps], inside * tile.steepness[: tile.counts[1]] - off, off)
        q[row] = 0.0
        for place in range(tile.counts[0]):
            z = scores[tile.varying[place], row]
            q[row] = fma(z, z, q[row])


@kernel
def _coordinates(tile: Tile, rows: int) -> None:
    """Write the coordinates along the components, five of them and sixteen rows at a time.

    The last five components may have been among those before, which gives the same once more.
    """
    loadings, coordinates = tile.loadings, tile.coordinates
    for start in range(0, tile.counts[1], ABREAST):
        i = max(min(start, tile.counts[1] - ABREAST), 0)
        p, q, r, s, t = loadings[i], loadings[i + 1], loadings[i + 2], loadings[i + 3], loadings[i + 4]
        for row in range(0, rows, 2 * LANES):
            ax, bx, cx, dx, ex = fill(0.0), fill(0.0), fill(0.0), fill(0.0), fill(0.0)
            ay, by, cy, dy, ey = fill(0.0), fill(0.0), fill(0.0), fill(0.0), fill(0.0)
            for feature in range(len(p)):
                scores = tile.scores[feature]
                x, y = load(scores, row), load(scores, row + LANES)
                u, v, w = fill(p[feature]), fill(q[feature]), fill(r[feature])
                ax, ay, bx, by = fused(u, x, ax), fused(u, y, ay), fused(v, x, bx), fused(v, y, by)
                cx, cy = fused(w, x, cx), fused(w, y, cy)
                u, v = fill(s[feature]), fill(t[feature])
                dx, dy, ex, ey = fused(u, x, dx), fused(u, y, dy), fused(v, x, ex), fused(v, y, ey)
            _put_down(coordinates[i], row, ax, ay)
            _put_down(coordinates[i + 1], row, bx, by)
            _put_down(coordinates[i + 2], row, cx, cy)
            _put_down(coordinates[i + 3], row, dx, dy)
            _put_down(coordinates[i + 4], row, ex, ey)


@kernel
def _put_down(along: Floats, row: int, x: Any, y: Any) -> None:
    """Write sixteen coordinates."""
    store(along, row, x)
    store(along, row + LANES, y)


@kernel
def _square(tile: Tile, rows: int) -> None:
    """Write T2, and Q as a difference of two squared lengths."""
    t2, q = tile.measures[0], tile.measures[1]
    for row in range(0, rows, LANES):
        inner, left = fill(0.0), load(q, row)
        for component in range(tile.counts[1]):
            x = load(tile.coordinates[component], row)
            square = x * x
            inner = fused(square, fill(tile.steepness[component]), inner)
            left = left - square
        store(t2, row, inner)
        store(q, row, greater(left, fill(0.0)))


@kernel
def _leave_over(tile: Tile, rows: int) -> None:
    """Write Q to the last digits where next to nothing is usually left over, and a difference would be noise."""
    q = tile.measures[1]
    for row in range(0, rows, LANES):
        squares = fill(0.0)
        for place in range(tile.counts[0]):
            feature = tile.varying[place]
            rest = load(tile.scores[feature], row)
            for component in range(tile.counts[1]):
                pull = fill(-tile.loadings[component, feature])
                rest = fused(pull, load(tile.coordinates[component], row), rest)
            squares = fused(rest, rest, squares)
        store(q, row, squares)


@kernel
def _count_outside(values: NDArray[Any], first: int, rows: int, planes: Planes, asset: int, tile: Tile) -> None:
    """Count the values that differ from a constant."""
    outside = tile.measures[2]
    outside[:] = 0.0
    if tile.counts[0] == values.shape[0]:
        return
    for feature in range(values.shape[0]):
        if not planes.spreads[asset, feature] > 0.0:
            x, center = values[feature], planes.centers[asset, feature]
            for row in range(rows):
                outside[row] += abs(x[first + row] - center) > 0.0


@kernel
def measure(values: NDArray[Any], first: int, rows: int, planes: Planes, asset: int, tile: Tile, total: Floats) -> None:
    """Measure some rows of the asset to which the tile has turned, and write their scores."""
    inside, off = gains(planes, asset)
    variances = planes.variances[planes.starts[asset] : planes.starts[asset + 1]]
    _standardise(values, first, rows, tile)
    _fill_gaps(tile, rows, inside, off)
    _count_outside(values, first, rows, planes, asset, tile)
    _coordinates(tile, rows)
    _square(tile, rows)
    t2, q, outside = tile.measures[0], tile.measures[1], tile.measures[2]
    if off == 0.0:
        q[:] = 0.0
    elif not off * np.sum(variances) < FINE:
        _leave_over(tile, rows)
    for row in range(rows):
        total[row] = t2[row] * inside + q[row] * off + outside[row] * BEYOND


@kernel
def _shares(tile: Tile, inside: float, off: float, parts: Floats) -> None:
    """Write the root of the quadratic form times each row's standard scores: their squares sum to its score."""
    root = np.sqrt(off)
    n_features, rows = parts.shape
    for feature in range(n_features):
        x, part = tile.scores[feature], parts[feature]
        for row in range(rows):
            part[row] = root * x[row]
    for component in range(tile.counts[1]):
        steepness = np.sqrt(inside * tile.steepness[component]) - root
        x = tile.coordinates[component]
        for feature in range(n_features):
            pull, part = steepness * tile.loadings[component, feature], parts[feature]
            for row in range(rows):
                part[row] = fma(pull, x[row], part[row])


@kernel
def attribute(
    values: NDArray[Any],
    first: int,
    planes: Planes,
    asset: int,
    tile: Tile,
    total: Floats,
    parts: Floats,
    signed: Floats,
) -> None:
    """Write each feature's part of the scores, shape (n_features, n_rows), and which way it is off: above 0 for high.

    What missing values share in is left to the others, in proportion.
    """
    inside, off = gains(planes, asset)
    outside = tile.measures[2]
    _shares(tile, inside, off, signed)
    for row in range(len(total)):
        told, owed = 0.0, total[row] - BEYOND * outside[row]
        for feature in range(len(parts)):
            x = values[feature, first + row]
            parts[feature, row] = signed[feature, row] ** 2 if x == x else 0.0
            told += parts[feature, row]
        factor = owed / told if told > 0.0 else 0.0
        for feature in range(len(parts)):
            parts[feature, row] *= factor
            if planes.spreads[asset, feature] == 0.0:
                signed[feature, row] = values[feature, first + row] - planes.centers[asset, feature]
                parts[feature, row] = BEYOND if abs(signed[feature, row]) > 0.0 else 0.0


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    planes: Planes,
    dense: bool,
    statistics: Floats,
    scores: Floats,
    features: NDArray[np.int32],
    contributions: Floats,
) -> None:
    """Write T2 and Q, shape (2, n_rows), and the score of every row, and name its heaviest features.

    Results on features have the shape (n_rows, top). If `dense` there are as many columns as features, and these are
    in their own order. Cost: 0.05 ns for each feature, component and row, and 0.3 ns for each feature and row; a
    nanosecond more for contributions.
    """
    n_features, top, step = values.shape[0], features.shape[1], rows_at_once(values, TILE)
    tile, buffers = room(planes), np.empty((2, n_features * TILE))
    for asset in range(len(offsets) - 1):
        approach(planes, asset, tile)
        for start in range(offsets[asset], offsets[asset + 1], step):
            end = min(start + step, offsets[asset + 1])
            fetch(values, start, end)
            for first in range(start, end, TILE):
                rows = min(TILE, end - first)
                total = scores[first : first + rows]
                measure(values, first, rows, planes, asset, tile, total)
                statistics[0, first : first + rows] = tile.measures[0, :rows]
                statistics[1, first : first + rows] = tile.measures[1, :rows]
                if top > 0:
                    parts = buffers[0, : n_features * rows].reshape((n_features, rows))
                    signed = buffers[1, : n_features * rows].reshape((n_features, rows))
                    attribute(values, first, planes, asset, tile, total, parts, signed)
                    name_heaviest(parts, dense, features[first : first + rows], contributions[first : first + rows])

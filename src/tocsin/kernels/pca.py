"""Principal components of many assets: learn them, and tell how far a row lies inside their plane and off it.

A row's score is a quadratic form of its standard scores, so what a feature would have to be for the row to be no alert
is the root of a quadratic equation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import eigen
from tocsin.kernels.eigen import Room
from tocsin.kernels.fma import fma
from tocsin.kernels.heaviest import name_heaviest
from tocsin.kernels.jit import kernel
from tocsin.kernels.lanes import LANES

Floats = NDArray[np.float64]

TILE = 128
"""Rows that are scored at once, so that what is known of them stays in the nearest caches."""
ABREAST = 4
"""Components whose coordinates are summed side by side, and features that are added to them at once."""
BEYOND = 1e9
"""What a value adds that differs from a constant: infinite by rights, but a number."""
FARTHEST = 1e50
"""The largest standard score, so that its square is a number."""
FAINT = 1e-12
"""The share of all variance under which a direction has none: it is rounding."""
FINE = 1e6
"""How much larger the variance that is kept may be than the limit of Q for Q to be told as a difference."""
TRIES = 60


class Planes(NamedTuple):
    """Principal components of many assets.

    Asset ``a`` keeps components ``starts[a]:starts[a + 1]``: their `variances`, and as rows of `loadings`, shape
    (n_components, n_features), their directions. Spreads are 0 of features that are constant or were never seen,
    centers NaN of the latter. `limits`, shape (n_assets, 2), are those of T2 and Q, 0 where there is none.
    """

    centers: Floats
    spreads: Floats
    starts: NDArray[np.int64]
    variances: Floats
    loadings: Floats
    limits: Floats


@kernel
def _spread_out(moments: Floats, comoments: Floats, scaled: bool, spreads: Floats, work: Room) -> float:
    """Write what each feature is divided by and the covariance matrix after that; return the sum of all variances.

    Features that do not vary have rows of 0. Above the diagonal only what stands in a square of it is written.
    """
    n_features, matrix, scales, whole, at = len(moments), work.matrix, work.diagonal, 0.0, 0
    for i in range(n_features):
        weight, squares = moments[i, 0], moments[i, 2]
        spreads[i] = np.sqrt(squares / max(weight - 1.0, 0.5 * weight)) if squares > 0.0 else 0.0
        scales[i] = 1.0 / np.sqrt(squares) if squares > 0.0 else 0.0
        scales[i] *= 1.0 if scaled else spreads[i]
    for i in range(n_features):
        row, scale = matrix[i], scales[i]
        for j in range(i):
            row[j] = comoments[at + j] * (scale * scales[j])
        for j in range(i // LANES * LANES, i):
            matrix[j, i] = row[j]
        row[i] = (1.0 if scaled else spreads[i] * spreads[i]) if scale > 0.0 else 0.0
        whole += row[i]
        at += i + 1
    if not scaled:
        for i in range(n_features):
            spreads[i] = 1.0 if spreads[i] > 0.0 else 0.0
    return whole


@kernel
def _how_many(work: Room, whole: float, components: int, share: float) -> int:
    """Return how many of the components, largest first, are kept: a number of them, or as many as hold a share."""
    n_features, kept, held = len(work.diagonal), 0, 0.0
    while kept < n_features and (kept < components or (components < 0 and held < share * whole)):
        if kept % eigen.ABREAST == 0:
            eigen.bisect(work, kept)
        if not work.values[kept] > FAINT * whole:
            break
        held += work.values[kept]
        kept += 1
    return kept


@kernel
def decompose(
    moments: Floats,
    comoments: Floats,
    scaled: bool,
    components: int,
    share: float,
    spreads: Floats,
    counts: NDArray[np.int64],
    variances: Floats,
    loadings: Floats,
    rests: Floats,
) -> int:
    """Find the principal components of each asset, and return how many all have together.

    Parameters
    ----------
    components : int
        How many to keep, or -1: as many as hold `share` of all variance.
    spreads : ndarray of shape (n_assets, n_features)
        Filled with what features are divided by.
    counts : ndarray of shape (n_assets,), int64
        Filled with how many components each keeps.
    variances, loadings : ndarray of shape (n_assets * n_features,) and (n_assets * n_features, n_features)
        Their first rows are filled with the variances of the components that are kept, and their directions.
    rests : ndarray of shape (n_assets, 4)
        Filled with the sum of all variances, and the sums of the first three powers of those that are not kept, as
        shares of it.

    Notes
    -----
    Cost: 0.15 ms for 100 features and 10 components, 0.5 ms for 80.
    """
    n_features, done = moments.shape[1], 0
    work, turns, which = eigen.room(n_features), np.empty((32 * n_features, 3)), np.empty(n_features, np.int64)
    for asset in range(len(moments)):
        whole = _spread_out(moments[asset], comoments[asset], scaled, spreads[asset], work)
        eigen.tridiagonal(work)
        kept = _how_many(work, whole, components, share)
        kept, turned, turns = eigen.split(work, kept, turns, which)
        own, directions = which[:kept], loadings[done : done + kept]
        eigen.eigenvectors(work, own, turns, turned, directions)
        for component in range(kept):
            variances[done + component] = work.diagonal[own[component]]
            for feature in range(n_features):
                if spreads[asset, feature] == 0.0:
                    directions[component, feature] = 0.0
        rests[asset, 0] = whole
        eigen.powers(work, own, whole if whole > 0.0 else 1.0, rests[asset, 1:])
        counts[asset] = kept
        done += kept
    return done


@kernel
def _add_features(pulls: Floats, scores: Floats, since: int, along: Floats) -> None:
    """Add the features from one on to a component's coordinates."""
    for feature in range(since, len(scores)):
        x, pull = scores[feature], pulls[feature]
        for row in range(len(along)):
            along[row] = fma(pull, x[row], along[row])


@kernel
def _four(loadings: Floats, scores: Floats, coordinates: Floats) -> None:
    """Write the coordinates of four components, whose features are added in their order, four at a time."""
    whole = len(scores) // ABREAST * ABREAST
    a, b, c, d = coordinates[0], coordinates[1], coordinates[2], coordinates[3]
    a[:], b[:], c[:], d[:] = 0.0, 0.0, 0.0, 0.0
    e, f, g, h = loadings[0], loadings[1], loadings[2], loadings[3]
    for i in range(0, whole, ABREAST):
        p, q, r, s = scores[i], scores[i + 1], scores[i + 2], scores[i + 3]
        ep, eq, er, es = e[i], e[i + 1], e[i + 2], e[i + 3]
        fp, fq, fr, fs = f[i], f[i + 1], f[i + 2], f[i + 3]
        gp, gq, gr, gs = g[i], g[i + 1], g[i + 2], g[i + 3]
        hp, hq, hr, hs = h[i], h[i + 1], h[i + 2], h[i + 3]
        for row in range(len(a)):
            w, x, y, z = p[row], q[row], r[row], s[row]
            a[row] = fma(es, z, fma(er, y, fma(eq, x, fma(ep, w, a[row]))))
            b[row] = fma(fs, z, fma(fr, y, fma(fq, x, fma(fp, w, b[row]))))
            c[row] = fma(gs, z, fma(gr, y, fma(gq, x, fma(gp, w, c[row]))))
            d[row] = fma(hs, z, fma(hr, y, fma(hq, x, fma(hp, w, d[row]))))
    for component in range(ABREAST):
        _add_features(loadings[component], scores, whole, coordinates[component])


@kernel
def _coordinates(loadings: Floats, scores: Floats, coordinates: Floats) -> None:
    """Write the coordinates of rows, shape (n_components, n_rows), from standard scores, (n_features, n_rows).

    The last four components may have been among those before, which gives the same once more.
    """
    n_components = len(loadings)
    if n_components < ABREAST:
        for component in range(n_components):
            coordinates[component] = 0.0
            _add_features(loadings[component], scores, 0, coordinates[component])
        return
    for start in range(0, n_components, ABREAST):
        first = min(start, n_components - ABREAST)
        _four(loadings[first : first + ABREAST], scores, coordinates[first : first + ABREAST])


@kernel
def _complete(
    loadings: Floats, steepness: Floats, residual: float, missing: NDArray[np.int64], scores: Floats, row: int
) -> None:
    """Put those values in the place of missing ones with which the row scores least, given the others.

    The score is quadratic, so these solve linear equations, by Cholesky's method; they are the means of what is missing
    under the condition of what is not, as the components see it. `steepness` is what each squared coordinate adds to
    the score beyond `residual`, which is what each squared standard score adds.
    """
    m, n_components = len(missing), len(loadings)
    lower, right = np.zeros((m, m)), np.zeros(m)
    for component in range(n_components):
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
def _gains(planes: Planes, asset: int) -> tuple[float, float]:
    """Return what a unit of T2 and a unit of Q add to the score."""
    inside, off = planes.limits[asset, 0], planes.limits[asset, 1]
    return 1.0 / inside if inside > 0.0 else 0.0, 1.0 / off if off > 0.0 else 0.0


@kernel
def _standardise(
    values: NDArray[Any], first: int, planes: Planes, asset: int, scores: Floats, outside: Floats, gaps: Floats
) -> None:
    """Write standard scores, 0 for missing values, count values that differ from a constant, and missing ones."""
    outside[:], gaps[:] = 0.0, 0.0
    for feature in range(values.shape[0]):
        center, spread = planes.centers[asset, feature], planes.spreads[asset, feature]
        x, score = values[feature, first : first + len(gaps)], scores[feature]
        if spread > 0.0:
            for row in range(len(x)):
                z = (x[row] - center) / spread
                z = z if z < FARTHEST else FARTHEST
                z = z if z > -FARTHEST else -FARTHEST
                present = x[row] == x[row]
                score[row] = z if present else 0.0
                gaps[row] += 0.0 if present else 1.0
        else:
            for row in range(len(x)):
                score[row] = 0.0
                outside[row] += abs(x[row] - center) > 0.0


@kernel
def _residuals_by_difference(scores: Floats, coordinates: Floats, q: Floats) -> None:
    """Write the squared length of what the components leave over, as a difference of two squared lengths."""
    q[:] = 0.0
    for feature in range(len(scores)):
        x = scores[feature]
        for row in range(len(x)):
            q[row] = fma(x[row], x[row], q[row])
    for component in range(len(coordinates)):
        x = coordinates[component]
        for row in range(len(x)):
            q[row] -= x[row] * x[row]
    for row in range(len(q)):
        q[row] = max(q[row], 0.0)


@kernel
def _residuals(loadings: Floats, scores: Floats, coordinates: Floats, q: Floats) -> None:
    """Write the same to the last digits where next to nothing is usually left over, and a difference would be noise."""
    rest = np.empty(len(q))
    q[:] = 0.0
    for feature in range(len(scores)):
        rest[:] = scores[feature]
        for component in range(len(coordinates)):
            x, pull = coordinates[component], -loadings[component, feature]
            for row in range(len(q)):
                rest[row] = fma(pull, x[row], rest[row])
        for row in range(len(q)):
            q[row] = fma(rest[row], rest[row], q[row])


@kernel
def _measure(
    values: NDArray[Any],
    first: int,
    planes: Planes,
    asset: int,
    scores: Floats,
    coordinates: Floats,
    outside: Floats,
    statistics: Floats,
    total: Floats,
) -> None:
    """Write T2 and Q, shape (2, n_rows), and the score of some rows of an asset, and on the way there standard scores.

    `scores` has the shape (n_features, n_rows), `coordinates` (n_components, n_rows), `outside` counts in each row the
    values that differ from a constant. What a row gets does not depend on the rows beside it.
    """
    _standardise(values, first, planes, asset, scores, outside, total)
    loadings = planes.loadings[planes.starts[asset] : planes.starts[asset + 1]]
    variances = planes.variances[planes.starts[asset] : planes.starts[asset + 1]]
    inside, off = _gains(planes, asset)
    for row in range(len(total)):
        if total[row] > 0.0:
            missing = np.empty(int(total[row]), np.int64)
            at = 0
            for feature in range(values.shape[0]):
                if (
                    planes.spreads[asset, feature] > 0.0
                    and values[feature, first + row] != values[feature, first + row]
                ):
                    missing[at] = feature
                    at += 1
            _complete(loadings, inside / variances - off, off, missing, scores, row)
    _coordinates(loadings, scores, coordinates)
    t2, q = statistics[0], statistics[1]
    t2[:] = 0.0
    for component in range(len(coordinates)):
        x, steepness = coordinates[component], 1.0 / variances[component]
        for row in range(len(x)):
            t2[row] = fma(x[row] * x[row], steepness, t2[row])
    if off == 0.0:
        q[:] = 0.0
    elif off * np.sum(variances) < FINE:
        _residuals_by_difference(scores, coordinates, q)
    else:
        _residuals(loadings, scores, coordinates, q)
    for row in range(len(total)):
        total[row] = t2[row] * inside + q[row] * off + outside[row] * BEYOND


@kernel
def _shares(planes: Planes, asset: int, scores: Floats, coordinates: Floats, parts: Floats) -> None:
    """Write the root of the quadratic form times each row's standard scores: their squares sum to its score."""
    loadings = planes.loadings[planes.starts[asset] : planes.starts[asset + 1]]
    variances = planes.variances[planes.starts[asset] : planes.starts[asset + 1]]
    inside, off = _gains(planes, asset)
    root = np.sqrt(off)
    for feature in range(len(scores)):
        x, part = scores[feature], parts[feature]
        for row in range(len(x)):
            part[row] = root * x[row]
    for component in range(len(loadings)):
        steepness = np.sqrt(inside / variances[component]) - root
        x = coordinates[component]
        for feature in range(len(scores)):
            pull, part = steepness * loadings[component, feature], parts[feature]
            for row in range(len(x)):
                part[row] = fma(pull, x[row], part[row])


@kernel
def _attribute(
    values: NDArray[Any],
    first: int,
    planes: Planes,
    asset: int,
    scores: Floats,
    coordinates: Floats,
    outside: Floats,
    total: Floats,
    parts: Floats,
    signed: Floats,
) -> None:
    """Write each feature's part of the scores, and which way it is off: above 0 for high.

    What missing values share in is left to the others, in proportion.
    """
    _shares(planes, asset, scores, coordinates, signed)
    for row in range(len(total)):
        told, owed = 0.0, total[row] - BEYOND * outside[row]
        for feature in range(len(scores)):
            x = values[feature, first + row]
            parts[feature, row] = signed[feature, row] ** 2 if x == x else 0.0
            told += parts[feature, row]
        factor = owed / told if told > 0.0 else 0.0
        for feature in range(len(scores)):
            parts[feature, row] *= factor
            if planes.spreads[asset, feature] == 0.0:
                signed[feature, row] = values[feature, first + row] - planes.centers[asset, feature]
                parts[feature, row] = BEYOND if abs(signed[feature, row]) > 0.0 else 0.0


@kernel
def most_components(planes: Planes) -> int:
    """Return the most components that any asset keeps."""
    most = 0
    for asset in range(len(planes.starts) - 1):
        most = max(most, planes.starts[asset + 1] - planes.starts[asset])
    return most


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
    in their own order. Cost: 0.2 ns for each feature, component and row; a nanosecond more for contributions.
    """
    n_features, top, most = values.shape[0], features.shape[1], most_components(planes)
    buffers = np.empty((3, n_features * TILE))
    plane, beyond = np.empty(most * TILE), np.empty(TILE)
    for asset in range(len(offsets) - 1):
        n_components = planes.starts[asset + 1] - planes.starts[asset]
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            z = buffers[0, : n_features * rows].reshape((n_features, rows))
            coordinates = plane[: n_components * rows].reshape((n_components, rows))
            outside, total = beyond[:rows], scores[first : first + rows]
            both = statistics[:, first : first + rows]
            _measure(values, first, planes, asset, z, coordinates, outside, both, total)
            if top == 0:
                continue
            parts = buffers[1, : n_features * rows].reshape((n_features, rows))
            signed = buffers[2, : n_features * rows].reshape((n_features, rows))
            _attribute(values, first, planes, asset, z, coordinates, outside, total, parts, signed)
            name_heaviest(parts, dense, features[first : first + rows], contributions[first : first + rows])


@kernel
def _limit(
    values: NDArray[Any], row: int, feature: int, planes: Planes, asset: int, threshold: float, pull: float, own: float,
    trial: NDArray[Any], work: Floats, plane: Floats, over: float,
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
    n_components = planes.starts[asset + 1] - planes.starts[asset]
    scores, coordinates = work[0].reshape((-1, 1)), plane[:n_components].reshape((n_components, 1))
    outside, both, total = np.empty(1), np.empty((2, 1)), np.empty(1)
    for other in range(values.shape[0]):
        trial[other, 0] = values[other, row]
    if gaps:  # where it scores least, all that is missing following, is where it would be if it were missing, too
        trial[feature, 0] = np.nan
        _measure(trial, 0, planes, asset, scores, coordinates, outside, both, total)
        farthest = (
            scores[feature, 0]
            - (values[feature, row] - planes.centers[asset, feature]) / planes.spreads[asset, feature]
        )
        step = farthest
    share = 2.0 ** (-22 if values.itemsize == 4 else -50)
    slip = 0.0
    for _ in range(TRIES):
        shift = step + slip * (farthest - step)
        trial[feature, 0] = float(values[feature, row]) + shift * planes.spreads[asset, feature]
        _measure(trial, 0, planes, asset, scores, coordinates, outside, both, total)
        if total[0] <= threshold:
            break
        slip = min(max(2.0 * slip, share), 1.0)
    if not total[0] <= threshold:
        return np.nan
    outer, inner = float(values[feature, row]), float(trial[feature, 0])
    for _ in range(TRIES if gaps else 0):
        trial[feature, 0] = 0.5 * (outer + inner)
        _measure(trial, 0, planes, asset, scores, coordinates, outside, both, total)
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
    n_features, most = values.shape[0], most_components(planes)
    z, parts, signed = np.empty((n_features, 1)), np.empty((n_features, 1)), np.empty((n_features, 1))
    plane, spare, work = np.empty(most), np.empty(most), np.empty((1, n_features))
    trial = np.empty((n_features, 1), values.dtype)
    outside, both, total = np.empty(1), np.empty((2, 1)), np.empty(1)
    for asset in range(len(offsets) - 1):
        first, last = planes.starts[asset], planes.starts[asset + 1]
        coordinates = plane[: last - first].reshape((last - first, 1))
        inside, off = _gains(planes, asset)
        for row in range(offsets[asset], offsets[asset + 1]):
            _measure(values, row, planes, asset, z, coordinates, outside, both, total)
            _attribute(values, row, planes, asset, z, coordinates, outside, total, parts, signed)
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                above[row, place] = signed[feature, 0] > 0.0
                over = total[0] - thresholds[asset]
                if planes.spreads[asset, feature] == 0.0:
                    if over <= BEYOND and outside[0] == 1.0:
                        limit[row, place] = planes.centers[asset, feature]
                    continue
                if over <= 0.0 or outside[0] > 0.0:
                    continue
                pull, own = off * z[feature, 0], off
                for component in range(first, last):
                    steepness = inside / planes.variances[component] - off
                    weight = steepness * planes.loadings[component, feature]
                    pull += weight * coordinates[component - first, 0]
                    own += weight * planes.loadings[component, feature]
                found = _limit(
                    values, row, feature, planes, asset, thresholds[asset], pull, own, trial, work, spare, over
                )
                limit[row, place] = found
                if found == found:
                    above[row, place] = values[feature, row] > found

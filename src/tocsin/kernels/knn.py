"""Distances to the nearest of the rows that were learned, for many assets, exactly.

A row is compared with all that are kept, feature by feature, so that neighbours fill the vector registers: of some
thousand rows and more than a few features no search tree leaves much out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.fma import fma
from tocsin.kernels.heaviest import name_heaviest
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

BEYOND = 1e9
"""What a value adds that differs from a constant: infinite by rights, but a number."""
TRIES = 60


class Neighbours(NamedTuple):
    """The rows that are kept of many assets.

    Asset ``a`` keeps ``starts[a + 1] - starts[a]`` rows, feature after feature, from ``starts[a] * n_features`` on in
    `rows`. Spreads, shape (n_assets, n_features), are what features are divided by: 0 of those that are constant or
    were never seen. Centers are NaN of the latter.
    """

    centers: Floats
    spreads: Floats
    starts: NDArray[np.int64]
    rows: NDArray[Any]


@kernel
def choose(
    values: NDArray[Any], offsets: NDArray[np.int64], starts: NDArray[np.int64], draws: Floats, rows: NDArray[Any],
    taken: NDArray[np.int64],
) -> None:  # fmt: skip
    """Keep one row of each of as many equal stretches as an asset has room for, and say where each row went.

    `draws` says where in a stretch a row is taken, from 0 to 1; `taken` gets each row's place among those of its asset
    that are kept, or -1.
    """
    n_features = values.shape[0]
    taken[:] = -1
    for asset in range(len(offsets) - 1):
        count, kept = offsets[asset + 1] - offsets[asset], starts[asset + 1] - starts[asset]
        for i in range(kept):
            first, last = i * count // kept, (i + 1) * count // kept
            row = offsets[asset] + first + min(int(draws[i] * (last - first)), last - first - 1)
            taken[row] = i
            for feature in range(n_features):
                rows[starts[asset] * n_features + feature * kept + i] = values[feature, row]


@kernel
def lay_out(neighbours: Neighbours, asset: int, n_features: int) -> tuple[NDArray[np.int64], Floats, bool]:
    """Return which features vary, standard scores of the kept rows in these, and whether any is missing."""
    first, kept = neighbours.starts[asset], neighbours.starts[asset + 1] - neighbours.starts[asset]
    raw = neighbours.rows[first * n_features : (first + kept) * n_features].reshape((n_features, kept))
    active = np.flatnonzero(neighbours.spreads[asset] > 0.0)
    laid, gaps = np.empty((len(active), kept)), False
    for at in range(len(active)):
        feature = active[at]
        center, spread = neighbours.centers[asset, feature], neighbours.spreads[asset, feature]
        for i in range(kept):
            laid[at, i] = (raw[feature, i] - center) / spread
            gaps |= laid[at, i] != laid[at, i]
    return active, laid, gaps


@kernel
def measure(query: Floats, laid: Floats, gaps: bool, distances: Floats, seen: Floats) -> None:
    """Write the squared distance of a row to each that is kept.

    With gaps it is that of the features both have, times all by how many these are; infinite where these are none.
    """
    n_active = len(query)
    distances[:] = 0.0
    if not gaps:
        whole = n_active // 4 * 4
        for at in range(0, whole, 4):
            a, b, c, d = laid[at], laid[at + 1], laid[at + 2], laid[at + 3]
            p, q, r, s = query[at], query[at + 1], query[at + 2], query[at + 3]
            for i in range(len(distances)):
                t, u, v, w = a[i] - p, b[i] - q, c[i] - r, d[i] - s
                distances[i] = fma(w, w, fma(v, v, fma(u, u, fma(t, t, distances[i]))))
        for at in range(whole, n_active):
            a, p = laid[at], query[at]
            for i in range(len(distances)):
                t = a[i] - p
                distances[i] = fma(t, t, distances[i])
        return
    seen[:] = 0.0
    for at in range(n_active):
        a, p = laid[at], query[at]
        for i in range(len(distances)):
            t = a[i] - p
            distances[i] += t * t if t == t else 0.0
            seen[i] += 1.0 if t == t else 0.0
    for i in range(len(distances)):
        distances[i] = distances[i] * (n_active / seen[i]) if seen[i] > 0.0 else np.inf


@kernel
def _nearest(distances: Floats, skip: int, best: Floats, named: NDArray[np.int64]) -> int:
    """Write the smallest finite distances in ascending order with their places, `skip` left out; return how many."""
    found, most = 0, len(best)
    bound = np.inf
    for i in range(len(distances)):
        distance = distances[i]
        if not distance < bound or i == skip:
            continue
        place = found if found < most else most - 1
        while place > 0 and best[place - 1] > distance:
            best[place], named[place] = best[place - 1], named[place - 1]
            place -= 1
        best[place], named[place] = distance, i
        found = min(found + 1, most)
        if found == most:
            bound = best[most - 1]
    return found


@kernel
def standardise(
    values: NDArray[Any], row: int, neighbours: Neighbours, asset: int, active: NDArray[np.int64], query: Floats
) -> tuple[int, bool]:
    """Write a row's standard scores; return how many values differ from a constant and whether one is missing."""
    outside, gaps = 0, False
    for at in range(len(active)):
        feature = active[at]
        query[at] = (values[feature, row] - neighbours.centers[asset, feature]) / neighbours.spreads[asset, feature]
        gaps |= query[at] != query[at]
    for feature in range(values.shape[0]):
        if neighbours.spreads[asset, feature] == 0.0:
            outside += abs(values[feature, row] - neighbours.centers[asset, feature]) > 0.0
    return outside, gaps


@kernel
def score_of(best: Floats, found: int, mean: bool) -> float:
    """Return the distance to the last of the nearest rows, or the mean of all; 0 if there is none."""
    if found == 0:
        return 0.0
    if not mean:
        return np.sqrt(best[found - 1])
    total = 0.0
    for i in range(found):
        total += np.sqrt(best[i])
    return total / found


@kernel
def share_out(
    values: NDArray[Any], row: int, neighbours: Neighbours, asset: int, active: NDArray[np.int64], query: Floats,
    laid: Floats, best: Floats, named: NDArray[np.int64], found: int, mean: bool, parts: Floats,
) -> None:  # fmt: skip
    """Write each feature's part of a score: its share of a squared distance, times the distance."""
    parts[:] = 0.0
    for feature in range(len(parts)):
        if neighbours.spreads[asset, feature] == 0.0:
            differs = abs(values[feature, row] - neighbours.centers[asset, feature]) > 0.0
            parts[feature, 0] = BEYOND if differs else 0.0
    for i in range(0 if mean else found - 1, found):
        sum_of_squares = 0.0
        for at in range(len(active)):
            t = laid[at, named[i]] - query[at]
            sum_of_squares += t * t if t == t else 0.0
        if sum_of_squares == 0.0:
            continue
        factor = np.sqrt(best[i]) / sum_of_squares / (found if mean else 1)
        for at in range(len(active)):
            t = laid[at, named[i]] - query[at]
            parts[active[at], 0] += t * t * factor if t == t else 0.0


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    neighbours: Neighbours,
    count: int,
    mean: bool,
    taken: NDArray[np.int64],
    dense: bool,
    scores: Floats,
    features: NDArray[np.int32],
    contributions: Floats,
) -> None:
    """Write the score of every row and name its heaviest features; results on these have the shape (n_rows, top).

    `taken` says where each row is among those that are kept, -1 for nowhere: it is left out of its own neighbours. If
    `dense` there are as many columns as features, in their own order. Cost: a third of a nanosecond for each row that
    is kept and each feature.
    """
    n_features, top = values.shape[0], features.shape[1]
    best, named, parts = np.empty(count), np.empty(count, np.int64), np.empty((n_features, 1))
    for asset in range(len(offsets) - 1):
        if offsets[asset] == offsets[asset + 1]:
            continue
        active, laid, any_gaps = lay_out(neighbours, asset, n_features)
        query, distances, seen = np.empty(len(active)), np.empty(laid.shape[1]), np.empty(laid.shape[1])
        for row in range(offsets[asset], offsets[asset + 1]):
            outside, gaps = standardise(values, row, neighbours, asset, active, query)
            measure(query, laid, gaps or any_gaps, distances, seen)
            found = _nearest(distances, taken[row], best, named)
            scores[row] = score_of(best, found, mean) + outside * BEYOND
            if top > 0:
                share_out(values, row, neighbours, asset, active, query, laid, best, named, found, mean, parts)
                name_heaviest(parts, dense, features[row : row + 1], contributions[row : row + 1])


@kernel
def _reach(
    query: float, column: Floats, distances: Floats, factors: Floats, count: int, threshold: float
) -> tuple[float, float]:
    """Return the nearest standard score with which `count` kept rows are within the threshold, and one further in.

    Where the other features leave room, a kept row is within the threshold for an interval around its own value. The
    ends of all intervals are passed in the order of their distance from where the feature is, on either side.
    """
    kept = len(column)
    starts, ends, inside = np.empty(kept), np.empty(kept), 0
    used = 0
    for i in range(kept):
        gap = column[i] - query
        own = gap * gap * factors[i] if gap == gap else 0.0
        room = threshold * threshold - (distances[i] - own)
        if not room >= 0.0:
            continue
        if gap != gap:
            inside += 1  # whatever the value is, this row does not look at it
            continue
        half = np.sqrt(room / factors[i])
        starts[used], ends[used] = gap - half, gap + half
        used += 1
    if inside >= count:
        return np.nan, np.nan
    nearest, further = np.nan, np.nan
    for side in range(2):
        open_at, close_at = np.sort(starts[:used]), np.sort(ends[:used])
        if side == 1:
            open_at, close_at = np.sort(-ends[:used]), np.sort(-starts[:used])
        closed = np.searchsorted(close_at, 0.0)
        for opened in range(used):
            at = open_at[opened]
            while closed < used and close_at[closed] < at:
                closed += 1
            if at < 0.0 or inside + opened + 1 - closed < count:
                continue
            if not at >= abs(nearest):
                until = close_at[closed] if closed < used else at
                nearest, further = (at, until) if side == 0 else (-at, -until)
            break
    return nearest, further


@kernel
def limits(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    neighbours: Neighbours,
    count: int,
    thresholds: Floats,
    features: NDArray[np.int32],
    limit: Floats,
) -> None:
    """Write the nearest value of each named feature with which its row would have been no alert, NaN if there is none.

    It is computed, and then moved inwards, doubling from the last bit on, until the row as it would be read is none.
    """
    n_features = values.shape[0]
    best, named = np.empty(count), np.empty(count, np.int64)
    trial = np.empty((n_features, 1), values.dtype)
    smallest = 2.0 ** (-22 if values.itemsize == 4 else -48)
    for asset in range(len(offsets) - 1):
        if offsets[asset] == offsets[asset + 1]:
            continue
        active, laid, any_gaps = lay_out(neighbours, asset, n_features)
        kept = laid.shape[1]
        query, distances, seen, factors = np.empty(len(active)), np.empty(kept), np.empty(kept), np.ones(kept)
        for row in range(offsets[asset], offsets[asset + 1]):
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                outside, gaps = standardise(values, row, neighbours, asset, active, query)
                gaps |= any_gaps
                measure(query, laid, gaps, distances, seen)
                total = score_of(best, _nearest(distances, -1, best, named), False) + outside * BEYOND
                center, spread = neighbours.centers[asset, feature], neighbours.spreads[asset, feature]
                if total <= thresholds[asset] or outside > 1 or (outside == 1 and spread > 0.0):
                    continue
                if outside == 1:
                    limit[row, place] = center if total - BEYOND <= thresholds[asset] else np.nan
                    continue
                if gaps:
                    for i in range(kept):
                        factors[i] = len(active) / max(seen[i], 1.0)
                at = np.searchsorted(active, feature)
                needed = min(count, np.sum(np.isfinite(distances)))
                step, further = _reach(query[at], laid[at], distances, factors, needed, thresholds[asset])
                if step != step:
                    continue
                for other in range(n_features):
                    trial[other, 0] = values[other, row]
                slip = 0.0
                for _ in range(TRIES):
                    moved = step + slip * (further - step)
                    trial[feature, 0] = float(values[feature, row]) + moved * spread
                    standardise(trial, 0, neighbours, asset, active, query)
                    measure(query, laid, gaps, distances, seen)
                    if score_of(best, _nearest(distances, -1, best, named), False) <= thresholds[asset]:
                        limit[row, place] = float(trial[feature, 0])
                        break
                    slip = min(max(2.0 * slip, smallest), 1.0)

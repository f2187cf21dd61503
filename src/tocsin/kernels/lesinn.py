"""Distances to the nearest row of each of many small samples, for many assets.

A sample of a few rows holds the bulk of what was learned and next to none of the anomalies, so that these do not stand
in for each other's neighbours as they do among all rows. Distances are those of `tocsin.kernels.knn`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.heaviest import name_heaviest
from tocsin.kernels.jit import kernel
from tocsin.kernels.knn import BEYOND, Neighbours, lay_out, measure, score_of, share_out, standardise

Floats = NDArray[np.float64]

STEPS = 32
"""At how many places between a value and the usual one a row is tried before the nearest is made exact."""
TRIES = 60


@kernel
def choose(
    values: NDArray[Any], offsets: NDArray[np.int64], starts: NDArray[np.int64], draws: Floats, rows: NDArray[Any],
    origins: NDArray[np.int64],
) -> None:  # fmt: skip
    """Keep `len(draws)` samples of each asset's rows, one after the other, and say from which row each was taken.

    Each sample is drawn without replacement, by the numbers from 0 to 1 of a row of `draws`, shape (n_samples, size)
    (Floyd's algorithm: Bentley and Floyd 1987, doi:10.1145/30401.315746). `rows` is laid out as in `Neighbours`;
    `origins` counts from an asset's first row.
    """
    n_features, n_samples = values.shape[0], len(draws)
    for asset in range(len(offsets) - 1):
        count, kept = offsets[asset + 1] - offsets[asset], starts[asset + 1] - starts[asset]
        size = kept // n_samples
        for sample in range(n_samples):
            own = origins[starts[asset] + sample * size : starts[asset] + (sample + 1) * size]
            for i in range(size):
                last = count - size + i
                row = int(draws[sample, i] * (last + 1))
                for j in range(i):
                    row = last if own[j] == row else row
                own[i] = row
        for feature in range(n_features):
            begin = starts[asset] * n_features + feature * kept
            for i in range(kept):
                rows[begin + i] = values[feature, offsets[asset] + origins[starts[asset] + i]]


@kernel
def _nearest_of_each(
    distances: Floats, origins: NDArray[np.int64], own: int, best: Floats, named: NDArray[np.int64]
) -> int:
    """Write the smallest distance to each sample with its place, the row `own` left out; return how many have one."""
    size, found = len(distances) // len(best), 0
    for first in range(0, len(distances), max(size, 1)):
        least, at = np.inf, -1
        for i in range(first, first + size):
            if distances[i] < least and origins[i] != own:
                least, at = distances[i], i
        if at >= 0:
            best[found], named[found] = least, at
            found += 1
    return found


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    neighbours: Neighbours,
    samples: NDArray[np.int64],
    origins: NDArray[np.int64],
    dense: bool,
    scores: Floats,
    features: NDArray[np.int32],
    contributions: Floats,
) -> None:
    """Write the score of every row and name its heaviest features; results on these have the shape (n_rows, top).

    `samples` says how many of equal size each asset's kept rows are, `origins` which row of its asset each of them is,
    -1 for none: it is left out of its own neighbours. If `dense` there are as many columns as features, in their own
    order. Cost: a third of a nanosecond for each row that is kept and each feature.
    """
    n_features, top = values.shape[0], features.shape[1]
    parts = np.empty((n_features, 1))
    for asset in range(len(offsets) - 1):
        if offsets[asset] == offsets[asset + 1]:
            continue
        active, laid, any_gaps = lay_out(neighbours, asset, n_features)
        query, distances, seen = np.empty(len(active)), np.empty(laid.shape[1]), np.empty(laid.shape[1])
        best, named = np.empty(samples[asset]), np.empty(samples[asset], np.int64)
        own = origins[neighbours.starts[asset] : neighbours.starts[asset + 1]]
        for row in range(offsets[asset], offsets[asset + 1]):
            outside, gaps = standardise(values, row, neighbours, asset, active, query)
            measure(query, laid, gaps or any_gaps, distances, seen)
            found = _nearest_of_each(distances, own, row - offsets[asset], best, named)
            scores[row] = score_of(best, found, True) + outside * BEYOND
            if top > 0:
                share_out(values, row, neighbours, asset, active, query, laid, best, named, found, True, parts)
                name_heaviest(parts, dense, features[row : row + 1], contributions[row : row + 1])


@kernel
def _score_at(shift: float, column: Floats, rest: Floats, factors: Floats, count: int) -> float:
    """Return the mean distance to the nearest row of each sample with one feature moved to a standard score.

    `rest` are the squared distances in the other features, infinite of rows that are not comparable.
    """
    size, found, total = len(rest) // count, 0, 0.0
    for first in range(0, len(rest), max(size, 1)):
        least = np.inf
        for i in range(first, first + size):
            gap = column[i] - shift
            own = rest[i] + (gap * gap * factors[i] if gap == gap else 0.0)
            least = own if own < least else least
        if least < np.inf:
            total += np.sqrt(least)
            found += 1
    return total / found if found else 0.0


@kernel
def _reach(
    start: float, goal: float, center: float, spread: float, column: Floats, rest: Floats, factors: Floats, count: int,
    threshold: float,
) -> tuple[float, float]:  # fmt: skip
    """Return the nearest value on the way to the usual one with which a row is within the threshold, and one further.

    Both are NaN if none is.
    """
    outer, inner = start, np.nan
    for step in range(1, STEPS + 1):
        here = start + (goal - start) * (step / STEPS)
        if _score_at((here - center) / spread, column, rest, factors, count) <= threshold:
            inner = here
            break
        outer = here
    further = inner
    for _ in range(TRIES if inner == inner else 0):
        middle = 0.5 * (outer + inner)
        if _score_at((middle - center) / spread, column, rest, factors, count) <= threshold:
            inner = middle
        else:
            outer = middle
    return inner, further


@kernel
def limits(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    neighbours: Neighbours,
    samples: NDArray[np.int64],
    thresholds: Floats,
    usual: Floats,
    features: NDArray[np.int32],
    limit: Floats,
) -> None:
    """Write the nearest value of each named feature, on the way to its usual one, with which its row is no alert.

    `usual` has the shape (n_assets, n_features). Of the distances all but the feature's part is known, so that a place
    on the way costs a nanosecond for each row that is kept; some 100 are tried. What is found is moved inwards,
    doubling from the last bit on, until the row as it would be read is no alert. Where none is found stays NaN.
    """
    n_features = values.shape[0]
    trial, smallest = np.empty((n_features, 1), values.dtype), 2.0 ** (-22 if values.itemsize == 4 else -48)
    for asset in range(len(offsets) - 1):
        if offsets[asset] == offsets[asset + 1]:
            continue
        active, laid, any_gaps = lay_out(neighbours, asset, n_features)
        kept, count = laid.shape[1], samples[asset]
        query, distances, seen, factors = np.empty(len(active)), np.empty(kept), np.empty(kept), np.ones(kept)
        best, named, none = np.empty(count), np.empty(count, np.int64), np.full(kept, -1)
        for row in range(offsets[asset], offsets[asset + 1]):
            outside, gaps = standardise(values, row, neighbours, asset, active, query)
            gaps |= any_gaps
            measure(query, laid, gaps, distances, seen)
            total = score_of(best, _nearest_of_each(distances, none, 0, best, named), True)
            if total + outside * BEYOND <= thresholds[asset] or outside > 1:
                continue
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                center, spread = neighbours.centers[asset, feature], neighbours.spreads[asset, feature]
                if outside == 1:
                    limit[row, place] = center if spread == 0.0 and total <= thresholds[asset] else np.nan
                    continue
                at, start = np.searchsorted(active, feature), np.float64(values[feature, row])
                if spread == 0.0 or start != start:
                    continue
                rest = laid.copy()
                rest[at] *= 0.0
                standardise(values, row, neighbours, asset, active, query)
                query[at] = 0.0
                measure(query, rest, gaps, distances, seen)
                for i in range(kept):
                    factors[i] = len(active) / max(seen[i], 1.0) if gaps else 1.0
                found, further = _reach(
                    start, usual[asset, feature], center, spread, laid[at], distances, factors, count, thresholds[asset]
                )
                for other in range(n_features):
                    trial[other, 0] = values[other, row]
                slip = 0.0
                for _ in range(TRIES if found == found else 0):
                    trial[feature, 0] = found + slip * (further - found)
                    standardise(trial, 0, neighbours, asset, active, query)
                    measure(query, laid, gaps, distances, seen)
                    if score_of(best, _nearest_of_each(distances, none, 0, best, named), True) <= thresholds[asset]:
                        limit[row, place] = float(trial[feature, 0])
                        break
                    slip = min(max(2.0 * slip, smallest), 1.0)

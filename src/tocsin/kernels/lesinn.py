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

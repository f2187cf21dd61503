"""Let sketches learn: from new rows, or from sketches of other rows, without the rows they were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.sketch import merge, thin


@kernel
def _keep(
    size: int,
    total: float,
    ratio: float,
    slack: float,
    keep: NDArray[np.int64],
    knots: NDArray[Any],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
) -> int:
    """Thin the first `size` knots in place."""
    kept = thin(below[:size], upto[:size], total, ratio, slack, keep)
    for i in range(kept):
        knots[i], below[i], upto[i] = knots[keep[i]], below[keep[i]], upto[keep[i]]
    return kept


@kernel
def absorb(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    weights: NDArray[np.float64],
    scales: NDArray[np.float64],
    ratio: float,
    slack: float,
    totals: NDArray[np.float64],
    knots: NDArray[Any],
    starts: NDArray[np.int64],
    bounds: NDArray[np.int64],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    new_starts: NDArray[np.int64],
    new_totals: NDArray[np.float64],
    new_knots: NDArray[Any],
    new_below: NDArray[np.float64],
    new_upto: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> None:
    """Merge rows into sketches whose weights are first scaled by one factor an asset.

    Cell ``c`` is written from ``new_starts[c]``, where as many places as its old knots and the asset's rows together
    are free; how many are used goes into `sizes`. Cost: a sort of the new values and one pass over the knots.
    """
    n_features = values.shape[0]
    longest, widest = 0, 0
    for asset in range(len(offsets) - 1):
        longest = max(longest, offsets[asset + 1] - offsets[asset])
    for cell in range(len(new_starts) - 1):
        widest = max(widest, new_starts[cell + 1] - new_starts[cell])
    work = scratch(longest)
    rows, ordered = np.empty(longest, np.int32), np.empty(longest, values.dtype)
    row_below, row_upto = np.empty(longest), np.empty(longest)
    keep = np.empty(widest, np.int64)
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        for feature in range(n_features):
            cell = asset * n_features + feature
            count = argsort(values[feature, first:last], work, rows, ordered)
            weight = 0.0
            for i in range(count):
                row_below[i] = weight
                weight += weights[first + rows[i]]
                row_upto[i] = weight
            size = starts[cell + 1] - starts[cell]
            at = bounds[cell]
            place = new_starts[cell]
            end = place + size + count
            merge(
                knots[starts[cell] : starts[cell + 1]],
                below[at : at + size],
                upto[at : at + size],
                totals[cell],
                scales[asset],
                ordered[:count],
                row_below[:count],
                row_upto[:count],
                weight,
                new_knots[place:end],
                new_below[place:end],
                new_upto[place:end],
            )
            new_totals[cell] = totals[cell] * scales[asset] + weight
            sizes[cell] = _keep(
                size + count,
                new_totals[cell],
                ratio,
                slack,
                keep,
                new_knots[place:end],
                new_below[place:end],
                new_upto[place:end],
            )


@kernel
def combine(
    ratio: float,
    slack: float,
    totals_a: NDArray[np.float64],
    knots_a: NDArray[Any],
    starts_a: NDArray[np.int64],
    bounds_a: NDArray[np.int64],
    below_a: NDArray[np.float64],
    upto_a: NDArray[np.float64],
    totals_b: NDArray[np.float64],
    knots_b: NDArray[Any],
    starts_b: NDArray[np.int64],
    bounds_b: NDArray[np.int64],
    below_b: NDArray[np.float64],
    upto_b: NDArray[np.float64],
    new_knots: NDArray[Any],
    new_below: NDArray[np.float64],
    new_upto: NDArray[np.float64],
    sizes: NDArray[np.int64],
) -> None:
    """Merge two sets of sketches, cell by cell; cell ``c`` is written from ``starts_a[c] + starts_b[c]``."""
    keep = np.empty(len(new_knots), np.int64)
    for cell in range(len(totals_a)):
        size_a = starts_a[cell + 1] - starts_a[cell]
        size_b = starts_b[cell + 1] - starts_b[cell]
        at_a, at_b = bounds_a[cell], bounds_b[cell]
        place = starts_a[cell] + starts_b[cell]
        end = place + size_a + size_b
        merge(
            knots_a[starts_a[cell] : starts_a[cell + 1]],
            below_a[at_a : at_a + size_a],
            upto_a[at_a : at_a + size_a],
            totals_a[cell],
            1.0,
            knots_b[starts_b[cell] : starts_b[cell + 1]],
            below_b[at_b : at_b + size_b],
            upto_b[at_b : at_b + size_b],
            totals_b[cell],
            new_knots[place:end],
            new_below[place:end],
            new_upto[place:end],
        )
        sizes[cell] = _keep(
            size_a + size_b,
            totals_a[cell] + totals_b[cell],
            ratio,
            slack,
            keep,
            new_knots[place:end],
            new_below[place:end],
            new_upto[place:end],
        )


@kernel
def squeeze(
    places: NDArray[np.int64],
    sizes: NDArray[np.int64],
    starts: NDArray[np.int64],
    loose: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Copy each cell's used places, ``sizes[c]`` from ``places[c]`` on, to ``starts[c]``."""
    for cell in range(len(sizes)):
        for i in range(sizes[cell]):
            out[starts[cell] + i] = loose[places[cell] + i]

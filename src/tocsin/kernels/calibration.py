"""What a detector's own training scores say of a new one: a threshold, and how rare so high a score is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.tails import locate, pad_knots, slots_for, spread, tail_cost


@kernel
def calibrate(
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    share: float,
    starts: NDArray[np.int64],
    ranks: NDArray[np.int64],
    ranks_at: NDArray[np.int64],
    knots: NDArray[np.float64],
    thresholds: NDArray[np.float64],
) -> None:
    """Sketch each asset's training scores and find the one that `share` of them lie under, as `numpy.quantile` does.

    An asset without rows gets an infinite threshold: it never alerts.
    """
    longest = 0
    for asset in range(len(offsets) - 1):
        longest = max(longest, offsets[asset + 1] - offsets[asset])
    work = scratch(longest)
    rows, ordered = np.empty(longest, np.int32), np.empty(longest, np.float64)
    for asset in range(len(offsets) - 1):
        count = argsort(scores[offsets[asset] : offsets[asset + 1]], work, rows, ordered)
        at = ranks_at[asset]
        for i in range(starts[asset + 1] - starts[asset]):
            knots[starts[asset] + i] = ordered[ranks[at + i] - 1]
        thresholds[asset] = np.inf
        if count > 0:
            place = share * (count - 1)
            under = int(place)
            over = min(under + 1, count - 1)
            thresholds[asset] = ordered[under] + (place - under) * (ordered[over] - ordered[under])


@kernel
def survival(
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    totals: NDArray[np.float64],
    knots: NDArray[Any],
    starts: NDArray[np.int64],
    bounds: NDArray[np.int64],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    p_values: NDArray[np.float64],
) -> None:
    """Write (training scores at least as high + 1) / (training scores + 1) for each score."""
    widest = 0
    for asset in range(len(offsets) - 1):
        widest = max(widest, starts[asset + 1] - starts[asset])
    width = slots_for(widest)
    padded = np.empty(width + 1, knots.dtype)
    costs, table = np.empty(widest + 1), np.empty(2 * width)
    for asset in range(len(offsets) - 1):
        at, size = bounds[asset], starts[asset + 1] - starts[asset]
        own = knots[starts[asset] : starts[asset + 1]]
        for under in range(size + 1):
            cost = tail_cost(below[at : at + size], upto[at : at + size], totals[asset], under, True, False)
            costs[under] = np.exp(-cost)
        spread(own, costs, True, width, table)
        pad_knots(own, width, padded)
        rows = scores[offsets[asset] : offsets[asset + 1]]
        slots = np.empty(len(rows), np.uint32)
        locate(rows, padded, width, slots)
        for row in range(len(rows)):
            p_values[offsets[asset] + row] = table[slots[row]]

"""What a detector's own training scores say of a new one: a threshold, and how rare so high a score is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.sketch import Cells, cell_of, longest, widest
from tocsin.kernels.tails import counts_at, locate, locate_few, pad_knots, slots_for, spread, tail_share


@kernel
def calibrate(
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    share: float,
    ranks: NDArray[np.int64],
    cells: Cells,
    thresholds: NDArray[np.float64],
) -> None:
    """Sketch each asset's training scores and find the one that `share` of them lie under, as `numpy.quantile` does.

    An asset without rows gets an infinite threshold: it never alerts.
    """
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, np.float64)
    for asset in range(len(offsets) - 1):
        count = argsort(scores[offsets[asset] : offsets[asset + 1]], work, rows, ordered)
        knots, _, _ = cell_of(cells, asset)
        for i in range(len(knots)):
            knots[i] = ordered[ranks[cells.bounds[asset] + i] - 1]
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
    learned: bool,
    cells: Cells,
    p_values: NDArray[np.float64],
) -> None:
    """Write the share of training scores at least as high, the row itself counted once; cells are assets."""
    width = slots_for(widest(cells))
    padded = np.empty(width + 1, cells.knots.dtype)
    shares, table = np.empty(width + 1), np.empty(2 * width)
    for asset in range(len(offsets) - 1):
        rows = scores[offsets[asset] : offsets[asset + 1]]
        if len(rows) == 0:
            continue
        knots, below, upto = cell_of(cells, asset)
        slots = np.empty(len(rows), np.uint32)
        if len(rows) < len(knots):  # a table would hold more than is asked
            locate_few(rows, knots, width, slots)
            for row in range(len(rows)):
                _, under = counts_at(knots, rows[row], np.int64(slots[row]), width)
                p_values[offsets[asset] + row] = tail_share(below, upto, cells.totals[asset], under, True, learned)
            continue
        pad_knots(knots, width, padded)
        locate(rows, padded, width, slots)
        for under in range(len(knots) + 1):
            shares[under] = tail_share(below, upto, cells.totals[asset], under, True, learned)
        spread(knots, shares, True, width, table)
        for row in range(len(rows)):
            p_values[offsets[asset] + row] = table[slots[row]]


@kernel
def exceed(
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    alerts: NDArray[np.bool_],
) -> None:
    """Write whether each score is above its asset's threshold."""
    for asset in range(len(offsets) - 1):
        rows, judged = scores[offsets[asset] : offsets[asset + 1]], alerts[offsets[asset] : offsets[asset + 1]]
        for row in range(len(rows)):
            judged[row] = rows[row] > thresholds[asset]

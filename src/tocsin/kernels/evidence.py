"""What stands behind ECOD's contributions: normal ranges, tails, and the nearest value that would not have alerted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.pricing import price, tile_of, workspace
from tocsin.kernels.sketch import Cells, cell_of, longest, quantile
from tocsin.kernels.tails import tail_cost

LOW, HIGH = 0.05, 0.95
"""The shares between which a value is usual."""


@kernel
def _count(knots: NDArray[Any], x: float, equal: bool) -> int:
    """Return how many knots are under `x`, those that equal it counted or not."""
    low, high = 0, len(knots)
    while low < high:
        middle = (low + high) // 2
        if knots[middle] < x or (equal and knots[middle] == x):
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _limit(
    cells: Cells, cell: int, x: float, above: bool, far_budget: float, near_budget: float, learned: bool
) -> float:
    """Return the knot nearest to `x`, on the way to the middle, at which both tails cost no more than they may.

    The tail that the value lies in gets cheaper on that way and the other one dearer, so the first knot at which the
    former is within its budget decides. NaN if there is none.
    """
    knots, below, upto = cell_of(cells, cell)
    total = cells.totals[cell]
    outer = _count(knots, x, not above)
    low, high = (0, outer) if above else (outer, len(knots))
    while low < high:
        middle = (low + high) // 2
        under = _count(knots, knots[middle], not above)
        affordable = tail_cost(below, upto, total, under, above, learned) <= far_budget
        if affordable == above:
            low = middle + 1
        else:
            high = middle
    place = low - 1 if above else low
    if not 0 <= place < len(knots):
        return np.nan
    under = _count(knots, knots[place], above)
    if tail_cost(below, upto, total, under, not above, learned) > near_budget:
        return np.nan
    return float(knots[place])


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    summed: bool,
    extrapolate: bool,
    learned: bool,
    skews: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    cells: Cells,
    features: NDArray[np.int32],
    tail: NDArray[np.float64],
    above: NDArray[np.bool_],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    limit: NDArray[np.float64],
) -> None:
    """Say of each named feature of each row what its contribution rests on; results have the shape (n_rows, top).

    `tail` is the probability of the rarer side, `above` whether that is the upper one, `low` and `high` the range of
    the middle 90 % of what was learned, and `limit` the value nearest to the reading, on the way to the middle, with
    which the row would not pass its threshold; NaN where no value of this feature alone would do.
    """
    n_features = values.shape[0]
    tile = max(min(tile_of(cells), longest(offsets)), 1)
    work = workspace(cells, n_features, tile)
    for asset in range(len(offsets) - 1):
        lows, highs = np.full(n_features, np.nan), np.full(n_features, np.nan)
        for first in range(offsets[asset], offsets[asset + 1], tile):
            last = min(first + tile, offsets[asset + 1])
            left, right = np.empty((n_features, last - first)), np.empty((n_features, last - first))
            price(values, first, last, asset, summed, extrapolate, learned, cells, work, left, right)
            for row in range(first, last):
                sum_left, sum_right, sum_long = 0.0, 0.0, 0.0
                for feature in range(n_features):
                    sum_left += left[feature, row - first]
                    if summed:
                        sum_right += right[feature, row - first]
                        sum_long += (
                            left[feature, row - first] if skews[asset, feature] < 0 else right[feature, row - first]
                        )
                for place in range(features.shape[1]):
                    feature = features[row, place]
                    if feature < 0:
                        continue
                    cell = asset * n_features + feature
                    knots, below, upto = cell_of(cells, cell)
                    total, x = cells.totals[cell], values[feature, row]
                    if np.isnan(lows[feature]):
                        lows[feature] = quantile(knots, below, upto, total, LOW)
                        highs[feature] = quantile(knots, below, upto, total, HIGH)
                    low[row, place], high[row, place] = lows[feature], highs[feature]
                    at_or_under = _count(knots, x, True)
                    under = _count(knots, x, False)
                    cost_left = tail_cost(below, upto, total, at_or_under, False, learned)
                    cost_right = tail_cost(below, upto, total, under, True, learned)
                    upper = cost_right > cost_left
                    above[row, place] = upper
                    tail[row, place] = np.exp(-max(cost_left, cost_right))
                    budget_left = thresholds[asset] - sum_left + left[feature, row - first]
                    budget_right = budget_left
                    if summed:
                        budget_right = thresholds[asset] - sum_right + right[feature, row - first]
                        if skews[asset, feature] < 0:
                            budget_left = min(budget_left, thresholds[asset] - sum_long + left[feature, row - first])
                        else:
                            budget_right = min(budget_right, thresholds[asset] - sum_long + right[feature, row - first])
                    far, near = (budget_right, budget_left) if upper else (budget_left, budget_right)
                    limit[row, place] = _limit(cells, cell, x, upper, far, near, learned)

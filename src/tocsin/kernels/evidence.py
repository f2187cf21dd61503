"""What stands behind ECOD's contributions: normal ranges, tails, and the nearest value that would not have alerted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.ecod import price, tile_of
from tocsin.kernels.jit import kernel
from tocsin.kernels.sketch import Cells, cell_of, quantile
from tocsin.kernels.tails import tail_cost


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
    """Say of each named feature of each row what its contribution rests on; all but `offsets` have shape (n_rows, top).

    `tail` is the probability of the rarer side, `above` whether that is the upper one, `low` and `high` the range of
    the middle 90 % of what was learned, and `limit` the value nearest to the reading, on the way to the middle, with
    which the row would not pass its threshold; NaN where no value of this feature alone would do.
    """
    n_features = values.shape[0]
    sums = np.empty(3)
    tile = tile_of(cells)
    for asset in range(len(offsets) - 1):
        for first in range(offsets[asset], offsets[asset + 1], tile):
            last = min(first + tile, offsets[asset + 1])
            left, right = np.empty((n_features, last - first)), np.empty((n_features, last - first))
            price(
                values,
                first,
                last,
                asset,
                summed,
                extrapolate,
                learned,
                cells,
                left,
                right,
            )
            for row in range(first, last):
                sums[:] = 0.0
                for feature in range(n_features):
                    cost = left[feature, row - first]
                    sums[0] += cost
                    if summed:
                        other = right[feature, row - first]
                        sums[1] += other
                        sums[2] += cost if skews[asset, feature] < 0 else other
                for place in range(features.shape[1]):
                    feature = features[row, place]
                    if feature < 0:
                        continue
                    cell = asset * n_features + feature
                    own, own_below, own_upto = cell_of(cells, cell)
                    size, weight = len(own), cells.totals[cell]
                    low[row, place] = quantile(own, own_below, own_upto, weight, 0.05)
                    high[row, place] = quantile(own, own_below, own_upto, weight, 0.95)
                    x = values[feature, row]
                    upper = np.searchsorted(own, x, side="right")
                    lower = np.searchsorted(own, x, side="left")
                    under = tail_cost(own_below, own_upto, weight, upper, False, learned)
                    over = tail_cost(own_below, own_upto, weight, lower, True, learned)
                    above[row, place] = over > under
                    tail[row, place] = np.exp(-max(under, over))
                    spent = left[feature, row - first]
                    spent_right = right[feature, row - first] if summed else 0.0
                    limit[row, place] = np.nan
                    knot = lower - 1 if over > under else upper
                    while 0 <= knot < size:
                        from_left, from_right = knot, knot
                        while from_left < size and own[from_left] == own[knot]:
                            from_left += 1
                        while from_right > 0 and own[from_right - 1] == own[knot]:
                            from_right -= 1
                        under = tail_cost(own_below, own_upto, weight, from_left, False, learned)
                        over = tail_cost(own_below, own_upto, weight, from_right, True, learned)
                        if summed:
                            long = under - spent if skews[asset, feature] < 0 else over - spent_right
                            total = max(sums[0] + under - spent, sums[1] + over - spent_right, sums[2] + long)
                        else:
                            total = sums[0] - spent + max(under, over)
                        if total <= thresholds[asset]:
                            limit[row, place] = own[knot]
                            break
                        knot = from_right - 1 if above[row, place] else from_left

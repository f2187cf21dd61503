"""ECOD on panels: learn sketches with training scores, score rows, and name the heaviest features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.pricing import TILE, price, raise_beyond, tile_of, workspace
from tocsin.kernels.sketch import Cells, cell_of, fetch_ahead, knots_of, longest
from tocsin.kernels.tails import repeats, third_moment_vanishes


@kernel
def count_present(values: NDArray[Any], offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Count the values that are not NaN of each cell, into `counts` of shape (n_assets, n_features)."""
    for asset in range(len(offsets) - 1):
        for feature in range(values.shape[0]):
            x = values[feature, offsets[asset] : offsets[asset + 1]]
            missing = np.int32(0)
            for row in range(len(x)):
                missing += np.int32(x[row] != x[row])
            counts[asset, feature] = len(x) - missing


@kernel
def _moments_of(ordered: NDArray[Any], count: int, out: NDArray[np.float64]) -> None:
    """Write weight, mean, and second and third central moment sums."""
    mean = 0.0
    for i in range(count):
        mean += ordered[i]
    mean /= max(count, 1)
    second, third = 0.0, 0.0
    for i in range(count):
        t = ordered[i] - mean
        second += t * t
        third += t * t * t
    out[0], out[1], out[2], out[3] = count, mean, second, third


@kernel
def fit(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    summed: bool,
    ranks: NDArray[np.int64],
    cells: Cells,
    moments: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Fill the knots of `cells` with the values at the given ranks, and `scores` with each row's training score.

    A tail probability in training is the share of the asset's rows, the row itself among them. `summed` chooses the
    sums of whole sides over the larger tail of each feature; only then `moments`, shape (cells, 4), is filled.
    Cost: one sort of each cell, 5 to 8 ns a value.
    """
    n_features = values.shape[0]
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, values.dtype)
    costs = np.empty(most + 1)  # of a tail of that many rows
    larger = np.empty(most)  # by rank, where no value is repeated
    sides = np.empty((3, most))
    costs_for = -1
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        total = sides[0, : last - first] if summed else scores[first:last]
        sides[:, : last - first] = 0.0
        total[:] = 0.0
        for feature in range(n_features):
            cell = asset * n_features + feature
            x = values[feature, first:last]
            count = argsort(x, work, rows, ordered)
            if count == 0:
                continue
            if count != costs_for:
                for i in range(1, count + 1):
                    costs[i] = -np.log(i / count)
                for i in range(count):
                    larger[i] = max(costs[i + 1], costs[count - i])
                costs_for = count
            repeated = repeats(ordered, count)
            skew = 0.0
            if summed:
                _moments_of(ordered, count, moments[cell])
                skew = moments[cell, 3]
            both = not summed and (repeated or count <= TILE) and third_moment_vanishes(x, count)
            if not (repeated or both or summed):
                for i in range(count):
                    total[np.uint32(rows[i])] += larger[i]
            else:
                i = 0
                while i < count:
                    end = i + 1
                    while end < count and ordered[end] == ordered[i]:
                        end += 1
                    left, right = costs[end], costs[count - i]
                    cost = left + right if both else max(left, right)
                    for k in range(i, end):
                        if summed:
                            sides[0, rows[k]] += left
                            sides[1, rows[k]] += right
                            sides[2, rows[k]] += left if skew < 0 else right
                        else:
                            total[rows[k]] += cost
                    i = end
            knots, _, _ = cell_of(cells, cell)
            for i in range(len(knots)):
                knots[i] = ordered[ranks[cells.bounds[cell] + i] - 1]
        if summed:
            for row in range(last - first):
                scores[first + row] = max(sides[0, row], sides[1, row], sides[2, row])


@kernel
def _winning_side(left: NDArray[np.float64], right: NDArray[np.float64], skews: NDArray[np.float64], row: int) -> int:
    """Return which sum of sides is the largest: 0 left, 1 right, 2 the side of each feature's longer tail."""
    sum_left, sum_right, sum_long = 0.0, 0.0, 0.0
    for feature in range(len(skews)):
        sum_left += left[feature, row]
        sum_right += right[feature, row]
        sum_long += left[feature, row] if skews[feature] < 0 else right[feature, row]
    if sum_left >= sum_right and sum_left >= sum_long:
        return 0
    return 1 if sum_right >= sum_long else 2


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    summed: bool,
    extrapolate: bool,
    learned: bool,
    skews: NDArray[np.float64],
    cells: Cells,
    dense: bool,
    scores: NDArray[np.float64],
    features: NDArray[np.int32],
    contributions: NDArray[np.float64],
) -> None:
    """Score every row and, where `features` has columns, name the features that weigh most, heaviest first.

    A row's score depends on the row and its asset's model alone. If `dense`, there are as many columns as features,
    and these are in their own order. `learned` says that the models have seen these rows. `skews` has shape
    (n_assets, n_features), used where sides are summed.
    """
    n_features = values.shape[0]
    top = features.shape[1]
    tile = max(min(tile_of(cells), longest(offsets)), 1)
    work = workspace(cells, n_features, tile)
    left_buffer = np.empty(n_features * tile)
    right_buffer = np.empty(n_features * tile)
    for asset in range(len(offsets) - 1):
        fetch_ahead(cells, (asset + 1) * n_features, min((asset + 2) * n_features, len(cells.totals)))
        for first in range(offsets[asset], offsets[asset + 1], tile):
            last = min(first + tile, offsets[asset + 1])
            rows = last - first
            left = left_buffer[: n_features * rows].reshape((n_features, rows))
            right = right_buffer[: n_features * rows].reshape((n_features, rows))
            price(
                values,
                first,
                last,
                asset,
                summed,
                extrapolate,
                learned,
                cells,
                work,
                left,
                right,
            )
            if summed:
                for row in range(rows):
                    side = _winning_side(left, right, skews[asset], row)
                    for feature in range(n_features):
                        if side == 1 or (side == 2 and skews[asset, feature] >= 0):
                            left[feature, row] = right[feature, row]
            total = scores[first:last]
            total[:] = 0.0
            for feature in range(n_features):
                for row in range(rows):
                    total[row] += left[feature, row]
            if dense:
                for row in range(rows):
                    for feature in range(n_features):
                        features[first + row, feature] = feature
                        contributions[first + row, feature] = left[feature, row]
            elif top > 0:
                heaviest(values, first, asset, cells, left, features[first:last], contributions[first:last])


@kernel
def _beyond(x: NDArray[Any], cells: Cells, cell: int) -> bool:
    """Return whether any value lies beyond what a cell has seen."""
    knots = knots_of(cells, cell)
    if len(knots) == 0:
        return False
    low, high = knots[0], knots[len(knots) - 1]
    outside = np.int32(0)
    for row in range(len(x)):
        outside += np.int32(x[row] < low) + np.int32(x[row] > high)
    return outside > 0


@kernel
def _compete(
    weights: NDArray[np.float64],
    feature: int,
    mask: np.int64,
    carried: NDArray[np.int64],
    best: NDArray[np.int64],
) -> None:
    """Let one feature's weights push out lighter ones among the best, shape (top, n_rows), in descending order."""
    words = weights.view(np.int64)
    for row in range(len(weights)):
        carried[row] = (words[row] & ~mask) | (mask - feature) if weights[row] > 0 else 0
    for place in range(best.shape[0]):
        held = best[place]
        for row in range(len(weights)):
            stays = max(held[row], carried[row])
            carried[row] = min(held[row], carried[row])
            held[row] = stays


@kernel
def heaviest(
    values: NDArray[Any],
    first: int,
    asset: int,
    cells: Cells,
    parts: NDArray[np.float64],
    features: NDArray[np.int32],
    contributions: NDArray[np.float64],
) -> None:
    """Name the features with the largest `parts`, shape (n_features, n_rows), of the rows of an asset from `first` on.

    Values beyond the training range all cost the same; of these the farthest, in units of the feature's own tail,
    counts a billionth more, since it is the likelier cause. Remaining ties go to the earlier feature.

    The bits of a positive float rise with it: the lowest ones, far below that billionth, carry the feature, so that
    keeping the best is a few integer comparisons a value over all rows at once.
    """
    n_features, n_rows = parts.shape
    top = features.shape[1]
    bits = 1
    while (1 << bits) < n_features:
        bits += 1
    mask = np.int64((1 << bits) - 1)
    best = np.zeros((top, n_rows), np.int64)
    carried, leaning = np.empty(n_rows, np.int64), np.empty(n_rows)
    for feature in range(n_features):
        x, cell = values[feature, first : first + n_rows], asset * n_features + feature
        if _beyond(x, cells, cell):
            knots, _, upto = cell_of(cells, cell)
            for row in range(n_rows):
                leaning[row] = parts[feature, row]
            for right in (False, True):
                raise_beyond(x, knots, upto, cells.totals[cell], right, 1e-9, leaning)
            _compete(leaning, feature, mask, carried, best)
        else:
            _compete(parts[feature], feature, mask, carried, best)
    for row in range(n_rows):
        for place in range(top):
            word = best[place, row]
            feature = mask - (word & mask)
            features[row, place] = np.int32(feature) if word > 0 else np.int32(-1)
            contributions[row, place] = parts[feature, row] if word > 0 else 0.0

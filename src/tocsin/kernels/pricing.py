"""What readings cost by the tails of their features' distributions: a table for many rows, a search for few."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.logarithm import minus_log
from tocsin.kernels.sketch import Cells, cell_of, widest
from tocsin.kernels.tails import (
    counts_at,
    locate,
    locate_few,
    pad_knots,
    rarer_shares,
    slots_for,
    spread,
    tail_costs,
    tail_share,
)

TILE = 256
"""Rows that are priced at once, so that what they cost stays in cache."""


@kernel
def _tail_scale(knots: NDArray[Any], upto: NDArray[np.float64], total: float, right: bool) -> float:
    """Return the scale of an exponential tail through the end of the range and its outer twentieth."""
    size = len(knots)
    end, inner, outside = 0, 0, 0.0
    for step in range(1, size):
        end = size - 1 if right else 0
        inner = size - 1 - step if right else step
        outside = total - upto[inner] if right else upto[inner - 1]
        if outside >= max(1.0, 0.05 * total):
            break
    scale = abs(float(knots[end]) - float(knots[inner])) / np.log(outside + 1.0) if outside > 0 else 0.0
    return scale if scale > 0.0 else max(abs(float(knots[size - 1]) - float(knots[0])), 1e-9 * abs(float(knots[end])))


@kernel
def raise_beyond(
    x: NDArray[Any],
    knots: NDArray[Any],
    upto: NDArray[np.float64],
    total: float,
    right: bool,
    factor: float,
    cost: NDArray[np.float64],
) -> None:
    """Raise the cost of values beyond the training range by log(1 + distance / scale), a Pareto tail of shape 1."""
    end = float(knots[len(knots) - 1] if right else knots[0])
    scale = max(_tail_scale(knots, upto, total, right), 1e-300)
    for row in range(len(x)):
        past = float(x[row]) - end if right else end - float(x[row])
        if past > 0.0:
            cost[row] += factor * np.log1p(past / scale)


@kernel
def tile_of(cells: Cells) -> int:
    """Return how many rows to price at once: never fewer than the knots that have to be laid out for them."""
    return max(TILE, widest(cells))


class Workspace(NamedTuple):
    """What `price` writes on, made once for many calls; `width` is that of the tables by slot."""

    width: int
    padded: NDArray[Any]
    slots: NDArray[np.uint32]
    left_costs: NDArray[np.float64]
    right_costs: NDArray[np.float64]
    left_table: NDArray[np.float64]
    right_table: NDArray[np.float64]
    mantissas: NDArray[np.float64]
    exponents: NDArray[np.float64]
    totals: NDArray[np.float64]


@kernel
def workspace(cells: Cells, n_features: int, rows: int) -> Workspace:
    """Return room for pricing up to so many rows at once."""
    most = widest(cells)
    width = slots_for(most)
    longer = max(most + 1, n_features * rows)
    return Workspace(
        width,
        np.empty(width + 1, cells.knots.dtype),
        np.empty(rows, np.uint32),
        np.empty(most + 1),
        np.empty(most + 1),
        np.zeros(2 * width),
        np.zeros(2 * width),
        np.empty(longer),
        np.empty(longer),
        np.empty(n_features * rows),
    )


@kernel
def price(
    values: NDArray[Any],
    first: int,
    last: int,
    asset: int,
    summed: bool,
    extrapolate: bool,
    learned: bool,
    cells: Cells,
    work: Workspace,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
) -> None:
    """Write what each value of rows `first` to `last`, all of one asset, adds to its row's score.

    `left` and `right` have the shape (n_features, last - first). Where sides are summed they hold the cost of either
    tail; else `left` holds the cost that counts. A missing value costs 0.
    """
    n_features = values.shape[0]
    width, padded = work.width, work.padded
    mantissas, exponents, totals = work.mantissas, work.exponents, work.totals
    left_costs, right_costs = work.left_costs, work.right_costs
    left_table, right_table = work.left_table, work.right_table
    slots = work.slots[: last - first]
    table_of, table_total, table_plain = -1, -1.0, False
    shared = cells.bounds[asset * n_features] == cells.bounds[(asset + 1) * n_features - 1]
    shares_from = 0  # the features from here on hold shares, of which the logarithms are taken together
    for feature in range(n_features):
        cell = asset * n_features + feature
        own, below, upto = cell_of(cells, cell)
        at, total = cells.bounds[cell], cells.totals[cell]
        x = values[feature, first:last]
        if len(own) == 0:
            for i in range(feature * len(x), (feature + 1) * len(x)):
                mantissas[i], exponents[i], totals[i] = 1.0, -1.0, 0.0
            left[feature, :] = 1.0
            right[feature, :] = 1.0
            continue
        few = len(x) * (n_features if shared else 1) < len(own) != total
        if few and (at != table_of or total != table_total):
            locate_few(x, own, width, slots)
            _lay_few(
                x, own, below, upto, total, learned, slots, width, summed, feature * len(x), mantissas, exponents,
                totals, left, right,
            )  # fmt: skip
            continue
        _costs_of_few(left, right, shares_from, feature, summed, learned, mantissas, exponents, totals)
        shares_from = feature + 1
        repeated = pad_knots(own, width, padded)
        locate(x, padded, width, slots)
        if at != table_of or total != table_total:
            tail_costs(below, upto, total, learned, left_costs, right_costs, mantissas, exponents)
        if at != table_of or total != table_total or repeated or not table_plain:
            spread(own, left_costs, False, width, left_table)
            spread(own, right_costs, True, width, right_table)
            table_of, table_total, table_plain = at, total, not repeated
            if not summed:
                for slot in range(2 * width):
                    left_table[slot], right_table[slot] = max(left_table[slot], right_table[slot]), 0.0
        cost = left[feature]
        for row in range(len(x)):
            cost[row] = left_table[slots[row]] if x[row] == x[row] else 0.0
        if summed:
            for row in range(len(x)):
                right[feature, row] = right_table[slots[row]] if x[row] == x[row] else 0.0
        elif len(own) == total and not learned:
            _charge_both_where_symmetric(x, own, left_costs, right_costs, slots, width, cost)
    _costs_of_few(left, right, shares_from, n_features, summed, learned, mantissas, exponents, totals)
    if extrapolate:
        for feature in range(n_features):
            cell = asset * n_features + feature
            own, _, upto = cell_of(cells, cell)
            if len(own):
                x, total = values[feature, first:last], cells.totals[cell]
                raise_beyond(x, own, upto, total, False, 1.0, left[feature])
                raise_beyond(x, own, upto, total, True, 1.0, right[feature] if summed else left[feature])


@kernel
def _lay_few(
    x: NDArray[Any],
    knots: NDArray[Any],
    below: NDArray[np.float64],
    upto: NDArray[np.float64],
    total: float,
    learned: bool,
    slots: NDArray[np.uint32],
    width: int,
    summed: bool,
    at: int,
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    totals: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
) -> None:
    """Write from `at` on what `_costs_of_few` needs of values that are fewer than the knots.

    A table would hold more costs than are asked.
    """
    feature = at // max(len(x), 1)
    for row in range(len(x)):
        slot, place = np.int64(slots[row]), at + row
        totals[place], highs[place], lows[place] = total, -1.0, 1.0
        left[feature, row] = right[feature, row] = 1.0
        if x[row] != x[row]:
            continue
        if slot < width and not summed:
            lows[place] = upto[slot - 1] if slot > 0 else 0.0
            highs[place] = below[slot] if slot < len(knots) else total
            continue
        upper, under = counts_at(knots, x[row], slot, width)
        left[feature, row] = tail_share(below, upto, total, upper, False, learned)
        right[feature, row] = tail_share(below, upto, total, under, True, learned)
        lows[place] = min(left[feature, row], right[feature, row])


@kernel
def _costs_of_few(
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    start: int,
    stop: int,
    summed: bool,
    learned: bool,
    mantissas: NDArray[np.float64],
    exponents: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Write the costs of some features, of all their values together; see `_lay_few`."""
    if start == stop:
        return
    rows = left.shape[1]
    costs = left[start:stop].reshape(-1)
    if not summed:
        first, last = start * rows, stop * rows
        rarer_shares(mantissas[first:last], exponents[first:last], totals[first:last], learned, costs)
    minus_log(costs, mantissas, exponents)
    if summed:
        minus_log(right[start:stop].reshape(-1), mantissas, exponents)


@kernel
def _charge_both_where_symmetric(
    x: NDArray[Any],
    knots: NDArray[Any],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    slots: NDArray[np.uint32],
    width: int,
    cost: NDArray[np.float64],
) -> None:
    """Charge both tails where a row makes the sample skewness exactly 0, as PyOD does; all rows are knots here."""
    origin = float(knots[0])
    first, second, third = 0.0, 0.0, 0.0
    for i in range(len(knots)):
        t = knots[i] - origin
        first += t
        second += t * t
        third += t * t * t
    count = len(knots) + 1.0
    for row in range(len(x)):
        t = x[row] - origin
        mean = (first + t) / count
        if third + t * t * t - 3.0 * mean * (second + t * t) + 2.0 * count * mean * mean * mean == 0.0:
            upper, under = counts_at(knots, x[row], np.int64(slots[row]), width)
            cost[row] = left[upper] + right[under]

"""Histograms of features on grids that nest, so that they merge without loss, and what they say of a value.

The bins of a feature are ``2**exponent`` wide and begin at whole multiples of that. The exponent is the least with
which a given number of bins spans what was seen, so it follows from the lowest and the highest value. A wider range
doubles the bins: each new one is two old ones. Hence counts are the same in whatever parts rows are learned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.heaviest import name_heaviest
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

TILE = 256
"""Rows that are priced at once, so that what they cost stays in cache."""
FINEST = -1000
"""The least exponent there is, so that a bin's width is a normal number."""


class Histograms(NamedTuple):
    """Histograms of cells (asset by feature).

    A cell has seen values from ``lows[c]`` to ``highs[c]``, NaN if none, and ``counts[c, i]`` of them, or their weight,
    in its bin number `i` from the one of the lowest on.
    """

    lows: Floats
    highs: Floats
    counts: Floats


@kernel
def exponent(low: float, high: float, bins: int) -> int:
    """Return the least exponent of 2 with which the bins from `low` to `high` are no more than `bins`."""
    span = max(high * 0.5 - low * 0.5, 2.0**FINEST) * (2.0 / bins)
    power = max(int(np.floor(np.log2(span))) - 1, FINEST)
    for value in (low, high):  # numbers have 53 bits, and a grid finer than they would only make places too large
        if value != 0.0:
            power = max(power, int(np.floor(np.log2(abs(value)))) - 52)
    while place(high, power) - place(low, power) >= bins:
        power += 1
    return power


@kernel
def place(x: float, power: int) -> float:
    """Return the number of the bin on the grid of an exponent that holds `x`, a whole number."""
    if power >= 0:
        return np.floor(x / 2.0**power)
    return np.floor(x * 2.0**-power)


@kernel
def _coarsen(counts: Floats, old_low: float, old_high: float, low: float, high: float) -> None:
    """Move the counts of one cell from the grid of a narrower range to that of a wider one, in place."""
    bins = len(counts)
    old, new = exponent(old_low, old_high, bins), exponent(low, high, bins)
    first, start = place(old_low, old), place(low, new)
    moved = np.zeros(bins)
    for i in range(bins):
        if counts[i] > 0.0:
            at = place(old_low, new) if old_low == old_high else np.floor((first + i) / 2.0 ** (new - old))
            moved[int(at - start)] += counts[i]
    counts[:] = moved


@kernel
def _widen(histograms: Histograms, cell: int, low: float, high: float) -> None:
    """Make room for values from `low` to `high`."""
    lows, highs = histograms.lows, histograms.highs
    if lows[cell] != lows[cell]:
        lows[cell], highs[cell] = low, high
    elif low < lows[cell] or high > highs[cell]:
        new_low, new_high = min(low, lows[cell]), max(high, highs[cell])
        _coarsen(histograms.counts[cell], lows[cell], highs[cell], new_low, new_high)
        lows[cell], highs[cell] = new_low, new_high


@kernel
def absorb(
    values: NDArray[Any], offsets: NDArray[np.int64], weights: Floats, scales: Floats, histograms: Histograms
) -> None:
    """Scale the counts of each asset's cells by its factor and add weighted rows. Cost: 3 ns a value."""
    n_features, bins = values.shape[0], histograms.counts.shape[1]
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        for feature in range(n_features):
            cell = asset * n_features + feature
            counts = histograms.counts[cell]
            counts *= scales[asset]
            x = values[feature, first:last]
            low, high = np.inf, -np.inf
            for row in range(len(x)):
                low, high = (x[row] if x[row] < low else low), (x[row] if x[row] > high else high)
            if low > high:
                continue
            _widen(histograms, cell, float(low), float(high))
            power = exponent(histograms.lows[cell], histograms.highs[cell], bins)
            start = place(histograms.lows[cell], power)
            for row in range(len(x)):
                if x[row] == x[row]:
                    counts[int(place(float(x[row]), power) - start)] += weights[first + row]


@kernel
def combine(histograms: Histograms, other: Histograms) -> None:
    """Add the counts of other rows of the same cells."""
    bins = histograms.counts.shape[1]
    for cell in range(len(histograms.lows)):
        if other.lows[cell] != other.lows[cell]:
            continue
        _widen(histograms, cell, other.lows[cell], other.highs[cell])
        low, high = histograms.lows[cell], histograms.highs[cell]
        moved = other.counts[cell].copy()
        if exponent(low, high, bins) >= exponent(other.lows[cell], other.highs[cell], bins):
            _coarsen(moved, other.lows[cell], other.highs[cell], low, high)
        for i in range(bins):
            histograms.counts[cell, i] += moved[i]


@kernel
def _bin_costs(counts: Floats, learned: bool, costs: Floats) -> None:
    """Write what a value in each bin adds to a score, and at the end what one outside adds.

    The cost is -log of the bin's height, the highest one being 1. A row that was `learned` is among the counts already,
    a new one is added to the bin it falls into and to the highest.
    """
    highest, more = np.max(counts), 0.0 if learned else 1.0
    for i in range(len(counts) + 1):
        count = counts[i] + more if i < len(counts) else more
        costs[i] = np.log((highest + more) / max(count, min(1.0, highest + more)))


@kernel
def _price(
    values: NDArray[Any], first: int, asset: int, histograms: Histograms, learned: bool, costs: Floats, parts: Floats
) -> None:
    """Write what each value of the rows from `first` on adds to its row's score, shape (n_features, n_rows)."""
    n_features, bins = values.shape[0], histograms.counts.shape[1]
    for feature in range(n_features):
        cell, part = asset * n_features + feature, parts[feature]
        low, high = histograms.lows[cell], histograms.highs[cell]
        if low != low:
            part[:] = 0.0
            continue
        _bin_costs(histograms.counts[cell], learned, costs)
        power = exponent(low, high, bins)
        start = place(low, power)
        x = values[feature, first : first + parts.shape[1]]
        for row in range(len(x)):
            part[row] = costs[_bin_of(float(x[row]), low, high, power, start, bins)] if x[row] == x[row] else 0.0


@kernel
def _bin_of(x: float, low: float, high: float, power: int, start: float, bins: int) -> int:
    """Return the bin of a value, or `bins` where it lies beyond all of them, or differs from a constant."""
    at = place(x, power) - start
    return int(at) if 0.0 <= at < bins and not (low == high and x != low) else bins


@kernel
def score(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    histograms: Histograms,
    learned: bool,
    dense: bool,
    scores: Floats,
    features: NDArray[np.int32],
    contributions: Floats,
) -> None:
    """Write the score of every row and name its heaviest features; results on these have the shape (n_rows, top).

    If `dense` there are as many columns as features, in their own order. Cost: 3 ns a value.
    """
    n_features, top = values.shape[0], features.shape[1]
    costs, buffer = np.empty(histograms.counts.shape[1] + 1), np.empty(n_features * TILE)
    for asset in range(len(offsets) - 1):
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            parts = buffer[: n_features * rows].reshape((n_features, rows))
            _price(values, first, asset, histograms, learned, costs, parts)
            total = scores[first : first + rows]
            total[:] = 0.0
            for feature in range(n_features):
                for row in range(rows):
                    total[row] += parts[feature, row]
            if top > 0:
                name_heaviest(parts, dense, features[first : first + rows], contributions[first : first + rows])


@kernel
def _under(counts: Floats, low: float, high: float, x: float) -> float:
    """Return how much weight lies under `x`, spread evenly inside each bin."""
    bins = len(counts)
    power = exponent(low, high, bins)
    start, width = place(low, power), 2.0**power
    under = 0.0
    for i in range(bins):
        left, right = max((start + i) * width, low), min((start + i + 1.0) * width, high)
        if x >= right:
            under += counts[i]
        elif x > left:
            under += counts[i] * (x - left) / (right - left)
    return under


@kernel
def quantile(counts: Floats, low: float, high: float, share: float) -> float:
    """Return the value under which `share` of the weight lies, spread evenly inside each bin."""
    bins = len(counts)
    if not low < high:
        return low
    power = exponent(low, high, bins)
    start, width, wanted = place(low, power), 2.0**power, share * np.sum(counts)
    for i in range(bins):
        if counts[i] > 0.0 and wanted <= counts[i]:
            left, right = max((start + i) * width, low), min((start + i + 1.0) * width, high)
            return left + (right - left) * wanted / counts[i]
        wanted -= counts[i]
    return high


@kernel
def quantiles(histograms: Histograms, share: float, out: Floats) -> None:
    """Write the `quantile` of each cell."""
    for cell in range(len(out)):
        out[cell] = quantile(histograms.counts[cell], histograms.lows[cell], histograms.highs[cell], share)


@kernel
def _limit(histograms: Histograms, cell: int, x: float, budget: float, costs: Floats, edge: NDArray[Any]) -> float:
    """Return the value nearest to `x`, in the precision of `edge`, that costs no more than the budget, or NaN."""
    counts, low, high = histograms.counts[cell], histograms.lows[cell], histograms.highs[cell]
    bins = len(counts)
    _bin_costs(counts, False, costs)
    if low == high:
        return low if costs[0] <= budget else np.nan
    power = exponent(low, high, bins)
    start, width = place(low, power), 2.0**power
    nearest = np.nan
    for i in range(bins):
        if costs[i] > budget or counts[i] == 0.0:
            continue
        left, right = (start + i) * width, (start + i + 1.0) * width
        edge[0] = left if x < left else right
        if x < left and edge[0] < left:
            edge[0] = np.nextafter(edge[0], edge.dtype.type(np.inf))
        if x >= right:
            edge[0] = np.nextafter(edge[0], edge.dtype.type(-np.inf))
        here = float(edge[0])
        if place(here, power) - start == i and not abs(here - x) >= abs(nearest - x):
            nearest = here
    return nearest


@kernel
def evidence(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    histograms: Histograms,
    thresholds: Floats,
    medians: Floats,
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    tail: Floats,
    limit: Floats,
) -> None:
    """Say of each named feature which side it is on, how rare that is, and what would have been no alert."""
    n_features = values.shape[0]
    costs, edge = np.empty(histograms.counts.shape[1] + 1), np.empty(1, values.dtype)
    parts = np.empty((n_features, 1))
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset], offsets[asset + 1]):
            _price(values, row, asset, histograms, False, costs, parts)
            total = 0.0
            for feature in range(n_features):
                total += parts[feature, 0]
            for spot in range(features.shape[1]):
                feature = features[row, spot]
                if feature < 0:
                    continue
                cell, x = asset * n_features + feature, float(values[feature, row])
                low, high, counts = histograms.lows[cell], histograms.highs[cell], histograms.counts[cell]
                if total > thresholds[asset]:
                    rest = 0.0
                    for other in range(n_features):
                        rest += parts[other, 0] if other != feature else 0.0
                    budget = (thresholds[asset] - rest) * (1.0 - 1e-14)
                    limit[row, spot] = _limit(histograms, cell, x, budget, costs, edge)
                side = limit[row, spot] if limit[row, spot] == limit[row, spot] else medians[cell]
                above[row, spot] = x > side
                weight = np.sum(counts)
                under = _under(counts, low, high, x)
                beyond = weight - under if above[row, spot] else under
                tail[row, spot] = (max(beyond, 0.0) + 1.0) / (weight + 1.0)

"""Faults put into readings that were really taken, and what readings must be like for a fault to be one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.faults import CONTACT, CORRELATION, DRIFT, SHIFT, SPIKE, STUCK, VARIANCE
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.noise import normal_at
from tocsin.kernels.philox import Keys, uniform_at
from tocsin.kernels.signals import FAULTS

MOST_ROWS = 2_000
"""How many rows of an asset, evenly spread, say how its features go together."""


class Injections(NamedTuple):
    """What is to be done to the readings of some assets; no two faults of a feature may share a row.

    Parameters
    ----------
    offsets : ndarray of shape (n_assets + 1,), int64
        Asset i has the faults ``offsets[i]:offsets[i + 1]``.
    kinds, features, onsets, ends, sources : ndarray of shape (n_faults,), int64
        Rows count from the asset's first; `ends` are the first rows after the faults, `sources` the first rows that a
        sensor shows in place of its own.
    sizes : ndarray of shape (n_faults,), float64
        In the unit of the readings.
    """

    offsets: NDArray[np.int64]
    kinds: NDArray[np.int64]
    features: NDArray[np.int64]
    onsets: NDArray[np.int64]
    ends: NDArray[np.int64]
    sources: NDArray[np.int64]
    sizes: NDArray[np.float64]


@kernel
def inject(
    keys: Keys,
    numbers: NDArray[np.int64],
    faults: Injections,
    offsets: NDArray[np.int64],
    values: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Do to `out`, a copy of `values`, what the faults do; what is missing stays so, and nothing else becomes missing.

    Parameters
    ----------
    numbers : ndarray of shape (n_assets,), int64
        What the noise of each asset depends on, beside the seed: 32 bits.
    """
    for asset in range(len(offsets) - 1):
        first, stop = offsets[asset], offsets[asset + 1]
        for fault in range(faults.offsets[asset], faults.offsets[asset + 1]):
            feature = faults.features[fault]
            own, changed = values[feature, first:stop], out[feature, first:stop]
            _change(keys, numbers[asset], fault - faults.offsets[asset], faults, fault, own, changed)


@inlined
def _change(
    keys: Keys, asset: int, number: int, faults: Injections, fault: int, own: NDArray[Any], out: NDArray[Any]
) -> None:
    kind, feature, size = faults.kinds[fault], faults.features[fault], faults.sizes[fault]
    onset, end, source = faults.onsets[fault], faults.ends[fault], faults.sources[fault]
    stream = FAULTS + number
    last = np.nan
    if kind == STUCK:
        for row in range(onset + 1):
            if own[row] == own[row]:
                last = float(own[row])
    for row in range(onset, end):
        value = float(own[row])
        if value != value:
            continue
        if kind in (SPIKE, SHIFT):
            value += size
        elif kind == DRIFT:
            value += size * (row + 1 - onset) / (end - onset)
        elif kind == VARIANCE:
            value += size * normal_at(keys, asset, feature, stream, row)
        elif kind == CONTACT:
            if uniform_at(keys, asset, feature, stream, row) < 0.5:
                value = 0.0
        else:
            shown = last if kind == STUCK else float(own[source + row - onset])
            if kind in (STUCK, CORRELATION) and shown == shown:
                value = shown
        out[row] = value


@kernel
def steadiness(values: NDArray[Any], offsets: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Write the share of readings that are what the one before was, shape (n_assets, n_features); 1 without a pair."""
    for asset in range(len(offsets) - 1):
        for feature in range(values.shape[0]):
            same, pairs = 0, 0
            for row in range(offsets[asset] + 1, offsets[asset + 1]):
                before, now = values[feature, row - 1], values[feature, row]
                if before == before and now == now:
                    pairs += 1
                    same += np.int64(before == now)
            out[asset, feature] = same / pairs if pairs else 1.0


@kernel
def companionship(values: NDArray[Any], offsets: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Write each feature's largest absolute correlation with another, shape (n_assets, n_features); 0 without any.

    Of at most `MOST_ROWS` rows of an asset, evenly spread. Cost: about 1 ns for each pair of features and row.
    """
    out[:] = 0.0
    for asset in range(len(offsets) - 1):
        first, stop = offsets[asset], offsets[asset + 1]
        stride = max((stop - first + MOST_ROWS - 1) // MOST_ROWS, 1)
        for feature in range(values.shape[0]):
            for other in range(feature):
                found = abs(_correlation(values[feature, first:stop:stride], values[other, first:stop:stride]))
                out[asset, feature] = max(out[asset, feature], found)
                out[asset, other] = max(out[asset, other], found)


@kernel
def _correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return Pearson's correlation over the rows where neither is missing; 0 where one does not vary."""
    rows, mean_x, mean_y, xx, yy, xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(len(x)):
        if x[row] == x[row] and y[row] == y[row]:
            rows += 1
            from_x, from_y = x[row] - mean_x, y[row] - mean_y
            mean_x += from_x / rows
            mean_y += from_y / rows
            xx += from_x * (x[row] - mean_x)
            yy += from_y * (y[row] - mean_y)
            xy += from_x * (y[row] - mean_y)
    spread = np.sqrt(xx) * np.sqrt(yy)
    return xy / spread if spread > 0.0 else 0.0

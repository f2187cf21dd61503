"""What the other features, and its own past, do not say of each feature: learn to tell, and chart what is left over.

A row's standard scores times the precision matrix are, but for scale, what is left of each feature after regression on
all others. Of that an autoregression says what was to be expected. Both are linear, so that how far a feature could
have gone without an alert is a matter of straight lines.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]
Values = NDArray[Any]

TILE = 128
"""Rows that are adjusted at once, so that what is known of them stays in the nearest caches."""
BEYOND = 1e9
"""What a value adds that differs from a constant: infinite by rights, but a number."""
FARTHEST = 1e50
"""The largest standard score, so that its square is a number."""
HELD = 10.0
"""How many of its standard deviations what is left over counts for at most in what comes after."""
FAINT = 1e-9
"""The least share of its variance that is left of a feature after its own past."""
TRIES = 60


class Adjusters(NamedTuple):
    """What was learned of many assets.

    Centers and spreads, (n_assets, n_features), make standard scores; a center is NaN of what was never seen, and a
    spread 0 of what was constant. Row ``j`` of an asset's `weights`, (n_assets, n_features, n_features), makes of these
    what is left of feature ``j``. `coefficients`, (n_assets, n_features, n_lags), foretell that from the last ones,
    latest first, and `deviations`, (n_assets, n_features), are those of what is left then.
    """

    centers: Floats
    spreads: Floats
    weights: Floats
    coefficients: Floats
    deviations: Floats


class Charts(NamedTuple):
    """Where the charts of many assets are.

    `levels`, (n_assets, n_features), are the moving mean squares; `recents`, (n_assets, n_features, n_lags), what was
    left of the last rows, latest first, and `known`, (n_assets,), how many of these there are.
    """

    levels: Floats
    recents: Floats
    known: NDArray[np.int64]


class Told(NamedTuple):
    """What charts say of each value, (n_features, n_rows) each; all but `units` may be empty, and are not written.

    `units` are the moving mean squares with the value's own, 0 of missing values and before enough rows are known;
    `levels` those before it, and `foretold` what was to be expected of what is left, NaN where nothing is charted.
    """

    units: Floats
    levels: Floats
    foretold: Floats


# Learning ------------------------------------------------------------------------------------------------------------


@kernel
def _invert(matrix: Floats) -> None:
    """Put a positive definite matrix's inverse in its place, by Cholesky's method."""
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for j in range(n):
        matrix[j, j] = 1.0 / matrix[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total -= matrix[i, k] * matrix[k, j]
            matrix[i, j] = total / matrix[i, i]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, n):
                total += matrix[k, i] * matrix[k, j]
            matrix[i, j] = total
            matrix[j, i] = total


@kernel
def _weigh(comoments: Floats, squares: Floats, ridge: float, weights: Floats) -> None:
    """Write the weights that make of standard scores what is left of each feature; zeros for what does not vary."""
    n_features, at = len(squares), 0
    for i in range(n_features):
        for j in range(i):
            norm = np.sqrt(squares[i]) * np.sqrt(squares[j])
            share = (1.0 - ridge) * comoments[at + j] / norm if norm > 0.0 else 0.0
            weights[i, j], weights[j, i] = share, share
        weights[i, i] = 1.0
        at += i + 1
    _invert(weights)
    for i in range(n_features):
        root = np.sqrt(weights[i, i])
        for j in range(n_features):
            weights[i, j] = weights[i, j] / root if squares[i] > 0.0 and squares[j] > 0.0 else 0.0


@kernel
def _autocovariances(
    values: Values, first: int, last: int, adjusters: Adjusters, asset: int, work: Floats, sums: Floats
) -> None:
    """Add the products of what is left of rows and of those up to `n_lags` before them, (n_features, n_lags + 1)."""
    n_features, n_lags = values.shape[0], sums.shape[1] - 1
    behind = np.zeros((n_features, n_lags + TILE))
    for start in range(first, last, TILE):
        rows = min(TILE, last - start)
        left = work[: 2 * n_features * rows].reshape((2, n_features, rows))
        adjust(values, start, adjusters, asset, left[0], left[1])
        for feature in range(n_features):
            own = behind[feature]
            own[n_lags : n_lags + rows] = left[1, feature]
            for lag in range(n_lags + 1):
                total = 0.0
                for row in range(n_lags, n_lags + rows):
                    total += own[row] * own[row - lag]
                sums[feature, lag] += total
            for lag in range(n_lags):
                own[lag] = own[lag + rows]


@kernel
def _foretell(sums: Floats, coefficients: Floats) -> float:
    """Solve the Yule-Walker equations by Durbin's recursion, and return the square that is left over.

    `sums` are autocovariances up to a common factor, from lag 0 on. Those of a series that is 0 outside its rows never
    make a prediction that runs away.
    """
    left, n_lags = sums[0], len(coefficients)
    before = np.empty(n_lags)
    for lag in range(n_lags):
        if not left > FAINT * sums[0]:
            coefficients[lag:] = 0.0
            break
        reach = sums[lag + 1]
        for k in range(lag):
            reach -= coefficients[k] * sums[lag - k]
        reach /= left
        before[:lag] = coefficients[:lag]
        for k in range(lag):
            coefficients[k] -= reach * before[lag - 1 - k]
        coefficients[lag] = reach
        left *= 1.0 - reach * reach
    return max(left, FAINT * sums[0])


@kernel
def learn(
    values: Values,
    offsets: NDArray[np.int64],
    moments: Floats,
    comoments: Floats,
    held: NDArray[np.int64],
    ridge: float,
    adjusters: Adjusters,
) -> None:
    """Learn one adjuster an asset.

    Parameters
    ----------
    moments, comoments : ndarray of shape (n_assets, n_features, 3) and (n_assets, n_features * (n_features + 1) / 2)
        Those of the rows that are learned from, as `tocsin.kernels.comoments` has them.
    held : ndarray of shape (n_assets, 2)
        From which row to which one an asset's rows are not learned from.
    ridge : float
        The share of each feature's variance that is taken to be its own.

    Notes
    -----
    Cost: a nanosecond for each feature, lag and row, 0.2 for each pair of features and row, and the inverse.
    """
    n_features, n_lags = adjusters.coefficients.shape[1], adjusters.coefficients.shape[2]
    work, sums = np.empty(2 * n_features * TILE), np.empty((n_features, n_lags + 1))
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            weight, mean, squares = moments[asset, feature, 0], moments[asset, feature, 1], moments[asset, feature, 2]
            adjusters.centers[asset, feature] = mean if weight > 0.0 else np.nan
            adjusters.spreads[asset, feature] = np.sqrt(squares / weight) if squares > 0.0 else 0.0
        _weigh(comoments[asset], moments[asset, :, 2], ridge, adjusters.weights[asset])
        sums[:] = 0.0
        _autocovariances(values, offsets[asset], held[asset, 0], adjusters, asset, work, sums)
        _autocovariances(values, held[asset, 1], offsets[asset + 1], adjusters, asset, work, sums)
        rows = max(offsets[asset + 1] - offsets[asset] - held[asset, 1] + held[asset, 0], 1)
        for feature in range(n_features):
            left = _foretell(sums[feature], adjusters.coefficients[asset, feature])
            adjusters.deviations[asset, feature] = np.sqrt(left / rows) if left > 0.0 else 1.0


# Charts --------------------------------------------------------------------------------------------------------------


@kernel
def _complete(weights: Floats, missing: NDArray[np.int64], scores: Floats, row: int) -> None:
    """Put in the place of missing standard scores what is likeliest, given the others: nothing is left of them then."""
    m = len(missing)
    matrix, right = np.empty((m, m)), np.zeros(m)
    for i in range(m):
        own = weights[missing[i]]
        for feature in range(len(own)):
            right[i] -= own[missing[i]] * own[feature] * scores[feature, row]
        for j in range(m):
            matrix[i, j] = own[missing[i]] * own[missing[j]]
    _invert(matrix)
    for i in range(m):
        total = 0.0
        for j in range(m):
            total += matrix[i, j] * right[j]
        scores[missing[i], row] = total


@kernel
def adjust(values: Values, first: int, adjusters: Adjusters, asset: int, scores: Floats, left: Floats) -> None:
    """Write the standard scores of some rows and what is left of each, (n_features, n_rows) both.

    What a row gets does not depend on the rows beside it.
    """
    n_features, rows = left.shape
    gaps = np.zeros(rows, np.int64)
    weights = adjusters.weights[asset]
    for feature in range(n_features):
        center, spread = adjusters.centers[asset, feature], adjusters.spreads[asset, feature]
        x, score = values[feature, first : first + rows], scores[feature]
        if not spread > 0.0:
            score[:] = 0.0
            continue
        for row in range(rows):
            z = min(max((x[row] - center) / spread, -FARTHEST), FARTHEST)
            present = x[row] == x[row]
            score[row] = z if present else 0.0
            gaps[row] += not present
    for row in range(rows):
        if gaps[row] > 0:
            missing, at = np.empty(gaps[row], np.int64), 0
            for feature in range(n_features):
                x = values[feature, first + row]
                if adjusters.spreads[asset, feature] > 0.0 and x != x:
                    missing[at] = feature
                    at += 1
            _complete(weights, missing, scores, row)
    for feature in range(n_features):
        own = left[feature]
        own[:] = 0.0
        for other in range(n_features):
            weight, score = weights[feature, other], scores[other]
            for row in range(rows):
                own[row] += weight * score[row]


@kernel
def _unit(left: float, foretold: float, deviation: float, level: float, gain: float) -> float:
    """Return the moving mean square with that of what is left after all."""
    surprise = (left - foretold) / deviation
    return (1.0 - gain) * level + gain * (surprise * surprise)


@kernel
def _expect(recent: Floats, coefficients: Floats) -> float:
    """Return what is to be expected of what is left of the next row."""
    total = 0.0
    for lag in range(len(recent)):
        total += coefficients[lag] * recent[lag]
    return total


@kernel
def _constant(x: float, center: float) -> float:
    """Return what a value says of a feature that was constant or never seen."""
    return BEYOND if abs(x - center) > 0.0 else 0.0


@kernel
def _follow(
    x: Values, left: Floats, adjusters: Adjusters, charts: Charts, asset: int, feature: int, gain: float,
    told: Told, first: int,
) -> None:  # fmt: skip
    """Let one chart go on over some rows."""
    center, deviation = adjusters.centers[asset, feature], adjusters.deviations[asset, feature]
    coefficients, recent = adjusters.coefficients[asset, feature], charts.recents[asset, feature]
    level, known, whole = charts.levels[asset, feature], charts.known[asset], told.levels.shape[1] > 0
    plain, varies = 1.0 / deviation, adjusters.spreads[asset, feature] > 0.0
    for row in range(len(left)):
        foretold, value = _expect(recent, coefficients), left[row]
        charted = varies and x[row] == x[row] and known + row >= len(recent)
        unit = _unit(value, foretold, deviation, level, gain) if charted else 0.0
        told.units[feature, first + row] = unit if varies else _constant(x[row], center)
        if whole:
            told.levels[feature, first + row] = level
            told.foretold[feature, first + row] = foretold if charted else np.nan
        if charted:
            surprise = min(max((value - foretold) * plain, -HELD), HELD)
            level = (1.0 - gain) * level + gain * (surprise * surprise)
            value = foretold + surprise * deviation
        elif x[row] != x[row]:
            value = foretold
        for lag in range(len(recent) - 1, 0, -1):
            recent[lag] = recent[lag - 1]
        if len(recent) > 0:
            recent[0] = value
    charts.levels[asset, feature] = level


@kernel
def follow(
    values: Values, offsets: NDArray[np.int64], adjusters: Adjusters, gain: float, charts: Charts, told: Told
) -> None:
    """Let charts go on over rows, and say where each value takes them; they are as they are after the rows on return.

    Cost: 0.2 ns for each pair of features and row, and some 12 ns for each feature.
    """
    n_features, n_lags = values.shape[0], charts.recents.shape[2]
    work = np.empty(2 * n_features * TILE)
    for asset in range(len(offsets) - 1):
        for first in range(offsets[asset], offsets[asset + 1], TILE):
            rows = min(TILE, offsets[asset + 1] - first)
            both = work[: 2 * n_features * rows].reshape((2, n_features, rows))
            adjust(values, first, adjusters, asset, both[0], both[1])
            for feature in range(n_features):
                x = values[feature, first : first + rows]
                _follow(x, both[1, feature], adjusters, charts, asset, feature, gain, told, first)
            charts.known[asset] = min(charts.known[asset] + rows, n_lags)


# Evidence ------------------------------------------------------------------------------------------------------------


@kernel
def _largest(
    trial: Values, adjusters: Adjusters, asset: int, gain: float, told: Told, row: int, work: Floats
) -> float:  # fmt: skip
    """Return the largest unit of a row with other values, charts being where they were before it."""
    n_features, largest = trial.shape[0], 0.0
    both = work[: 2 * n_features].reshape((2, n_features, 1))
    adjust(trial, 0, adjusters, asset, both[0], both[1])
    for feature in range(n_features):
        foretold, level = told.foretold[feature, row], told.levels[feature, row]
        if not adjusters.spreads[asset, feature] > 0.0:
            unit = _constant(trial[feature, 0], adjusters.centers[asset, feature])
        elif foretold == foretold and trial[feature, 0] == trial[feature, 0]:
            unit = _unit(both[1, feature, 0], foretold, adjusters.deviations[asset, feature], level, gain)
        else:
            unit = 0.0
        largest = max(largest, unit)
    return largest


@kernel
def _reach(
    trial: Values, feature: int, adjusters: Adjusters, asset: int, gain: float, threshold: float, told: Told, row: int,
    work: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Return from where to where a feature's standard score may move for no chart to pass the threshold.

    What is left of each feature moves in a straight line. The second is below the first if there is no such place.
    """
    n_features = trial.shape[0]
    here = work[2 * n_features : 4 * n_features].reshape((2, n_features, 1))
    there = work[4 * n_features : 6 * n_features].reshape((2, n_features, 1))
    adjust(trial, 0, adjusters, asset, here[0], here[1])
    value, step = trial[feature, 0], max(abs(here[0, feature, 0]), 1.0)
    trial[feature, 0] = value + step * adjusters.spreads[asset, feature]
    adjust(trial, 0, adjusters, asset, there[0], there[1])
    moved = there[0, feature, 0] - here[0, feature, 0]
    trial[feature, 0] = value
    low, high = -np.inf, np.inf
    for other in range(n_features):
        foretold, x = told.foretold[other, row], trial[other, 0]
        if not (foretold == foretold and x == x):
            continue
        room = (threshold - (1.0 - gain) * told.levels[other, row]) / gain
        if room < 0.0:
            return 1.0, 0.0
        width = np.sqrt(room) * adjusters.deviations[asset, other]
        slope = (there[1, other, 0] - here[1, other, 0]) / moved
        off = here[1, other, 0] - foretold
        if slope == 0.0:
            if abs(off) > width:
                return 1.0, 0.0
            continue
        one, two = (-width - off) / slope, (width - off) / slope
        low, high = max(low, min(one, two)), min(high, max(one, two))
    return low, high


@kernel
def _limit(
    trial: Values, feature: int, adjusters: Adjusters, asset: int, gain: float, threshold: float, told: Told, row: int,
    work: Floats,
) -> float:  # fmt: skip
    """Return the nearest value with which a row is no alert, rounding included; NaN if there is none."""
    value, spread = trial[feature, 0], adjusters.spreads[asset, feature]
    if value != value:
        return np.nan
    if not spread > 0.0:
        trial[feature, 0] = adjusters.centers[asset, feature]
        quiet = _largest(trial, adjusters, asset, gain, told, row, work) <= threshold
        trial[feature, 0] = value
        return adjusters.centers[asset, feature] if quiet else np.nan
    low, high = _reach(trial, feature, adjusters, asset, gain, threshold, told, row, work)
    if not low <= high or not low * high > 0.0:
        return np.nan
    nearest, farthest = (low, high) if low > 0.0 else (high, low)
    slip, share, found = 0.0, 2.0 ** (-22 if trial.itemsize == 4 else -50), np.nan
    for _ in range(TRIES):
        inwards = nearest + slip * (0.5 * (farthest - nearest) if abs(farthest) < np.inf else nearest)
        trial[feature, 0] = value + inwards * spread
        if _largest(trial, adjusters, asset, gain, told, row, work) <= threshold:
            found = float(trial[feature, 0])
            break
        slip = min(max(2.0 * slip, share), 1.0)
    trial[feature, 0] = value
    return found


@kernel
def evidence(
    values: Values,
    offsets: NDArray[np.int64],
    adjusters: Adjusters,
    gain: float,
    told: Told,
    thresholds: Floats,
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    limit: Floats,
) -> None:
    """Say of each named feature whether it is too high, and with which value its row would have been no alert.

    `told` is all that charts said of the same rows. Too high is a value that is above the nearest one that would do,
    or where there is none, above what the others and its past made to be expected.
    """
    n_features = values.shape[0]
    trial, work = np.empty((n_features, 1), values.dtype), np.empty(6 * n_features)
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset], offsets[asset + 1]):
            trial[:, 0] = values[:, row]
            over = False
            for feature in range(n_features):
                over |= told.units[feature, row] > thresholds[asset]
            both = work[: 2 * n_features].reshape((2, n_features, 1))
            for place in range(features.shape[1]):
                feature = features[row, place]
                if feature < 0:
                    continue
                adjust(trial, 0, adjusters, asset, both[0], both[1])
                above[row, place] = both[1, feature, 0] > told.foretold[feature, row]
                if not adjusters.spreads[asset, feature] > 0.0:
                    above[row, place] = trial[feature, 0] > adjusters.centers[asset, feature]
                if over:
                    found = _limit(trial, feature, adjusters, asset, gain, thresholds[asset], told, row, work)
                    limit[row, place] = found
                    if found == found:
                        above[row, place] = values[feature, row] > found

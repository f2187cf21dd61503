"""Charts say what their formulas say, reading by reading, and are undone exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import charts as reference
from tocsin.kernels import charts, cusum, deviation, ewma, naive


def blank(values, *, whole=False):
    rest = values.shape[1] if whole else 0
    return charts.Told(np.empty(values.shape), *(np.empty((len(values), rest)) for _ in range(3)))


def correlated(rows, seed):
    x = np.random.default_rng(seed).normal(size=rows)
    for row in range(1, rows):
        x[row] += 0.6 * x[row - 1]
    x[5::17] = np.nan
    return 3.0 + 2.0 * x


def both(train, x, numbers, follow):
    """Go over training and what follows, and return what is said of either."""
    first, then = blank(train[None]), blank(x[None])
    follow(train[None], np.array([0, len(train)]), False, numbers, first)
    follow(x[None], np.array([0, len(x)]), True, numbers, then)
    return first.units[0], then.units[0]


@pytest.mark.parametrize("least", [0.0, 0.05])
@pytest.mark.parametrize("gain", [0.2, 1.0])
def test_ewma_is_the_formula(gain, least):
    train, x = correlated(150, 0), np.append(correlated(60, 1), [90.0, 3.0, 3.0])
    numbers = np.empty((1, ewma.NUMBERS))
    charts.locate(train[None], np.array([0, 150]), numbers)
    ewma.begin(train[None], np.array([0, 150]), gain, numbers)
    assert numbers[0, ewma.INFLATION] > (1.5 if gain < 1.0 else 0.99)
    follow = lambda v, o, learns, n, told: ewma.follow(v, o, gain, learns, least, n, told)  # noqa: E731
    learned, scored = both(train, x, numbers, follow)
    np.testing.assert_allclose(learned, reference.ewma(train, x, gain, learns=False), atol=1e-9)
    np.testing.assert_allclose(scored, reference.ewma(train, x, gain, least=least), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("allowance", [0.25, 1.0])
def test_cusum_is_the_formula(allowance):
    train, x = correlated(150, 2), np.append(correlated(60, 3) + 2.0, [90.0, 3.0, 3.0])
    numbers = np.empty((1, cusum.NUMBERS))
    charts.locate(train[None], np.array([0, 150]), numbers)
    cusum.begin(train[None], np.array([0, 150]), allowance, 0.05, numbers)
    follow = lambda v, o, learns, n, told: cusum.follow(v, o, allowance, learns, 0.0, n, told)  # noqa: E731
    _, scored = both(train, x, numbers, follow)
    expected, interval = reference.cusum(train, x, allowance, 0.05)
    assert numbers[0, cusum.INTERVAL] == pytest.approx(interval)
    np.testing.assert_allclose(scored, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("period", [1, 6])
def test_seasonal_naive_is_the_formula(period):
    train, x = np.nan_to_num(correlated(150, 4)), np.nan_to_num(correlated(60, 5))
    cycles = naive.Cycles(np.array([0, period]), np.empty(period), np.empty((1, naive.NUMBERS)))
    naive.begin(train[None], np.array([0, 150]), np.arange(150), cycles)
    naive.follow(train[None], np.array([0, 150]), np.arange(150), False, 0.0, cycles, blank(train[None]))
    told = blank(x[None])
    naive.follow(x[None], np.array([0, 60]), 150 + np.arange(60), True, 0.0, cycles, told)
    np.testing.assert_allclose(told.units[0], reference.seasonal_naive(train, x, period), rtol=1e-9)


def test_seasonal_naive_falls_back_to_the_cycle_before():
    x = np.array([[1.0, 2.0, 1.5, 2.5, np.nan, 2.0, 9.0, np.nan]])
    cycles = naive.Cycles(np.array([0, 2]), np.empty(2), np.empty((1, naive.NUMBERS)))
    naive.begin(x, np.array([0, 8]), np.arange(8), cycles)
    assert cycles.numbers[0, naive.SEEN] == 4
    assert cycles.numbers[0, naive.SCALE] == pytest.approx(1.482602218505602 * 0.5)
    told = blank(x, whole=True)
    naive.follow(x, np.array([0, 8]), np.arange(8), False, 0.0, cycles, told)
    assert told.centers[0, 6] == 1.5
    assert told.units[0, [0, 1, 4, 7]].tolist() == [0.0] * 4


def test_locations_of_readings_like_those_of_training_stay():
    rng = np.random.default_rng(0)
    x = rng.exponential(size=400)  # skewed: bounded distances have a mean of their own
    numbers = np.empty((1, charts.LOCATION))
    charts.locate(x[None], np.array([0, 400]), numbers)
    before = numbers[0].copy()
    for _ in range(5):
        for each in rng.permutation(x):
            charts.learn_location(each, 0.0, numbers[0])
    assert numbers[0, charts.SEEN] == 2400
    assert numbers[0, charts.CENTER] == pytest.approx(before[charts.CENTER], abs=0.02)
    assert numbers[0, charts.SQUARE] == pytest.approx(before[charts.SQUARE], rel=0.05)


def test_locations_begin_with_nothing_and_with_constants():
    values = np.array([[np.nan] * 4, [7.0] * 4])
    numbers = np.empty((2, charts.LOCATION))
    charts.locate(values, np.array([0, 4]), numbers)
    assert charts.distance_of(3.0, numbers[0]) == 0.0
    assert charts.distance_of(7.0, numbers[1]) == 0.0
    assert charts.distance_of(7.1, numbers[1]) == deviation.BEYOND
    for each in (1.0, 2.0, 3.0):
        charts.learn_location(each, 0.0, numbers[0])
    assert numbers[0, charts.SEEN] == 3
    assert numbers[0, charts.CENTER] == pytest.approx(2.0, abs=0.2)
    charts.learn_location(12.0, 0.0, numbers[1])
    assert numbers[1, charts.CENTER] == pytest.approx(8.0)
    assert numbers[1, charts.SQUARE] == pytest.approx(4.0)


def test_totals_are_the_largest():
    units = np.random.default_rng(0).exponential(size=(3, charts.TILE + 5))
    units[:, 7] = 0.0
    scores = np.empty(units.shape[1])
    for top in (0, 1, 2):
        features, parts = np.empty((units.shape[1], top), np.int32), np.empty((units.shape[1], top))
        charts.total(units, False, scores, features, parts)
        order = np.argsort(-units, axis=0, kind="stable")[:top].T
        np.testing.assert_array_equal(scores, units.max(axis=0))
        np.testing.assert_array_equal(parts, np.take_along_axis(units.T, order, 1))
        np.testing.assert_array_equal(features, np.where(parts > 0, order, -1))
    features, parts = np.empty((units.shape[1], 3), np.int32), np.empty((units.shape[1], 3))
    charts.total(units, True, scores, features, parts)
    np.testing.assert_array_equal(parts, units.T)


def test_limits_are_the_last_values_within_the_threshold():
    rng = np.random.default_rng(0)
    rows = 60
    values = rng.normal(0.0, 20.0, (2, rows))
    centers, steeps = rng.normal(size=(2, rows)), rng.uniform(0.1, 3.0, (2, rows))
    bases = rng.uniform(-1.0, 3.0, (2, rows))
    steeps[1, 30:], bases[1, 30:] = 0.0, 0.0
    units = np.array(
        [
            [charts.unit_of(*four) for four in zip(*arrays, strict=True)]
            for arrays in zip(values, centers, steeps, bases, strict=True)
        ]
    )
    features = np.tile(np.array([0, 1], np.int32), (rows, 1))
    above, limit = np.zeros(features.shape, np.bool_), np.full(features.shape, np.nan)
    told = charts.Told(units, centers, steeps, bases)
    charts.evidence(values, np.array([0, rows]), told, np.array([2.0]), features, above, limit)
    np.testing.assert_array_equal(above, values.T > centers.T)
    mended = 0
    for row in range(rows):
        own = centers[0, row], steeps[0, row], bases[0, row]
        hopeless = bases[0, row] > 2.0 or units[1, row] > 2.0
        assert np.isnan(limit[row, 0]) == hopeless
        if not hopeless and units[0, row] > 2.0:
            mended += 1
            assert charts.unit_of(limit[row, 0], *own) <= 2.0
            assert charts.unit_of(limit[row, 0] + 1e-9 * np.sign(values[0, row] - centers[0, row]), *own) > 2.0
    assert mended > 10

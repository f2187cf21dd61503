"""Units, sums and the place in the cycle."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import stl_scores as kernels


def totals(units, top, everything=False):
    rows = units.shape[2]
    scores, shares = np.empty(rows), np.empty((rows, top))
    features, parts = np.empty((rows, top), np.int32), np.empty((rows, top), np.int8)
    kernels.total(units, everything, scores, features, parts, shares)
    return scores, features, parts, shares


def test_a_score_is_the_root_of_the_sum_of_squares():
    units = np.random.default_rng(0).normal(size=(3, kernels.PARTS, 40))
    units[:, :, 7] = 0.0
    units[1, 2, 9] = 1e100
    scores, features, parts, shares = totals(units, 9, everything=True)
    np.testing.assert_allclose(scores, np.sqrt((units**2).sum(axis=(0, 1))), rtol=1e-12)
    np.testing.assert_allclose(shares.sum(axis=1), scores, rtol=1e-12)
    np.testing.assert_array_equal(features[0], np.repeat([0, 1, 2], 3))
    np.testing.assert_array_equal(parts[0], [0, 1, 2] * 3)
    for top in (1, 4, 9):
        _, some, which, heaviest = totals(units, top)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
        np.testing.assert_array_equal(heaviest, np.take_along_axis(shares, order, 1))
        silent = np.take_along_axis(shares, order, 1) == 0.0
        np.testing.assert_array_equal(some, np.where(silent, -1, order // 3))
        np.testing.assert_array_equal(which, np.where(silent, -1, order % 3))


def test_a_unit_is_that_of_noise_whatever_the_outliers():
    noise = np.random.default_rng(0).normal(0.0, 3.0, 1000)
    plain = kernels._usual_square(noise)
    assert plain == pytest.approx(9.0, rel=0.1)
    noise[::100] = 1e80
    assert kernels._usual_square(noise) == pytest.approx(plain, rel=0.15)
    assert kernels._usual_square(np.zeros(5)) == 0.0


def test_learning_goes_on_from_the_unit_without_a_jump():
    noise = np.random.default_rng(1).normal(size=2000)
    numbers = np.zeros(kernels.NUMBERS)
    numbers[kernels.UNIT], numbers[kernels.SEEN] = kernels._usual_square(noise[:500]), 500
    for each in noise[500:]:
        kernels.learn_units(each, 0.0, 0.0, numbers)
    assert numbers[kernels.UNIT] == pytest.approx(kernels._usual_square(noise), rel=0.05)
    before = numbers.copy()
    kernels.learn_units(np.nan, np.nan, np.nan, numbers)
    np.testing.assert_array_equal(numbers, before)


@pytest.mark.parametrize("period", [1, 2, 5])
def test_the_place_in_the_cycle_is_that_of_the_tick(period):
    ticks = [-7, -6, -5, 0, 1, 2, 3, 3, 9, 10, 4]
    last, point = -(2**62), 0
    for tick in ticks:
        point, last = kernels.place_of(tick, period, last, point), tick
        assert point == tick % period

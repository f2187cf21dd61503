"""The online decomposition against its slow twin, and what each of its additions is for."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import online_stl as reference
from tocsin.kernels import online_stl as kernels


def run(samples, level, cycle, spread, trend=12, seasonal=7):
    numbers, season = np.zeros((1, kernels.FILTER)), np.zeros((1, len(cycle)))
    gains = kernels.gains_of(trend, seasonal, len(cycle))
    kernels.begin(level, np.array(cycle), spread, gains, numbers[0], season[0])
    trends, seasons = np.empty((1, len(samples))), np.empty((1, len(samples)))
    kernels.decompose(np.array([samples]), 0, trend, seasonal, numbers, season, trends, seasons)
    return trends[0], seasons[0]


@pytest.mark.parametrize("period", [1, 2, 7])
@pytest.mark.parametrize(("spread", "window"), [(0.0, 12), (1.0, 12), (1.0, 1)])
def test_equals_its_slow_twin(period, spread, window):
    rng = np.random.default_rng(period)
    samples = rng.standard_t(3, size=300) + np.where(np.arange(300) > 200, 9.0, 3.0)
    samples[rng.integers(300, size=30)] = np.nan
    cycle = rng.normal(size=period) if period > 1 else np.zeros(1)
    ours = run(samples, 3.0, cycle, spread, window)
    theirs = reference.decompose(samples, 3.0, cycle, spread, trend=window, seasonal=7)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_constant_samples_stay_and_later_ones_are_followed():
    trends, seasons = run([5.0] * 50 + [6.0] * 100, 5.0, [0.0] * 4, 0.0)
    np.testing.assert_array_equal(trends[:50], 5.0)
    np.testing.assert_array_equal(seasons[:50], 0.0)
    assert trends[-1] == pytest.approx(6.0, abs=0.05)


def test_spread_of_residuals_is_not_moved_by_outliers():
    noise = np.random.default_rng(0).normal(0.0, 2.0, 500)
    noise[::50] = 1e6
    noise[7] = np.nan
    assert kernels.spread_of(noise) == pytest.approx(4.0, rel=0.2)
    assert kernels.spread_of(np.full(3, np.nan)) == 0.0
    assert kernels.spread_of(np.array([0.0, 0.0, 0.0, 3.0])) == pytest.approx(9 / 4)

"""What the search for periods is made of, against plain sums and known lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tocsin.kernels import periods


def spectrum(x, size):
    return np.abs(np.fft.rfft(x * np.hanning(len(x)), size)) ** 2


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(2, 300))


def test_calm_takes_parabola_gaps_and_far_values_away(noise):
    place = np.linspace(-1.0, 1.0, 300)
    rough = noise + 5.0 * place + 20.0 * place**2
    rough[0, 40:44] = np.nan
    rough[1, 7] = 1e9
    calm = np.empty((3, 300))
    periods.calm(np.vstack([rough, np.full(300, 0.1)]), calm)
    assert not calm[2].any()
    assert np.abs(calm[:2]).max() < 60.0
    np.testing.assert_allclose(calm[:2] @ np.array([place**0, place, place**2]).T, 0.0, atol=1e-6)
    assert np.corrcoef(calm[0, 50:], noise[0, 50:])[0, 1] > 0.98


@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_background_follows_noise_but_not_lines(exponent):
    rng = np.random.default_rng(1)
    cycles = np.maximum(np.arange(601) / 2.0, 0.5)
    truth = 10.0 * cycles**-exponent
    power = truth * rng.exponential(size=(4, 601))
    lined = power.copy()
    lined[:, 100:104] *= 1e4
    plain, beside = np.empty_like(power), np.empty_like(power)
    periods.background(power, 2.0, plain)
    periods.background(lined, 2.0, beside)
    seen = truth > 2.0 * periods.DIM * power.mean()
    ratio = (plain / truth).mean(axis=0)[seen]
    assert 0.5 < np.median(ratio) < 1.6
    assert (beside[:, 100:104] < 3.0 * np.maximum(plain[:, 100:104], periods.DIM * lined.mean())).all()


def test_surprise_is_the_tail_of_a_mean_of_exponentials():
    rng = np.random.default_rng(2)
    for count in (1, 4, 30):
        off = [periods.surprise(mean, count) for mean in rng.exponential(size=(4000, count)).mean(axis=1)]
        assert abs(np.mean(off)) < 0.1
        assert abs(np.std(off) - 1.0) < 0.1


def test_comb_finds_the_lag_whose_multiples_correlate():
    correlation = np.random.default_rng(3).normal(scale=0.05, size=(2, 121))
    correlation[0, 9::9] += 0.4
    weights = np.linspace(1.0, 0.2, 121)
    units = np.array([1.0, 1.0, *(0.05 * np.sqrt((weights[p::p] ** 2).sum()) for p in range(2, 49))])
    found = np.empty((2, 2))
    periods.comb(correlation, weights, units, 1, found)
    assert found[0, 0] == 9
    assert found[0, 1] > 6.0
    assert found[1, 1] < 5.0
    total = (weights * correlation[0])[9::9].sum() / units[9]
    assert found[0, 1] == pytest.approx(periods.surprise(1.0 + total / math.sqrt(4.5), 4.5))


def test_choose_finds_the_fundamental_of_lines():
    """The first harmonic is the weakest, and the second would explain less."""
    n, size = 400, 800
    steps = np.arange(n)
    x = sum(a * np.sin(2 * np.pi * j * steps / 24.4 + j) for j, a in ((1, 0.6), (2, 1.0), (3, 0.8)))
    power = spectrum(x + np.random.default_rng(4).normal(size=n), size)[np.newaxis]
    noise = np.full_like(power, np.median(power) / math.log(2.0))
    found = np.empty((1, 2))
    nothing = np.full((1, 1), np.nan)
    least = np.full(power.shape[1], 20.0)
    periods.choose(power, noise, 2.0, 1, nothing, least, 12.0, found)
    assert size / found[0, 0] == pytest.approx(24.4, rel=0.01)
    assert found[0, 1] >= 3
    periods.choose(np.minimum(power, noise), noise, 2.0, 1, nothing, least, 12.0, found)
    assert found[0].tolist() == [0.0, 0.0]


def test_explained_is_that_of_least_squares(noise):
    place = (2.0 * np.arange(300) + 1.0) / 300 - 1.0
    angles = np.pi * 3.3 * place
    terms = np.array([place**0, place, place**2, *(f(j * angles) for j in (1, 2) for f in (np.cos, np.sin))])
    fits = [terms.T @ np.linalg.lstsq(terms.T, row, rcond=None)[0] for row in noise]
    expected = sum(float(fit @ fit) for fit in fits)
    assert periods.explained(noise, 3.3, 2) == pytest.approx(expected)

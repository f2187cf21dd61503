"""Noise has the distribution that it should, the same bits everywhere, and no memory."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from scipy import stats

from tocsin.kernels.noise import HEAVY, NORMAL, UNIFORM, add_noise, add_wave, normal_at
from tocsin.kernels.philox import WORDS, keys

PLAIN = numba.config.DISABLE_JIT
FREEDOM = 5.0
DISTRIBUTIONS = {
    NORMAL: stats.norm(),
    UNIFORM: stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
    HEAVY: stats.t(FREEDOM, scale=np.sqrt(1 - 2 / FREEDOM)),
}
KINDS = pytest.mark.parametrize("kind", DISTRIBUTIONS, ids=["normal", "uniform", "heavy"])


def noise(kind, rows, start=0, seed=1, place=(0, 0, 0)):
    out = np.zeros(rows, np.float32)
    with np.errstate(over="ignore"):  # words wrap
        add_noise(kind, 1.0, FREEDOM, keys(seed), *place, start, np.empty(2 * WORDS, np.uint32), out)
    return out


@KINDS
def test_any_part_is_the_same_part(kind):
    whole = noise(kind, 3000)
    for start, stop in ((0, 1), (1000, 1100), (500, 2600), (1024, 2048), (2999, 3000)):
        np.testing.assert_array_equal(noise(kind, stop - start, start), whole[start:stop])


@KINDS
def test_distribution(kind):
    x = noise(kind, 2_000 if PLAIN else 1_000_000).astype(np.float64)
    assert stats.kstest(x, DISTRIBUTIONS[kind].cdf).pvalue > 1e-3
    assert x.mean() == pytest.approx(0, abs=5 / np.sqrt(x.size))
    assert x.std() == pytest.approx(1, abs=0.2 if PLAIN else 0.02)


@KINDS
def test_places_are_independent(kind):
    x = [noise(kind, 2000, place=place) for place in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    x += [noise(kind, 2000, seed=2), noise(kind, 2000, start=1 << 20)]
    apart = np.corrcoef(x)[np.triu_indices(len(x), 1)]
    assert abs(apart).max() < 5 / np.sqrt(2000)


def test_one_value_at_a_time():
    values = [normal_at(keys(1), 0, 0, 0, index) for index in range(256)]
    np.testing.assert_allclose(values, noise(NORMAL, 256), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("period", [2.0, 7.3, 200.0, 86_400.5])
def test_waves(period):
    step = round(2.0**63 / period) << 1
    for start in (0, 250, 10**9):
        out = np.zeros(700, np.float32)
        with np.errstate(over="ignore"):
            add_wave(3.0, np.uint64(1 << 61), np.uint64(step), start, out)
        turn = (np.arange(start, start + 700, dtype=np.longdouble) * step / 2.0**64 + 0.125) % 1
        np.testing.assert_allclose(out, 3 * np.sin(2 * np.pi * turn.astype(float)), atol=3e-6)

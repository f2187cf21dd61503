"""Values at ranks are those of a sort, bit for bit, whatever the floats are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tocsin.kernels import ranks as kernels
from tocsin.kernels.ranks import at_ranks, workspace

MAKES = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy": lambda rng, n: rng.standard_cauchy(n),
    "offset": lambda rng, n: 1e6 + rng.standard_normal(n) * 1e-3,
    "tied": lambda rng, n: rng.integers(-2, 3, n),
    "zeros": lambda rng, n: np.where(rng.random(n) < 0.1, rng.choice([-0.0, 0.0], n), rng.standard_normal(n)),
    "missing": lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.standard_normal(n)),
    "outlier": lambda rng, n: np.where(np.arange(n) == 3, 1e30, rng.standard_normal(n)),
    "widest": lambda rng, n: np.where(rng.random(n) < 0.5, -3e38, 3e38),
    "tiny": lambda rng, n: rng.integers(0, 9, n) * 1e-45,
    "infinite": lambda rng, n: np.where(np.arange(n) % 7 == 0, np.inf, rng.standard_normal(n)),
    "constant": lambda rng, n: np.full(n, 7.0),
}


def pick(x, ranks):
    out = np.empty(len(ranks), x.dtype)
    at_ranks(x, ranks, workspace(len(x)), np.empty_like(x), out)
    return out


def expect(x, ranks):
    return np.sort(x[~np.isnan(x)], kind="stable")[ranks - 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("n", [5, 257, 1440])
def test_are_those_of_a_sort(make, dtype, n):
    rng = np.random.default_rng(n)
    with np.errstate(over="ignore", under="ignore"):
        x = make(rng, n).astype(dtype)
        count = int((~np.isnan(x)).sum())
        for ranks in (np.arange(1, count + 1), np.unique(rng.integers(1, count + 1, 20))):
            found, expected = pick(x, ranks), expect(x, ranks)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@given(
    arrays(np.float64, 300, elements=st.floats(-1e3, 1e3, width=32)),
    st.sets(st.integers(1, 300), min_size=1, max_size=30),
)
def test_of_any_floats(x, ranks):
    ranks = np.array(sorted(ranks))
    np.testing.assert_array_equal(pick(x, ranks), expect(x, ranks))


def test_of_nothing_known_are_none():
    assert len(pick(np.full(300, np.nan), np.zeros(0, np.int64))) == 0


def test_normal_values_are_dealt_and_crowded_ones_are_not():
    x = np.random.default_rng(0).standard_normal(1000)
    for values, dealt in ((x, True), (np.append(x, 1e9), False)):
        low, high = kernels._extremes(values)
        ends, slots = np.empty(514, np.uint32), np.empty(len(values), np.uint32)
        assert kernels._deal(values, low, 511 / (high - low), slots, ends, np.empty_like(values)) == dealt

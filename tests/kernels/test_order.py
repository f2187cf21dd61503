"""The radix sort sorts, stably, whatever the floats are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tocsin.kernels.order import argsort, scratch

DTYPES = (np.float32, np.float64)


def sort(x):
    rows, ordered = np.empty(len(x), np.int32), np.empty(len(x), x.dtype)
    count = argsort(x, scratch(len(x)), rows, ordered)
    return rows[:count], ordered[:count]


def expect(x):
    present = np.flatnonzero(~np.isnan(x))
    rows = present[np.argsort(x[present], kind="stable")]
    return rows, x[rows]


@st.composite
def columns(draw):
    dtype = draw(st.sampled_from(DTYPES))
    width = 32 if dtype == np.float32 else 64
    few = draw(st.lists(st.floats(width=width), min_size=1, max_size=5))
    element = st.one_of(st.floats(width=width), st.sampled_from(few))
    return draw(arrays(dtype, st.integers(0, 200), elements=element))


@given(columns())
def test_any_floats(x):
    rows, ordered = sort(x)
    expected_rows, expected = expect(x)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(ordered, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, n: rng.standard_normal(n),
        lambda rng, n: rng.standard_cauchy(n),
        lambda rng, n: 1e6 + rng.standard_normal(n) * 1e-3,
        lambda rng, n: rng.integers(-2, 3, n),
        lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.standard_normal(n)),
        lambda rng, n: np.where(rng.random(n) < 0.5, 1e30 * rng.standard_normal(n), 1 + 1e-12 * rng.random(n)),
        lambda rng, n: np.full(n, 7.0),
        lambda rng, n: np.full(n, np.nan),
    ],
    ids=["normal", "heavy", "offset", "tied", "missing", "two scales", "constant", "nothing"],
)
@pytest.mark.parametrize("n", [1, 33, 1440, 5000])
def test_distributions(dtype, make, n):
    x = make(np.random.default_rng(n), n).astype(dtype)
    rows, ordered = sort(x)
    expected_rows, expected = expect(x)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(ordered, expected)


def test_signed_zeros_are_equal():
    rows, _ = sort(np.array([0.0, -0.0, 0.0, -1.0, -0.0]))
    assert rows.tolist() == [3, 0, 1, 2, 4]

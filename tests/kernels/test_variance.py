"""Moments are NumPy's, merge, and do not depend on how a column was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels import variance


def of(x):
    out = np.empty((1, 3))
    variance.learn(x[None, :], np.array([0, len(x)]), out)
    return out[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, variance.BLOCK + 70])
def test_equals_numpy(dtype, rows):
    x = (np.random.default_rng(rows).normal(size=rows) + 1000).astype(dtype)
    x[1::7] = np.nan
    weight, mean, squares = of(x)
    present = x[~np.isnan(x)].astype(np.float64)
    assert weight == len(present)
    assert mean == pytest.approx(present.mean(), rel=1e-14)
    assert squares == pytest.approx(present.var() * len(present), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("first", [1e3, -1e9, np.nan])
def test_an_outlier_ahead_costs_no_digits(first):
    x = np.random.default_rng(5).normal(size=300)
    x[0] = first
    rest = of(np.append(x[:1], x))
    present = np.append(x[:1], x)[np.isnan(first) * 2 :]
    assert rest[1] == pytest.approx(present.mean(), rel=1e-13)
    assert rest[2] == pytest.approx(((present - present.mean()) ** 2).sum(), rel=1e-13)


@pytest.mark.parametrize("value", [0.1, -7.3, 1e15, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_is_its_own_mean_and_has_no_spread(value, dtype):
    x = np.full(200, value, dtype)
    x[:3] = np.nan
    assert of(x).tolist() == [197.0, float(dtype(value)), 0.0]


def test_nothing_seen_is_nothing():
    assert of(np.full(70, np.nan)).tolist() == [0.0, 0.0, 0.0]
    assert of(np.empty(0)).tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(0, 3), min_size=0, max_size=4), st.integers(0, variance.BLOCK - 1))
def test_parts_of_whole_blocks_give_the_very_same_bits(cuts, rest):
    x = np.random.default_rng(rest).normal(1e6, 1, sum(cuts) * variance.BLOCK // 16 + rest)[: variance.BLOCK + rest]
    parts, start = [], 0
    for blocks in [*cuts, 10]:
        part = x[start : start + blocks * variance.BLOCK]
        parts.append(np.empty((-(-len(part) // variance.BLOCK), 3)))
        variance.blocks(part, parts[-1])
        start += len(part)
    out = np.empty(3)
    variance.merged(np.concatenate(parts), out)
    assert out.tobytes() == of(x).tobytes()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(0, 60))
def test_merging_and_absorbing_learn_like_one_pass(values, cut):
    x = np.array(values)
    left, right = of(x[:cut])[None], of(x[cut:])[None]
    absorbed = left.copy()
    rest = x[cut:]
    variance.absorb(rest[None, :], np.array([0, len(rest)]), np.ones(len(rest)), np.ones(1), absorbed)
    variance.combine(left, right)
    for moments in (left[0], absorbed[0]):
        np.testing.assert_allclose(moments, of(x), rtol=1e-9, atol=1e-4)


def test_weights_scale_what_was_known():
    x = np.random.default_rng(0).normal(size=50)
    moments = of(x[:30])[None]
    weights = np.linspace(0.1, 1.0, 20)
    variance.absorb(x[None, 30:], np.array([0, 20]), weights, np.array([0.25]), moments)
    every = np.concatenate([np.full(30, 0.25), weights])
    mean = np.average(x, weights=every)
    expected = [every.sum(), mean, (every * (x - mean) ** 2).sum()]
    np.testing.assert_allclose(moments[0], expected, rtol=1e-12)

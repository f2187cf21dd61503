"""Vectors do what arrays of eight doubles do, and sum in an order of their own."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.jit import kernel
from tocsin.kernels.registers import LANES, fill, fused, greater, known, lesser, load, store, total


@kernel
def through(x, y, out):
    a, b = load(x, 1), load(y, 0)
    store(out[0], 0, a + b)
    store(out[1], 0, a - b)
    store(out[2], 0, a * b)
    store(out[3], 0, fused(a, b, fill(0.1)))
    store(out[4], 0, lesser(a, b))
    store(out[5], 0, greater(fill(0.0), a))
    store(out[6], 0, known(a))
    return total(a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_numpy(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=LANES + 1).astype(dtype), rng.normal(size=LANES)
    x[3] = np.nan
    out = np.empty((7, LANES))
    assert np.isnan(through(x, y, out))
    a = x[1:].astype(float)
    np.testing.assert_array_equal(out[:3], [a + y, a - y, a * y])
    np.testing.assert_allclose(out[3], a * y + 0.1, rtol=1e-14)
    np.testing.assert_array_equal(out[4], np.where(a < y, a, y))
    np.testing.assert_array_equal(out[5], np.where(a < 0.0, 0.0, a))
    np.testing.assert_array_equal(out[6], np.nan_to_num(a))


def test_a_sum_is_taken_by_halves():
    x = np.append(0.0, [1e16, 1.0, 1.0, 1.0, -1e16, 1.0, 1.0, 1.0])
    assert through(x, np.zeros(LANES), np.empty((7, LANES))) == 6.0
    x[1:] = [1e16, 1.0, -1e16, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert through(x, np.zeros(LANES), np.empty((7, LANES))) == 4.0


@kernel
def rounded(x, out):
    a = load(x, 0)
    store(out, 0, fused(a, a, fill(0.0) - a * a))


def test_a_product_is_rounded_once():
    out = np.empty(LANES)
    rounded(np.full(LANES, 1.0 + 2.0**-30), out)
    assert (out == 2.0**-60).all()

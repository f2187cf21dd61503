"""Dot products of four rows with four others are NumPy's, of all lengths that are allowed."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.dots import LANES, SIDE, dots
from tocsin.kernels.jit import kernel


@kernel
def products(rows, first, other, length, sums):
    dots(rows, first, other, length, sums)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("length", [0, LANES, 5 * LANES])
def test_equals_numpy(dtype, rtol, length):
    rows = np.random.default_rng(length).uniform(0.5, 1.0, size=(12, 5 * LANES + 3)).astype(dtype)
    sums = np.full(SIDE * SIDE, np.nan, dtype)
    products(rows, 4, 8, length, sums)
    exact = rows[4:8, :length].astype(float) @ rows[8:12, :length].astype(float).T
    np.testing.assert_allclose(sums.reshape(SIDE, SIDE), exact, rtol=rtol)


def test_a_row_with_itself():
    rows = np.random.default_rng(0).normal(size=(SIDE, LANES))
    sums = np.empty(SIDE * SIDE)
    products(rows, 0, 0, LANES, sums)
    square = sums.reshape(SIDE, SIDE)
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_allclose(np.diag(square), (rows**2).sum(1))

"""Median and MAD are NumPy's, from all values and from a sketch that kept them all; from a thinned one nearly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detectors.sketches import cells_of
from tocsin.kernels import mad
from tocsin.kernels.sketch import grid, knots_of


def definition(x):
    center = np.median(x)
    scale = 1.482602218505602 * np.median(np.abs(x - center))
    return center, scale if scale > 0 else 1.2533141373155003 * np.abs(x - center).mean()


def of_sketch(x, ratio=1.02 / 0.98):
    upto = grid(len(x), ratio).astype(float)
    knots, size = np.sort(x)[upto.astype(int) - 1], len(upto)
    cells = cells_of(np.array([float(len(x))]), knots, np.array([size]), np.array([0]), upto - 1, upto)
    centers, scales = np.empty(1), np.empty(1)
    mad.of_sketches(cells, centers, scales)
    return centers[0], scales[0]


@given(st.lists(st.integers(-5, 5) | st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_equals_the_definition(values):
    x = np.array(values, float)
    np.testing.assert_allclose(mad.robust(np.sort(x), len(x)), definition(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_sketch(x), definition(x), rtol=1e-12, atol=1e-12)


def test_nothing_has_no_middle():
    assert np.isnan(mad.robust(np.empty(0), 0)).all()


@pytest.mark.parametrize("rows", [300, 5000])
def test_a_sketch_is_close(rows):
    rng = np.random.default_rng(rows)
    for x in (rng.normal(size=rows), rng.gamma(2, size=rows), rng.standard_cauchy(rows)):
        center, scale = definition(x)
        near = of_sketch(x)
        assert abs(near[0] - center) < 0.03 * scale
        assert near[1] == pytest.approx(scale, rel=0.03)


def test_knots_and_middle_of_each_cell():
    values = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    values[1, ::3] = np.nan
    ranks = np.concatenate([np.arange(1, 21), np.arange(1, 31)])
    sizes = np.array([20, 13, 30, 20])
    cells = cells_of(
        1.0 * sizes,
        np.empty(83, np.float32),
        sizes,
        np.array([0, 0, 20, 0]),
        ranks - 1.0,
        1.0 * ranks,
    )
    centers, scales = np.empty(4), np.empty(4)
    mad.fit(values, np.array([0, 20, 50]), ranks, cells, centers, scales)
    for cell, x in enumerate([values[0, :20], values[1, :20], values[0, 20:], values[1, 20:]]):
        present = np.sort(x[~np.isnan(x)]).astype(np.float64)
        np.testing.assert_array_equal(knots_of(cells, cell), present)
        np.testing.assert_allclose([centers[cell], scales[cell]], definition(present), rtol=1e-12)

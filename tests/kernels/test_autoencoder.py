"""An autoencoder's errors are those of the plain formulas, whatever rows are taken together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.reference.autoencoder import errors
from tocsin.kernels import autoencoder as kernels
from tocsin.kernels.autoencoder import Layout


def example(layout, lengths, seed=0):
    rng = np.random.default_rng(seed)
    assets, width = len(lengths), layout.features
    values = rng.normal(size=(width, sum(lengths)))
    values[0, ::5] = np.nan
    past = rng.normal(size=(assets, layout.window - 1, width))
    centers, scales = rng.normal(size=(assets, width)), rng.uniform(0.5, 2.0, (assets, width))
    weights = rng.normal(0, 0.5, (assets, layout.size)).astype(np.float32)
    return values, np.cumsum([0, *lengths]), past, centers, scales, weights


@pytest.mark.parametrize("layout", [Layout(1, 1, 3, 4, 2), Layout(2, 2, 2, 3, 2)])
def test_errors_are_those_of_the_formulas(layout):
    values, offsets, past, centers, scales, weights = example(layout, [5, 0, 70])
    found = np.empty((75, layout.features))
    kernels.errors(values, offsets, past, centers, scales, weights, layout, found)
    for asset, (first, stop) in enumerate(pairwise(offsets)):
        own = past[asset], centers[asset], scales[asset], weights[asset]
        np.testing.assert_allclose(found[first:stop], errors(values[:, first:stop], *own, layout), rtol=1e-9)
    alone = np.empty((1, layout.features))  # the last row with its past says the same by itself
    before = values[:, 75 - layout.window : 74].T[None]
    one = np.ascontiguousarray(values[:, 74:])
    kernels.errors(one, np.array([0, 1]), before, centers[2:], scales[2:], weights[2:], layout, alone)
    np.testing.assert_array_equal(alone[0], found[74])


def test_windows_reach_back_to_the_past_and_keep_their_bounds():
    values = np.array([[1.0, 2.0, np.nan, 1e300], [5.0, 5.0, 5.0, 5.0]])
    past = np.array([[-1.0, 5.0]])
    out = np.empty((4, 3))
    center, scale = np.zeros(2), np.array([1.0, np.nan])  # the second feature was never seen
    kernels.gather(values, 0, np.array([0, 2, 3]), past, center, scale, out)
    np.testing.assert_array_equal(out[0], [-1.0, 2.0, np.nan])
    np.testing.assert_array_equal(out[2], [1.0, np.nan, kernels.BEYOND])
    assert np.isnan(out[[1, 3]]).all()


def test_weighed_errors_sum_to_scores():
    parts = np.array([[2.0, 8.0], [1.0, 0.0]])
    scores = np.empty(2)
    kernels.weigh(np.array([0, 1, 2]), np.array([[1.0, 2.0], [4.0, 1.0]]), parts, scores)
    np.testing.assert_array_equal(parts, [[1.0, 2.0], [0.125, 0.0]])
    np.testing.assert_array_equal(scores, [3.0, 0.125])

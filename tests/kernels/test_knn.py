"""Distances to the nearest rows are NumPy's, with gaps and without."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.distances import neighbour_distances
from tocsin.kernels import knn


def scored(values, rows, count, mean, taken):
    n_rows, width = values.shape[1], len(rows)
    known = knn.Neighbours(np.zeros((1, width)), np.ones((1, width)), np.array([0, rows.shape[1]]), rows.ravel())
    scores, none = np.empty(n_rows), (np.empty((n_rows, 0), np.int32), np.empty((n_rows, 0)))
    knn.score(values, np.array([0, n_rows]), known, count, mean, taken, False, scores, *none)
    return scores


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("width", [1, 4, 6])
def test_equals_numpy(width, gaps, mean):
    rng = np.random.default_rng(width)
    rows, values = rng.normal(size=(width, 30)), rng.normal(size=(width, 12))
    for each in (rows, values):
        each[rng.random(each.shape) < gaps] = np.nan
    found = scored(values, rows, 3, mean, np.full(12, -1))
    nearest = neighbour_distances(values.T, rows.T, 3)
    expected = [0.0 if len(d) == 0 else d.mean() if mean else d[-1] for d in nearest]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_row_is_no_neighbour_of_its_own():
    rows = np.random.default_rng(0).normal(size=(3, 20))
    own = scored(rows, rows, 1, False, np.arange(20))
    expected = [d[1] for d in neighbour_distances(rows.T, rows.T, 2)]
    np.testing.assert_allclose(own, expected, rtol=1e-12)

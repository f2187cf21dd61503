"""Distances to the nearest rows of samples are NumPy's, and samples are drawn as they should."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.distances import neighbour_distances
from tocsin.kernels import lesinn
from tocsin.kernels.knn import Neighbours


def drawn(values, offsets, draws, sizes):
    starts = np.concatenate([[0], np.cumsum(len(draws) * np.array(sizes))])
    rows, origins = np.empty(starts[-1] * len(values)), np.empty(starts[-1], np.int64)
    lesinn.choose(values, np.array(offsets), starts, draws, rows, origins)
    return starts, rows, origins


def test_samples_are_drawn_without_replacement_each_row_as_likely():
    values, counts = np.arange(14.0).reshape(2, 7), np.zeros(7)
    rng = np.random.default_rng(0)
    starts, rows, origins = drawn(values, [0, 7], rng.random((2000, 3)), [3])
    for sample in origins.reshape(2000, 3):
        assert len(set(sample)) == 3
        counts[sample] += 1
    np.testing.assert_allclose(counts / 2000, 3 / 7, atol=0.05)
    np.testing.assert_array_equal(rows.reshape(2, -1), values[:, origins])
    assert starts.tolist() == [0, 6000]


def test_all_rows_of_an_asset_can_be_drawn_and_no_other():
    values = np.arange(5.0)[None, :]
    _, rows, origins = drawn(values, [0, 2, 2, 5], np.array([[0.999, 0.999, 0.999], [0.0, 0.0, 0.0]]), [2, 0, 3])
    assert sorted(origins[:2]) == sorted(origins[2:4]) == [0, 1]
    assert sorted(rows[4:7]) == sorted(rows[7:]) == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("learned", [False, True])
def test_scores_are_mean_distances_to_the_nearest_of_each_sample(gaps, learned):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(5, 20))
    values[rng.random(values.shape) < gaps] = np.nan
    starts, rows, origins = drawn(values, [0, 20], rng.random((4, 6)), [6])
    known = Neighbours(np.zeros((1, 5)), np.ones((1, 5)), starts, rows)
    scores, features, parts = np.empty(20), np.empty((20, 5), np.int32), np.empty((20, 5))
    excluded = origins if learned else np.full(24, -1)
    lesinn.score(values, np.array([0, 20]), known, np.array([4]), excluded, True, scores, features, parts)
    for row in range(20):
        nearest = []
        for sample in origins.reshape(4, 6):
            others = sample[sample != row] if learned else sample
            nearest += [d[0] for d in neighbour_distances(values[:, row : row + 1].T, values[:, others].T, 1) if len(d)]
        assert scores[row] == pytest.approx(np.mean(nearest) if nearest else 0.0, rel=1e-12)
    np.testing.assert_allclose(parts.sum(1), scores, rtol=1e-12)

"""T2 and Q are NumPy's, with few components and many, and a row's do not depend on those beside it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.distances import t2_and_q
from tocsin.kernels import pca, pca_scores


def planes(width, kept, seed=0):
    rng = np.random.default_rng(seed)
    loadings = np.linalg.qr(rng.normal(size=(width, width)))[0][:kept]
    return pca.Planes(
        rng.normal(size=(1, width)),
        rng.uniform(0.5, 2.0, size=(1, width)),
        np.array([0, kept]),
        np.sort(rng.uniform(0.5, 3.0, size=kept))[::-1].copy(),
        np.ascontiguousarray(loadings),
        np.array([[4.0, 2.0]]),
    )


def scored(values, known):
    n_rows = values.shape[1]
    statistics, scores = np.empty((2, n_rows)), np.empty(n_rows)
    none = np.empty((n_rows, 0), np.int32), np.empty((n_rows, 0))
    pca_scores.score(values, np.array([0, n_rows]), known, False, statistics, scores, *none)
    return statistics, scores


@pytest.mark.parametrize(("width", "kept"), [(1, 1), (3, 2), (6, 4), (9, 5), (9, 9)])
def test_equals_numpy(width, kept):
    known = planes(width, kept)
    values = np.random.default_rng(1).normal(size=(width, pca_scores.TILE + 20)) * 3
    (t2, q), scores = scored(values, known)
    z = (values.T - known.centers) / known.spreads
    expected = t2_and_q(z, known.loadings, known.variances)
    np.testing.assert_allclose(t2, expected[0], rtol=1e-12)
    np.testing.assert_allclose(q, expected[1], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(scores, expected[0] / 4 + expected[1] / 2, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_alone_scores_the_same_to_the_last_bit(dtype):
    known, rows = planes(7, 5), 2 * pca_scores.TILE + 19
    values = np.random.default_rng(2).normal(size=(7, rows)).astype(dtype)
    values[3, 5], values[2:5, rows - 2] = np.nan, np.nan
    known.spreads[0, 6] = 0.0
    known.loadings[:, 6] = 0.0
    values[6] = known.centers[0, 6]
    values[6, ::9] += 1
    (t2, q), together = scored(values, known)
    alone = [scored(np.ascontiguousarray(values[:, i : i + 1]), known) for i in range(rows)]
    np.testing.assert_array_equal(together, [scores.item() for _, scores in alone])
    np.testing.assert_array_equal([t2, q], np.hstack([statistics for statistics, _ in alone]))
    assert np.isfinite(together).all()


def test_what_is_next_to_nothing_is_told_to_the_last_digits():
    known = planes(6, 3)
    known.limits[0, 1] = 1e-9
    along = np.random.default_rng(4).normal(size=(40, 3)) @ known.loadings
    off = 1e-6 * np.linalg.svd(known.loadings)[2][3:].sum(0)
    values = np.ascontiguousarray(((along + off) * known.spreads + known.centers).T)
    (_, q), _ = scored(values, known)
    np.testing.assert_allclose(q, (off**2).sum(), rtol=1e-8)


def test_a_missing_value_takes_what_scores_least():
    known = planes(5, 2)
    values = np.random.default_rng(3).normal(size=(5, 1))
    values[2, 0] = np.nan
    _, least = scored(values, known)
    trials = np.repeat(values, 401, axis=1)
    trials[2] = known.centers[0, 2] + known.spreads[0, 2] * np.linspace(-4, 4, 401)
    _, tried = scored(trials, known)
    assert least.item() <= tried.min() + 1e-12
    assert tried.min() == pytest.approx(least.item(), abs=1e-3)

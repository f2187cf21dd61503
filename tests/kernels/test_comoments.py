"""Co-moments are NumPy's, of each asset alone, and merge as if all rows had been learned at once."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import comoments, variance


def learned(values, offsets):
    n_features, n_assets = len(values), len(offsets) - 1
    moments, together = np.empty((n_assets, n_features, 3)), np.empty((n_assets, comoments.triangle(n_features)))
    variance.learn(values, offsets, moments.reshape(-1, 3))
    comoments.learn(values, offsets, np.ones(values.shape[1]), moments, together)
    return moments, together


def triangle_of(rows):
    centered = np.nan_to_num(rows - np.nanmean(rows, axis=0))
    return (centered.T @ centered)[np.tril_indices(rows.shape[1])]


@pytest.mark.parametrize("width", [1, 3, 4, 6])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-11)])
def test_equals_numpy(width, dtype, rtol):
    rng = np.random.default_rng(width)
    rows = (rng.normal(size=(180, width)) @ rng.normal(size=(width, width)) * 100 + 1e4).astype(dtype)
    rows[::11, 0] = np.nan
    offsets = np.array([0, 131, 131, 180])
    _, together = learned(np.ascontiguousarray(rows.T), offsets)
    for asset, part in ((0, rows[:131]), (2, rows[131:])):
        expected = triangle_of(part.astype(float))
        np.testing.assert_allclose(together[asset], expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    assert (together[1] == 0).all()


def test_many_rows_at_once_and_moments_with_them():
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(2 * comoments.TILE + 30, 3)) @ rng.normal(size=(3, 3))
    values, offsets = np.ascontiguousarray(rows.T), np.array([0, comoments.TILE + 1, len(rows)])
    moments, together = learned(values, offsets)
    both = np.empty_like(moments), np.empty_like(together)
    comoments.learn_both(values, offsets, *both)
    np.testing.assert_array_equal(moments, both[0])
    np.testing.assert_array_equal(together, both[1])
    np.testing.assert_allclose(together[0], triangle_of(rows[: offsets[1]]), rtol=1e-11)
    np.testing.assert_allclose(together[1], triangle_of(rows[offsets[1] :]), rtol=1e-11)


def test_merges_exactly():
    rows = np.random.default_rng(0).normal(size=(60, 3)) @ np.triu(np.ones((3, 3))) + 50
    values = np.ascontiguousarray(rows.T)
    whole = learned(values, np.array([0, 60]))
    moments, together = learned(values[:, :20].copy(), np.array([0, 20]))
    comoments.combine(moments, together, np.ones(1), *learned(values[:, 20:].copy(), np.array([0, 40])))
    np.testing.assert_allclose(moments, whole[0], rtol=1e-12)
    np.testing.assert_allclose(together, whole[1], rtol=1e-11)


def test_what_is_missing_leaves_no_negative_variance():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 1)) + 0.01 * rng.normal(size=(50, 4)) + np.arange(50)[:, None]
    rows[rng.random(rows.shape) < 0.4] = np.nan
    rows[:25, 3] = np.nan
    values = np.ascontiguousarray(rows.T)
    moments, together = learned(values[:, :25].copy(), np.array([0, 25]))
    comoments.combine(moments, together, np.full(1, 0.5), *learned(values[:, 25:].copy(), np.array([0, 25])))
    matrix = np.zeros((4, 4))
    matrix[np.tril_indices(4)] = together[0]
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * np.trace(matrix)
    np.testing.assert_allclose(np.diag(matrix), moments[0, :, 2])
    np.testing.assert_allclose(moments[0, 3, 1], np.nanmean(rows[25:, 3]))

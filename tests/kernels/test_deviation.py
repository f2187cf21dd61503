"""Deviations are distances in scales; the largest is the score, and what is missing adds nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import deviation

CENTERS, SCALES = np.array([[1.0, -2.0, 5.0], [0.0, 0.0, np.nan]]), np.array([[0.5, 3.0, 0.0], [1.0, 2.0, 0.0]])


def readings(rows, dtype):
    values = np.random.default_rng(rows).normal(size=(3, rows)).astype(dtype)
    values[2] = 5.0
    values[2, 5::50] = 6.0
    values[0, ::7] = np.nan
    return values


def expected(values, asset):
    parts = np.abs(values.astype(np.float64) - CENTERS[asset, :, None]) * (1.0 / SCALES[asset, :, None])
    return np.minimum(np.nan_to_num(parts, nan=0.0, posinf=1e9), 1e9)


@pytest.fixture(autouse=True)
def plain_python_divides_like_compiled_code():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 100, deviation.TILE + 3])
def test_score_is_the_largest_part(dtype, rows):
    values = readings(2 * rows, dtype)
    offsets = np.array([0, rows, 2 * rows])
    scores = np.empty(2 * rows)
    deviation.score(values, offsets, CENTERS, SCALES, scores)
    parts = np.hstack([expected(values[:, :rows], 0), expected(values[:, rows:], 1)])
    np.testing.assert_array_equal(scores, parts.max(0))
    for top in (1, 2, 3):
        features, contributions = np.empty((2 * rows, top), np.int32), np.empty((2 * rows, top))
        deviation.attribute(values, offsets, CENTERS, SCALES, False, features, contributions)
        order = np.argsort(-parts, axis=0, kind="stable")[:top].T
        largest = np.take_along_axis(parts.T, order, 1)
        np.testing.assert_array_equal(contributions, largest)
        np.testing.assert_array_equal(features, np.where(largest > 0, order, -1))
    deviation.attribute(values, offsets, CENTERS, SCALES, True, features, contributions)
    np.testing.assert_array_equal(contributions, parts.T)
    np.testing.assert_array_equal(features, np.tile([0, 1, 2], (2 * rows, 1)))


def test_limit_is_the_last_value_that_is_no_alert():
    rng = np.random.default_rng(0)
    centers, scales = rng.normal(size=(1, 2)) * 1e3, rng.random((1, 2))
    values = np.array([[2e3, -5e3, 2e3], centers[0, 1].repeat(3)])
    values[1, 2] += 10 * scales[0, 1]
    features = np.zeros((3, 1), np.int32)
    above, limit = np.zeros((3, 1), bool), np.full((3, 1), np.nan)
    deviation.evidence(values, np.array([0, 3]), centers, scales, np.array([4.0]), features, above, limit)
    assert above[:, 0].tolist() == [True, False, True]
    assert np.isnan(limit[2, 0])
    for row, away in ((0, np.inf), (1, -np.inf)):
        scores = np.empty(1)
        for value, over in ((limit[row, 0], False), (limit[row, 0] + np.sign(away) * 1e-9, True)):
            deviation.score(np.array([[value], [centers[0, 1]]]), np.array([0, 1]), centers, scales, scores)
            assert (scores[0] > 4.0) == over

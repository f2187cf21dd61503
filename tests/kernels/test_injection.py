"""Faults put into real readings do what their kind says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.injection import correlations, injected
from tocsin.kernels import injection, philox
from tocsin.kernels.faults import CONTACT, CORRELATION, DRIFT, SHIFT, SPIKE, STUCK, VARIANCE

KEYS = philox.keys(5)


def readings(seed: int = 0, rows: int = 40) -> np.ndarray:
    values = np.random.default_rng(seed).normal(10.0, 1.0, (2, rows))
    values[0, [0, 3, 15]] = np.nan
    return values


def put(values, kind, size=2.0, onset=14, end=20, source=1, number=7):
    faults = injection.Injections(
        np.array([0, 1]), *(np.array([each]) for each in (kind, 0, onset, end, source)), np.array([size])
    )
    out = values.copy()
    injection.inject(KEYS, np.array([number]), faults, np.array([0, values.shape[1]]), values, out)
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [SPIKE, SHIFT, DRIFT, STUCK, CORRELATION])
def test_each_does_what_a_loop_does(kind, dtype):
    values = readings().astype(dtype)
    wanted = injected(values[0], kind, 14, 20, 1, 2.0).astype(dtype)
    out = put(values, kind)
    np.testing.assert_allclose(out[0], wanted, rtol=1e-6)
    np.testing.assert_array_equal(out[1], values[1])


def test_more_noise_has_the_size_that_was_asked_for_and_depends_on_the_asset():
    values = readings(rows=600)
    out = put(values, VARIANCE, size=3.0, onset=100, end=600)
    added = (out - values)[0]
    assert np.nanmax(np.abs(added[:100])) == 0.0
    assert 2.6 < np.nanstd(added[100:]) < 3.4
    assert not np.array_equal(out[0, 100:], put(values, VARIANCE, size=3.0, onset=100, end=600, number=8)[0, 100:])
    np.testing.assert_array_equal(out, put(values, VARIANCE, size=3.0, onset=100, end=600))


def test_a_loose_contact_zeroes_half_of_the_readings_and_leaves_what_is_missing():
    values = readings(rows=400)
    out = put(values, CONTACT, onset=10, end=400)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(values))
    zeroed = out[0] == 0.0
    assert 0.4 < zeroed[10:].mean() < 0.6
    assert not zeroed[:10].any()
    np.testing.assert_array_equal(out[0, ~zeroed], values[0, ~zeroed])


def test_stuck_before_any_reading_changes_nothing():
    values = readings()
    values[0, :20] = np.nan
    np.testing.assert_array_equal(put(values, STUCK), values)


def test_steadiness_and_companionship_are_those_of_a_loop():
    values = np.random.default_rng(1).normal(size=(4, 60))
    values[1] += 2.0 * values[0]
    values[2, :30] = 5.0
    values[3] = 1.0
    values[0, ::7] = np.nan
    offsets = np.array([0, 60, 60])
    found, steady = np.empty((2, 4)), np.empty((2, 4))
    injection.companionship(values, offsets, found)
    injection.steadiness(values, offsets, steady)
    np.testing.assert_allclose(found, [correlations(values), np.zeros(4)], atol=1e-12)
    np.testing.assert_allclose(steady, [[0.0, 0.0, 29 / 59, 1.0], [1.0] * 4])

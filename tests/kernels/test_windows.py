"""Windows are those of NumPy, and each depends on its own rows alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.reference import windows as reference
from tocsin.kernels import quantiles, spectra, windows

LENGTHS = (90, 3, 0, 40)
SHARES = np.array([0.5, 0.9, 0.0, 1.0])


def readings(dtype=np.float64, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(5, 1, (3, sum(lengths))).astype(dtype)
    values[1, rng.random(values.shape[1]) < 0.1] = np.nan
    values[1, 20:50] = np.nan
    values[2] = np.round(values[2])
    return values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def shorter(offsets, size):
    lengths = np.maximum(np.diff(offsets) - (size - 1), 0)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def statistics(values, offsets, size, which=range(6)):
    targets = np.full((len(values), 6), -1)
    targets[:, which] = np.arange(len(values) * len(which)).reshape(len(values), -1)
    to = shorter(offsets, size)
    out = np.full((len(values) * len(which), to[-1]), 99, values.dtype)
    windows.statistics(values, offsets, np.arange(len(values)), size, targets, out, to)
    return out.reshape(len(values), len(which), -1), to


def by_asset(values, offsets, compute):
    """Return what `compute` says of each feature of each asset, side by side."""
    return np.array([np.concatenate([compute(x[low:high]) for low, high in pairwise(offsets)], 1) for x in values])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 3, 4, 7, 10, 16, 33])
def test_statistics_are_numpy_s(dtype, size):
    values, offsets = readings(dtype)
    found, _ = statistics(values, offsets, size)
    tolerance = 1e-9 if dtype == np.float64 else 1e-5
    expected = by_asset(values, offsets, lambda x: reference.statistics(x, size))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(found[:, 1:3], expected[:, 1:3].astype(dtype))


def test_a_window_of_one_is_the_value():
    values, offsets = readings()
    found, _ = statistics(values, offsets, 1, range(4))
    for which in range(3):
        np.testing.assert_array_equal(found[:, which], values)
    np.testing.assert_array_equal(found[:, 3], values * 0)


@pytest.mark.parametrize("which", range(6))
def test_each_statistic_alone_is_the_same(which):
    values, offsets = readings()
    every, _ = statistics(values, offsets, 11)
    alone, _ = statistics(values, offsets, 11, [which])
    assert alone[:, 0].tobytes() == np.ascontiguousarray(every[:, which]).tobytes()


@pytest.mark.parametrize("size", [3, 10, 13])
def test_short_assets_together_are_each_alone(size):
    """Whichever lie beside them: also those of which windows would reach beyond, and with gaps in some."""
    lengths = np.random.default_rng(4).integers(0, 30, 200)
    lengths[[50, 120]] = windows.TILE, 3 * windows.TILE
    values, offsets = readings(lengths=lengths)
    every, to = statistics(values, offsets, size)
    for asset, (first, last) in enumerate(pairwise(offsets)):
        alone, _ = statistics(np.ascontiguousarray(values[:, first:last]), np.array([0, last - first]), size)
        assert alone.tobytes() == np.ascontiguousarray(every[:, :, to[asset] : to[asset + 1]]).tobytes()


@pytest.mark.parametrize("size", [3, 10, 13])
def test_a_window_depends_on_its_own_rows_alone(size):
    values, offsets = readings(lengths=(2 * windows.TILE + 50,))
    whole, _ = statistics(values, offsets, size)
    for first, last in (
        (0, size),
        (17, 300),
        (windows.TILE - 5, windows.TILE + 40),
        (2 * windows.TILE, 2 * windows.TILE + 50),
    ):
        part, _ = statistics(np.ascontiguousarray(values[:, first:last]), np.array([0, last - first]), size)
        assert part.tobytes() == np.ascontiguousarray(whole[:, :, first : last - size + 1]).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 6, 8, 13])
def test_a_missing_value_changes_no_window_but_its_own(dtype, size):
    values, offsets = readings(dtype, lengths=(300,))
    values = values[[0, 2]]
    values[0, :40] = -0.0
    before, _ = statistics(values, offsets, size)
    values[:, 150] = np.nan
    after, _ = statistics(values, offsets, size)
    others = np.r_[0 : 150 - size + 1, 151 : 300 - size + 1]
    assert np.ascontiguousarray(after[:, :, others]).tobytes() == np.ascontiguousarray(before[:, :, others]).tobytes()
    assert (after[:, :, 150] != before[:, :, 150]).any()


@pytest.mark.parametrize("value", [0.1, -7.3, 1e15])
def test_a_constant_has_itself_as_mean_and_no_spread(value):
    values = np.full((1, 60), value)
    found, _ = statistics(values, np.array([0, 60]), 10)
    for which, expected in enumerate([value, value, value, 0.0, 0.0, 0.0]):
        assert set(found[0, which]) == {expected}
    for gap in (7, 3):
        values[0, ::gap] = np.nan
        found, _ = statistics(values, np.array([0, 60]), 10)
        for which, expected in enumerate([value, value, value, 0.0, 0.0, 0.0]):
            assert set(found[0, which]) == {expected}


def test_a_high_level_costs_no_digits():
    values, offsets = readings(lengths=(200,))
    near, _ = statistics(values[:1], offsets, 12)
    far, _ = statistics(values[:1] + 2.0**20, offsets, 12)
    np.testing.assert_allclose(far[:, 3:], near[:, 3:], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 9, 40])
def test_quantiles_are_numpy_s(dtype, size):
    values, offsets = readings(dtype)
    to = shorter(offsets, size)
    out = np.empty((3 * len(SHARES), to[-1]), dtype)
    targets = np.arange(len(out)).reshape(3, -1)
    quantiles.quantiles(values, offsets, np.arange(3), size, SHARES, targets, out, to)
    expected = by_asset(values, offsets, lambda x: reference.quantiles(x, size, SHARES))
    np.testing.assert_allclose(out.reshape(expected.shape), expected, rtol=1e-6 if dtype == np.float32 else 1e-12)


def energies(values, offsets, size, limits):
    to, angles = shorter(offsets, size), 2 * np.pi * np.arange(size) / size
    out = np.empty((len(values) * len(limits), to[-1]), values.dtype)
    circle, targets = np.stack([np.cos(angles), np.sin(angles)]), np.arange(len(out)).reshape(len(values), -1)
    spectra.bands(values, offsets, np.arange(len(values)), size, limits, circle, targets, out, to)
    return out.reshape(len(values), len(limits), -1)


@pytest.mark.parametrize("size", [4, 5, 8, 21])
def test_bands_are_those_of_a_fourier_transform(size):
    values, offsets = readings()
    limits = np.array([[0, 1], [1, size // 2], [size // 2, size // 2]])
    expected = by_asset(values, offsets, lambda x: reference.bands(x, size, limits))
    np.testing.assert_allclose(energies(values, offsets, size, limits), expected, rtol=1e-9, atol=1e-12)


def test_all_bands_together_are_the_variance_of_the_windowed_values():
    values, offsets = readings(lengths=(80,))
    size = 16
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    found = energies(values[:1], offsets, size, np.array([[0, 8]]))[0, 0]
    blocks = reference.windows(values[0], size)
    blocks = (blocks - blocks.mean(1, keepdims=True)) * hann
    np.testing.assert_allclose(found, (blocks**2).sum(1) / (hann**2).sum(), rtol=1e-9)


def test_bands_depend_on_their_own_rows_alone():
    values, offsets = readings(lengths=(spectra.TILE + 90,))
    limits = np.array([[1, 3], [3, 6]])
    whole = energies(values[:1], offsets, 12, limits)
    for first, last in ((0, 12), (5, 200), (spectra.TILE - 10, spectra.TILE + 60)):
        part = energies(np.ascontiguousarray(values[:1, first:last]), np.array([0, last - first]), 12, limits)
        assert part.tobytes() == np.ascontiguousarray(whole[:, :, first : last - 11]).tobytes()

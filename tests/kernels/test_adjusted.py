from __future__ import annotations

import numpy as np
import pytest

from tests.reference import adjusted as reference
from tocsin.kernels import adjusted as kernels
from tocsin.kernels import comoments, variance
from tocsin.kernels.adjusted import Adjusters, Charts, Told


def made(rows=60, width=3, seed=0, missing=0.0):
    """Return readings that share a walk and each repeat half of their own noise, (rows, width)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, width))
    X = np.cumsum(rng.normal(size=(rows, 1)), axis=0) * rng.normal(size=width) + noise
    X[1:] += 0.5 * noise[:-1]
    return np.where(rng.random(X.shape) < missing, np.nan, X)


def learned(X, held=None, ridge=0.05, lags=2, dtype=np.float64):
    """Return what the kernel learns from the rows of X but those that are held back."""
    rows, width = X.shape
    first, last = held or (rows, rows)
    kept = np.ones(rows, bool)
    kept[first:last] = False
    values, own = np.ascontiguousarray(X.T.astype(dtype)), np.ascontiguousarray(X[kept].T.astype(dtype))
    offsets, few = np.array([0, rows]), np.array([0, kept.sum()])
    moments, together = np.empty((1, width, 3)), np.empty((1, comoments.triangle(width)))
    variance.learn(own, few, moments.reshape(-1, 3))
    comoments.learn(own, few, np.ones(kept.sum()), moments, together)
    found = Adjusters(
        np.empty((1, width)),
        np.empty((1, width)),
        np.empty((1, width, width)),
        np.zeros((1, width, lags)),
        np.empty((1, width)),
    )
    kernels.learn(values, offsets, moments, together, np.array([[first, last]]), ridge, found)
    return found, kept


def followed(X, adjusters, gain=0.2, dtype=np.float64):
    lags = adjusters.coefficients.shape[2]
    charts = Charts(np.ones((1, X.shape[1])), np.zeros((1, X.shape[1], lags)), np.zeros(1, np.int64))
    told = Told(*(np.empty(X.T.shape) for _ in range(3)))
    kernels.follow(np.ascontiguousarray(X.T.astype(dtype)), np.array([0, len(X)]), adjusters, gain, charts, told)
    return told, charts


@pytest.mark.parametrize("held", [None, (0, 15), (20, 35), (45, 60)])
@pytest.mark.parametrize("lags", [0, 1, 3])
def test_learning_is_regression_and_yule_walker(held, lags):
    X = made()
    found, kept = learned(X, held, lags=lags)
    center, spread, correlations, coefficients, deviations = reference.learn(X, kept, 0.05, lags)
    np.testing.assert_allclose(found.centers[0], center)
    np.testing.assert_allclose(found.spreads[0], spread)
    precision = np.linalg.inv(correlations)
    np.testing.assert_allclose(found.weights[0], precision / np.sqrt(np.diag(precision))[:, None], rtol=1e-9)
    np.testing.assert_allclose(found.coefficients[0], coefficients, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.deviations[0], deviations, rtol=1e-7)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("lags", [0, 2])
def test_charts_go_on_row_by_row(missing, lags):
    X = made(rows=150, missing=missing)  # more than a tile
    X[40, 1] = 1e4  # counts for ten deviations later on
    found, kept = learned(X, lags=lags)
    told, charts = followed(X, found)
    expected = reference.units(X, reference.learn(X, kept, 0.05, lags), 0.2)
    np.testing.assert_allclose(told.units.T, expected, rtol=1e-6, atol=1e-9)
    parts = [followed(X[:70], found)]
    rest = Told(*(np.empty((3, 80)) for _ in range(3)))
    kernels.follow(np.ascontiguousarray(X[70:].T), np.array([0, 80]), found, 0.2, parts[0][1], rest)
    np.testing.assert_array_equal(np.hstack([parts[0][0].units, rest.units]), told.units)
    np.testing.assert_array_equal(parts[0][1].levels, charts.levels)
    assert charts.known.item() == lags


def test_a_constant_counts_for_itself_alone():
    X = made()
    plain, _ = learned(X)
    found, _ = learned(np.column_stack([X[:, :2], np.full(60, 7.0), X[:, 2]]))
    told = followed(np.column_stack([X[:, :2], np.full(60, 7.0), X[:, 2]]), found)[0]
    np.testing.assert_array_equal(told.units[[0, 1, 3]], followed(X, plain)[0].units)
    assert not told.units[2].any()
    odd = followed(np.column_stack([X[:, :2], np.full(60, 7.5), X[:, 2]]), found)[0]
    np.testing.assert_array_equal(odd.units[[0, 1, 3]], told.units[[0, 1, 3]])
    assert (odd.units[2] == kernels.BEYOND).all()


def test_copies_of_a_feature_are_told_apart():
    X = made(width=1)
    both = np.repeat(X, 2, axis=1)
    found, _ = learned(both, lags=0)
    assert np.isfinite(found.weights).all()
    both[30, 1] += 3.0 * X.std()
    units = followed(both, found)[0].units
    assert (units[:, 30] > 100 * units[:, 29]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_limit_is_the_last_value_without_an_alert(dtype, missing):
    X = made(rows=40, seed=3, missing=missing).astype(dtype)
    found, _ = learned(X, dtype=dtype)
    told, _ = followed(X, found, dtype=dtype)
    threshold = float(np.quantile(told.units.max(axis=0), 0.7))
    features = np.tile(np.arange(3, dtype=np.int32), (40, 1))
    above, limit = np.zeros(features.shape, bool), np.full(features.shape, np.nan)
    kernels.evidence(
        np.ascontiguousarray(X.T), np.array([0, 40]), found, 0.2, told, np.array([threshold]), features, above, limit
    )
    known = np.argwhere(~np.isnan(limit))
    assert len(known) > 5
    for row, feature in known:
        one = X[: row + 1].copy()
        assert followed(one, found, dtype=dtype)[0].units[:, -1].max() > threshold
        one[-1, feature] = limit[row, feature]
        assert followed(one, found, dtype=dtype)[0].units[:, -1].max() <= threshold
        outwards = X[row, feature] - limit[row, feature]
        one[-1, feature] += (1e-3 if dtype == np.float32 else 1e-7) * outwards
        assert followed(one, found, dtype=dtype)[0].units[:, -1].max() > threshold
        assert above[row, feature] == (outwards > 0)

"""Scores are those of the histograms, whatever parts the rows came in, and gaps between modes are seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tocsin import HBOS, Panel
from tocsin.errors import ParameterError


def costs(x, bins, new=None):
    """What each value of one feature contributes, by NumPy, in training or where it is new."""
    exponent = -60
    while np.floor(x.max() / 2.0**exponent) - np.floor(x.min() / 2.0**exponent) >= bins:
        exponent += 1
    edges = 2.0**exponent * (np.floor(x.min() / 2.0**exponent) + np.arange(bins + 1))
    counts = np.histogram(x, edges)[0]
    if new is None:
        return np.log(counts.max() / counts[np.searchsorted(edges, x, "right") - 1])
    at = np.searchsorted(edges, new, "right") - 1
    inside = (at >= 0) & (at < bins)
    return np.log((counts.max() + 1) / np.where(inside, counts[np.clip(at, 0, bins - 1)] + 1, 1))


@pytest.mark.parametrize("bins", [2, 7, 30])
def test_equals_numpy(bins):
    X = np.random.default_rng(0).gamma(2, size=(400, 3)) * [1e-3, 1, 1e6] + [0, -5, 1e6]
    new = X[:50] * 1.5
    detector = HBOS(bins=bins).fit(X)
    np.testing.assert_allclose(detector.decision_scores_, sum(costs(x, bins) for x in X.T), atol=1e-12)
    expected = np.stack([costs(x, bins, y) for x, y in zip(X.T, new.T, strict=True)], 1)
    np.testing.assert_allclose(detector.contributions(new), expected, atol=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_updates_and_merges_are_one_fit_bit_for_bit(seed, parts):
    rng = np.random.default_rng(seed)
    X = np.round(rng.standard_cauchy((60, 2)), int(rng.integers(0, 3))) + rng.choice([0.0, 1e6])
    X[:, 1] = np.where(np.arange(60) < 30, 4.0, X[:, 1])
    X[rng.random(X.shape) < 0.1] = np.nan
    first, *rest = [part for part in np.split(X, np.sort(rng.integers(1, 60, parts))) if len(part)]
    updated, merged = HBOS().fit(first), HBOS().fit(first).model_
    for part in rest:
        updated.partial_fit(part)
        merged = HBOS().merge_models(merged, HBOS().fit(part).model_)
    whole = HBOS().fit(X).model_
    for model in (updated.model_, merged):
        for name in ("lows", "highs", "counts"):
            np.testing.assert_array_equal(model.state[name].values, whole.state[name].values)


def test_a_gap_between_modes():
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(-5, 1, 500), rng.normal(5, 1, 500)])[:, None]
    detector = HBOS().fit(X)
    assert detector.predict([[0.0], [5.0], [-5.0]]).tolist() == [1, 0, 0]
    told = detector.explain([[0.5]])
    assert detector.predict([[told["limit"].item()]]).tolist() == [0]
    assert told["direction"].item() == "below"


def test_constants_and_far_values():
    X = np.full((100, 1), 3.1)
    detector = HBOS().fit(X)
    assert detector.decision_function([[3.1], [3.1000001], [1e300], [-1e300], [np.nan]]).round(2).tolist() == [
        0.0, 4.62, 4.62, 4.62, 0.0,
    ]  # fmt: skip
    assert detector.explain([[4.0]])["limit"].item() == 3.1
    wide = HBOS().fit(np.array([[-1e308], [0.0], [1e308], [5e-324]]))
    assert np.isfinite(wide.decision_scores_).all()


def test_half_life_forgets():
    rng = np.random.default_rng(2)
    detector = HBOS(half_life=100).fit(rng.normal(0, 1, (500, 1))).partial_fit(rng.normal(9, 1, (2000, 1)))
    old, new = detector.decision_function([[0.0], [9.0]])
    assert old > 3
    assert new < 1


@pytest.mark.parametrize("name", ["38_thyroid", "42_WBC"])
def test_as_good_as_pyod(need, name):
    from pyod.models.hbos import HBOS as PyOD

    with np.load(need(f"adbench/{name}.npz")) as content:
        X, y = content["X"].astype(float), content["y"].ravel()
    assert roc_auc_score(y, HBOS().fit(X).decision_scores_) > roc_auc_score(y, PyOD().fit(X).decision_scores_) - 0.03


@pytest.mark.parametrize("bins", [1, 2.5, "auto", True, float("nan")])
def test_bins_that_make_no_sense(bins):
    with pytest.raises(ParameterError, match="bins must be a whole number"):
        HBOS(bins=bins).fit(np.zeros((5, 1)))


def test_usual_ranges():
    X = np.random.default_rng(3).normal(size=(5000, 1))
    told = HBOS().fit(X).explain(Panel.of_matrix([[4.5], [-4.5]]).values.T)
    np.testing.assert_allclose(told["low"], np.quantile(X, 0.05), atol=0.05)
    np.testing.assert_allclose(told["high"], np.quantile(X, 0.95), atol=0.05)
    np.testing.assert_allclose(told["tail_probability"], 1 / 5001, rtol=1e-9)

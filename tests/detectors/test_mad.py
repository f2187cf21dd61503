"""Scores are robust z-scores by their definition, and outliers in training do not widen the scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import MAD, Panel, ZScore


def robust_z(X, rows):
    center = np.nanmedian(X, 0)
    return np.abs(rows - center) / (1.482602218505602 * np.nanmedian(np.abs(X - center), 0))


@pytest.mark.parametrize("rows", [1, 2, 5, 256, 1001])
def test_equals_the_definition(rows):
    X = np.random.default_rng(rows).standard_cauchy((rows, 3))
    X[:: max(2, rows // 9), 1] = np.nan if rows > 2 else 0.5
    detector = MAD().fit(X)
    new = np.random.default_rng(0).normal(size=(20, 3))
    with np.errstate(all="ignore"):
        expected = np.minimum(np.nanmax(robust_z(X, new), 1), 1e9)
    np.testing.assert_allclose(detector.decision_function(new), expected, rtol=1e-9)


def test_outliers_in_training_do_not_hide_themselves():
    X = np.random.default_rng(0).normal(size=(1000, 1))
    X[:300] += 50
    assert MAD().fit(X).decision_function([[50.0]])[0] > 20
    assert ZScore().fit(X).decision_function([[50.0]])[0] < 2


def test_where_most_readings_are_equal_mean_deviations_are_the_scale():
    X = np.zeros((100, 1))
    X[:10, 0] = np.arange(1, 11)
    assert MAD().fit(X).decision_function([[5.0]])[0] == pytest.approx(5 / (1.2533141373155003 * 0.55))
    flat = MAD().fit(np.full((100, 1), 2.5))
    assert flat.decision_function([[2.5], [2.6]]).tolist() == [0.0, 1e9]


def test_usual_ranges_and_tails_are_those_of_the_readings():
    X = np.random.default_rng(1).gamma(1, size=(999, 1))
    told = MAD().fit(X).explain([[np.quantile(X, 0.99)], [1e6], [-1.0]])
    assert told["low"][0] == pytest.approx(np.quantile(X, 0.05), abs=0.01)
    assert told["high"][0] == pytest.approx(np.quantile(X, 0.95), rel=0.02)
    assert told["tail_probability"].to_list() == pytest.approx([0.011, 0.001, 0.001], rel=0.1)
    assert told["direction"].to_list() == ["above", "above", "below"]


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_updates_and_merges_learn_like_one_fit(seed, parts):
    """Exactly while all readings are kept; a few percent of a scale off where a sketch stands for them."""
    rng = np.random.default_rng(seed)
    for rows, rtol in ((240, 1e-12), (3000, 0.05)):
        X = rng.gamma(2, size=(rows, 2)) * [1, 100]
        cuts = np.sort(rng.integers(1, rows, parts))
        first, *rest = np.split(X, cuts)
        updated, model = MAD().fit(first), MAD().fit(first).model_
        for part in rest:
            if len(part):
                updated.partial_fit(part)
                model = MAD().merge_models(model, MAD().fit_panel(Panel.of_matrix(part))[0])
        new = Panel.of_matrix(X[:50] * 3)
        expected = MAD().fit(X).decision_function(new.values.T)
        for learned in (updated.model_, model):
            assert learned.rows.tolist() == [rows]
            scores = MAD().score_panel(learned, new)[0].score
            np.testing.assert_allclose(scores, expected, rtol=rtol, atol=rtol)


def test_half_life_forgets():
    rng = np.random.default_rng(6)
    detector = MAD(half_life=200).fit(rng.normal(0, 1, (1000, 1))).partial_fit(rng.normal(20, 1, (3000, 1)))
    old, new = detector.decision_function([[0.0], [20.0]])
    assert old > 15
    assert new < 1

"""Online isolation forests learn and forget row by row, however the rows are cut."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tocsin import OnlineIsolationForest
from tocsin.errors import ParameterError


def readings(rows=400, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_it_does_not_matter_how_rows_are_cut():
    X = readings(900)
    X[5::7, 1] = np.nan
    make = OnlineIsolationForest(window=500)
    whole = make.fit(X).model_.state
    detector = OnlineIsolationForest(window=500).fit(X[:100])
    for start in (100, 350, 351):
        detector.partial_fit(X[start : {100: 350, 350: 351, 351: 900}[start]])
    for name, entry in whole.items():
        if not name.startswith("score_"):
            np.testing.assert_array_equal(detector.model_.state[name].values, entry.values)


def test_rows_learned_at_once_are_learned_as_one_by_one():
    X = readings(700, width=5)
    X[400:] *= np.array([4.0, 1.0, 0.2, 1.0, 1.0])
    make = {"window": 300, "trees": 8, "max_leaf": 8}
    whole = OnlineIsolationForest(**make).fit(X).model_.state
    detector = OnlineIsolationForest(**make).fit(X[:250])
    for row in X[250:]:
        detector.partial_fit(row[None])
    for name, entry in whole.items():
        if not name.startswith("score_"):
            np.testing.assert_array_equal(detector.model_.state[name].values, entry.values)


def test_counts_are_those_of_the_window():
    detector = OnlineIsolationForest(window=300).fit(readings(1000))
    state = detector.model_.state
    mass, feature = (state[name].values.reshape(32, -1) for name in ("mass", "feature"))
    assert (mass[:, 0] == 300).all()
    assert (feature[:, 0] >= 0).all()
    assert len(state["window"].values) == 300 * 3


def test_what_was_usual_long_ago_is_not_any_more():
    detector = OnlineIsolationForest(window=500).fit(readings())
    old, new = np.zeros((1, 3)), np.full((1, 3), 6.0)
    assert detector.decision_function(old)[0] < detector.decision_function(new)[0]
    detector.partial_fit(readings(2000, seed=1) + 6.0)
    assert detector.decision_function(old)[0] > detector.decision_function(new)[0]


def test_it_finds_outliers():
    X = readings(3000, width=4)
    y = np.random.default_rng(1).random(3000) < 0.02
    X[y] *= 3.0
    assert roc_auc_score(y, OnlineIsolationForest().fit(X).decision_scores_) > 0.85


def test_models_are_not_merged():
    detector = OnlineIsolationForest().fit(readings())
    with pytest.raises(ParameterError, match="cannot be merged; update one"):
        detector.merge_models(detector.model_, detector.model_)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"window": 1}, "window must be a whole number of at least 2"),
        ({"max_leaf": 0}, "max_leaf must be a whole number"),
        ({"trees": 0}, "trees must be a whole number"),
        ({"window": 1_000_000, "max_leaf": 2}, "at most 65536 times max_leaf"),
    ],
)
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        OnlineIsolationForest(**parameters).fit(readings())

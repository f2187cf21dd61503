"""Isolation forests score as the paper and scikit-learn do, and their limits and states are exact."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as ScikitLearn
from sklearn.metrics import roc_auc_score

from tocsin import IsolationForest
from tocsin.errors import ParameterError


def readings(rows=400, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_scores_are_those_of_scikit_learn_but_for_chance():
    X, new = readings(1000), 1.5 * readings(300, seed=1)
    ours = IsolationForest(trees=1000).fit(X).decision_function(new)
    theirs = -ScikitLearn(n_estimators=1000, random_state=0).fit(X).score_samples(new)
    assert np.abs(ours - theirs).max() < 0.02
    assert abs((ours - theirs).mean()) < 0.003


def test_as_good_as_scikit_learn_on_real_sets(need):
    gaps = []
    for name in ("14_glass", "38_thyroid", "40_vowels", "42_WBC"):
        with np.load(need("adbench") / f"{name}.npz") as content:
            X, y = content["X"].astype(np.float64), content["y"].ravel()
        ours = np.mean([roc_auc_score(y, IsolationForest(seed=seed).fit(X).decision_scores_) for seed in range(3)])
        theirs = np.mean(
            [roc_auc_score(y, -ScikitLearn(random_state=seed).fit(X).score_samples(X)) for seed in range(3)]
        )
        gaps.append(ours - theirs)
    assert np.mean(gaps) > -0.02


def test_missing_values_are_as_the_median_and_raise_no_alarm():
    X = readings()
    detector = IsolationForest().fit(X)
    rows = readings(50, seed=1)
    filled = rows.copy()
    filled[:, 2] = detector.model_.state["centers"].values[2]
    rows[:, 2] = np.nan
    np.testing.assert_array_equal(detector.decision_function(rows), detector.decision_function(filled))
    X[::3, 2] = np.nan
    assert IsolationForest().fit(X).labels_[::3].mean() < 0.03


def test_few_and_many_rows_at_once_score_alike():
    X = readings(700)
    detector = IsolationForest().fit(X)
    together = detector.decision_function(X)
    apart = np.concatenate([detector.decision_function(X[i : i + 3]) for i in range(0, 700, 3)])
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(together, detector.decision_scores_)


def test_large_trees_are_walked():
    X = readings(6000, width=2)
    detector = IsolationForest(trees=3, sample=5000).fit(X)
    apart = np.concatenate([detector.decision_function(X[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(detector.decision_scores_[:50], apart)


def test_seeds_differ_and_repeat():
    X = readings()
    first, again, other = (IsolationForest(seed=seed).fit(X).decision_scores_ for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_offset_does_not_matter():
    X = np.round(readings() * 1024) / 1024
    plain, far = IsolationForest().fit(X), IsolationForest().fit(X + 2.0**30)
    np.testing.assert_array_equal(plain.decision_scores_, far.decision_scores_)


def test_constant_features_are_not_split():
    X = readings()
    wide = np.hstack([X, np.full((400, 20), 7.0)])
    parts = IsolationForest().fit(wide).contributions(wide[:5])
    assert (parts[:, 5:] == 0.0).all()
    assert IsolationForest().fit(np.ones((10, 2))).decision_function([[1.0, 5.0]])[0] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"trees": 0}, "trees must be a whole number from 1"),
        ({"trees": 2.5}, "trees must be a whole number"),
        ({"sample": 1}, "sample must be a whole number from 2 to 65535"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        IsolationForest(**parameters).fit(readings())

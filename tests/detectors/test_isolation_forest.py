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


@pytest.mark.parametrize("extended", [False, True])
def test_missing_values_are_as_the_median_and_raise_no_alarm(extended):
    X = readings()
    detector = IsolationForest(extended=extended).fit(X)
    rows = readings(50, seed=1)
    filled = rows.copy()
    filled[:, 2] = detector.model_.state["centers"].values[2]
    rows[:, 2] = np.nan
    np.testing.assert_array_equal(detector.decision_function(rows), detector.decision_function(filled))
    X[::3, 2] = np.nan
    assert IsolationForest(extended=extended).fit(X).labels_[::3].mean() < 0.03


@pytest.mark.parametrize("extended", [False, True])
def test_few_and_many_rows_at_once_score_alike(extended):
    X = readings(700, width=11)
    detector = IsolationForest(extended=extended).fit(X)
    together = detector.decision_function(X)
    apart = np.concatenate([detector.decision_function(X[i : i + 3]) for i in range(0, 700, 3)])
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(together, detector.decision_scores_)


def test_large_trees_are_walked():
    X = readings(6000, width=2)
    detector = IsolationForest(trees=3, sample=5000).fit(X)
    apart = np.concatenate([detector.decision_function(X[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(detector.decision_scores_[:50], apart)


@pytest.mark.parametrize("extended", [False, True])
def test_seeds_differ_and_repeat(extended):
    X = readings()
    first, again, other = (IsolationForest(extended=extended, seed=s).fit(X).decision_scores_ for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_offset_does_not_matter():
    X = np.round(readings() * 1024) / 1024
    plain, far = IsolationForest().fit(X), IsolationForest().fit(X + 2.0**30)
    np.testing.assert_array_equal(plain.decision_scores_, far.decision_scores_)


@pytest.mark.parametrize("extended", [False, True])
def test_constant_features_are_not_split(extended):
    X = readings()
    wide = np.hstack([X, np.full((400, 20), 7.0)])
    parts = IsolationForest(extended=extended).fit(wide).contributions(wide[:5])
    assert (parts[:, 5:] == 0.0).all()
    assert IsolationForest(extended=extended).fit(np.ones((10, 2))).decision_function([[1.0, 5.0]])[0] == pytest.approx(
        0.5, abs=1e-4
    )


def test_oblique_splits_leave_no_ghosts_beside_clusters():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2)) + np.where(np.arange(1000) % 2, 10.0, 0.0)[:, None]
    ghosts = np.array([[0.0, 10.0], [10.0, 0.0]])
    shares = [IsolationForest(trees=300, extended=extended).fit(X).p_values(ghosts).max() for extended in (False, True)]
    assert shares[1] < 0.005 < shares[0]


def test_oblique_splits_tell_how_far_beyond_the_training_range_a_row_lies():
    near, far = IsolationForest(extended=True).fit(readings()).decision_function([[5.0] * 5, [50.0] * 5])
    assert far > near + 0.01


@pytest.mark.parametrize("width", [3, 12])
def test_units_do_not_matter_to_oblique_splits(width):
    X, units = readings(width=width), 2.0 ** np.arange(-3, width - 3)
    plain, scaled = IsolationForest(extended=True).fit(X), IsolationForest(extended=True).fit(X * units)
    np.testing.assert_array_equal(plain.decision_scores_, scaled.decision_scores_)


def test_the_seed_that_directions_are_made_from_is_the_models():
    X = readings(width=12)
    detector = IsolationForest(extended=True, seed=2**64 - 1).fit(X)
    before = detector.decision_function(X)
    np.testing.assert_array_equal(detector.set_params(seed=1, extended=False).decision_function(X), before)


def test_oblique_splits_name_the_feature_at_fault():
    rng = np.random.default_rng(0)
    X, rows, cause = readings(1000, width=20), readings(200, width=20, seed=1), rng.integers(0, 20, 200)
    rows[np.arange(200), cause] += 8.0
    found = IsolationForest(extended=True).fit(X).contributions(rows).argmax(1)
    assert (found == cause).mean() > 0.95


def test_values_beyond_all_measure_have_finite_scores():
    detector = IsolationForest(extended=True).fit(readings())
    scores = detector.decision_function([[1e300, -1e300, 1e300, -1e300, 1e300], [0.0] * 5])
    assert np.isfinite(scores).all()
    assert scores[0] > scores[1]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"trees": 0}, "trees must be a whole number of at least 1"),
        ({"trees": 2.5}, "trees must be a whole number"),
        ({"sample": 1}, "sample must be a whole number of at least 2"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"extended": 1}, "extended must be true or false, not 1"),
    ],
)
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        IsolationForest(**parameters).fit(readings())

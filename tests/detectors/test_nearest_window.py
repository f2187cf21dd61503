"""Nearest windows: what their distances are, what they find, when it was, and what is too short to be compared."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import matches as reference
from tocsin import Discord, NearestWindow, Panel
from tocsin.errors import ParameterError

PERIOD = 24


def daily(days, seed=0, features=1, noise=0.2):
    hours = 2 * np.pi * np.arange(days * PERIOD)[:, None] / PERIOD
    shape = np.sin(hours + np.arange(features)) + 0.5 * np.sin(2 * hours)
    return 10.0 + 2.0 * shape + np.random.default_rng(seed).normal(0.0, noise, (len(hours), features))


def looks(X, train):
    """Return readings and their steps, in the units of training."""
    z = (X - X[:train].mean()) / X[:train].std()
    steps = np.diff(z)
    return z, steps / steps[: train - 1].std()


def looks_at(detector, later):
    """Return the distance of each window of later rows from the nearest that is kept, in the readings' units."""
    kept = detector.model_.state["series"].values
    recent = np.concatenate([kept[-11:], later])
    return reference.distances(kept, recent, 12, len(kept) - 11, 6).min(axis=1)


@pytest.mark.parametrize("keep", [600, 300])
def test_scores_are_those_of_the_definition(keep):
    X, train = daily(28)[:, 0], 600
    detector = NearestWindow(0.05, window=PERIOD, keep=keep).fit(X[:train, None])
    looked = looks(X[train - keep :], keep)
    gauges, history = [], []
    scale = X[train - keep : train].mean(), X[train - keep : train].std()
    z = (X - scale[0]) / scale[1]
    own = [z, np.diff(z) / np.diff(z[train - keep : train]).std()]
    for size, values, kept in zip((PERIOD, PERIOD - 1), own, looked, strict=True):
        past = kept[: keep - PERIOD + size]
        apart = reference.distances(past, values[: train - PERIOD + size], size, keep - train, PERIOD // 2)
        found = apart.min(axis=1)
        local = np.sqrt(np.median(found) * found[train - keep :])
        gauges.append(local * np.quantile(found / local[apart.argmin(axis=1)], 0.95))
        history.append(past)
    rows = [each[train - PERIOD + 1 :] for each in own]
    expected = reference.score(history, gauges, rows, PERIOD, keep - PERIOD + 1, PERIOD // 2)
    np.testing.assert_allclose(detector.decision_function(X[train:, None]), expected, rtol=1e-9)
    rows = [each[: train - PERIOD + size] for each, size in zip(own, (PERIOD, PERIOD - 1), strict=True)]
    expected = reference.score(history, gauges, rows, PERIOD, keep - train, PERIOD // 2)
    np.testing.assert_allclose(detector.decision_scores_[PERIOD - 1 :], expected, rtol=1e-9)


def test_a_row_is_scored_the_same_whatever_follows_it():
    X = daily(40, features=2)
    detector = NearestWindow().fit(X[:600])
    whole = detector.decision_function(X[600:])
    for rows in (1, 30, 300):
        np.testing.assert_array_equal(detector.decision_function(X[600 : 600 + rows]), whole[:rows])


def test_shape_size_and_roughness_are_found_and_named():
    X = daily(60, features=2)
    detector, looking_back = NearestWindow().fit(X[:960]), NearestWindow(hindsight=True).fit(X[:960])
    assert detector.model_.state["windows"].values.tolist() == [PERIOD, PERIOD]
    for change in (
        lambda day: day[::-1],
        lambda day: 10.0 + 1.8 * (day - 10.0),
        lambda day: day + 0.8 * (-1.0) ** np.arange(len(day)),
    ):
        later = X[960:].copy()
        later[120:144, 1] = change(later[120:144, 1])
        hindsight = looking_back.decision_function(later)
        assert 120 <= hindsight.argmax() < 144
        assert hindsight[120:144].min() > 2.0 * np.median(hindsight)
        assert detector.explain(later, top=1).filter(row=143)["feature"].item() == "x1"
        assert detector.predict(later)[:120].mean() < 0.1


def test_what_training_repeats_closely_is_judged_closely():
    rng = np.random.default_rng(0)
    calm = np.arange(960) % 96 < 48
    X = np.sin(2 * np.pi * np.arange(960) / 24) + np.where(calm, 0.02, 0.5) * rng.normal(size=960)
    detector = NearestWindow(window=12).fit(X[:768, None])
    later = X[768:].copy()
    later[[24, 72]] += 0.8
    scores = detector.decision_function(later[:, None])
    assert scores[24:36].max() > 1.0
    assert scores[24:36].max() > 2.0 * np.median(scores[156:])  # each of which is farther from all of training
    distances = looks_at(detector, later)
    assert distances[24:36].max() < 0.8 * np.median(distances[156:])


@pytest.mark.parametrize("kind", [NearestWindow, Discord])
def test_hindsight_is_the_mean_of_all_windows_that_a_row_lies_in(kind):
    X = daily(40, features=2)
    detector, looking_back = kind(window=10).fit(X[:600]), kind(window=10, hindsight=True).fit(X[:600])
    said, back = (
        each.attribute_panel(each.model_, Panel.of_matrix(X[600:])).contribution for each in (detector, looking_back)
    )
    padded = np.vstack([said, np.zeros((9, 2))])
    np.testing.assert_allclose(back, [padded[row : row + 10].mean(axis=0) for row in range(len(said))])
    np.testing.assert_array_equal(looking_back.decision_function(X[600:]), back.max(axis=1))
    assert looking_back.explain(X[600:], top=1)["limit"].null_count() == len(said)
    first, learned = (each.fit(X[:600, :1]).decision_scores_ for each in (detector, looking_back))
    padded = np.append(first, np.zeros(9))
    np.testing.assert_allclose(learned, [padded[row : row + 10].mean() for row in range(600)])
    assert looking_back.threshold_ == pytest.approx(np.quantile(learned, 0.99), rel=0.05)


def test_hindsight_is_yes_or_no():
    with pytest.raises(ParameterError, match="hindsight must be True or False, not 'no'"):
        NearestWindow(hindsight="no").fit(daily(10))


def test_a_feature_that_stood_still_is_told_by_how_far_it_moves():
    X = np.column_stack([np.full(300, 5.0), np.zeros(300), 0.1 * np.arange(300), np.full(300, np.nan)])
    detector = NearestWindow(window=8).fit(X)
    assert (detector.decision_scores_ == 0.0).all()
    later = X[:60] + np.array([0.0, 0.0, 30.0, 0.0])
    assert detector.decision_function(later).max() < 1e-3
    for feature in range(2):
        moved = later.copy()
        moved[30, feature] += 1e-3
        moved[50, feature] += 1.0
        scores = detector.decision_function(moved)
        assert scores[29] < 1e-3 < scores[30] < scores[50] < np.inf
        assert detector.explain(moved, top=1).filter(row=50)["limit"].item() == pytest.approx(X[0, feature], abs=1e-9)


def test_no_reading_is_too_large():
    X = daily(30)
    detector = NearestWindow(window=PERIOD).fit(X[:600])
    later = X[600:].copy()
    later[50] = 1e308
    scores = detector.decision_function(later)
    assert np.isfinite(scores).all()
    assert scores[50] > 1e9
    np.testing.assert_allclose(scores[80:], detector.decision_function(X[600:])[80:], rtol=1e-9)
    assert np.isfinite(NearestWindow(window=PERIOD).fit(later).decision_scores_).all()


def test_a_missing_value_says_nothing_in_its_windows():
    X = daily(30)
    X[300], X[650] = np.nan, np.nan
    detector = NearestWindow(window=PERIOD).fit(X[:600])
    assert (detector.decision_scores_ == 0.0).nonzero()[0].tolist() == [*range(23), *range(300, 324)]
    assert (detector.decision_function(X[600:]) == 0.0).nonzero()[0].tolist() == [*range(50, 74)]


def test_false_alarms_are_about_as_rare_as_was_asked():
    rates = [NearestWindow(0.02).fit(X[:720]).predict(X[720:]).mean() for X in (daily(60, seed) for seed in range(6))]
    assert 0.005 < np.mean(rates) < 0.06

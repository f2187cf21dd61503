from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tocsin import AdjustedChart, Panel
from tocsin.errors import ParameterError


def plant(rows=1200, seed=0):
    """Return four sensors that follow one load, which wanders, and a temperature of its own, which wanders too."""
    rng = np.random.default_rng(seed)
    load = np.cumsum(rng.normal(size=(rows, 1)), axis=0)
    heat = np.cumsum(rng.normal(size=rows))
    return np.column_stack([load * [1.0, -1.5, 0.7, 0.5] + rng.normal(size=(rows, 4)), heat])


def test_the_feature_at_odds_with_the_others_is_named_within_its_range():
    X = plant()
    detector = AdjustedChart().fit(X[:800])
    assert detector.predict(X[800:]).mean() < 0.1  # though all sensors have wandered off
    for feature in range(4):
        odd = X[800:].copy()
        odd[200:, feature] += 4.0
        low, high = np.quantile(X[:800, feature], [0.0, 1.0])
        assert (detector.predict(odd)[210:] == 1).mean() > 0.9
        named = detector.attribute_panel(detector.model_, Panel.of_matrix(odd), 1).feature[210:, 0]
        assert (named == feature).mean() > 0.95
        assert high - low > 4.0


def test_a_wandering_sensor_is_not_an_alert_and_its_leap_is():
    X = plant()
    detector = AdjustedChart().fit(X[:400])
    leap = X[400:].copy()
    leap[300:, 4] += 12.0
    assert not detector.predict(X[400:])[300:305].any()
    assert detector.predict(leap)[300:305].all()


def test_unrest_shows_though_the_mean_stays():
    X = np.random.default_rng(1).normal(size=(1000, 3))
    detector = AdjustedChart().fit(X[:700])
    unrest = X[700:].copy()
    unrest[100:, 1] *= 3.0
    assert detector.predict(unrest)[:100].sum() <= 5
    assert detector.predict(unrest)[120:].mean() > 0.9


def test_training_rows_are_scored_by_what_was_learned_at_other_times():
    X = np.random.default_rng(2).normal(size=(400, 1))
    X[300:] += 5.0  # a level that the other stretches do not know
    scores = AdjustedChart(lags=0).fit(X).decision_scores_
    assert scores[310:].min() > scores[:290].max()
    many = np.random.default_rng(3).normal(size=(1200, 60))
    detector = AdjustedChart().fit(many[:400])
    assert detector.labels_.mean() == pytest.approx(0.01)
    assert detector.predict(many[400:]).mean() < 0.05
    seen = detector.score_panel(detector.model_, Panel.of_matrix(many[:400]))[0].score  # as if they came once more
    assert (many[400:].shape[0] and (detector.decision_function(many[400:]) > np.quantile(seen, 0.99)).mean()) > 0.2


def test_rows_follow_on_from_training_only_if_they_do():
    X = plant(600)
    start = 1_600_000_000_000_000_000
    times = start + 1_000_000_000 * np.arange(600)

    def panel(rows, when):
        values = np.ascontiguousarray(X[rows].T)
        return Panel(values, np.array([0, values.shape[1]]), pa.array(["p"]), tuple("abcde"), when)

    detector = AdjustedChart(lags=3)
    models, _ = detector.fit_panel(panel(slice(0, 400), times[:400]))
    on, later = (
        detector.score_panel(models, panel(slice(400, 600), times[400:] + late))[0].score
        for late in (0, 3600 * 1_000_000_000)
    )
    assert (on > 0).all()
    assert not later[:3].any()
    assert (later[3:] > 0).all()
    np.testing.assert_allclose(later[150:], on[150:], rtol=1e-5)
    first, _ = detector.score_panel(models, panel(slice(400, 500), times[400:500]))
    np.testing.assert_array_equal(first.score, on[:100])


def test_a_gross_outlier_ends_soon():
    X = plant()
    detector = AdjustedChart().fit(X[:800])
    X[900, 0] = 1e9
    alerts = detector.predict(X[800:])
    assert alerts[100] == 1
    assert alerts[150:].mean() < 0.1


def test_missing_values_add_nothing():
    X = plant()
    detector = AdjustedChart().fit(X[:800])
    later = X[800:].copy()
    later[::3, 1] = np.nan
    later[100] = np.nan
    parts = detector.contributions(later)
    assert not parts[np.isnan(later)].any()
    assert not detector.decision_function(later)[100]
    assert np.isfinite(parts).all()
    assert detector.predict(later).mean() < 0.1


def test_without_adjustment_features_are_charted_one_by_one():
    X = plant()
    both = AdjustedChart(ridge=1.0).fit(X[:800]).contributions(X[800:])
    alone = AdjustedChart(ridge=1.0).fit(X[:800, 2:3]).contributions(X[800:, 2:3])
    np.testing.assert_allclose(both[:, 2], alone[:, 0], rtol=1e-12)


def test_a_sensor_that_moved_in_one_stretch_alone_is_no_constant_there():
    X = np.random.default_rng(4).normal(size=(400, 2))
    X[:, 1] = 0.0
    X[320:340, 1] = 1.0
    detector = AdjustedChart().fit(X)
    assert detector.threshold_ < 100.0
    assert detector.decision_function([[0.0, 1.0]])[0] < 1e6


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lags": -1}, "lags must be a whole number of at least 0, not -1"),
        ({"lags": 65}, "lags must be at most 64, not 65"),
        ({"gain": 0.0}, "gain must be above 0 and at most 1, not 0.0"),
        ({"ridge": 0}, "ridge must be above 0 and at most 1, not 0"),
    ],
)
def test_parameters_that_make_no_sense(settings, said):
    with pytest.raises(ParameterError, match=f"^{said}$"):
        AdjustedChart(**settings).fit(np.zeros((10, 2)))

"""Discords: distances as the matrix profile has them, what they find, and what is too short to be compared."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import stumpy

from tocsin import Discord, Fleet, Panel
from tocsin.errors import DataError, ParameterError

PERIOD, HOUR = 24, 3_600_000_000_000


def daily(days, seed=0, features=1):
    hours = 2 * np.pi * np.arange(days * PERIOD)[:, None] / PERIOD
    shape = np.sin(hours + np.arange(features)) + 0.5 * np.sin(2 * hours)
    return 10.0 + 2.0 * shape + np.random.default_rng(seed).normal(0.0, 0.3, (len(hours), features))


def panel_of(X, times=None):
    panel = Panel.of_matrix(X)
    return Panel(panel.values, panel.offsets, panel.keys, panel.features, times)


def test_distances_are_those_of_stumpy():
    x = daily(14)[:, 0]
    train, window = x[:250], 20
    detector = Discord(window=window).fit(train[:, None])
    usual = detector.model_.state["usual"].values.item()
    profile = detector.decision_scores_ * usual * np.sqrt(window)
    for start in (0, 3, 100, 230):
        distances = stumpy.mass(train[start : start + window], train)
        distances[max(start - 5, 0) : start + 6] = np.inf
        assert profile[start + window - 1] == pytest.approx(distances.min(), rel=1e-6)
    later = detector.decision_function(x[250:, None]) * usual * np.sqrt(window)
    for start in (0, 40, 60):
        distances = stumpy.mass(x[250 + start : 250 + start + window], train)
        assert later[start + window - 1] == pytest.approx(distances.min(), rel=1e-3)  # spreads beyond training's differ


def test_a_row_is_scored_the_same_whatever_follows_it():
    X = daily(40, features=2)
    detector = Discord().fit(X[:600])
    whole = detector.decision_function(X[600:])
    for rows in (1, 30, 300):
        np.testing.assert_array_equal(detector.decision_function(X[600 : 600 + rows]), whole[:rows])


def test_an_unusual_shape_of_usual_values_is_found():
    X = daily(40, features=2)
    later = X[-96:].copy()
    later[40:52, 1] = later[40:52, 1][::-1]
    detector = Discord().fit(X[:-96])
    assert detector.model_.state["windows"].values.tolist() == [PERIOD, PERIOD]
    alerts = detector.predict(later)
    assert alerts[45:70].mean() > 0.8
    assert alerts[:40].mean() < 0.1
    assert detector.explain(later, top=1).filter(row=52)["feature"].item() == "x1"


def test_false_alarms_are_about_as_rare_as_was_asked():
    rates = [Discord(0.02).fit(X[:720]).predict(X[720:]).mean() for X in (daily(60, seed) for seed in range(6))]
    assert 0.005 < np.mean(rates) < 0.05


def test_a_standstill_is_no_shape_and_a_spike_is_none_of_noise():
    rng = np.random.default_rng(0)
    X = np.sin(np.arange(400)[:, None] / 5.0) + rng.normal(0.0, 0.1, (400, 1))
    detector = Discord(window=16).fit(X)
    spike = X[:60].copy()
    spike[40] += 30.0
    scores = detector.decision_function(spike)
    assert scores[40] > 5.0 * scores[16:40].max()
    still = np.full((60, 1), 0.3) + rng.normal(0.0, 1e-6, (60, 1))
    assert np.ptp(detector.decision_function(still)[20:]) < 1e-3  # a flat window, however it is magnified


def test_keep_bounds_the_model_and_all_rows_are_scored():
    X = daily(40)
    kept = Discord(window=PERIOD, keep=200).fit(X)
    assert kept.model_.state["series"].values.tolist() == X[-200:, 0].tolist()
    assert (kept.decision_scores_[PERIOD - 1 :] > 0.0).all()
    assert (kept.decision_scores_[: PERIOD - 1] == 0.0).all()
    long = Discord(window=PERIOD, keep=100_000).fit(X)
    assert (long.decision_scores_ * long.model_.state["usual"].values).max() <= (
        kept.decision_scores_ * kept.model_.state["usual"].values
    ).max()


def test_rows_after_a_gap_begin_anew():
    X, times = daily(30), np.arange(720) * HOUR
    detector = Discord(window=PERIOD)
    models, _ = detector.fit_panel(panel_of(X[:600], times[:600]))
    on = detector.score_panel(models, panel_of(X[600:], times[600:]))[0].score
    late = detector.score_panel(models, panel_of(X[650:], times[650:]))[0].score
    assert (on > 0.0).all()
    assert (late[: PERIOD - 1] == 0.0).all()
    np.testing.assert_allclose(late[PERIOD - 1 :], on[50 + PERIOD - 1 :], rtol=1e-9)


def test_a_missing_value_says_nothing_in_its_windows():
    X = daily(30)
    X[300], X[650] = np.nan, np.nan
    detector = Discord(window=PERIOD).fit(X[:600])
    assert (detector.decision_scores_ == 0.0).nonzero()[0].tolist() == [*range(23), *range(300, 324)]
    assert (detector.decision_function(X[600:]) == 0.0).nonzero()[0].tolist() == [*range(50, 74)]


def test_what_is_too_short_is_said():
    for detector, said in [
        (Discord(window=3), "window must be a whole number of at least 4, not 3"),
        (Discord(window=30, keep=50), "keep must be at least two windows, 60 rows, not 50"),
        (Discord(keep=0), "keep must be a whole number of at least 1, not 0"),
    ]:
        with pytest.raises(ParameterError, match=f"^{said}"):
            detector.fit(daily(3))
    with pytest.raises(DataError, match="window=40 needs at least 80 rows to learn from, and X has 72; give more rows"):
        Discord(window=40).fit(daily(3))


def test_assets_too_short_to_compare_are_counted_and_scored_0():
    rows = pl.DataFrame({"key": ["a"] * 10 + ["b"] * 480, "flow": np.r_[daily(1)[:10, 0], daily(20)[:, 0]]})
    plain = Fleet(Discord(), key="key").fit(rows)
    assert "1 asset: fewer than 16 readings, too few to compare; scored 0" in plain.report.notes
    assert "1 asset: windows of 24 readings are compared" in plain.report.notes
    given = Fleet(Discord(window=PERIOD), key="key").fit(rows)
    assert "1 asset: too few readings for two windows of 24; scored 0" in given.report.notes
    assert given.score(rows).filter(key="a")["score"].to_list() == [0.0] * 10

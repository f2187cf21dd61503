"""EWMA, CUSUM and seasonal naive: what each finds, how often each errs, and what follows on from what."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import CUSUM, EWMA, Fleet, Panel, SeasonalNaive, ZScore
from tocsin.errors import DataError, ParameterError

PERIOD = 24
HOUR = 3_600_000_000_000
CHARTS = pytest.mark.parametrize("make", [EWMA, CUSUM, SeasonalNaive])


def noise(rows, features=1, seed=0):
    return np.random.default_rng(seed).normal(5.0, 1.0, (rows, features))


def correlated(rows, features=1, seed=0, memory=0.8):
    x = noise(rows, features, seed) - 5.0
    for row in range(1, rows):
        x[row] += memory * x[row - 1]
    return x


def daily(days, seed=0):
    hours = 2 * np.pi * np.arange(days * PERIOD)[:, None] / PERIOD
    return 10.0 + 2.0 * np.sin(hours + np.arange(2)) + 0.3 * (noise(len(hours), 2, seed) - 5.0)


def panel_of(X, times=None):
    panel = Panel.of_matrix(X)
    return Panel(panel.values, panel.offsets, panel.keys, panel.features, times)


@CHARTS
@settings(max_examples=15)
@given(seed=st.integers(0, 3), cut=st.integers(201, 299), timed=st.booleans(), half_life=st.sampled_from([None, 50.0]))
def test_scoring_on_is_updating_and_scoring_on(make, seed, cut, timed, half_life):
    X = daily(14, seed)
    kept = np.sort(np.random.default_rng(1).permutation(len(X))[:300])
    X, times = X[kept], kept * HOUR if timed else None
    X[np.random.default_rng(seed).random(X.shape) < 0.05] = np.nan
    part = lambda first, last: panel_of(X[first:last], None if times is None else times[first:last])  # noqa: E731
    detector = make(half_life=half_life)
    models, _ = detector.fit_panel(part(0, 200))
    whole = detector.score_panel(models, part(200, 300))[0].score
    first = detector.score_panel(models, part(200, cut))[0].score
    after = detector.score_panel(detector.update_panel(models, part(200, cut)), part(cut, 300))[0].score
    np.testing.assert_array_equal(np.concatenate([first, after]), whole)


@CHARTS
@pytest.mark.parametrize(("readings", "most"), [(noise, 0.03), (correlated, 0.08)])
def test_false_alarms_are_about_as_rare_as_was_asked(make, readings, most):
    rates = []
    for seed in range(8):
        X = readings(3000, 3, seed)
        detector = make(0.02).fit(X[:1500])
        assert detector.labels_.mean() == pytest.approx(0.02, abs=0.005)
        rates.append(detector.predict(X[1500:]).mean())
    assert 0.01 < np.mean(rates) < most  # sums that last amplify what the mean is off


def test_a_small_shift_is_found_that_single_readings_hide():
    X = noise(1100)
    X[1050:] += 1.5
    found = {make: make(0.005).fit(X[:1000]).predict(X[1000:]) for make in (ZScore, EWMA, CUSUM)}
    assert all(alerts[:50].sum() <= 1 for alerts in found.values())
    assert found[ZScore][50:].mean() < 0.2
    assert found[EWMA][60:].mean() > 0.8
    assert found[CUSUM][60:].mean() > 0.95


def test_an_ewma_of_gain_1_is_a_shewhart_chart():
    X = noise(500, 2)
    np.testing.assert_allclose(EWMA(gain=1.0).fit(X).decision_scores_, ZScore().fit(X).decision_scores_, rtol=1e-12)


@pytest.mark.parametrize("make", [EWMA, CUSUM])
@pytest.mark.parametrize(("size", "length"), [(2.0, 200), (1e9, 1), (50.0, 100)])
def test_alarms_end_soon_after_a_fault(make, size, length):
    X = noise(2500)
    X[2000 : 2000 + length] += size
    alerts = make(0.002).fit(X[:1500]).predict(X[1500:])
    assert not alerts[:500].any()
    assert alerts[500:][:length].any()
    assert not alerts[500 + length + 40 :].any()


@CHARTS
def test_what_autocorrelation_does_is_not_taken_for_a_fault_of_that_feature(make):
    X = np.hstack([noise(4000), correlated(4000, memory=0.95)])
    detector = make().fit(X[:2000])
    named = detector.attribute_panel(detector.model_, Panel.of_matrix(X[2000:]), 1).feature[:, 0]
    assert 0.25 < named.mean() < 0.75


@CHARTS
def test_a_constant_that_moves_is_the_worst_there_is_and_is_learned(make):
    X = np.hstack([np.full((100, 1), 0.1, np.float32), noise(100).astype(np.float32)])
    detector = make().fit(X)
    assert np.abs(detector.contributions(X)[:, 0]).max() == 0.0
    moved = np.array([[0.1, 5.0], [0.2, 5.0]])
    row = detector.explain(moved, top=1).filter(row=1).row(0, named=True)
    assert row["feature"] == "x0"
    assert row["contribution"] > 1e7
    assert row["limit"] == pytest.approx(0.1)
    assert detector.partial_fit(np.tile(moved, (300, 1))).decision_function(moved).max() < 10.0


@CHARTS
@pytest.mark.parametrize("large", [1e30, 1e200, 1.7e308])
def test_readings_of_any_size_have_finite_scores(make, large):
    X = noise(200, 2)
    X[50, 0], X[51, 0] = large, -large
    with np.errstate(over="ignore"):
        detector = make().fit(X)
    assert np.isfinite(detector.decision_scores_).all()
    assert np.isfinite(detector.decision_function(X)).all()
    assert np.isfinite(make().fit(noise(200, 2)).decision_function(X)).all()


@CHARTS
def test_missing_values_add_nothing_and_change_nothing(make):
    X = noise(240)
    holes = np.insert(X[200:], 10, np.nan, axis=0)
    detector = make(**{"period": 1} if make is SeasonalNaive else {}).fit(X[:200])
    scores = detector.decision_function(holes)
    assert scores[10] == 0.0
    np.testing.assert_array_equal(np.delete(scores, 10), detector.decision_function(X[200:]))


def test_the_way_back_counts_what_was_before():
    X = noise(420)
    X[400:] += 3.0
    detector = EWMA().fit(X[:400])
    told = detector.explain(X[400:], top=1).drop_nulls("limit")
    limits = told["limit"].to_numpy()
    assert (told["direction"] == "above").all()
    assert limits[0] > 5.0 > limits[-1]  # later in a shift it takes a low reading to quiet the chart


def test_seasonal_naive_finds_the_season_and_knows_the_hour():
    X = daily(40)
    models, _ = SeasonalNaive().fit_panel(Panel.of_matrix(X))
    assert SeasonalNaive().remarks(models) == {"a cycle of 24 readings was found": 1}
    detector = SeasonalNaive().fit(X[:-48])
    later = X[-48:].copy()
    later[20] = 10.0 + 2.0 * np.sin(2 * np.pi * 8 / 24 + np.arange(2))
    assert detector.decision_function(later)[:44].argmax() == 20


def test_seasonal_naive_follows_the_time():
    X, times = daily(20), np.arange(480) * HOUR
    detector = SeasonalNaive(period=PERIOD)
    models, _ = detector.fit_panel(panel_of(X[:400], times[:400]))
    whole = detector.score_panel(models, panel_of(X[400:424], times[400:424]))[0].score
    gap = detector.score_panel(models, panel_of(X[407:424], times[407:424]))[0].score
    np.testing.assert_allclose(gap, whole[7:], rtol=0.02)  # units go on being learned


def test_bad_parameters_are_said():
    for detector, said in [
        (EWMA(gain=0.0), "gain must be above 0 and at most 1, not 0.0"),
        (EWMA(gain="a"), "gain must be above 0 and at most 1, not 'a'"),
        (CUSUM(allowance=-1), "allowance must be above 0 and at most 100, not -1"),
        (CUSUM(allowance=float("nan")), "allowance must be above 0 and at most 100, not nan"),
        (SeasonalNaive(period=0), "period must be a whole number of at least 1, not 0"),
        (EWMA(half_life=0), "half_life must be a positive number of rows, not 0"),
    ]:
        with pytest.raises(ParameterError, match=f"^{said}"):
            detector.fit(noise(20))
    with pytest.raises(DataError, match="period=24 needs at least 48 rows to learn from, and X has 20"):
        SeasonalNaive(period=24).fit(noise(20))
    assert SeasonalNaive(period=1).fit(noise(1)).decision_scores_.tolist() == [0.0]


@CHARTS
def test_a_fleet_is_kept_updated_and_explained(make, tmp_path):
    rows = pl.DataFrame(np.vstack([daily(16, seed) for seed in range(3)]), schema=["flow", "heat"], orient="row")
    rows = rows.with_columns(
        key=pl.Series(np.repeat(["a", "b", "c"], 16 * PERIOD)), time=pl.Series(np.tile(np.arange(16 * PERIOD), 3))
    )
    first, then = (rows.filter(condition) for condition in (pl.col("time") < 300, pl.col("time") >= 300))
    fleet = Fleet(make(), key="key", time="time").fit(first)
    fleet.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet")
    whole = again.score(then, explain=1).sort("key", "time")
    assert whole.equals(fleet.score(then, explain=1).sort("key", "time"))
    fleet.update(then.filter(pl.col("time") < 340))
    rest = fleet.score(then.filter(pl.col("time") >= 340)).sort("key", "time")
    assert rest["score"].to_list() == whole.filter(pl.col("time") >= 340)["score"].to_list()
    young = Fleet(SeasonalNaive(period=PERIOD), key="key", time="time").fit(first.filter(pl.col("time") < 40))
    assert any(note.startswith("3 assets: too few readings for two cycles of 24") for note in young.report.notes)

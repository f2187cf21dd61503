"""STL as a detector: what each part sees, what follows on from what, and how often it errs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import STL, Panel
from tocsin.detectors.stl import PLAIN
from tocsin.errors import DataError, ParameterError
from tocsin.explain.explanations import explain

PERIOD = 24
HOUR = 3_600_000_000_000


def clean(cycles=30, features=2, seed=0, noise=0.3):
    """Return rows of features with a daily cycle, shape (n, features)."""
    n = cycles * PERIOD
    hours = 2 * np.pi * np.arange(n)[:, None] / PERIOD
    rng = np.random.default_rng(seed)
    return 10.0 + 2.0 * np.sin(hours + np.arange(features)) + rng.normal(0.0, noise, (n, features))


def panel_of(X, times=None, key="a"):
    panel = Panel.of_matrix(X, key=key)
    return Panel(panel.values, panel.offsets, panel.keys, panel.features, times)


def hourly(n, start=0):
    return (start + np.arange(n, dtype=np.int64)) * HOUR


def heaviest(detector, X, row):
    return detector.explain(X, top=1).filter(row=row).row(0, named=True)


@settings(max_examples=25)
@given(data=st.data(), timed=st.booleans())
def test_scoring_on_is_updating_and_scoring_on(data, timed):
    X = clean(16, seed=data.draw(st.integers(0, 3)))
    kept = np.sort(np.random.default_rng(1).permutation(len(X))[: len(X) - 30]) if timed else np.arange(len(X))
    X, times = X[kept], hourly(400)[kept] if timed else None
    X[data.draw(st.integers(200, 340)), 0] = np.nan
    cut = data.draw(st.integers(200, len(X)))
    rest = slice(200, None)
    detector = STL(period=PERIOD)
    part = lambda rows: panel_of(X[rows], None if times is None else times[rows])  # noqa: E731
    models, _ = detector.fit_panel(part(slice(0, 200)))
    whole = detector.score_panel(models, part(rest))[0].score
    first = detector.score_panel(models, part(slice(200, cut)))[0].score if cut > 200 else np.zeros(0)
    updated = detector.update_panel(models, part(slice(200, cut))) if cut > 200 else models
    after = detector.score_panel(updated, part(slice(cut, None)))[0].score if cut < len(X) else np.zeros(0)
    np.testing.assert_array_equal(np.concatenate([first, after]), whole)


def test_false_alarms_are_as_rare_as_was_asked():
    for watch in ("all", "residual"):
        rates = []
        for seed in range(8):
            X = clean(40, features=3, seed=seed)
            detector = STL(0.02, period=PERIOD, watch=watch).fit(X[:480])
            assert detector.labels_.mean() == pytest.approx(0.02, abs=0.005)
            rates.append(detector.predict(X[480:]).mean())
        assert 0.008 < np.mean(rates) < 0.035


def test_training_scores_of_the_first_cycles_are_like_the_others():
    X = np.concatenate([clean(12, features=1, seed=seed) for seed in range(12)], axis=1)
    scores = STL(period=PERIOD, watch="residual").fit_panel(Panel.of_matrix(X[:, :1]))[1].score
    values = np.ascontiguousarray(X.T.reshape(1, -1))
    many = Panel(values, np.arange(13) * len(X), pa.array(range(12)), ("x",))
    scores = STL(period=PERIOD, watch="residual").fit_panel(many)[1].score.reshape(12, 12, PERIOD)
    square = (scores**2).mean(axis=(0, 2))
    assert square[:4].mean() == pytest.approx(square[4:].mean(), rel=0.15)


def test_each_part_sees_its_own_fault():
    X = clean(30, features=2)
    detector = STL(period=PERIOD).fit(X[:480])
    spike = X[480:].copy()
    spike[50, 1] += 3.0
    assert heaviest(detector, spike, 50)["part"] == "residual"
    assert heaviest(detector, spike, 50)["feature"] == "x1"

    shift = X[480:].copy()
    shift[40:, 0] += 2.0
    told = heaviest(detector, shift, 60)
    assert (told["feature"], told["part"], told["direction"]) == ("x0", "trend", "above")
    assert "level has risen by" in told["sentence"]

    shape = X[480:].copy()
    shape[:, 1] = 20.0 - shape[:, 1]
    parts = detector.explain(shape, top=6).filter(row=200, feature="x1")
    assert parts["part"][0] == "season"
    assert "x1's cycle of 24 readings has changed its shape, by about" in parts["sentence"][0]
    assert "x0" not in detector.explain(shape[100:], top=1)["feature"].head(100)


def test_parts_sum_to_the_score_and_may_be_left_out():
    X = clean()
    everything = STL(period=PERIOD).fit(X[:480])
    panel = Panel.of_matrix(X[480:])
    scores, parts = everything.score_panel(everything.model_, panel, None)
    np.testing.assert_allclose(parts.contribution.sum(axis=1), scores.score, rtol=1e-12)
    np.testing.assert_array_equal(parts.part[0], [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(parts.feature[0], [0, 0, 0, 1, 1, 1])
    residual = STL(period=PERIOD, watch="residual").fit(X[:480])
    _, alone = residual.score_panel(residual.model_, panel, 6)
    assert set(np.unique(alone.part)) == {-1, 0}
    np.testing.assert_array_equal(alone.feature[:, 2:], -1)


def test_the_place_in_the_cycle_follows_the_time():
    X = clean(30)
    detector = STL(period=PERIOD)
    models, _ = detector.fit_panel(panel_of(X[:480], hourly(480)))
    kept = np.delete(np.arange(480, 720), slice(10, 17))
    timed = detector.score_panel(models, panel_of(X[kept], hourly(720)[kept]))[0]
    untimed = detector.score_panel(models, panel_of(X[kept]))[0]
    assert timed.alert.mean() < 0.05
    assert untimed.alert.mean() > 0.3  # without times seven missing rows are seven hours too early
    again = detector.score_panel(models, panel_of(X[:480], hourly(480)))[0]
    assert again.alert.mean() < 0.05
    jittered = hourly(720)[480:] + np.random.default_rng(0).integers(-HOUR // 3, HOUR // 3, 240)
    near = detector.score_panel(models, panel_of(X[480:], jittered))[0]
    np.testing.assert_array_equal(
        near.score, detector.score_panel(models, panel_of(X[480:], hourly(240, 480)))[0].score
    )


def test_sentences_say_hour_where_a_cycle_is_a_day():
    X = clean(30)
    detector = STL(period=PERIOD)
    models, _ = detector.fit_panel(panel_of(X[:480], hourly(480)))
    later = X[480:500].copy()
    later[7, 0] += 4.0
    for times, where in ((hourly(20, 480), "at this hour"), (None, "at this point of its cycle of 24 readings")):
        panel = panel_of(later, times)
        contributions = detector.attribute_panel(models, panel, 1)
        scores = detector.score_panel(models, panel)[0]
        evidence = detector.evidence_panel(models, panel, contributions)
        told = explain(panel, scores, contributions, evidence, detector.parts).row(7, named=True)
        middle = (told["low"] + told["high"]) / 2
        assert middle == pytest.approx(10 + 2 * np.sin(2 * np.pi * 487 / 24), abs=0.4)
        assert f"above what is usual {where} (" in told["sentence"]
        assert told["limit"] < told["value"]


def test_periods_are_found_feature_by_feature():
    X = clean(30, features=3)
    X[:, 1] = 5.0 + np.sin(2 * np.pi * np.arange(len(X)) / 10) + 0.1 * X[::-1, 2]
    X[:, 2] = np.random.default_rng(5).normal(size=len(X))
    detector = STL().fit(X)
    assert detector.model_.state["periods"].values[[0, 2]].tolist() == [24, 1]
    assert detector.model_.state["periods"].values[1] % 10 == 0
    assert detector.remarks(detector.model_)["a cycle of 24 readings was found"] == 1
    noise = STL().fit(X[:, 2:])
    assert noise.remarks(noise.model_) == {"no cycle was found; only residual and level are watched": 1}


def test_too_few_readings_for_a_season():
    with pytest.raises(DataError, match="period=24 needs at least 48 rows to learn from, and X has 40"):
        STL(period=24).fit(clean()[:40])
    X = clean()
    values = np.ascontiguousarray(np.concatenate([X, X[:40]]).T)
    panel = Panel(values, np.array([0, len(X), len(X) + 40]), pa.array(["long", "short"]), ("x0", "x1"))
    detector = STL(period=24)
    models, scores = detector.fit_panel(panel)
    assert models.state["periods"].values.tolist() == [24, 24, 1, 1]
    ((said, count),) = detector.remarks(models).items()
    assert "too few readings for two cycles of 24" in said
    assert count == 1
    assert np.isfinite(scores.score).all()


def test_a_start_with_few_rows_gets_better():
    rng = np.random.default_rng(0)
    detector = STL().fit(rng.normal(10.0, 1.0, (2, 1)))
    for _ in range(40):
        detector.partial_fit(rng.normal(10.0, 1.0, (25, 1)))
    later = detector.decision_function(rng.normal(10.0, 1.0, (500, 1)))
    assert 0.8 < np.sqrt(np.mean(later**2)) < 2.2
    assert detector.predict([[40.0]]).tolist() == [1]


def test_missing_values_add_nothing():
    X = clean()
    X[:, 1] = np.nan
    X[500:520, 0] = np.nan
    detector = STL(period=PERIOD).fit(X[:480])
    scores = detector.decision_function(X[480:])
    np.testing.assert_array_equal(scores[20:40], 0.0)
    assert (scores[:20] > 0).all()
    assert detector.explain(X[480:], top=3)["feature"].unique().to_list() == ["x0"]
    first = detector.decision_function([[10.0, 77.0], [10.0, 77.0]])  # nothing was known of x1
    assert np.isfinite(first).all()


def test_constant_and_enormous_values_are_finite():
    X = np.full((200, 1), 7.0)
    detector = STL().fit(X)
    np.testing.assert_array_equal(detector.decision_scores_, 0.0)
    assert detector.predict([[7.0], [7.5]]).tolist() == [0, 1]
    with np.errstate(over="raise", invalid="raise"):
        scores = STL(period=24).fit(clean()).decision_function([[1e300, -1e300], [1.0, 2.0]])
    assert np.isfinite(scores).all()
    X = clean()
    X[50, 0] = 1e305  # too large to be decomposed: that feature is watched without a season
    assert np.isfinite(STL(period=24).fit(X).decision_scores_).all()


def test_order_matters_and_models_are_not_merged():
    X = clean()
    detector = STL(period=PERIOD).fit(X)
    with pytest.raises(ParameterError, match="models of STL cannot be merged"):
        detector.merge_models(detector.model_, detector.model_)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"period": 1}, "period must be .*at least 2"),
        ({"period": 7.5}, "period must be a whole number"),
        ({"seasonal": 0}, "seasonal must be .*at least 1"),
        ({"trend": -3}, "trend must be .*at least 1"),
        ({"watch": "season"}, "watch must be 'all' or 'residual'"),
    ],
)
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        STL(**parameters).fit(clean())


def test_a_window_is_kept_for_features_without_a_season():
    X = np.random.default_rng(0).normal(size=(3 * PLAIN, 1))
    slow, quick = STL().fit(X), STL(trend=10).fit(X)
    shifted = np.full((30, 1), 2.0)
    assert slow.decision_function(shifted)[-1] > 1.5
    assert abs(quick.explain(shifted, top=3)["high"][-1] - 3.6) < 0.4


@pytest.mark.parametrize("number", [np.int8, np.uint8])
def test_narrow_numbers_do_not_overflow(number):
    X = clean()
    with pytest.raises(DataError, match="period=120 needs at least 240 rows"):
        STL(period=number(120)).fit(X[:200])
    narrow = STL(period=number(120), seasonal=number(100), trend=number(100)).fit(X)
    wide = STL(period=120, seasonal=100, trend=100).fit(X)
    np.testing.assert_array_equal(narrow.decision_scores_, wide.decision_scores_)

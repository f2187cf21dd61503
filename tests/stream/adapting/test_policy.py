"""A model follows what is normal; no fault becomes so by lasting, and nothing depends on who learns beside it."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import ECOD, EWMA, KNN, OnlineIsolationForest
from tocsin.errors import DataError, ParameterError
from tocsin.models import Models
from tocsin.stream.adapting.policy import ALERTS, DRIFT, LEARNED, Rule, learn_blocks, learnable, vouched

DAY = 144
DETECTOR = ECOD(half_life=DAY)


@pytest.fixture(scope="module")
def started(fleet):
    training = fleet.days(0, 14)
    return vouched(DETECTOR, DETECTOR.fit_panel(training)[0], training, DAY)


def live(models, fleet, first, stop, rule=None, detector=DETECTOR):
    """Let models learn day by day; return them, what became of each block, and the alerts."""
    whys, alerts = [], []
    for day in range(first, stop):
        panel = fleet.days(day, day + 1)
        alerts.append(detector.score_panel(models, panel)[0].alert.reshape(panel.n_assets, -1))
        lesson = learn_blocks(detector, models, panel, rule)
        models = lesson.models
        whys.append(lesson.why)
    return models, np.array(whys), np.concatenate(alerts, axis=1)


def same(one: Models, other: Models):
    assert set(one.state) == set(other.state)
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.threshold, other.threshold)
    for name, entry in one.state.items():
        assert np.array_equal(entry.values, other.state[name].values), name
        assert np.array_equal(entry.offsets, other.state[name].offsets), name


def test_a_block_is_learned_whole_or_not_at_all():
    alerts = np.zeros(4 * DAY, np.bool_)
    alerts[[3, 50, 51]] = alerts[2 * DAY + 10 : 2 * DAY + 30] = True
    found = learnable(alerts, np.arange(5) * DAY, 0.01)
    assert found.reshape(4, DAY).all(axis=1).tolist() == [True, True, False, True]
    assert not found[2 * DAY : 3 * DAY].any()


def test_alerts_of_other_rows_are_refused():
    with pytest.raises(DataError, match="3 alerts for 4 rows"):
        learnable(np.zeros(3, np.bool_), np.array([0, 4]), 0.01)


def test_normal_days_are_learned(fleet, started):
    models, whys, alerts = live(started, fleet, 14, 24)
    assert np.mean(whys == LEARNED) > 0.8
    assert alerts.mean() < 0.03
    assert (models.rows > started.rows).all()


@pytest.mark.parametrize("size", [3.0, 6.0])
def test_a_fault_that_lasts_stays_one(fleet, started, size):
    at_fault = fleet.shifted(15, size)
    _, whys, alerts = live(started, at_fault, 14, 24)
    last = at_fault.days(15, 24).take_assets(np.array([0]))
    frozen = DETECTOR.score_panel(started.take(np.array([0])), last)[0].alert
    assert (whys[1:, 0] != LEARNED).all()
    assert (alerts[0, DAY:] & frozen).sum() > 0.9 * frozen.sum() > 50


def test_learning_all_rows_would_have_made_it_normal(fleet, started):
    at_fault = fleet.shifted(15, 6.0)
    models = DETECTOR.update_panel(started, at_fault.days(15, 22))
    asset, last = np.array([0]), at_fault.days(22, 24)
    frozen = DETECTOR.score_panel(started.take(asset), last.take_assets(asset))[0].alert
    assert DETECTOR.score_panel(models.take(asset), last.take_assets(asset))[0].alert.sum() < 0.1 * frozen.sum()


def test_a_block_that_is_held_back_takes_what_crept_in_before(fleet, started):
    learned = learn_blocks(DETECTOR, started, fleet.days(14, 15)).models
    lesson = learn_blocks(DETECTOR, learned, fleet.shifted(15, 8.0, assets=range(6)).days(15, 16))
    assert set(lesson.why.tolist()) <= {ALERTS, DRIFT}
    same(lesson.models, started)


def test_a_stuck_sensor_is_held_back_though_nothing_alerts(fleet, started):
    panel = fleet.days(14, 15)
    middle = DETECTOR.sketches(started).quantiles(0.5).reshape(6, 3)
    panel.values[:] = np.repeat(middle.T, DAY, axis=1)
    lesson = learn_blocks(DETECTOR, started, panel)
    assert (lesson.why == DRIFT).all()
    assert lesson.found[:, :-1] == pytest.approx(0.5, abs=0.05)


def test_assets_do_not_depend_on_each_other(fleet, started):
    panel = fleet.shifted(14, 6.0, assets=(1, 4)).days(14, 15)
    whole = learn_blocks(DETECTOR, started, panel).models
    for asset in range(6):
        one = np.array([asset])
        same(learn_blocks(DETECTOR, started.take(one), panel.take_assets(one)).models, whole.take(one))


def test_assets_without_rows_stay_as_they_are(fleet, started):
    panel = fleet.days(14, 15)
    part = panel.take_rows(np.flatnonzero(panel.asset_of_row != 2))
    lesson = learn_blocks(DETECTOR, started, part)
    same(lesson.models.take(np.array([2])), started.take(np.array([2])))
    assert (lesson.models.rows[[0, 5]] > started.rows[[0, 5]]).any()


def test_without_past_readings_the_first_blocks_say_what_is_usual(fleet):
    models = DETECTOR.fit_panel(fleet.days(0, 14))[0]
    first = learn_blocks(DETECTOR, models, fleet.days(14, 15))
    assert (first.bounds[:, :-1] == Rule.first).all()
    models, _, _ = live(models, fleet, 14, 24)
    later = learn_blocks(DETECTOR, models, fleet.days(23, 24))
    assert (later.bounds[:, :-1] < Rule.first).all()
    assert (models.state["anchor_blocks"].values >= Rule.few).all()


def test_what_is_usual_is_settled_until_somebody_vouches(fleet, started):
    models, _, _ = live(started, fleet, 14, 18)
    assert np.array_equal(models.state["anchor_means"].values, started.state["anchor_means"].values)
    again = vouched(DETECTOR, models)
    assert np.array_equal(again.state["anchor_means"].values, started.state["anchor_means"].values)
    assert np.array_equal(again.state["reference_rows"].values, models.rows)


def test_a_detector_that_keeps_no_sketches_is_watched_by_its_alerts(fleet):
    detector = OnlineIsolationForest(trees=4)
    models = detector.fit_panel(fleet.days(0, 14))[0]
    assert detector.sketches(models) is None
    lesson = learn_blocks(detector, models, fleet.days(14, 15))
    assert lesson.found.shape == (6, 1)


def test_a_temporal_detector_learns_every_row(fleet):
    detector = EWMA()
    models = detector.fit_panel(fleet.days(0, 14))[0]
    assert vouched(detector, models) is models
    panel = fleet.shifted(14, 9.0).days(14, 15)
    same(learn_blocks(detector, models, panel).models, detector.update_panel(models, panel))


def test_a_detector_that_cannot_learn_on_says_so(fleet):
    detector = KNN()
    models = detector.fit_panel(fleet.days(0, 2))[0]
    with pytest.raises(ParameterError, match="cannot learn from new rows"):
        learn_blocks(detector, models, fleet.days(2, 3))


@pytest.mark.parametrize(
    "given", [{"level": 0.0}, {"level": 2.0}, {"least": 0.0}, {"reach": -1.0}, {"few": 1}, {"few": 20}]
)
def test_rules_that_make_no_sense_are_refused(given):
    with pytest.raises(ParameterError, match=next(iter(given))):
        Rule(**given)

"""As many false alarms come as were allowed: from the start, whatever the scores are, and however rows are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from tocsin import ECOD, Panel
from tocsin.detectors.budget import DAY, SECOND, Budget
from tocsin.detectors.calibration import Calibration
from tocsin.errors import ParameterError
from tocsin.kernels import budget as kernels
from tocsin.models import Models

EVERY = 600 * SECOND
A_DAY = 144
LEARNED = 1000


def scores_of(assets, rows, seed=0, memory=0.8):
    """Return scores that depend on those before them, each asset on its own scale, (n_rows, n_assets)."""
    rng = np.random.default_rng(seed)
    x = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=(rows + 100, assets)), axis=0)[100:]
    return x * np.exp(rng.normal(size=assets)) + rng.normal(size=assets)


def models_of(scores):
    """Return what a detector keeps of training scores, (n_rows, n_assets)."""
    rows, assets = scores.shape
    flat, offsets = np.ascontiguousarray(scores.T).reshape(-1), np.arange(assets + 1) * rows
    calibration = Calibration.learn(flat, offsets, 0.99, ECOD()._rank_ratio())
    return Models(np.full(assets, rows), calibration.thresholds, calibration.to_state(whole=True))


def begun(models, per_day, quiet=3600.0):
    budget = Budget(per_day, quiet)
    budget.begin(ECOD(), models, rows_per_day=len(models) * A_DAY)
    return budget


def watched(budget, models, scores, first=0):
    """Judge scores row by row, with an epoch after each; return what opens."""
    opens = np.zeros(scores.shape, np.bool_)
    slots, offsets = np.arange(scores.shape[1]), np.arange(scores.shape[1] + 1)
    for row, own in enumerate(scores):
        times = np.full(len(own), (first + row) * EVERY)
        opens[row] = budget.judge(slots, models, offsets, times, np.ascontiguousarray(own)).opens
        budget.epoch((first + row + 1) * EVERY)
    return opens


def normal(assets, days, per_day, seed=0, **more):
    scores = scores_of(assets, LEARNED + days * A_DAY, seed, **more)
    models = models_of(scores[:LEARNED])
    return begun(models, per_day), models, scores[LEARNED:]


# How many come -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.97])
@pytest.mark.parametrize(("assets", "per_day"), [(10, 5.0), (60, 5.0), (60, 20.0), (300, 20.0)])
def test_as_many_alarms_come_as_were_allowed(assets, per_day, memory):
    budget, models, scores = normal(assets, 30, per_day, memory=memory)
    daily = watched(budget, models, scores).reshape(30, -1).sum(axis=1)
    assert daily.mean() == pytest.approx(per_day, rel=0.15)
    assert daily.max() < 3.0 * per_day
    assert daily[:3].mean() == pytest.approx(per_day, rel=0.6)  # training is a fair start


def test_what_training_says_is_mended_where_it_is_wrong():
    budget, models, scores = normal(100, 30, 20.0)
    wild = watched(budget, models, 3.0 * (scores - scores.mean(axis=0)) + scores.mean(axis=0))
    daily = wild.reshape(30, -1).sum(axis=1)
    assert daily[0] > 30.0
    assert daily.mean() == pytest.approx(20.0, rel=0.25)
    assert daily[5:].mean() == pytest.approx(20.0, rel=0.1)


def test_a_change_of_the_whole_fleet_is_followed():
    budget, models, scores = normal(200, 24, 20.0)
    scores[10 * A_DAY :] += 0.5 * scores.std(axis=0)
    daily = watched(budget, models, scores).reshape(24, -1).sum(axis=1)
    assert daily[10] > 1.3 * 20.0
    assert daily[12:].mean() == pytest.approx(20.0, rel=0.15)
    assert daily[10:].mean() == pytest.approx(20.0, rel=0.25)


def test_more_than_can_come_do_not_come_and_nothing_breaks():
    budget, models, scores = normal(2, 10, 1000.0)
    daily = watched(budget, models, scores).reshape(10, -1).sum(axis=1)
    assert 4.0 < daily[1:].mean() < 48.0  # each must have been quiet for an hour
    assert budget.limit > 0.0


def test_a_stream_that_stands_still_saves_no_alarms_up():
    budget, models, scores = normal(100, 6, 20.0)
    watched(budget, models, scores[: 3 * A_DAY])
    before = budget.limit
    budget.epoch(90 * DAY)
    assert budget.limit == pytest.approx(before, abs=0.2)


# Faults --------------------------------------------------------------------------------------------------------------


def with_faults(per_day, confirm):
    """Return false and real alarms a day of a fleet in which one asset in twenty has an hour of fault each day."""
    budget, models, scores = normal(200, 20, per_day)
    rng = np.random.default_rng(5)
    rows, assets = rng.integers(0, len(scores) - 6, 200), rng.integers(0, 200, 200)
    fault = np.zeros(scores.shape, np.bool_)
    fault[rows[:, None] + np.arange(6), assets[:, None]] = True
    scores = np.where(fault, scores + 12.0 * scores.std(axis=0), scores)
    false = real = 0
    for row, own in enumerate(scores):
        opens = watched(budget, models, own[None], row)[0]
        false, real = false + (opens & ~fault[row]).sum(), real + (opens & fault[row]).sum()
        for asset in np.flatnonzero(opens & fault[row]) if confirm else ():
            assert budget.confirm(int(asset), row * EVERY, real=True)
    return false / 20.0, real / 20.0, budget


def test_faults_do_not_eat_the_budget():
    false, real, _ = with_faults(20.0, confirm=False)
    assert real > 8.0
    assert false + real < 1.25 * 20.0 + 2.0
    assert false > 20.0 - 0.75 * real  # a quarter of the budget is not charged
    false, real, budget = with_faults(20.0, confirm=True)
    assert real > 8.0
    assert false == pytest.approx(20.0, rel=0.15)
    assert budget.false_share == pytest.approx(false / (false + real), abs=0.15)


def test_an_asset_that_flaps_leaves_the_budget_to_others():
    budget, models, scores = normal(200, 20, 20.0)
    scores[::9, 7] += 20.0 * scores[:, 7].std()
    daily = watched(budget, models, scores).reshape(20, A_DAY, -1).sum(axis=1)
    assert daily[:, 7].max() == 4
    assert np.delete(daily, 7, axis=1).sum(axis=1).mean() == pytest.approx(17.0, rel=0.15)


def test_a_burst_counts_as_a_quarter_of_a_day():
    budget, models, scores = normal(200, 6, 20.0)
    before = scores.copy()
    scores[2 * A_DAY, :100] += 3.5 * scores[:, :100].std(axis=0)
    burst = watched(budget, models, scores)
    calm = watched(begun(models, 20.0), models, before)
    assert burst[2 * A_DAY].sum() > 40
    after = slice(2 * A_DAY + 1, 4 * A_DAY)
    assert burst[after].sum() > 0.6 * calm[after].sum()


def test_only_the_latest_alarm_can_be_confirmed():
    budget, models, scores = normal(10, 1, 5.0)
    scores[5, 3] += 50.0
    watched(budget, models, scores[:8])
    assert not budget.confirm(3, 4 * EVERY, real=True)
    assert not budget.confirm(4, 5 * EVERY, real=True)
    assert not budget.confirm(99, 5 * EVERY, real=True)
    plain = budget.shared()["course_surplus"]
    assert budget.confirm(3, 5 * EVERY, real=False)
    budget.epoch(9 * EVERY)
    assert budget.shared()["course_surplus"][0] > plain[0]


# The same, however rows are cut --------------------------------------------------------------------------------------


def same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.integers(1, 40), st.booleans())
def test_nothing_depends_on_how_rows_are_cut_or_which_asset_comes_first(seed, most, restart):
    rng = np.random.default_rng(seed)
    assets, hours = 12, 40
    scores = scores_of(assets, LEARNED + 6 * hours, 1)
    models, scores = models_of(scores[:LEARNED]), 1.4 * scores[LEARNED:]
    whole, cut = begun(models, 40.0), begun(models, 40.0)
    opens, opened = np.zeros(scores.shape, np.bool_), np.zeros(scores.shape, np.bool_)
    for hour in range(hours):
        rows = np.arange(6 * hour, 6 * hour + 6)
        times, offsets = np.tile(rows * EVERY, assets), np.arange(assets + 1) * 6
        part = np.ascontiguousarray(scores[rows].T).reshape(-1)
        opens[rows] = whole.judge(np.arange(assets), models, offsets, times, part).opens.reshape(assets, 6).T
        waiting = np.zeros(assets, np.int64)
        while waiting.min() < 6:
            slots = rng.permutation(np.flatnonzero(waiting < 6))[: 1 + most % assets]
            takes = np.minimum(rng.integers(0, most + 1, len(slots)), 6 - waiting[slots])
            own = [rows[waiting[s] : waiting[s] + n] for s, n in zip(slots, takes, strict=True)]
            places = np.repeat(slots, takes)
            at = np.concatenate(own)
            found = cut.judge(
                slots, models.take(slots), np.concatenate([[0], np.cumsum(takes)]), at * EVERY, scores[at, places]
            )
            opened[at, places] = found.opens
            waiting[slots] += takes
        whole.epoch(6 * (hour + 1) * EVERY)
        cut.epoch(6 * (hour + 1) * EVERY)
        if restart:
            cut = Budget.of_state(cut.state(), 40.0)
    assert opens.sum() > 0
    assert (opens == opened).all()
    same(whole.state(), cut.state())


def test_its_state_is_plain_arrays_from_which_it_goes_on_in_the_midst_of_an_epoch():
    budget, models, scores = normal(20, 4, 5.0)
    watched(budget, models, scores[:200])
    offsets, times = np.arange(21), np.full(20, 200 * EVERY)
    budget.judge(np.arange(20), models, offsets, times, scores[200] * 3.0)
    state = {name: array.copy() for name, array in budget.state().items()}
    assert all(array.dtype.kind in "fi" for array in state.values())
    again = Budget.of_state(state, 5.0)
    same(again.state(), state)
    for each in (budget, again):
        each.epoch(201 * EVERY)
    one, other = (watched(each, models, scores[201:], 201) for each in (budget, again))
    assert one.sum() > 0
    assert (one == other).all()
    same(again.state(), budget.state())
    some = np.array([3, 5])
    part, rows = budget.of_slots(some), budget.state()
    assert {**part, **budget.shared()}.keys() == rows.keys()
    assert all((array == rows[name][some]).all() for name, array in part.items())


def test_a_budget_that_is_changed_holds_from_the_next_epoch_on():
    budget, models, scores = normal(100, 20, 5.0)
    watched(budget, models, scores[: 5 * A_DAY])
    more = Budget.of_state(budget.state(), 40.0)
    assert more.limit == budget.limit
    opens = watched(more, models, scores[5 * A_DAY :], 5 * A_DAY).reshape(15, -1).sum(axis=1)
    assert opens[1:].mean() == pytest.approx(40.0, rel=0.2)


# Assets and models ---------------------------------------------------------------------------------------------------


def test_assets_may_come_later_and_models_may_learn():
    scores = scores_of(30, LEARNED + 300)
    models = models_of(scores[:LEARNED])
    budget = begun(models.take(np.arange(10)), 5.0)
    slots, offsets = np.arange(30), np.arange(31)
    one = np.zeros(1, np.int64)
    budget.judge(slots[11:12], models.take(slots[11:12]), np.arange(2), one, scores[LEARNED, 11:12])
    assert budget.state()["rows"].tolist() == [LEARNED] * 10 + [-1, LEARNED]
    budget.judge(slots, models, offsets, np.zeros(30, np.int64), scores[LEARNED])
    assert budget.state()["rows"].tolist() == [LEARNED] * 30
    more = models_of(scores[: LEARNED + 99])
    budget.judge(slots, more, offsets, np.full(30, EVERY), scores[LEARNED])
    assert budget.state()["rows"].tolist() == [LEARNED] * 30  # not yet a tenth more
    more = models_of(scores[: LEARNED + 100])
    budget.judge(slots, more, offsets, np.full(30, EVERY), scores[LEARNED])
    assert budget.state()["rows"].tolist() == [LEARNED + 100] * 30


def test_models_may_be_replaced_and_the_limit_goes_on():
    budget, models, scores = normal(100, 20, 20.0)
    watched(budget, models, scores[: 5 * A_DAY])
    before = budget.limit
    models = models_of(scores[: 5 * A_DAY])
    budget.begin(ECOD(), models, rows_per_day=100 * A_DAY)
    assert budget.limit == before
    daily = watched(budget, models, scores[5 * A_DAY :], 5 * A_DAY).reshape(15, -1).sum(axis=1)
    assert daily.mean() == pytest.approx(20.0, rel=0.2)


@pytest.mark.parametrize("values", [np.full((50, 3), 7.0), np.zeros((1, 3)), np.arange(6.0).reshape(2, 3)])
def test_assets_that_have_no_tail(values):
    models = models_of(values)
    budget = begun(models, 5.0)
    times, offsets = np.zeros(3, np.int64), np.arange(4)
    found = budget.judge(np.arange(3), models, offsets, times, np.array([np.nan, values[0, 1], 1e9]))
    assert found.evidence[:2].tolist() == [0.0, 0.0]
    assert found.evidence[2] == kernels.MOST
    assert found.opens.tolist() == [False, False, True]


def test_a_fleet_of_none_and_an_asset_without_training():
    empty = models_of(np.zeros((0, 2)))
    for models in (empty, empty.take(np.zeros(0, np.int64))):
        budget = begun(models, 5.0) if len(models) else Budget(5.0)
        if not len(models):
            budget.begin(ECOD(), models, rows_per_day=1000.0)
        found = budget.judge(np.arange(2), empty, np.arange(3), np.zeros(2, np.int64), np.array([1.0, 1e300]))
        assert found.evidence.tolist() == [0.0, 0.0]
        budget.epoch(EVERY)
        assert np.isfinite(budget.limit)


def test_a_real_detector_is_judged():
    X = np.random.default_rng(0).normal(size=(3000, 3))
    detector = ECOD(extrapolate=True)
    models, _ = detector.fit_panel(Panel.of_matrix(X[:2000]))
    budget = Budget.of("2/day")
    budget.begin(detector, models, rows_per_day=A_DAY)
    new = Panel.of_matrix(np.vstack([X[2000:], np.full((1, 3), 9.0)]))
    scores, _ = detector.score_panel(models, new)
    times = np.append(np.arange(1000), 1000 + A_DAY) * EVERY
    found = budget.judge(np.array([0]), models, new.offsets, times, scores.score)
    assert found.opens[-1]
    assert found.opens[:-1].sum() < 30
    chance = -np.log(scores.p_value[:-1])
    near = (chance > 1.0) & (chance < 5.0)
    np.testing.assert_allclose(found.evidence[:-1][near], chance[near], atol=0.7)


def test_chance_opens_as_many_at_the_limit_as_the_budget_allows():
    budget, models, scores = normal(100, 10, 20.0)
    watched(budget, models, scores)
    found = budget.by_chance(np.array([budget.limit, budget.limit + 3.0]))
    assert found[0] == 20.0
    assert 0.0 < found[1] < 10.0


# Mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "per_day"),
    [("20/day", 20.0), ("3 / hour", 72.0), ("1 per week", 1 / 7), ("0.5/Days", 0.5), ("4", 4.0), (".5/minute", 720.0)],
)
def test_budgets_as_people_write_them(text, per_day):
    assert Budget.of(text).per_day == pytest.approx(per_day)


@pytest.mark.parametrize("text", ["", "many", "20/fortnight", "-3/day", "0/day", "20/day/asset", "1e3/day", "nan"])
def test_a_budget_that_makes_no_sense(text):
    with pytest.raises(ParameterError, match=r"no budget [^;]*; write a number and a time, such as 20/day"):
        Budget.of(text)


def test_numbers_that_make_no_sense():
    for bad in (0.0, -1.0, np.nan, np.inf, True, "5"):
        with pytest.raises(ParameterError, match="budget must be a number above 0"):
            Budget(bad)
        with pytest.raises(ParameterError, match="quiet must be a number above 0"):
            Budget(5.0, bad)
        with pytest.raises(ParameterError, match="rows_per_day must be a number above 0"):
            Budget(5.0).begin(ECOD(), models_of(np.ones((5, 1))), rows_per_day=bad)

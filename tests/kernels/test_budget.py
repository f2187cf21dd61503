"""Evidence, tails and the counts of alarms at all levels are what they are by definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import budget as reference
from tocsin.detectors.calibration import Calibration
from tocsin.kernels import budget as kernels
from tocsin.kernels.budget import KEPT, LEVELS, NEVER, STEP, Rule, Watch

SHAPES = st.sampled_from([0.0, 0.1, 0.4])
UNIT = np.array([[0.0, 1e-300, 0.0, 1.0]])
"""A tail of which a score is its own evidence."""


def watch_of(tails):
    n = len(tails)
    never, zeros = np.full(n, NEVER), np.zeros(n, np.int64)
    peaks, when = np.zeros((n, KEPT)), np.full((n, KEPT), NEVER)
    return Watch(tails, zeros - 1, peaks, when, never, never.copy(), zeros, never.copy(), zeros.copy())


def judged(scores, times, tails=UNIT, cuts=None, **rule):
    """Judge the rows of one asset, in one call or several."""
    rule = Rule(**{"shape": 0.0, "floor": 0.0, "limit": 5.0, "plain": 60.0, "quiet": 3, "most": 99, "day": 1000} | rule)
    watch, levels, counts = watch_of(tails.copy()), np.zeros(LEVELS + 1, np.int64), np.zeros(2, np.int64)
    alert, opens, evidence = np.empty(len(scores), np.bool_), np.empty(len(scores), np.bool_), np.empty(len(scores))
    edges = [0, *(cuts or []), len(scores)]
    for first, last in pairwise(edges):
        part, offsets = slice(first, last), np.array([0, last - first])
        results = (array[part] for array in (alert, opens, evidence))
        kernels.judge(np.zeros(1, np.int64), offsets, times[part], scores[part], watch, rule, levels, counts, *results)
    return watch, levels, counts, alert, opens, evidence


@given(st.integers(0, 10**6), st.integers(2, 256))
def test_a_tail_is_read_off_the_sketch(seed, rows):
    scores = np.random.default_rng(seed).gamma(2.0, size=rows)
    calibration = Calibration.learn(scores, np.array([0, rows]), 0.99, 1.1)
    tails, bends = np.empty((1, 4)), np.empty(1)
    kernels.fit_tails(calibration.sketches.cells, np.zeros(1, np.int64), tails, bends)
    np.testing.assert_allclose([*tails[0], bends[0]], reference.tail_of(scores), rtol=1e-9)


def test_a_thinned_sketch_tells_nearly_the_same_tail():
    scores = np.random.default_rng(0).exponential(size=20_000)
    found = []
    for ratio in (1.0, 1.1):
        calibration = Calibration.learn(scores, np.array([0, len(scores)]), 0.99, ratio)
        tails, bends = np.empty((1, 4)), np.empty(1)
        kernels.fit_tails(calibration.sketches.cells, np.zeros(1, np.int64), tails, bends)
        found.append([*tails[0], bends[0]])
    np.testing.assert_allclose(found[1], found[0], rtol=0.08)
    np.testing.assert_allclose(found[0], [np.log(2.0), np.log(20.0), np.log(20.0), 1.0, 0.25], rtol=0.1)


@pytest.mark.parametrize("scores", [np.zeros(0), np.ones(50), np.full(50, -1e300)])
def test_a_tail_that_there_is_not(scores):
    calibration = Calibration.learn(scores, np.array([0, len(scores)]), 0.99, 1.1)
    tails, bends = np.empty((1, 4)), np.empty(1)
    kernels.fit_tails(calibration.sketches.cells, np.zeros(1, np.int64), tails, bends)
    assert np.isnan(tails[0, kernels.SCALE])
    assert np.isnan(bends[0])


@given(st.floats(-5.0, 1e6) | st.just(np.nan) | st.just(np.inf), SHAPES)
def test_evidence_is_the_tail_of_a_generalised_pareto_distribution(score, shape):
    tail = np.array([[0.5, 2.0, 3.0, 0.7]])
    *_, evidence = judged(np.array([score]), np.zeros(1, np.int64), tail, shape=shape)
    assert evidence[0] == pytest.approx(reference.evidence_of(score, tail[0], shape), rel=1e-9)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([0.3, 1.3, 2.0, 5.2, 8.0, 9.9]), st.integers(0, 6)), max_size=40), st.data())
def test_levels_count_as_if_each_were_watched_for_itself(rows, data):
    scores = np.array([score for score, _ in rows], np.float64)
    times = np.cumsum([0, *(wait for _, wait in rows)])[1:].astype(np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    watch, levels, counts, alert, opens, evidence = judged(scores, times, cuts=cuts)
    assert np.cumsum(levels).tolist() == reference.openings(evidence, times, 3).tolist()
    assert alert.tolist() == (scores > 5.0).tolist()
    at = int(5.2 / STEP)
    assert counts[kernels.OPENED] == opens.sum() == np.cumsum(levels)[at]
    whole = judged(scores, times)
    assert all((one == other).all() for one, other in zip(watch, whole[0], strict=True))


def test_few_peaks_kept_of_many_cost_little():
    rng = np.random.default_rng(0)
    scores = np.abs(np.convolve(rng.normal(size=40_000), np.ones(20) / 20**0.5, "same")) ** 2
    times = np.arange(len(scores))
    _, levels, *_, evidence = judged(scores, times, quiet=60)
    exact = reference.openings(evidence, times, 60)
    found = np.cumsum(levels)
    many = exact >= 20
    assert (np.abs(found - exact)[many] <= 0.03 * exact[many]).all()


def test_peaks_below_the_floor_are_not_counted():
    _, levels, *_ = judged(np.array([2.9, 4.1]), np.array([0, 100]), floor=3.0)
    assert np.cumsum(levels)[int(3.0 / STEP)] == 1


def test_an_alarm_is_one_until_all_is_quiet():
    scores = np.array([6.0, 1.0, 6.0, 1.0, 1.0, 6.0])
    _, _, _, alert, opens, _ = judged(scores, np.array([0, 1, 3, 4, 6, 7]))
    assert alert.tolist() == [True, False, True, False, False, True]
    assert opens.tolist() == [True, False, False, False, False, True]


def test_what_turns_out_plain_is_waived_once():
    scores = np.array([6.0, 20.0, 30.0, 0.0, 7.0])
    watch, _, counts, *_ = judged(scores, np.array([0, 1, 2, 3, 9]), plain=10.0)
    assert counts.tolist() == [2, 1]
    assert watch.charge.tolist() == [kernels.CHARGED]


def test_an_asset_opens_no_more_than_its_share_of_a_day():
    times = np.arange(0, 2000, 10)
    _, _, counts, alert, opens, _ = judged(np.full(200, 6.0), times, most=4, day=1000)
    assert alert.all()
    assert np.flatnonzero(opens).tolist() == [0, 1, 2, 3, 100, 101, 102, 103]
    assert counts[kernels.OPENED] == 8


def exponential(days, rate, slope):
    return days * rate * np.exp(-slope * STEP * np.arange(LEVELS + 1.0))


@pytest.mark.parametrize("slope", [0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("rate", [0.5, 20.0, 300.0])
def test_the_limit_of_an_exponential_tail(slope, rate):
    limit, found = kernels.seek(exponential(3.0, 1e5, slope), 3.0, 4, rate)
    assert limit == pytest.approx(np.log(1e5 / rate) / slope, rel=0.15)
    assert found == pytest.approx(slope, rel=0.25)  # drawn towards 1 where alarms are few


def test_the_limit_hardly_heeds_what_faults_open():
    opened = exponential(3.0, 1e5, 1.0)
    limit, _ = kernels.seek(opened, 3.0, 4, 20.0)
    opened[: int(40 / STEP)] += 3.0 * 10.0  # half as many again as the budget, all far out
    assert kernels.seek(opened, 3.0, 4, 20.0)[0] - limit < 0.5  # read off directly it would be 0.7


def test_nothing_is_looked_for_below_the_level_with_the_most():
    opened = exponential(3.0, 1e3, 0.5)
    opened[:12] *= np.linspace(0.0, 1.0, 12)  # far down assets are over the limit all the time
    limit, _ = kernels.seek(opened, 3.0, 0, 1e6)
    assert limit == opened.argmax() * STEP


def test_the_limit_is_finite_where_nothing_opened():
    limit, slope = kernels.seek(np.zeros(LEVELS + 1), 0.0, 4, 5.0)
    assert np.isfinite(limit)
    assert slope > 0.0

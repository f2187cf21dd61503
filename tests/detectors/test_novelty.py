"""Novelty: what was never seen is found once, what was seen is not, and a stream may come in any pieces."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import Novelty
from tocsin.errors import ParameterError


def two_levels(rows, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(np.arange(rows) // 100 % 3 == 0, 5.0, 9.0) + rng.normal(0.0, 0.2, rows)


def test_between_usual_values_is_news():
    x = two_levels(3000)
    x[2510:2530] = 7.0
    alerts = Novelty().fit(x[:2000, None]).predict(x[2000:, None])
    assert 510 <= np.flatnonzero(alerts)[0] <= 512
    assert alerts.sum() <= 2


def test_usual_values_in_an_unusual_course_are_news():
    x = 8.0 + 3.0 * np.sin(2 * np.pi * np.arange(3000) / 96) + np.random.default_rng(1).normal(0.0, 0.1, 3000)
    x[2500:2700] = 8.0 + np.random.default_rng(2).normal(0.0, 0.1, 200)
    alerts = Novelty(rest=0).fit(x[:2000, None]).predict(x[2000:, None])
    assert alerts[:500].mean() < 0.01
    assert alerts[516:628].mean() > 0.5


def test_what_comes_back_is_not_reported_again():
    x = two_levels(4000)
    x[[2500, 3500]] = 30.0
    detector = Novelty(rest=0).fit(x[:2000, None])
    scores = detector.decision_function(x[2000:, None])
    assert scores[500] > detector.threshold_ + 0.5
    assert scores[1500] < detector.threshold_


def test_alerts_rest():
    x = two_levels(3000)
    x[2500:2510] = 30.0 + 5.0 * np.arange(10)
    loud = Novelty(rest=0).fit(x[:2000, None]).predict(x[2000:, None])
    quiet = Novelty().fit(x[:2000, None]).predict(x[2000:, None])
    assert loud[500:510].sum() > 5
    assert np.flatnonzero(quiet[500:628]).tolist() == [0]


def test_a_stream_in_pieces_is_the_stream():
    x = two_levels(2600)[:, None] + np.array([0.0, 3.0])
    x[2300:2310, 1] += 20.0
    whole = Novelty().fit(x[:2000]).decision_function(x[2000:])
    detector, pieces = Novelty().fit(x[:2000]), []
    for piece in np.split(x[2000:], [1, 130, 305]):
        pieces.append(detector.decision_function(piece))
        detector.partial_fit(piece)
        assert detector.threshold_ == 2.0
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert whole[300] > 2.0
    assert whole[301] <= 2.0


def test_the_feature_farthest_from_all_before_is_named_first():
    x = two_levels(2001)[:, None] + np.zeros(3)
    x[-1] = [30.0, 300.0, 60.0]
    told = Novelty().fit(x[:-1]).explain(x[-1:], top=3)
    assert told["feature"].to_list() == ["x1", "x2", "x0"]


def test_alerts_of_a_steady_stream_are_fewer_than_the_share():
    x = np.random.default_rng(4).normal(size=(20_000, 1))
    for contamination in (0.01, 0.1):
        alerts = Novelty(contamination, rest=0).fit(x[:4000]).predict(x[4000:])
        assert 0.02 * contamination < alerts.mean() < contamination


def test_too_long_a_course_is_refused():
    with pytest.raises(ParameterError, match="block times length must be at most 100000 readings, not 200000"):
        Novelty(block=20_000, length=10).fit(np.zeros((5, 1)))


def test_remarks_say_what_is_too_short():
    detector = Novelty().fit(two_levels(200)[:, None])
    assert detector.remarks(detector.model_) == {
        "fewer than 256 readings; courses are compared once there are so many": 1
    }
    assert Novelty().fit(two_levels(300)[:, None]).remarks(Novelty().fit(two_levels(300)[:, None]).model_) == {}

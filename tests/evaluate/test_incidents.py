"""Alerts become incidents."""

from __future__ import annotations

import polars as pl
import pytest

from tocsin.errors import ColumnError
from tocsin.evaluate.incidents import ABOVE, CAUSE, TIMES, incidents, worst_of_each


def table(alerts: dict[str, list[int]], rows: int = 40, **scores: float) -> pl.DataFrame:
    """Return a scores table whose alerts are at the given rows."""
    frames = []
    for key, at in alerts.items():
        frame = pl.DataFrame({"key": [key] * rows, "time": range(100, 100 + rows)})
        score = pl.when(pl.int_range(pl.len()).is_in(at)).then(scores.get(key, 6.0)).otherwise(1.0)
        frames.append(frame.with_columns(score=score, threshold=4.0).with_columns(alert=pl.col("score") > 4))
    return pl.concat(frames)


def test_an_incident_ends_after_enough_quiet_readings():
    found = incidents(table({"a": [3, 4, 8, 20]}), quiet=3).sort("start")
    assert found.select("start", "end", "rows", "alerts").rows() == [(103, 108, 6, 3), (120, 120, 1, 1)]
    assert incidents(table({"a": [3, 4, 8, 20]}), quiet=2)["alerts"].sort().to_list() == [1, 1, 2]


def test_assets_that_follow_each_other_in_the_table_stay_apart():
    found = incidents(table({"a": [39], "b": [0]}))
    assert sorted(found["key"]) == ["a", "b"]


def test_what_lasts_and_what_is_far_out_comes_first():
    found = incidents(table({"a": [5], "b": [5], "c": [5, 6, 7]}, b=9.0, c=6.0))
    assert found["key"].to_list() == ["c", "b", "a"]
    assert found["severity"].to_list() == [1.5, 2.25, 1.5]
    assert found["weight"].to_list() == [1.5, 1.25, 0.5]


def test_scores_that_may_be_negative_are_told_by_how_much_they_are_above():
    # Of two assets the one with the positive threshold has the higher ratio; the other one is farther above its own.
    log_odds = table({"a": [5], "b": [5, 6]}, a=6.0, b=5.5)
    moved = log_odds.with_columns(pl.col("score", "threshold") - pl.when(pl.col("key") == "a").then(6.5).otherwise(3.9))
    found = incidents(moved)
    assert found["unit"].to_list() == [ABOVE, ABOVE]
    assert found["key"].to_list() == ["b", "a"]
    assert found["severity"].to_list() == pytest.approx([1.5, 2.0])
    assert found["weight"].to_list() == pytest.approx([3.0, 2.0])
    # What may be negative need not be in these rows, so the one who knows says so.
    alone = moved.filter(pl.col("key") == "b")
    assert incidents(alone)["unit"].to_list() == [TIMES]
    assert incidents(alone, signed=True)["severity"].to_list() == pytest.approx([1.5])


def test_a_threshold_of_zero_has_no_ratio_and_comes_last():
    scores = table({"a": [5], "b": [5]}, a=50.0)
    scores = scores.with_columns(threshold=pl.when(pl.col("key") == "a").then(0.0).otherwise("threshold"))
    found = incidents(scores)
    assert found.select("key", "severity", "weight", "unit").rows() == [
        ("b", 1.5, 0.5, TIMES),
        ("a", None, None, TIMES),
    ]


def test_without_a_limit_an_asset_has_one_incident_even_if_only_alerts_are_there():
    found = incidents(table({"a": [3, 30], "b": [2]}).filter("alert"), quiet=None)
    assert found.select("key", "start", "end", "alerts").sort("key").rows() == [("a", 103, 130, 2), ("b", 102, 102, 1)]


def test_the_cause_is_the_heaviest_feature_of_the_worst_reading():
    scores = table({"a": [3, 4]}).with_columns(score=pl.when(pl.col("time") == 104).then(7.0).otherwise("score"))
    reason = {"value": 1.0, "low": 0.0, "high": 0.5, "direction": "above", "sentence": "flow was 1."}
    reasons = [
        [{"feature": "flow" if row == 4 else "heat", **reason}] if alert else []
        for row, alert in enumerate(scores["alert"])
    ]
    found = incidents(scores.with_columns(explanations=pl.Series(reasons)))
    assert found.select("worst_time", "score", *CAUSE).row(0) == (104, 7.0, "flow", *reason.values())


def test_without_times_rows_are_counted():
    found = incidents(table({"a": [3, 4], "b": [9]}).drop("time"), quiet=1)
    assert found.select("key", "start", "end").sort("key").rows() == [("a", 3, 4), ("b", 9, 9)]


def test_no_alert_is_no_incident():
    assert len(incidents(table({"a": []}))) == 0


def test_the_worst_of_each_asset_tells_of_the_others():
    found = worst_of_each(incidents(table({"a": [0, 20, 21], "b": [7]}, b=9.0), quiet=3))
    assert found.select("key", "start", "more").rows() == [("b", 107, 0), ("a", 120, 1)]


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="scores table has no column 'score'; did you mean 'scores'"):
        incidents(pl.DataFrame({"key": [], "scores": []}))

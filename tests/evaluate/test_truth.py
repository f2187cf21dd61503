"""Alerts held against the truth, on tables small enough to count by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tocsin import ECOD, Fleet, synth
from tocsin.errors import ColumnError
from tocsin.evaluate.incidents import incidents
from tocsin.evaluate.truth import label, match

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def scores_of(alerts: dict[tuple[str, int], list[str]], hours: int = 49, strong: int = -1) -> pl.DataFrame:
    """Return hourly scores of the assets a and b; alerts by asset and hour, each with the features it names."""
    rows = [
        {
            "key": key,
            "time": at(hour),
            "score": (9.0 if hour == strong else 6.0) if (key, hour) in alerts else 1.0,
            "threshold": 4.0,
            "alert": (key, hour) in alerts,
            "explanations": [reason(name) for name in alerts.get((key, hour), [])],
        }
        for key in ("a", "b")
        for hour in range(hours)
    ]
    return pl.DataFrame(rows)


def reason(feature: str) -> dict[str, object]:
    return {"feature": feature, "value": 1.0, "low": 0.0, "high": 0.5, "direction": "above", "sentence": "It was."}


def truth_of(*faults: tuple[str, str, float, float]) -> pl.DataFrame:
    rows = [(asset, feature, "drift", at(onset), at(end), 1.0) for asset, feature, onset, end in faults]
    return pl.DataFrame(rows, schema=["asset", "feature", "kind", "onset", "end", "size"], orient="row")


def test_found_means_an_alert_between_onset_and_end_of_that_asset():
    truth = truth_of(("a", "flow", 10, 12), ("b", "flow", 10, 12))
    for hour, found in ((9, 0), (10, 1), (12, 1), (13, 0)):
        assert match(scores_of({("a", hour): ["flow"]}), truth).found == found
    assert match(scores_of({("a", 11): ["flow"], ("b", 11): ["flow"]}), truth).found == 2


def test_the_strongest_alert_names_the_cause():
    truth = truth_of(("a", "flow", 10, 14))
    alerts = {("a", 11): ["heat", "flow"], ("a", 12): ["flow", "heat"], ("a", 20): ["power"]}
    findings = match(scores_of(alerts, strong=12), truth)
    assert (findings.right_cause, findings.cause_in_top3) == (1, 1)
    findings = match(scores_of(alerts, strong=11), truth)
    assert (findings.right_cause, findings.cause_in_top3) == (0, 1)
    assert findings.faults.select("alerts", "first_alert", "score", "cause", "cause_rank").row(0) == (
        2, at(11), 9.0, "heat", 2,
    )  # fmt: skip
    findings = match(scores_of({("a", 11): ["x", "y", "z", "flow"]}), truth)
    assert (findings.found, findings.right_cause, findings.cause_in_top3) == (1, 0, 0)


def test_a_feature_that_is_named_for_several_parts_counts_once():
    truth = truth_of(("a", "flow", 10, 14))
    findings = match(scores_of({("a", 11): ["heat", "heat", "flow", "flow"]}), truth)
    assert (findings.found, len(findings.faults)) == (1, 1)
    assert findings.faults["cause_rank"].to_list() == [2]


def test_without_explanations_no_cause_is_right():
    findings = match(scores_of({("a", 11): ["flow"]}).drop("explanations"), truth_of(("a", "flow", 10, 14)))
    assert (findings.found, findings.right_cause) == (1, 0)


def test_false_alarms_are_counted_on_clean_rows_only():
    alerts = {("a", 11): ["flow"], ("a", 20): ["flow"], ("a", 21): ["flow"], ("b", 11): ["flow"]}
    findings = match(scores_of(alerts), truth_of(("a", "flow", 10, 14)), quiet=2)
    assert (findings.rows, findings.clean_rows) == (98, 93)
    assert (findings.false_alarms, findings.false_incidents) == (3, 2)
    assert findings.false_alarm_rate == 3 / 93
    assert findings.asset_days == 4.0
    assert findings.false_incidents_per_asset_day == 0.5


def test_an_incident_that_reaches_out_of_a_fault_is_none_of_the_false_ones():
    findings = match(scores_of({("a", 14): ["flow"], ("a", 15): ["flow"]}), truth_of(("a", "flow", 10, 14)))
    assert (findings.false_alarms, findings.false_incidents) == (1, 0)


def test_overlapping_faults_of_one_asset_are_judged_each():
    truth = truth_of(("a", "flow", 10, 14), ("a", "heat", 12, 20))
    findings = match(scores_of({("a", 13): ["heat", "flow"]}), truth)
    assert findings.found == 2
    assert findings.faults["cause_rank"].to_list() == [2, 1]
    assert findings.clean_rows == 98 - 11


def test_no_faults_and_no_alerts():
    findings = match(scores_of({}), truth_of(("a", "flow", 1, 2)).clear())
    assert (findings.found, findings.right_cause, findings.false_alarm_rate) == (0, 0, 0.0)
    assert findings.by_kind().is_empty()
    assert match(scores_of({}).clear(), truth_of(("a", "flow", 1, 2))).found == 0


def test_whole_numbers_as_times_have_no_days():
    scores = scores_of({}).with_columns(time=pl.int_range(pl.len()).over("key"))
    truth = pl.DataFrame({"asset": ["a"], "feature": ["flow"], "onset": [1], "end": [2]})
    findings = match(scores, truth)
    assert findings.false_incidents_per_asset_day is None
    assert findings.by_kind()["kind"].to_list() == ["fault"]


def test_incidents_are_labelled_with_the_fault_they_touch():
    scores = scores_of({("a", 11): ["flow"], ("a", 40): ["flow"], ("b", 11): ["flow"]})
    found = label(incidents(scores), truth_of(("a", "flow", 10, 14), ("a", "heat", 11, 12)))
    assert found.sort("key", "start")["fault"].to_list() == ["drift of flow", None, None]
    assert found.drop("fault").equals(incidents(scores))


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="truth has no column 'asset'; there are: pump"):
        match(scores_of({}), pl.DataFrame({"pump": ["a"]}))


def test_a_real_fleet_finds_level_shifts_and_drifts_with_their_cause():
    readings, truth = synth.fleet(assets=12, features=6, rows=2880, seed=5, faulty=1.0, kinds=["shift", "drift"])
    training, later = synth.split(readings)
    fleet = Fleet(ECOD(contamination=0.001, extrapolate=True), key="asset", time="time").fit(training)
    scores = fleet.score(later, explain=3)
    findings = match(scores, truth)
    assert findings.found == 12
    assert findings.right_cause >= 11
    assert findings.cause_in_top3 == 12
    assert findings.false_alarm_rate < 0.005
    assert findings.to_dict()["found"] == findings.by_kind()["found"].sum() == 12

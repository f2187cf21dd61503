"""The hit rate counts faults whose cause is named, found or not."""

from __future__ import annotations

import math

import polars as pl
import pytest

from tocsin import ECOD, Fleet, synth
from tocsin.errors import ColumnError, ParameterError
from tocsin.evaluate.metrics.causes import hit_rate
from tocsin.evaluate.truth import Findings, match


def reason(feature: str) -> dict[str, object]:
    return {"feature": feature, "value": 1.0, "low": 0.0, "high": 0.5, "direction": "above", "sentence": "It was."}


def findings_of(named: dict[int, list[str]], truth: list[tuple[str, int, int]], scores: list[float]) -> Findings:
    """Return the findings of one asset with the given scores; 5 is an alert."""
    table = pl.DataFrame(
        {
            "key": "a",
            "time": range(len(scores)),
            "score": scores,
            "threshold": 4.5,
            "alert": [score is not None and score > 4.5 for score in scores],
            "explanations": [[reason(name) for name in named.get(row, [])] for row in range(len(scores))],
        }
    )
    faults = pl.DataFrame(truth, schema=["feature", "onset", "end"], orient="row").with_columns(asset=pl.lit("a"))
    return match(table, faults)


def test_the_strongest_row_of_a_fault_is_asked_whether_it_is_an_alert_or_not():
    found = findings_of(
        {1: ["heat"], 2: ["flow", "heat"], 6: ["flow"], 7: ["heat"]},
        [("heat", 1, 3), ("flow", 5, 7), ("speed", 9, 9)],
        [1.0, 5.0, 6.0, 5.5, 1.0, 2.0, 4.0, 3.0, 1.0, 1.0],
    )
    assert found.faults.select("peak_cause", "peak_rank", "cause_rank", "found").rows() == [
        ("flow", 2, 2, True), ("flow", 1, None, False), (None, None, None, False),
    ]  # fmt: skip
    assert hit_rate(found) == (0.5, "of 2 faults; 1 more are left out")
    assert hit_rate(found, 3) == (1.0, "of 2 faults; 1 more are left out")
    assert hit_rate(found, 3, of="found") == (1.0, "of 1 fault; 2 more are left out")
    assert hit_rate(found, 1, of="found").value == 0.0
    assert hit_rate(found, 3, of="all") == (2 / 3, "of 3 faults")
    assert (found.right_cause, found.cause_in_top3) == (0, 1)


def test_a_row_without_a_score_is_never_the_strongest():
    found = findings_of({0: ["heat"], 1: ["flow"]}, [("flow", 0, 1)], [None, 2.0])
    assert found.faults["peak_rank"].to_list() == [1]


def test_what_is_not_there_has_a_reason():
    none = findings_of({}, [("heat", 0, 1)], [1.0, 2.0])
    assert math.isnan(hit_rate(none).value)
    assert hit_rate(none).note == "no fault has an explanation of its strongest row"
    assert hit_rate(none, of="found").note == "no fault was found"
    assert hit_rate(none, of="all") == (0.0, "of 1 fault")
    clean = findings_of({}, [("heat", 0, 1)], [1.0, 2.0])
    empty = Findings(clean.faults.clear(), 2, 2, 0, 0, 0.0)
    assert hit_rate(empty, of="all").note == "there are no faults"


def test_mistakes_are_told():
    found = findings_of({}, [("heat", 0, 1)], [1.0, 2.0])
    with pytest.raises(ParameterError, match="k must be a whole number of at least 1, not 0"):
        hit_rate(found, 0)
    with pytest.raises(ParameterError, match="of must be 'explained', 'found' or 'all', not 'some'"):
        hit_rate(found, of="some")
    with pytest.raises(ColumnError, match="the table of faults has no column 'peak_cause'"):
        hit_rate(Findings(found.faults.drop("peak_cause"), 2, 2, 0, 0, 0.0))


def test_a_real_fleet_explains_faults_that_it_does_not_find():
    readings, truth = synth.fleet(assets=12, features=6, rows=2880, seed=5, faulty=1.0, kinds=["shift", "drift"])
    training, later = synth.split(readings)
    fleet = Fleet(ECOD(contamination=0.0005), key="asset", time="time").fit(training)
    found = match(fleet.score(later, explain=3, explain_all=True), truth)
    assert found.found < len(truth)
    assert hit_rate(found).note == f"of {len(truth)} faults"
    assert 0.6 < hit_rate(found).value <= hit_rate(found, 3).value
    alerts = match(fleet.score(later, explain=3), truth)
    assert hit_rate(alerts).value == hit_rate(found, of="found").value == found.right_cause / found.found

"""Alerts: the same id whenever the same reading alerts, and text that is safe to show."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tocsin import ECOD, Fleet, Recipe
from tocsin.features import Window
from tocsin.stream.alerts import alerts_of, headline, ids, json_lines, records
from tocsin.stream.sinks.base import ALERTS

TIMES = pl.datetime_range(
    datetime(2026, 1, 1), datetime(2026, 1, 3), "10m", time_unit="ns", time_zone="UTC", eager=True
)


def readings(key="pump"):
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({"key": [f"{key} {i}" for i in range(2) for _ in TIMES], "time": pl.concat([TIMES, TIMES])})
    values = {name: rng.normal(size=frame.height) for name in ("heat", "speed")}
    values["heat"][100] = 40.0
    return frame.with_columns(**values)


@pytest.fixture(scope="module", params=[None, "windows"])
def scores(request):
    recipe = None if request.param is None else Recipe([Window(3, ["mean"])])
    fleet = Fleet(ECOD(contamination=0.02), key="key", time="time", recipe=recipe)
    table = fleet.fit(readings()).score(readings(), explain=2).to_arrow()
    return table.append_column("version", pa.array(np.arange(table.num_rows))), request.param


def test_alerts_of_a_table_of_scores(scores):
    table, recipe = scores
    found = alerts_of(table)
    assert found.schema.equals(ALERTS)
    chosen = pl.DataFrame(table).filter("alert")
    assert found.num_rows == chosen.height > 3
    frame = pl.DataFrame(found)
    for name in ("key", "time", "score", "p_value", "threshold", "version"):
        assert frame[name].to_list() == chosen[name].to_list()
    for mine, theirs in zip(frame["explanations"], chosen["explanations"], strict=True):
        assert mine.struct["sentence"].to_list() == theirs.struct["sentence"].to_list()
        names = theirs.struct.fields
        assert mine.struct["sensor"].to_list() == theirs.struct["sensor" if "sensor" in names else "feature"].to_list()
        assert set(mine.struct["sensor"]) <= {"heat", "speed"}
    assert (recipe is None) == ("sensor" not in names)


def test_ids_depend_on_key_and_time_alone():
    table = pa.table(
        {"key": [3, 4, 3], "time": pa.array([5, 5, 6], pa.int64()), "score": [1.0] * 3, "p_value": [None, 0.5, 0.5],
         "alert": [True] * 3, "threshold": [0.5] * 3, "version": [1, 2, 3],
         "explanations": pa.array([[], None, []], ALERTS.field("explanations").type)}
    )  # fmt: skip
    whole = alerts_of(table)["id"].to_pylist()
    assert len(set(whole)) == 3
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in whole)
    for row in range(3):
        assert alerts_of(table.slice(row, 1))["id"].to_pylist() == whole[row : row + 1]
    assert ids(pa.array(["3"]), np.array([5])).to_pylist() == whole[:1]
    assert alerts_of(table.slice(0, 0)).schema.equals(ALERTS)


def test_a_time_zone_does_not_change_an_id():
    moments = pl.Series([datetime(2026, 1, 1, 12, tzinfo=UTC)]).dt.cast_time_unit("ns")
    rest = {"key": ["a"], "score": [1.0], "p_value": [0.1], "alert": [True], "threshold": [0.5], "version": [1]}
    found = [
        alerts_of(pl.DataFrame(rest | {"time": times}).to_arrow().append_column(
            "explanations", pa.array([[]], ALERTS.field("explanations").type)))["id"].to_pylist()
        for times in (moments, moments.dt.convert_time_zone("Asia/Tokyo"), moments.dt.replace_time_zone(None))
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]


def one(**more):
    row = {"id": "x", "key": "pump", "time": 1_700_000_000_123_456_789, "score": float("nan"), "p_value": float("inf"),
           "threshold": 4.0, "version": 2, "explanations": []}  # fmt: skip
    return pa.Table.from_pylist([row | more], schema=ALERTS)


def test_json_is_strict_and_keeps_nanoseconds():
    (line,) = json_lines(one(key='a "b"\n\x1b[31m'))
    assert b"\n" not in line
    assert b"\x1b" not in line
    found = json.loads(line, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert found["time"] == "2023-11-14T22:13:20.123456789Z"
    assert found["score"] is None
    assert found["p_value"] is None
    assert found["key"] == 'a "b"\n\x1b[31m'
    assert json_lines(ALERTS.empty_table()) == []


def test_headline_says_who_when_and_why_and_moves_no_cursor():
    reason = dict.fromkeys((field.name for field in ALERTS.field("explanations").type.value_type), None)
    told = one(key="pump\x1b[2J\n7", explanations=[reason | {"sentence": "heat was 9,\nabove its usual 2 to 3."}])
    (alert,) = records(told)
    assert headline(alert) == "pump [2J 7, 2023-11-14 22:13:20: heat was 9, above its usual 2 to 3."
    (alert,) = records(one(key="", score=9.25))
    assert headline(alert) == "asset, 2023-11-14 22:13:20: score 9.25, above its threshold of 4"

"""What is answered is what was recorded."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.insights import streams
from tests.insights.streams import SENSORS, START
from tests.reference import rolling as reference
from tocsin.errors import ParameterError, StoreError, UnknownAssetError
from tocsin.insights import ask, records
from tocsin.insights.alerts import ALERTS, of_lines
from tocsin.insights.base import Store
from tocsin.insights.recorder import Recorder

HOUR = 3600 * 10**9


@pytest.fixture
def rows() -> streams.Rows:
    return streams.rows(3000, assets=5, seconds=30.0)


@pytest.fixture
def asked(store: Store, rows: streams.Rows) -> Store:
    streams.recorded(store, rows, range(0, 3001, 250))
    return store


def of(rows: streams.Rows, asset: int) -> streams.Rows:
    mine = rows.assets == asset
    return streams.Rows(
        rows.assets[mine], rows.times[mine], rows.values[:, mine], rows.scores[mine], rows.p_values[mine]
    )


def test_the_latest_state_is_the_last_row(asked: Store, rows: streams.Rows):
    mine = of(rows, 2)
    found = ask.latest(asked, "pump-002")
    assert (found.key, found.time, found.score) == ("pump-002", mine.times[-1], mine.scores[-1])
    assert (found.p_value, found.threshold, found.version) == (mine.p_values[-1], 3.0, 1)
    assert (found.rows, found.alerts) == (len(mine.times), (mine.scores > 3.0).sum())
    assert found.alert == (mine.scores[-1] > 3.0)
    np.testing.assert_equal(list(found.values.values()), mine.values[:, -1])


def test_top_are_those_farthest_over_their_thresholds(store: Store):
    rows = streams.rows(300, assets=200, seed=4)
    rows.assets[:200] = np.arange(200)
    streams.recorded(store, rows, [0, 300])
    found = ask.top(store, 8)
    last = {streams.name(asset): row for row, asset in enumerate(rows.assets)}
    scores = {key: rows.scores[row] for key, row in last.items()}
    assert found["key"].to_list() == sorted(scores, key=scores.__getitem__, reverse=True)[:8]
    np.testing.assert_allclose(found["times_threshold"], found["score"] / 3.0)
    assert found["alert"].to_list() == (found["score"] > 3.0).to_list()
    assert len(ask.top(store, 1000)) == 200
    with pytest.raises(ParameterError, match="n must be at least 1"):
        ask.top(store, 0)


def test_windows_are_those_of_the_rows(asked: Store, rows: streams.Rows):
    mine = of(rows, 3)
    expected = reference.windows(mine.times, np.vstack([mine.scores, mine.values]))
    found = ask.windows(asked, "pump-003")
    assert set(found["channel"]) == {"score", *SENSORS}
    assert len(found) == 3 * 2 * 3
    for row in found.iter_rows(named=True):
        level = ["minute", "hour", "day"].index(row["window"])
        numbers = sorted(number for each, number in expected if each == level)
        number = numbers[-1] if row["current"] else numbers[-2]
        figures = expected[level, number][["score", *SENSORS].index(row["channel"])]
        got = [row[name] if row[name] is not None else np.nan for name in ask.STATISTICS]
        np.testing.assert_allclose(got[:5], figures[:5], rtol=1e-9)
        assert row["rows"] >= row["count"] > 0
        if row["count"] <= 32:
            np.testing.assert_allclose(got[5:], figures[5:], rtol=1e-6)


@pytest.mark.parametrize("level", ["minute", "hour", "day"])
@pytest.mark.parametrize("channel", ["score", "flow"])
def test_a_series_is_of_every_window(asked: Store, rows: streams.Rows, level: str, channel: str):
    mine = of(rows, 1)
    values = mine.scores if channel == "score" else mine.values[SENSORS.index(channel)]
    expected = reference.windows(mine.times, values[None])
    place = ["minute", "hour", "day"].index(level)
    numbers = sorted(number for each, number in expected if each == place)
    found = ask.series(asked, "pump-001", START - 48 * HOUR, channel=channel, level=level)
    assert (found["time"].cast(pl.Int64) // records.LEVELS[level]).to_list() == numbers
    figures = np.array([expected[place, number][0] for number in numbers])
    np.testing.assert_allclose(found.select(ask.STATISTICS[:5]).to_numpy(), figures[:, :5], rtol=2e-6)
    assert found["rows"].sum() == len(mine.times)
    assert found["alerts"].sum() == (mine.scores > 3.0).sum()


def test_a_series_is_of_the_time_that_is_asked_for(asked: Store):
    whole = ask.series(asked, "pump-001", START - HOUR)
    first, last = START + 2 * HOUR, START + 3 * HOUR
    some = ask.series(asked, "pump-001", first, until=last)
    starts = whole["time"].cast(pl.Int64)
    assert some.equals(whole.filter((starts > first - records.LEVELS["minute"]) & (starts <= last)))
    assert ask.asset(asked, "pump-001").series.equals(whole)
    longer = ask.series(asked, "pump-001", START - 30 * 24 * HOUR)
    assert set(longer["time"].dt.minute()) == {0}


def test_alerts_come_newest_first(asked: Store, rows: streams.Rows):
    over = np.flatnonzero(rows.scores > 3.0)
    expected = [f"{rows.times[row]:016x}" for row in over[::-1]]
    found = ask.alerts(asked, most=10_000)
    assert found["id"].to_list() == expected
    assert found.schema == pl.DataFrame(ALERTS.empty_table()).schema
    assert found["time"].cast(pl.Int64).to_list() == rows.times[over[::-1]].tolist()
    assert found["explanations"][0][0]["sentence"] == "heat is “high”"
    assert ask.alerts(asked, most=3)["id"].to_list() == expected[:3]
    mine = ask.alerts(asked, key="pump-004", most=10_000)
    assert mine.equals(found.filter(pl.col("key") == "pump-004"))
    since = int(rows.times[over[len(over) // 2]])
    assert ask.alerts(asked, since, most=10_000).equals(found.filter(pl.col("time").cast(pl.Int64) >= since))
    assert ask.alerts(asked, since, "pump-004", 5).equals(mine.filter(pl.col("time").cast(pl.Int64) >= since).head(5))
    assert len(of_lines([])) == 0


def test_ops_are_the_last_seconds(asked: Store):
    asked.commit([records.ops_put(second, {"rows": 10.0 * second, "late": 1.0}) for second in range(-2, 100)])
    found = ask.ops(asked, most=3)
    assert found["rows"].to_list() == [970.0, 980.0, 990.0]
    assert found["time"].cast(pl.Int64).to_list() == [second * 10**9 for second in (97, 98, 99)]
    assert found["lag"].to_list() == [None] * 3
    assert len(ask.ops(asked, 98 * 10**9)) == 2
    assert len(ask.ops(asked, most=1000)) == 102
    with pytest.raises(StoreError, match="no figure 'speed'"):
        records.ops_put(1, {"speed": 1.0})


def test_drift_is_what_was_said(asked: Store):
    assert ask.asset(asked, "pump-000").drift is None
    (value,) = records.drift_values(np.array([7]), np.array([2]), np.array([[0.25, 0.5]]), np.array([[0.5, 0.75]]))
    asked.commit([records.drift_names(["heat", "flow"]), records.drift_put("pump-000", value)])
    found = ask.asset(asked, "pump-000").drift
    assert found is not None
    assert (found["time"], found["why"]) == (7, "drift")
    assert found["sensors"]["heat"] == [0.25, 0.5]


def test_mistakes_are_told_in_a_line(asked: Store):
    for act in (ask.latest, ask.asset, ask.windows, ask.series):
        with pytest.raises(UnknownAssetError, match="no asset 'pmup-001'; did you mean 'pump-001'"):
            act(asked, "pmup-001")
    with pytest.raises(UnknownAssetError, match="no asset 'x'"):
        ask.alerts(asked, key="x")
    with pytest.raises(ParameterError, match="no sensor 'haet'; did you mean 'heat'"):
        ask.series(asked, "pump-001", channel="haet")
    with pytest.raises(ParameterError, match="windows of a minute are too many; take longer ones or less time"):
        ask.series(asked, "pump-001", 0, level="minute")
    assert len(ask.series(asked, "pump-001", 0)) in (1, 2)
    with pytest.raises(ParameterError, match="no windows of a hours; did you mean 'hour'"):
        ask.series(asked, "pump-001", level="hours")


def test_an_empty_store_says_so(store: Store):
    with pytest.raises(StoreError, match="no insights yet"):
        ask.latest(store, "a")
    with pytest.raises(StoreError, match="no insights yet"):
        ask.check(store)
    assert len(ask.top(store)) == len(ask.alerts(store)) == len(ask.ops(store)) == 0
    assert ask.names(store) == []


def test_any_text_may_be_an_asset(store: Store):
    rows = streams.rows(60, assets=6)
    rows.assets[:6] = np.arange(6)
    batch = streams.batch(rows, 0, 60)
    keys = ["", "a\0b", "ä/ö:€", "x" * 5000, "x" * 5001, "a"]
    recorder = Recorder(store, SENSORS)
    streams.commit(store, recorder, recorder.record(keys, *batch[1:]))
    assert ask.names(store) == keys
    counts = np.diff(batch.panel.offsets)
    assert [ask.latest(store, key).rows for key in keys] == counts.tolist()
    assert sum(len(ask.series(store, key, START - HOUR)) for key in keys) > 0
    again = Recorder(store, SENSORS)
    again.resume()
    assert again.assets == 6
    ids = {records.asset_id(key) for key in keys}
    assert len(ids) == 6
    assert max(map(len, ids)) <= 136


def test_names_in_keys_do_not_meet(store: Store):
    rows = streams.rows(400, assets=2, seconds=30.0)
    batch = streams.batch(rows, 0, 400)
    recorder = Recorder(store, SENSORS)
    streams.commit(store, recorder, recorder.record(["pump", "pump1"], *batch[1:]))
    for key, asset in (("pump", 0), ("pump1", 1)):
        assert ask.series(store, key, START - HOUR)["rows"].sum() == (rows.assets == asset).sum()

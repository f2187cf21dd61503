"""The store as people and programs see it from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.insights import streams
from tocsin.cli import insights as command
from tocsin.cli import insights_view
from tocsin.insights import ask, records
from tocsin.insights.catalog import open_store
from tocsin.insights.recorder import Recorder


@pytest.fixture(scope="module")
def rows() -> streams.Rows:
    return streams.rows(2000, assets=12, seconds=40.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, rows: streams.Rows) -> Path:
    """Return the folder of a store."""
    path = tmp_path_factory.mktemp("insights") / "store"
    store = open_store(f"lmdb://{path}?sync=never", write=True)
    streams.recorded(store, rows, range(0, 2001, 500))
    second = int(rows.times[-1]) // 10**9
    figures = {"rows": 51234.0, "bytes": 8.1e6, "delay_p50": 22.0, "delay_p99": 81.0, "late": 3.0}
    store.commit([records.ops_put(second - back, figures) for back in range(30)])
    values = records.drift_values(
        np.array([second * 10**9] * 2), np.array([0, 2]), np.array([[0.12, 0.05], [0.1, 0.9]]), np.full((2, 2), 0.5)
    )
    named = [records.drift_put(key, value) for key, value in zip(("pump-003", "pump-001"), values, strict=True)]
    store.commit([records.drift_names(("heat", "flow")), *named])
    store.close()
    return path


def last(rows: streams.Rows, asset: int) -> int:
    return int(np.flatnonzero(rows.assets == asset)[-1])


def test_top(run, place, rows):
    ran = run("insights", "top", place, "-n", 4)
    assert (ran.code, ran.err) == (0, "")
    scores = {streams.name(asset): rows.scores[last(rows, asset)] for asset in range(12)}
    worst = sorted(scores, key=scores.__getitem__, reverse=True)[:4]
    assert [line.split()[0] for line in ran.out.splitlines() if "pump" in line] == worst
    found = json.loads(run("insights", "top", place, "--json").out)
    assert [row["key"] for row in found["assets"]][:4] == worst
    assert found["assets"][0]["score"] == scores[worst[0]]


def test_asset(run, place, rows):
    ran = run("insights", "asset", place, "pump-003")
    assert (ran.code, ran.err) == (0, "")
    for text in ("pump-003 at 2023-11-1", "drift", "heat 0.12", "flow", "Score", "▅", "Alerts", "newest first"):
        assert text in ran.out
    found = json.loads(run("insights", "asset", place, "pump-003", "--since", "1h", "--json").out)
    row = last(rows, 3)
    assert found["values"] == {"heat": rows.values[0, row], "flow": rows.values[1, row]}
    assert found["rows"] == (rows.assets == 3).sum()
    assert found["drift"]["why"] is None
    assert found["drift"]["sensors"] == {"heat": pytest.approx([0.12, 0.5]), "flow": pytest.approx([0.05, 0.5])}
    assert 30 < len(found["series"]) <= 61
    assert len(json.loads(run("insights", "asset", place, "pump-003", "--json").out)["series"]) > 61


def test_an_asset_that_has_just_come(run, rows, tmp_path):
    """Its latest state is there at once, its windows follow."""
    path = tmp_path / "store"
    store = open_store(f"lmdb://{path}?sync=never", write=True)
    store.commit(*Recorder(store, streams.SENSORS).record(*streams.batch(rows, 0, 200)))
    store.close()
    ran = run("insights", "asset", path, "pump-003")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines() if line.strip().startswith(streams.SENSORS)] == [
        "heat",
        "flow",
    ]
    found = json.loads(run("insights", "asset", path, "pump-003", "--json").out)
    assert (found["windows"], found["series"]) == ([], [])
    assert found["rows"] == (rows.assets[:200] == 3).sum()


def test_drift(run, place):
    ran = run("insights", "drift", place)
    assert (ran.code, ran.err) == (0, "")
    told = [line.split() for line in ran.out.splitlines() if "pump" in line]
    assert [(words[0], words[3:]) for words in told] == [
        ("pump-001", ["flow", "0.90", "0.50", "drift"]),
        ("pump-003", ["heat", "0.12", "0.50"]),
    ]
    found = json.loads(run("insights", "drift", place, "-n", 1, "--json").out)["assets"]
    assert [(row["key"], row["why"], row["sensor"]) for row in found] == [("pump-001", "drift", "flow")]


def test_alerts(run, place, rows):
    ran = run("insights", "alerts", place, "-n", 3)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("heat is “high”") == 3
    found = json.loads(run("insights", "alerts", place, "-n", 500, "--json").out)["alerts"]
    assert [row["id"] for row in found] == [
        f"{rows.times[row]:016x}" for row in np.flatnonzero(rows.scores > 3.0)[::-1]
    ]
    mine = json.loads(run("insights", "alerts", place, "--asset", "pump-001", "--since", "30min", "--json").out)[
        "alerts"
    ]
    assert {row["key"] for row in mine} <= {"pump-001"}
    assert "No alerts." in run("insights", "alerts", place, "--since", "2033-01-01T00:00").out


def test_ops(run, place):
    ran = run("insights", "ops", place)
    assert (ran.code, ran.err) == (0, "")
    for text in ("51,234 rows/s", "8.1 MB/s", "81 ms", "3 rows/s", "and 29 s before", "the store holds"):
        assert text in ran.out
    assert "waits" not in ran.out
    found = json.loads(run("insights", "ops", place, "-n", 5, "--json").out)
    assert [row["late"] for row in found["seconds"]] == [3.0] * 5
    assert found["seconds"][0]["lag"] is None


@pytest.mark.parametrize(
    ("unit", "told"), [("bytes", "4.1 MB"), ("messages", "4,100,000 messages"), (None, "4,100,000")]
)
def test_what_waits_has_its_unit(run, tmp_path, unit, told):
    store = open_store(str(tmp_path / "store"), write=True)
    said = [] if unit is None else [(records.LAG_UNIT, unit.encode())]
    store.commit([records.ops_put(1_700_000_000, {"rows": 1.0, "lag": 4.1e6}), *said])
    store.close()
    (line,) = (line for line in run("insights", "ops", tmp_path / "store").out.splitlines() if "waits" in line)
    assert line.split("waits to be read")[1].rsplit(maxsplit=1)[0].strip() == told
    assert json.loads(run("insights", "ops", tmp_path / "store", "--json").out)["lag_unit"] == unit


def test_the_greatest_of_any_values_is_the_highest_block():
    drawn = np.random.default_rng(5)
    for most in drawn.uniform(0.0, 1e6, 200).tolist():  # of one in ten 7 / most * most is above 7
        assert insights_view.sparkline([0.0, most, None, most / 2], 9).plain == "▁█ ▅"


def test_no_figure_of_the_worst_assets_is_cut_on_a_narrow_terminal():
    row = {"key": "pump 1", "time": datetime(2020, 3, 9, tzinfo=UTC), "score": 29.89, "times_threshold": 1.56}
    console = Console(width=80)
    with console.capture() as told:
        console.print(insights_view.top([row | {"p_value": 0.002494, "alert": True, "alerts": 461, "rows": 12_345}]))
    assert "Readings" in told.get()
    assert told.get().split()[-7:] == ["03-09", "00:00:00", "29.89", "1.56×", "0.002494", "461", "12,345"]


@pytest.mark.parametrize("width", [20, 40, 60, 70])
@pytest.mark.parametrize("question", ["top", "alerts", "drift"])
def test_the_name_of_an_asset_is_the_last_to_go(run, place, monkeypatch, question, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = run("insights", question, place, "-n", 2).out
    monkeypatch.undo()
    assert max(map(len, out.splitlines())) <= width
    assert out.count("pump-0") == 2
    wide = run("insights", question, place, "-n", 2).out
    assert out.split("pump-0")[1][:2] == wide.split("pump-0")[1][:2]


@pytest.mark.parametrize("question", [["top"], ["asset", "pump-003"], ["alerts"], ["drift"], ["ops"]])
def test_tables_fit_a_narrow_terminal(run, place, monkeypatch, question):
    monkeypatch.setenv("COLUMNS", "80")
    what, *rest = question
    out = run("insights", what, place, *rest).out
    monkeypatch.undo()
    assert out
    assert max(map(len, out.splitlines())) <= 80


def test_watching_draws_again_until_it_is_stopped(run, place, monkeypatch):
    asked: list[int] = []
    answer = ask.top

    def slept(seconds: float) -> None:
        assert seconds == 0.5
        if len(asked) == 3:
            raise KeyboardInterrupt

    def counted(store, n):
        asked.append(n)
        return answer(store, n)

    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(command.time, "sleep", slept)
    monkeypatch.setattr(ask, "top", counted)
    ran = run("insights", "top", place, "-n", 2, "--watch", "0.5")
    assert (ran.code, ran.err, asked) == (0, "", [2, 2, 2])
    assert "pump-" in ran.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["asset", "{}", "pump-03"], "no asset 'pump-03'; did you mean 'pump-003'?"),
        (["asset", "{}", "pump-003", "--since", "soon"], "'soon' is neither a time such as"),
        (["alerts", "{}", "--asset", "pump-03"], "did you mean 'pump-003'?"),
        (["top", "{}x"], "there is no store at"),
        (["top", "reddis://host"], "did you mean 'redis'?"),
        (["top", "{}", "--watch", "1", "--json"], "leave it or --json out"),
        (["top", "{}", "--watch", "1"], "draws on a terminal; leave it out here"),
        (["tops", "{}"], "tocsin insights --help"),
        (["asset", "{}"], "tocsin insights asset --help"),
    ],
)
def test_mistakes_are_one_line(run, place, arguments, told):
    ran = run("insights", *(each.format(place) for each in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("tocsin: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err


def test_a_store_without_insights_says_so(run, tmp_path):
    open_store(str(tmp_path / "s"), write=True).close()
    for arguments in (["top"], ["asset", "x"], ["alerts"]):
        what, *rest = arguments
        ran = run("insights", what, tmp_path / "s", *rest)
        assert ran.code == 2
        assert "has no insights yet" in ran.err
    assert "No figures of the operation yet." in run("insights", "ops", tmp_path / "s").out

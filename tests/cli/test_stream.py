"""A stream as people use it: real processes, files and pipes, signals, mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from tests.cli.conftest import Run
from tocsin.cli.main import main
from tocsin.cli.stream import PANELS
from tocsin.insights import ask
from tocsin.insights.catalog import open_store
from tocsin.stream.settings import Settings

COMMAND = [sys.executable, "-c", "import sys; from tocsin.cli.main import main; sys.exit(main())", "stream"]


class Place(NamedTuple):
    """A folder with a fleet, later readings as NDJSON in the order of time, and what `score` says of them."""

    path: Path
    fleet: Path
    later: Path
    alerts: pl.DataFrame


@pytest.fixture(scope="module")
def place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    path = tmp_path_factory.mktemp("streams")
    pl.read_csv(folder / "later.csv").sort("time", maintain_order=True).write_ndjson(path / "later.ndjson")
    out = path / "scores.parquet"
    later = str(path / "later.ndjson")
    assert main(["score", str(folder / "fleet"), later, "--out", str(out), "--explain", "3", "--alerts-only"]) == 0
    return Place(path, folder / "fleet", path / "later.ndjson", pl.read_parquet(out))


def started(arguments: Sequence[object], **more: Any) -> subprocess.Popen[bytes]:
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **pipes | more)


def ended(process: subprocess.Popen[bytes], given: bytes | None = None) -> tuple[int, str, str]:
    out, err = process.communicate(given, timeout=300)
    return process.returncode, out.decode(), err.decode()


def events(err: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


def until(done: Callable[[], bool], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def same_alerts(lines: list[str], expected: pl.DataFrame) -> None:
    """Check that alerts are those of `score`, number for number."""
    names = ("key", "score", "p_value", "threshold")
    found = sorted((each["time"][:19], *(each[name] for name in names)) for each in map(json.loads, lines))
    wanted = expected.with_columns(pl.col("time").cast(pl.String).str.slice(0, 19).str.replace(" ", "T"))
    assert found == sorted(wanted.select("time", *names).rows())


def test_a_file_gives_the_alerts_of_score(place: Place, tmp_path: Path) -> None:
    """By a file of settings; what cannot be read, no number, another sensor, a new asset; then nothing is left."""
    broken, new = b"{broken\n", b'{"asset": "pump-99", "time": "2026-02-01T00:00:00", "vibration": NaN, "oil": 3.0}\n'
    later = tmp_path / "later.ndjson"
    later.write_bytes(place.later.read_bytes() + broken + new)
    config = tmp_path / "stream.toml"
    config.write_text(
        f'fleet = "{place.fleet}"\nfrom = "file://{later}?follow=no"\nto = ["alerts.ndjson"]\n'
        'store = "store"\npolicy = "online"\ndead_letters = "dead.ndjson"\n'
    )
    flags = ["--config", config, "--policy", "frozen"]
    code, out, err = ended(started(flags, cwd=tmp_path))
    assert code == 0, err
    same_alerts((tmp_path / "alerts.ndjson").read_text().splitlines(), place.alerts)
    rows = len(place.later.read_bytes().splitlines()) + 1
    assert f"The source has ended: {rows:,} readings" in out
    assert f"{len(place.alerts)} alerts" in out
    for told in (
        "Left out",
        "not readable",
        "1 message",
        "oil (",
        "1 value, taken as missing",
        "1 reading of assets that were new",
    ):
        assert told in out
    assert json.loads((tmp_path / "dead.ndjson").read_text())["payload"].startswith("{broken")
    first, *_, last = events(err)
    assert (first["event"], last["event"], last["alerts"]) == ("started", "ended", len(place.alerts))
    store = open_store(str(tmp_path / "store"))
    assert ask.ops(store)["rows"].sum() > 0
    assert len(ask.alerts(store, most=10_000)) == len(place.alerts)
    store.close()
    before = (tmp_path / "alerts.ndjson").read_bytes()
    code, out, err = ended(started([*flags, "--json", "--log", "none"], cwd=tmp_path))
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"] == 0
    assert (tmp_path / "alerts.ndjson").read_bytes() == before


def test_a_pipe_gives_alerts_to_a_pipe(place: Place, tmp_path: Path) -> None:
    flags = [place.fleet, "--from", "-", "--to", "-", "--store", tmp_path / "store", "--policy", "frozen"]
    code, out, err = ended(started(flags, stdin=subprocess.PIPE), place.later.read_bytes())
    assert code == 0, err
    same_alerts(out.splitlines(), place.alerts)
    assert "The source has ended" in err


def test_bad_messages_harm_no_other_and_are_all_counted(place: Place, tmp_path: Path) -> None:
    good = place.later.read_bytes().splitlines(keepends=True)
    row = json.loads(good[0])
    name = next(field for field, value in row.items() if isinstance(value, float))
    bad = [
        b"not JSON",
        b"[1, 2]",
        b"\xff",
        *(json.dumps(row | {name: value}).encode() for value in ("high", [1], {"a": 1})),
        json.dumps({field: value for field, value in row.items() if field != "asset"}).encode(),
        json.dumps({field: value for field, value in row.items() if field != "time"}).encode(),
        *(json.dumps(row | {"time": time}).encode() for time in ("1970-01-01T00:00:00Z", 0, "2300-01-01T00:00:00Z")),
        b'{"asset": "' + b"x" * 20_000_000 + b'"}',
    ]
    odd = [
        json.dumps(row | {"time": f"2026-02-0{day}T00:00:00Z", name: value}).encode()
        for day, value in enumerate((float("nan"), float("inf"), float("-inf")), 1)
    ]
    given = b"".join([*good[:400], *(line + b"\n" for line in bad), *good[400:], *(line + b"\n" for line in odd)])
    flags = [place.fleet, "--from", "-", "--to", "-", "--store", tmp_path / "store", "--policy", "frozen"]
    more = ["--dead-letters", tmp_path / "dead.ndjson", "--log", "none"]
    code, out, err = ended(started([*flags, *more], stdin=subprocess.PIPE), given)
    assert code == 0, err
    same_alerts([line for line in out.splitlines() if '"2026-02' not in line], place.alerts)
    told = " ".join(err.split())
    assert f"{len(bad)} messages" in told
    counts = [int(line.split(":")[0].split()[-1]) for line in err.split("messages")[1].splitlines() if ": " in line]
    assert sum(counts) == len(bad)
    assert "other reasons; --dead-letters FILE keeps them" in told
    assert "3 values, taken as missing" in told
    assert len((tmp_path / "dead.ndjson").read_text().splitlines()) == len(bad)


def test_a_pipe_of_csv_is_told_what_to_do(place: Place, tmp_path: Path) -> None:
    """Where messages of a pipe are CSV, the summary and the dead letters say so, and what is told works."""
    text = b"asset,time,vibration\r\npump-01,2026-01-05T00:00:00Z,0.5\r\n"
    more = ["--store", tmp_path / "store", "--log", "none", "--dead-letters", tmp_path / "dead.ndjson"]
    code, out, err = ended(started([place.fleet, "--from", "-", *more], stdin=subprocess.PIPE), text)
    said = "it is not JSON, but looks like CSV; read it as a file that ends in .csv, or send JSON"
    assert (code, err) == (0, "")
    assert f"2: {said}" in " ".join(out.split())
    assert [json.loads(line)["reason"] for line in (tmp_path / "dead.ndjson").read_text().splitlines()] == [said] * 2
    (tmp_path / "a.csv").write_bytes(text)
    code, out, err = ended(started([place.fleet, "--from", f"file://{tmp_path}/a.csv?follow=no", *more]))
    assert (code, err) == (0, "")
    assert out.startswith("The source has ended: 1 reading in")


def test_it_stops_when_told_and_goes_on(place: Place, tmp_path: Path) -> None:
    """SIGTERM ends it soon; a second stream on its store is refused; another fleet's is, too."""
    lines = place.later.read_bytes().splitlines(keepends=True)
    later, alerts, store = tmp_path / "later.ndjson", tmp_path / "alerts.ndjson", tmp_path / "store"
    later.write_bytes(b"".join(lines[:500]))
    flags = [place.fleet, "--from", later, "--to", alerts, "--store", store, "--policy", "frozen"]
    first = started(flags)
    until(lambda: first.poll() is None and _seen(store) == 500)
    code, out, err = ended(started(flags))
    assert (code, out) == (2, "")
    assert err.startswith("tocsin: ")
    assert f"process {first.pid}" in err
    began = time.monotonic()
    first.send_signal(signal.SIGTERM)
    code, out, err = ended(first)
    assert time.monotonic() - began < 60.0  # 2 seconds, on a machine that does nothing else
    assert code == 0, err
    assert out.startswith("Stopped: 500 readings")
    assert out.count("\n") == 1
    with later.open("ab") as file:
        file.write(b"".join(lines[500:]))
    second = started([*flags, "--json"])
    until(lambda: second.poll() is None and _seen(store) == len(lines))
    second.send_signal(signal.SIGINT)
    code, out, err = ended(second)
    assert code == 130, err
    assert json.loads(out)["rows"] == len(lines) - 500
    assert json.loads(out)["ended"] == "stopped"
    same_alerts(alerts.read_text().splitlines(), place.alerts)
    other = tmp_path / "other"
    words = ["fit", str(place.later), "--key", "asset", "--time", "time", "--set", "contamination=0.1"]
    assert main([*words, "--out", str(other)]) == 0
    code, out, err = ended(started([other, *flags[1:], "--log", "none"]))
    assert (code, out) == (2, "")
    assert "the store belongs to a fleet with other parameters" in err
    assert err.count("\n") == 1


def _seen(where: Path) -> int:
    """Return how many readings a store tells of."""
    if not (where / "data.mdb").exists():
        return 0
    store = open_store(str(where))
    try:
        return int(ask.top(store, 100)["rows"].sum())
    finally:
        store.close()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "a stream needs --from"),
        (["--from", "kafkaa://localhost/x"], "kafka"),
        (["--from", "nowhere.ndjson"], "nowhere.ndjson"),
        (["--from", "a.csv", "--to", "slak://x"], "slak"),
        (["--from", "a.csv", "--to", "a.ndjson", "--to", "a.ndjson"], "given twice"),
        (["--from", "a.csv", "--late", "5"], "--late"),
        (["--from", "a.csv", "--rows", "0"], "--rows"),
        (["--from", "a.csv", "--policy", "never"], "--policy"),
        (["--from", "a.csv", "--budget", "20"], "--budget"),
        (["--from", "a.csv", "--metrics", "port"], "--metrics"),
        (["--from", "a.csv", "--sensor", "tag"], "--sensor is given without a value"),
        (["--from", "a.csv", "--store", "redisx://localhost"], "redis"),
        (["--from", "a.csv", "--config", "nowhere.toml"], "nowhere.toml"),
        (["--from", "a.csv", "--dead-letters", "no/such/folder/dead.ndjson"], "dead letters"),
        (["--from", "a.csv", "--to", "-", "--json"], "leave one of them out"),
        (["--from", "$NO_SUCH_NAME"], "NO_SUCH_NAME"),
        (["--demo"], "leave FLEET out"),
        (["--rows", "many"], "tocsin stream --help"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("asset,time,vibration\n")
    alone = {"--log": "none", "--store": "store"} if "--demo" not in flags else {}
    more = [word for flag, value in alone.items() if flag not in flags for word in (flag, value)]
    ran = run("stream", place.fleet, *flags, *more)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("tocsin: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('sensor = "tag"', "sensor in stream.toml is given without a value; long readings need both"),
        ('value = "x"', "value in stream.toml is given without a sensor"),
        (
            'policy = "nightly"\nstore = "redis://127.0.0.1:1/0"',
            "policy in stream.toml: nightly needs a folder for past readings; give one as --beside",
        ),
    ],
    ids=["sensor", "value", "nightly"],
)
def test_settings_that_do_not_go_together_are_named_as_they_were_given(
    run: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("asset,time,vibration\n")
    (tmp_path / "stream.toml").write_text(f'from = "a.csv"\nlog = "none"\n{text}\n')
    ran = run("stream", place.fleet, "--config", "stream.toml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"tocsin: {told}")
    assert ran.err.count("\n") == 1


def test_every_setting_has_a_flag() -> None:
    known = {field.alias or name for name, field in Settings.model_fields.items()} - {"fleet"}
    assert {name for panel in PANELS.values() for name in panel} == known


def test_the_demo_says_which_faults_it_found(tmp_path: Path) -> None:
    process = started(["--demo", "--seconds", "1", "--json"], env=os.environ | {"TMPDIR": str(tmp_path)})
    code, out, err = ended(process)
    assert code == 0, err
    found = json.loads(out)
    assert found["found"] >= 7
    assert found["found"] == sum(fault["first_alert"] is not None for fault in found["faults"])
    assert found["ended"] == "source"
    assert list(tmp_path.iterdir()) == []

"""What people tell a stream about its models, and a night, from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import polars as pl
import pytest

from tests.cli.conftest import Ran, Run
from tests.stream.adapting.changing import ASSETS, DAY, EVERY, FROZEN, MIDNIGHT, Gated, judged, learned, nightly, table
from tests.stream.running import Drawer
from tests.stream.running import run as run_stream
from tocsin.fleet.fleet import Fleet
from tocsin.insights import ask
from tocsin.insights.catalog import open_store
from tocsin.stream.adapting import adaptation, requests
from tocsin.stream.adapting.verdict import Bounds
from tocsin.stream.learning import Learning

SOON = Learning(least=32, most=32)
COMMAND = [sys.executable, "-c", "import sys; from tocsin.cli.main import main; sys.exit(main())", "stream"]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapting") / "pumps"
    learned(path)
    return path


@contextmanager
def at_work(fleet: Path, where: Path, frame: pl.DataFrame, **more: Any) -> Iterator[None]:
    """Let a stream be at work in a thread, waiting for more when it has read a frame."""
    over, read, failed = Event(), Event(), list[BaseException]()

    def last() -> bool:
        read.set()
        return over.is_set()

    def work() -> None:
        try:
            source = Gated(frame.vstack(frame[:1]), {frame.height: last}, frame.height)
            run_stream(Fleet.load(fleet), source, where, Drawer(), **{"learning": SOON, **more})
        except BaseException as error:
            failed.append(error)
            read.set()

    thread = Thread(target=work)
    thread.start()
    assert read.wait(60.0)
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "LOOK", 0.0)
    monkeypatch.setattr(requests, "EVERY", 0.01)


def told(ran: Ran) -> str:
    """Return what a command that did its work has said."""
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out.strip()


def nothing(ran: Ran) -> str:
    """Return what a command that found nothing to do has said."""
    assert (ran.code, ran.err) == (1, ""), ran
    return ran.out.strip()


@pytest.mark.usefixtures("soon")
def test_a_stream_says_what_comes_of_what_it_is_told(run: Run, plant: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    frame = table(0.8, seed=31, faults={"pump 0": 40, "pump 1": 40})
    with at_work(plant, store, frame):
        assert told(run("confirm", store, "pump 0", "--normal")) == ("pump 0: its last 74 rows are normal from now on")
        assert told(run("confirm", store, "pump 0", "--normal")) == (
            "pump 0: nothing of it is held back, and chance explains its alerts; confirm it again if they last"
        )
        assert (
            told(run("confirm", store, "pump 1", "--fault", "--time", "1h"))
            == "pump 1: what was held back is not learned"
        )
        assert told(run("confirm", store, "pump 1", "--fault")) == "pump 1: nothing of it is learned while it alerts"
        assert nothing(run("promote", store)).startswith("no new models wait")
        assert nothing(run("rollback", store)) == "there are no former models to go back to"
        ran = run("confirm", store, "pumpe 2", "--normal")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert "'pumpe 2'" in ran.err
        assert "did you mean 'pump 2'?" in ran.err


@pytest.mark.usefixtures("soon")
def test_models_are_promoted_and_brought_back(run: Run, plant: Path, tmp_path: Path) -> None:
    where = tmp_path / "store"
    frame = table(0.3, seed=32, begin=DAY - 30)
    adapting = nightly(where, Bounds(delay=0.0))  # nobody finds a fault in no time

    with at_work(plant, where, frame, learning=FROZEN, adapting=adapting):
        store = open_store(str(where))
        done, end = judged(store), time.monotonic() + 60.0
        while not done():
            assert time.monotonic() < end
            time.sleep(0.01)
        store.close()
        assert "waits" in told(run("insights", "trials", where))
        assert "The new models wait" in told(run("promote", where, "--show"))
        assert told(run("promote", where)) == "version 2 is at work; tocsin rollback brings version 1 back"
        assert nothing(run("promote", where)).startswith("no new models wait")
        assert "The new models have taken over" in told(run("promote", where, "--show"))
        assert told(run("rollback", where)) == "version 1 is at work again; tocsin promote brings version 2 back"
        assert "rolled back" in told(run("insights", "trials", where))
        assert "The new models were rolled back" in told(run("promote", where, "--show"))
        assert told(run("promote", where)) == "version 2 is at work; tocsin rollback brings version 1 back"
        assert "promoted" in told(run("insights", "trials", where))
        assert told(run("rollback", where)) == "version 1 is at work again; tocsin promote brings version 2 back"
        assert told(run("confirm", where, "pump 1", "--normal")) == (
            "pump 1: what it has done since its alarm began is learned now, beside the stream"
        )
    waits = "no stream runs on this store; it will be done when one starts"
    assert told(run("promote", where)) == waits
    assert told(run("rollback", where)) == waits  # what is promoted first can be taken back
    *_, trial = json.loads(told(run("insights", "trials", where, "--json")))["trials"]
    assert trial["fate"] == "rolled back"
    assert trial["trial"]["reasons"]


@pytest.mark.usefixtures("soon")
def test_what_is_asked_waits_for_a_stream(run: Run, plant: Path, tmp_path: Path) -> None:
    """Where none runs, and where one is busy; none is done twice."""
    store, frame = tmp_path / "store", table(0.5, seed=33, faults={"pump 0": 20})
    with at_work(plant, store, frame):
        pass
    waits = "no stream runs on this store; it will be done when one starts"
    assert told(run("confirm", store, "pump 0", "--normal", "--wait", 0)) == waits
    assert nothing(run("promote", store)).startswith("no new models wait")
    assert nothing(run("rollback", store)) == "there are no former models to go back to"
    with at_work(plant, store, table(0.6, seed=33, faults={"pump 0": 20})):
        assert told(run("confirm", store, "pump 0", "--normal")).startswith("pump 0: nothing of it is held back")
    opened = open_store(str(store), write=True)
    assert requests.asked(opened) == ([], [])
    with opened.alone("stream"):  # a stream that is in the middle of a long batch
        assert told(run("confirm", store, "pump 1", "--fault", "--wait", 0)) == (
            "the stream has not answered yet; it will do it between two batches"
        )
    opened.close()


@pytest.mark.parametrize(
    "command", [["confirm", "pump 0", "--fault"], ["promote"], ["promote", "--show"], ["rollback"]]
)
def test_stores_that_are_none(run: Run, tmp_path: Path, command: list[str]) -> None:
    name, *rest = command
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    for where, said in (
        ("none", "there is no store at"),
        ("folder", "there is no store at"),
        ("redis://127.0.0.1:1/0", "does not answer"),
        ("redisx://localhost", "no store redisx://"),
    ):
        ran = run(name, where if "://" in where else tmp_path / where, *rest)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert said in ran.err
    assert not (tmp_path / "none").exists()
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "either --fault or --normal"),
        (["--fault", "--normal"], "either --fault or --normal"),
        (["--fault", "--time", "soon"], "soon"),
        (["--fault", "--wait", "-1"], "--wait"),
    ],
)
def test_confirmations_that_make_no_sense(run: Run, plant: Path, tmp_path: Path, flags: list[str], said: str) -> None:
    with at_work(plant, tmp_path / "store", table(0.1, seed=34)):
        pass
    ran = run("confirm", tmp_path / "store", "pump 0", *flags)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err
    store = open_store(str(tmp_path / "store"), write=True)
    assert requests.asked(store) == ([], [])
    store.close()


def seen(where: Path) -> int:
    """Return how many readings a store tells of."""
    store = open_store(str(where))
    try:
        return int(ask.top(store, ASSETS)["rows"].sum())
    finally:
        store.close()


def test_a_night_of_a_process_and_its_end(run: Run, plant: Path, tmp_path: Path) -> None:
    """Models are learned when the readings' own time passes the hour; SIGTERM ends the process while readings come."""
    where, end, evening = tmp_path / "store", time.monotonic() + 240.0, 40 * ASSETS
    frame = table(3, seed=35, begin=DAY - 30).with_columns(pl.from_epoch("time", "ns"))
    lines = frame.write_ndjson().encode().splitlines(keepends=True)
    flags = ["--from", "-", "--store", where, "--policy", "nightly", "--nightly-at", "00:00", "--json", "--log", "none"]
    command = [*COMMAND, *map(str, [plant, *flags])]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    try:
        assert process.stdin is not None
        process.stdin.write(b"".join(lines[:evening]))
        trials: list[dict[str, Any]] = []
        while not trials:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
            ran = run("insights", "trials", where, "--json")
            trials = json.loads(ran.out)["trials"] if ran.code == 0 else []
        assert [(each["version"], each["made"], each["fate"]) for each in trials] == [
            (2, MIDNIGHT + DAY * EVERY, "promoted")
        ]

        def feed(pipe: IO[bytes]) -> None:
            with suppress(BrokenPipeError):
                for line in lines[evening:]:
                    pipe.write(line)
                    time.sleep(0.001)

        feeder = Thread(target=feed, args=[process.stdin])
        feeder.start()
        while seen(where) < evening + 4 * ASSETS:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = process.wait(60)
        assert time.monotonic() - began < 10.0  # 2 seconds, on a machine that does nothing else
        feeder.join()
        out, err = process.communicate()
        assert code == 0
        if err:  # as it may where kernels are compiled on the way
            assert (out, err) == (b"", b"tocsin: stopped in the middle of a batch, which will be read again\n")
        else:
            assert json.loads(out)["ended"] == "stopped"
            assert json.loads(out)["rows"] < len(lines)
    finally:
        process.kill()
    store = open_store(str(where))
    assert {ask.latest(store, f"pump {i}").version for i in range(ASSETS)} == {2}
    store.close()
    shown = told(run("insights", "trials", where))
    for text in ("2023-11-16 00:00", "promoted"):
        assert text in shown

"""The loop of a stream: nothing is lost and nothing comes twice, whatever happens to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.stream.running import Drawer, Frames, contents, later, run, trained
from tocsin.errors import FleetError, StoreBusyError, StoreFullError, UnavailableError
from tocsin.fleet.fleet import Fleet
from tocsin.insights.catalog import open_store
from tocsin.stream.sources.base import Fetched

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    path = tmp_path_factory.mktemp("fleet") / "pumps"
    trained().save(path)
    return Fleet.load(path)


@pytest.mark.parametrize("budget", [None, "4000/day"])
def test_any_cutting_leaves_the_same_store(fleet: Fleet, tmp_path: Path, budget: str | None) -> None:
    frame = later(900)  # more than one epoch
    whole, parts = Drawer(), Drawer()
    run(fleet, Frames(frame, [frame.height]), tmp_path / "whole", whole, budget=budget)
    run(fleet, Frames(frame, [7, 500, 1, 333, 2000]), tmp_path / "parts", parts, budget=budget)
    assert len(whole.ids) > 3
    assert sorted(parts.ids) == sorted(whole.ids)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("budget", [None, "4000/day"])
def test_stops_anywhere_and_goes_on(fleet: Fleet, tmp_path: Path, budget: str | None) -> None:
    frame = later(900)  # more than one epoch
    straight, halting = Drawer(), Drawer()
    run(fleet, Frames(frame, [100]), tmp_path / "straight", straight, budget=budget)
    assert len(straight.ids) > 3
    for stop in (1, 2, 5, 6, 11, 9, 20, None):
        run(fleet, Frames(frame, [100], stop_after=stop), tmp_path / "halting", halting, budget=budget)
    assert set(halting.ids) == set(straight.ids)  # what was not known to have arrived comes again
    assert contents(tmp_path / "halting") == contents(tmp_path / "straight")


def test_late_rows_wait_or_are_counted(fleet: Fleet, tmp_path: Path) -> None:
    frame = later()
    rng = np.random.default_rng(5)
    shaken = frame.with_columns(at=pl.col("time") + pl.Series(rng.integers(0, 10_000_000_000, frame.height)))
    shaken = shaken.sort("at").drop("at")
    sorted_, mixed = Drawer(), Drawer()
    run(fleet, Frames(frame, [400]), tmp_path / "sorted", sorted_)
    batches = run(fleet, Frames(shaken, [400]), tmp_path / "mixed", mixed, late=10_000_000_000)
    assert sum(batch.late for batch in batches) == 0
    assert sorted(mixed.ids) == sorted(sorted_.ids)
    batches = run(fleet, Frames(shaken, [400]), tmp_path / "strict", Drawer())
    assert 0 < sum(batch.late for batch in batches) < frame.height


def test_an_asset_that_floods_changes_nothing_for_others(fleet: Fleet, tmp_path: Path) -> None:
    """Of one there come 40 times as many readings; what is kept of each other one is the same to the last bit."""
    frame = later()
    own = frame.filter(pl.col("key") == "pump 0")
    flood = [own.with_columns(pl.col("time") + number * 20_000_000) for number in range(1, 40)]
    every = pl.concat([frame, *flood]).sort("time", maintain_order=True)
    run(fleet, Frames(frame, [500]), tmp_path / "calm", Drawer())
    batches = run(fleet, Frames(every, [500]), tmp_path / "flooded", Drawer())
    assert sum(batch.rows for batch in batches) == every.height > 6 * frame.height
    kinds = (b"i/a/", b"i/b/", b"i/c/", b"i/s/", b"i/x/")
    kept = [
        {
            key: value
            for key, value in contents(tmp_path / name).items()
            if key.startswith(kinds) and b"pump 0" not in key
        }
        for name in ("calm", "flooded")
    ]
    assert kept[0] == kept[1]
    assert sum(key.startswith(b"i/x/") for key in kept[0]) > 3


def test_two_streams_on_one_store(fleet: Fleet, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"), write=True)
    other = open_store(str(tmp_path / "store"), write=True)
    with store.alone("stream"), pytest.raises(StoreBusyError):
        run(fleet, Frames(later(), [100]), other, Drawer())
    store.close()
    other.close()


def test_another_fleet_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    run(fleet, Frames(later(), [5000]), tmp_path / "store", Drawer())
    before = contents(tmp_path / "store")
    narrow = trained(features=["flow", "heat"])
    with pytest.raises(FleetError, match="other features"):
        run(narrow, Frames(later(), [5000]), tmp_path / "store", Drawer())
    assert contents(tmp_path / "store") == before


class Flaky(Frames):
    """A source whose server goes away now and then."""

    def poll(self, most: int, wait: float) -> Fetched | None:
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls % 3 == 0:
            raise UnavailableError("the broker does not answer")
        return super().poll(most, wait)


def test_waits_for_what_is_away(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, steady, said = later(), Drawer(), list[str]()
    run(fleet, Frames(frame, [300]), tmp_path / "steady", steady)
    store = open_store(str(tmp_path / "store"), write=True)
    commit, calls = store.commit, []

    def sometimes(*args: Sequence[object]) -> None:
        calls.append(len(args))
        if len(calls) % 9 in (4, 5, 6):  # and there is nothing that could go
            raise StoreFullError("the store is full")
        commit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit", sometimes)
    drawer = Drawer()
    run(fleet, Flaky(frame, [300]), store, drawer, say=said.append)
    store.close()
    assert sorted(drawer.ids) == sorted(steady.ids)
    assert contents(tmp_path / "store") == contents(tmp_path / "steady")
    assert any("broker" in line for line in said)
    assert any("full" in line for line in said)


def test_killed_a_hundred_times_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.stream.killing", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) >= 100
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")
    sent = [set((tmp_path / f"{name}.ids").read_text().split()) for name in ("killed", "straight")]
    assert sent[0] == sent[1]
    assert len(sent[0]) > 20

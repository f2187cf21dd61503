"""Windows follow in turn, and what they have not learned when a stream ends suddenly comes again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.insights import streams
from tests.stream.running import SECOND, SENSORS, START, Drawer, Frames, contents, run
from tocsin import ECOD
from tocsin.errors import FleetError
from tocsin.fleet.fleet import Fleet
from tocsin.insights import ask
from tocsin.insights.catalog import open_store
from tocsin.insights.recorder import Recorder
from tocsin.stream import journal, telling
from tocsin.stream.learning import Learning
from tocsin.stream.roster import Roster
from tocsin.stream.sources.base import Fetched
from tocsin.stream.telling import Telling

ASSETS = 5 * telling.WIDTH - 9
FROZEN = Learning(online=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list whose last element is the time."""
    now = [0.0]
    monkeypatch.setattr(telling.time, "monotonic", lambda: now[-1])
    return now


def test_each_part_has_its_turn_in_time_and_when_its_state_is_put_down(tmp_path: Path, clock: list[float]) -> None:
    store = open_store(str(tmp_path / "store"), write=True)
    recorder, roster = Recorder(store, streams.SENSORS), Roster(streams.name(asset) for asset in range(ASSETS))
    told, parts, seen = Telling(store, recorder), 5, list[set[int]]()
    rows = streams.rows(20 * ASSETS, assets=ASSETS)
    rows.assets[:] = np.tile(np.arange(ASSETS), 20)
    for number, batch in enumerate(streams.batches(rows, range(0, 20 * ASSETS + 1, ASSETS)), start=1):
        clock.append(clock[-1] + telling.SOON / 10)
        recorder.record(*batch)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(telling, "FEW", 0)
            puts = told.turn(number, [1] if number == 8 else [], roster, 10**6)
        marks = {key: value for key, value in puts if key.startswith(telling.TOLD)}
        assert all(int.from_bytes(value, "little") == number for value in marks.values())
        seen.append({int.from_bytes(key[-4:], "big") for key in marks})
        records = {key.removeprefix(b"i/a/").decode() for key, _ in puts if key.startswith(b"i/a/")}
        assert {roster.slot(key) // telling.WIDTH for key in records} == seen[-1]  # type: ignore[operator]
    assert seen[7] == {1, 3}
    for first in range(10):
        assert set.union(*seen[first : first + 10]) == set(range(parts))
    assert told.turn(21, [], roster, 0) != []  # a few always have their turn
    assert len(list(told.rest(21, roster))) <= 1
    assert recorder.waiting == 0
    assert told.turn(22, [1, 2], roster, 0) == []
    store.close()


class Failing(Frames):
    """A source that fails for ever at a row."""

    fails_at = 10**9

    def poll(self, most: int, wait: float) -> Fetched | None:
        if self._at >= self.fails_at:
            raise FleetError("no more")
        return super().poll(most, wait)


def readings(rows: int, seed: int) -> pl.DataFrame:
    rng, count = np.random.default_rng(seed), rows * ASSETS
    return pl.DataFrame(
        {
            "key": [f"pump {asset}" for asset in range(ASSETS)] * rows,
            "time": START + np.repeat(np.arange(rows), ASSETS) * 20 * SECOND,
            **{name: rng.normal(size=count) for name in SENSORS},
        }
    )


@pytest.mark.parametrize("many", [2, 10**9])
def test_what_windows_had_not_learned_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    past = readings(40, 1).with_columns(pl.from_epoch("time", "ns") - pl.duration(days=1))
    Fleet(ECOD(), key="key", time="time", features=list(SENSORS)).fit(past, threads=1).save(tmp_path / "fleet")
    fleet, frame = Fleet.load(tmp_path / "fleet"), readings(30, 2)
    monkeypatch.setattr(telling, "FEW", 1)
    monkeypatch.setattr(telling, "MANY", many)
    monkeypatch.setattr(journal, "RENEWED", 0.2)  # so that parts lag behind
    run(fleet, Frames(frame, [frame.height]), tmp_path / "whole", Drawer(), learning=FROZEN)
    for row in (1000, 1500, 1501, 3700, 6000):
        source = Failing(frame, [170])
        source.fails_at = row
        with pytest.raises(FleetError, match="no more"):
            run(fleet, source, tmp_path / "failing", Drawer(), learning=FROZEN)
        store = open_store(str(tmp_path / "failing"))
        latest = ask.latest(store, "pump 3")
        behind = [ask.series(store, f"pump {asset}")["rows"].sum() for asset in range(ASSETS)]
        assert latest.rows == 1 + (source._at - 4) // ASSETS
        assert min(behind) < latest.rows
        store.close()
    run(fleet, Failing(frame, [170]), tmp_path / "failing", Drawer(), learning=FROZEN)
    assert contents(tmp_path / "failing") == contents(tmp_path / "whole")

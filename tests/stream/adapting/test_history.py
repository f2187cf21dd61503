"""Past readings beside a store: what is kept, what goes, and what a night reads of long ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.stream.adapting.changing import ASSETS, DAY, EVERY, FROZEN, MIDNIGHT, Gated, judged, nightly, table
from tests.stream.running import SENSORS, Drawer, run
from tocsin.errors import DataError, OutputError
from tocsin.fleet.fleet import Fleet
from tocsin.insights import ask
from tocsin.insights.catalog import open_store
from tocsin.stream.adapting import versions
from tocsin.stream.adapting.history import ASSET, TIME, History
from tocsin.stream.adapting.verdict import Trial
from tocsin.stream.ordering import Arrivals
from tocsin.stream.roster import Roster

HOUR = 3_600_000_000_000
ROWS = 200


def rows(hour: int, count: int = ROWS) -> Arrivals:
    """Return readings of two pumps, the last of them at an hour."""
    rng = np.random.default_rng(hour)
    times = MIDNIGHT + hour * HOUR - np.arange(count)[::-1] * 10**9
    return Arrivals(np.arange(count) % 2, times, rng.normal(size=(3, count)))


def written(folder: Path, hours: list[int], **more: Any) -> History:
    history, roster = History(folder, SENSORS, np.float32, **more), Roster(["a", "b"])
    for number, hour in enumerate(hours, start=1):
        history.write(number, number, [rows(hour)], roster)
    return history


def numbers(history: History, **asked: int) -> list[int]:
    return [int(file.stem.split("-")[0]) for file in history.files(**asked)]


def test_what_is_too_old_goes_by_event_time(tmp_path: Path) -> None:
    history = written(tmp_path, [0, 10, 5, 24, 30], age=timedelta(hours=24))
    assert numbers(history) == [2, 4, 5]
    again = History(tmp_path, SENSORS, np.float32, age=timedelta(hours=10))  # a restart, with another age
    again.write(6, 6, [rows(31)], Roster(["a", "b"]))
    assert numbers(again) == [4, 5, 6]
    again.write(7, 7, [rows(100)], Roster(["a", "b"]))
    assert numbers(again) == [7]


def test_what_is_too_much_goes_but_the_newest_file_stays(tmp_path: Path) -> None:
    one = written(tmp_path / "one", [0]).files()[0].stat().st_size
    history = written(tmp_path / "many", [*range(6)], size=3 * one + one // 2)
    assert numbers(history) == [4, 5, 6]
    assert sum(file.stat().st_size for file in history.files()) <= 3 * one + one // 2
    assert numbers(written(tmp_path / "tiny", [*range(3)], size=10)) == [3]


def test_files_are_found_by_number_and_time(tmp_path: Path) -> None:
    history = written(tmp_path, [0, 1, 2, 3, 4])
    assert numbers(history, after=1, until=4) == [2, 3, 4]
    assert numbers(history, since=MIDNIGHT + 3 * HOUR) == [4, 5]
    history.write(6, 9, [], Roster(["a", "b"]))  # nothing came
    assert numbers(history) == [1, 2, 3, 4, 5]
    found = pl.concat(panel_frame(history, numbers(history)))
    assert found.height == 5 * ROWS


def panel_frame(history: History, chosen: list[int]) -> list[pl.DataFrame]:
    files = [file for file in history.files() if int(file.stem.split("-")[0]) in chosen]
    return [
        pl.DataFrame({"time": panel.times, **dict(zip(SENSORS, panel.values, strict=True))})
        for panel in history.open(files).panels()
    ]


def test_a_file_that_is_written_again_says_the_same(tmp_path: Path) -> None:
    history = written(tmp_path, [0, 1])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    (tmp_path / ".000000000002-000000000002.parquet").write_bytes(b"cut short")
    history.write(2, 2, [rows(1)], Roster(["a", "b"]))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_damaged_file_is_named_and_keeps_nobody_from_writing(tmp_path: Path) -> None:
    written(tmp_path, [0, 1])
    damaged = tmp_path / "000000000001-000000000001.parquet"
    damaged.write_bytes(b"PAR1 no more")
    history = History(tmp_path, SENSORS, np.float32, age=timedelta(hours=1))
    history.write(3, 3, [rows(2)], Roster(["a", "b"]))
    with pytest.raises(DataError, match=r"cannot read .*000000000001-000000000001\.parquet"):
        history.files(since=MIDNIGHT)
    assert numbers(history) == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write past readings to .*file: "):
        written(tmp_path / "file", [0])


def long_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return readings as they come one sensor a message, with a value that was sent again, and then another one."""
    found = frame.unpivot(SENSORS, index=["key", "time"], variable_name="sensor", value_name="value")
    found = found.sort("time", "key", "sensor", maintain_order=True)
    twice = found[700:702]
    return pl.concat([found[:702], twice, found[702:]])


def test_a_night_learns_long_readings_as_it_does_wide_ones(plant: Fleet, tmp_path: Path) -> None:
    """Also where the stream ends, and begins again, between the sensors of one reading."""
    frame, kept, thresholds = table(0.6, seed=9, begin=DAY // 2), [], []
    gate = (DAY // 2 + 10) * ASSETS
    for name in ("wide", "long"):
        store, is_long = open_store(str(tmp_path / name), write=True), name == "long"
        source, wide = (long_of(frame), 3) if is_long else (frame, 1)
        stops = (4, 1, 2, None) if is_long else (None,)
        for stop in stops:
            gates = {gate * wide + (2 if is_long else 0): judged(store)}
            frames = Gated(source, gates, 50 if stop else 400, stop_after=stop)
            options: dict[str, Any] = {"learning": FROZEN, "adapting": nightly(tmp_path / name), "long": is_long}
            run(plant, frames, store, Drawer(), **options)
        trial = versions.trials(store)[0]
        kept.append((trial["learned"], trial["held"], trial["fate"], Trial.of_json(trial["trial"]).drills))
        thresholds.append([ask.latest(store, f"pump {i}").threshold for i in range(ASSETS)])
        store.close()
    assert kept[0] == kept[1]
    assert kept[0][0] > 0
    assert thresholds[0] == thresholds[1] != [plant.models["threshold"][i].as_py() for i in range(ASSETS)]
    files = sorted((tmp_path / "long-history").iterdir())
    found = pl.concat(pl.read_parquet(file) for file in files).rename({ASSET: "key", TIME: "time"})
    given = long_of(frame)[: found.height].with_columns(pl.from_epoch("time", "ns"))
    assert found.height > given["time"].n_unique()
    assert found["@value"].to_list() == given["value"].to_list()
    assert found["key"].to_list() == given["key"].to_list()
    assert EVERY * (DAY // 2) <= np.ptp(found["time"].to_physical().to_numpy())

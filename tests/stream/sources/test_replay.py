"""What only a replay does: any table in the order of time, at any speed, as often as one likes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.stream.sources.harness import SHAPE, START, Got, expected, made_up
from tests.stream.sources.publishers.files import as_table
from tocsin.errors import ColumnError, DataError, ParameterError
from tocsin.stream.sources import replay, timetable
from tocsin.stream.sources.base import Shape, Source
from tocsin.stream.sources.catalog import open_source


def opened(path: Path | str, options: str = "", shape: Shape = SHAPE) -> Source:
    source = open_source(f"replay://{path}{options}", shape)
    source.seek({})
    return source


def take(source: Source, most: int = 1_000) -> Got:
    got = Got()
    while not source.ended:
        fetched = source.poll(most, 3600)
        assert fetched is not None
        got.parts.append(fetched)
    assert source.poll(most, 3600) is None
    return got


@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_rows_in_any_order_come_in_the_order_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(timetable, "PIECE_ROWS", piece)
    rows = made_up(100)
    for i, row in enumerate(rows):
        row["at"] = START + i // 3
    draw = np.random.default_rng(2)
    shuffled = [rows[i] for i in draw.permutation(100)]
    as_table(shuffled).write_parquet(tmp_path / "a.parquet", row_group_size=13)
    wanted = expected(sorted(shuffled, key=lambda row: row["at"]))
    source = opened(tmp_path / "a.parquet")
    marks, seen = [], expected([])
    while not source.ended:
        fetched = source.poll(9, 0)
        assert fetched is not None
        seen = seen.vstack(fetched.frame)
        marks.append((seen.height, fetched.positions))
    assert_frame_equal(seen, wanted)
    for height, mark in marks[::3]:
        again = open_source(f"replay://{tmp_path / 'a.parquet'}", SHAPE)
        again.seek(json.loads(json.dumps(mark)))
        assert_frame_equal(pl.concat([wanted.head(height), take(again).frame]), wanted)


def write(frame: pl.DataFrame, path: Path) -> Path:
    {"csv": frame.write_csv, "ndjson": frame.write_ndjson, "parquet": frame.write_parquet, "arrow": frame.write_ipc}[
        path.suffix[1:]
    ](path)
    return path


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet", "arrow"])
def test_times_of_many_kinds(tmp_path: Path, form: str) -> None:
    text = ["14.11.2023 22:13:20", "14.11.2023 22:13:21"]
    stamps = pl.Series(text).str.to_datetime("%d.%m.%Y %H:%M:%S")
    whole = stamps.dt.epoch("s")
    for i, times in enumerate((pl.Series(text), stamps, whole, whole * 1000, whole.cast(pl.Float64))):
        path = write(pl.DataFrame({"asset": ["a", "b"], "at": times, "x": [1, 2]}), tmp_path / f"{i}.{form}")
        assert take(opened(path)).frame["time"].to_list() == [1_700_000_000 * 10**9, 1_700_000_001 * 10**9]


def test_old_times_and_cycles_are_played_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"asset": "a", "at": [3, 1, 2], "x": [3.0, 1.0, 2.0]})
    assert take(opened(write(frame, tmp_path / "a.csv"))).frame["time"].to_list() == [i * 10**9 for i in (1, 2, 3)]
    dates = frame.with_columns(at=pl.date(1900, 1, pl.col("at")))
    assert take(opened(write(dates, tmp_path / "a.parquet"))).frame["x"].to_list() == [1.0, 2.0, 3.0]


def test_rows_without_a_key_or_a_time_are_dead(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"asset": ["a", None, "b", "c"], "at": [START, START + 1, None, START - 1], "x": [1.0, 2.0, 3.0, float("inf")]}
    )
    got = take(opened(write(frame, tmp_path / "a.parquet")))
    assert got.frame["key"].to_list() == ["c", "a"]
    assert got.frame["x"].to_list() == [None, 1.0]
    assert sum(part.mended for part in got.parts) == 1
    assert {letter.reason.partition(" rows")[0] for letter in got.dead} == {"1", "key 'asset' is null"}


def test_a_table_without_times_keeps_its_order(tmp_path: Path) -> None:
    path = write(pl.DataFrame({"x": [3.0, 1.0, 2.0]}), tmp_path / "a.csv")
    got = take(opened(path, "?repeat=2&speed=1", Shape(("x", "y"))), most=2)
    assert got.frame["x"].to_list() == [3.0, 1.0, 2.0] * 2


def test_each_file_may_be_an_asset_and_tables_may_be_long(tmp_path: Path) -> None:
    for i, name in enumerate("ba"):
        write(pl.DataFrame({"at": [START + i, START + i + 2], "x": [1.0, 2.0]}), tmp_path / f"{name}.parquet")
    got = take(opened(tmp_path, shape=Shape(("x",), key="@file", time="at")))
    assert got.frame["key"].to_list() == ["b", "a", "b", "a"]
    long = pl.DataFrame({"asset": 7, "at": [START + 1, START, START], "name": ["x", "z", "y"], "v": [1, 2, 3]})
    shape = Shape(("x", "y"), key="asset", time="at", sensor="name", value="v")
    got = take(opened(write(long, tmp_path / "long.csv"), shape=shape))
    assert got.frame.rows() == [("7", START * 10**6, "y", 3.0), ("7", (START + 1) * 10**6, "x", 1.0)]
    assert got.strange == {"z": 1}


def test_it_is_repeated_later_each_time(tmp_path: Path) -> None:
    frame = pl.DataFrame({"asset": "a", "at": [START, START + 10, START + 20], "x": [1.0, 2.0, 3.0]})
    source = opened(write(frame, tmp_path / "a.parquet"), "?repeat=3")
    got = take(source, most=2)
    assert got.frame["time"].to_list() == [(START + 10 * i) * 10**6 for i in range(9)]
    assert got.frame["x"].to_list() == [1.0, 2.0, 3.0] * 3
    again = open_source(f"replay://{tmp_path / 'a.parquet'}?repeat=3", SHAPE)
    again.seek(got.parts[2].positions)
    done = sum(part.frame.height for part in got.parts[:3])
    assert_frame_equal(take(again).frame, got.frame.slice(done))


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(replay, "monotonic", lambda: made.now)
    monkeypatch.setattr(replay, "sleep", made.sleep)
    return made


def test_rows_come_when_they_are_due(tmp_path: Path, clock: Clock) -> None:
    frame = pl.DataFrame({"asset": "a", "at": [START, START + 60_000, START + 60_000, START + 180_000], "x": 1.0})
    source = opened(write(frame, tmp_path / "a.parquet"), "?speed=60")
    found: list[tuple[float, int]] = []
    while not source.ended:
        fetched = source.poll(100, 0.25)
        if fetched is not None:
            found.append((round(clock.now - 100, 6), fetched.frame.height))
    assert found == [(0.0, 1), (1.0, 2), (3.0, 1)]


def test_a_poll_waits_no_longer_than_asked(tmp_path: Path, clock: Clock) -> None:
    frame = pl.DataFrame({"asset": "a", "at": [START, START + 60_000], "x": 1.0})
    source = opened(write(frame, tmp_path / "a.parquet"), "?speed=1")
    assert source.poll(10, 5) is not None
    assert source.poll(10, 5) is None
    assert clock.now == 105.0
    clock.now += 1_000
    assert source.poll(10, 0) is not None


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda path: f"{path}?speed=fast", ParameterError, "speed=fast is no number"),
        (lambda path: f"{path}?speed=0", ParameterError, "speed=0 makes no sense"),
        (lambda path: f"{path}?repeat=0", ParameterError, "repeat=0 makes no sense"),
        (lambda path: f"{path}x", DataError, "no such file"),
        (lambda path: "", ParameterError, "names no path"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, make: Callable[[Path], str], error: type[Exception], said: str) -> None:
    path = write(pl.DataFrame({"asset": "a", "at": [START], "x": 1.0}), tmp_path / "a.parquet")
    with pytest.raises(error, match=said) as caught:
        opened(make(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"asst": ["a"], "at": [START], "x": [1.0]}, "no column 'asset' for the key"),
        ({"asset": ["a"], "at": ["soon"], "x": [1.0]}, "no time of a known form"),
        ({"asset": ["a"], "at": [START], "z": [1.0]}, "none of the fleet's features"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(ColumnError, match=said):
        opened(write(pl.DataFrame(columns), tmp_path / "a.parquet"))


def test_a_table_with_other_rows_is_not_gone_on_with(tmp_path: Path) -> None:
    path = write(as_table(made_up(10)), tmp_path / "a.parquet")
    fetched = opened(path).poll(3, 0)
    assert fetched is not None
    write(as_table(made_up(11)), path)
    with pytest.raises(DataError, match="has 11 rows, but had 10 when the replay began"):
        open_source(f"replay://{path}", SHAPE).seek(fetched.positions)

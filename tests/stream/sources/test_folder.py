"""What only a folder does: files that arrive early, late, damaged, packed or touched, and positions that stay small."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.stream.sources.harness import SHAPE, START, Got, as_lines, made_up
from tests.stream.sources.publishers.files import as_table
from tocsin.errors import DataError
from tocsin.stream.sources.base import Positions, Shape, Source
from tocsin.stream.sources.catalog import open_source

_OPEN: list[Source] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def opened(
    folder: Path, positions: Positions | None = None, options: str = "settle=0.02", shape: Shape = SHAPE
) -> Source:
    _OPEN.append(open_source(f"folder://{folder}?{options}", shape))
    _OPEN[-1].seek(json.loads(json.dumps(dict(positions or {}))))
    return _OPEN[-1]


def take(source: Source, rows: int, dead: int = 0, most: int = 1_000) -> Got:
    """Fetch until so much is there."""
    got = Got()
    while got.frame.height < rows or len(got.dead) < dead:
        fetched = source.poll(most, 30)
        assert fetched is not None
        got.parts.append(fetched)
    assert source.poll(most, 0.05) is None
    assert (got.frame.height, len(got.dead)) == (rows, dead)
    return got


def times(got: Got) -> list[int]:
    return [time // 10**6 for time in got.frame["time"].to_list()]


def at(rows: list[dict[str, Any]]) -> list[int]:
    return [row["at"] for row in rows]


def arrive(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(as_lines(rows))
    return hidden.rename(path)


def test_files_come_in_the_order_of_their_names_and_late_ones_later(tmp_path: Path) -> None:
    rows = made_up(50)
    for name, start in (("c", 20), ("a", 0), ("b/d", 10)):
        arrive(tmp_path, f"{name}.ndjson", rows[start : start + 10])
    source = opened(tmp_path)
    assert times(take(source, 30)) == at(rows[:30])
    arrive(tmp_path, "b.ndjson", rows[30:40])
    assert times(take(source, 10)) == at(rows[30:40])
    arrive(tmp_path, "0.ndjson", rows[40:])
    got = take(source, 10)
    assert times(got) == at(rows[40:])
    again = opened(tmp_path, got.positions)
    assert again.poll(10, 0.05) is None
    arrive(tmp_path, "1.ndjson", rows[:5])
    assert times(take(again, 5)) == at(rows[:5])


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    rows = made_up(10)
    for name in (".a.ndjson", "_b.ndjson", ".git/c.ndjson", "_temporary/d.ndjson"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(as_lines(rows))
    arrive(tmp_path, "e.ndjson", rows)
    assert times(take(opened(tmp_path), 10)) == at(rows)


def test_a_file_that_still_changes_waits(tmp_path: Path) -> None:
    rows = made_up(20)
    path = arrive(tmp_path, "a.ndjson", rows[:10])
    source = opened(tmp_path, options="settle=3600")
    assert source.poll(10, 0.01) is None
    source.close()
    (tmp_path / "empty.csv").touch()
    source = opened(tmp_path)
    assert times(take(source, 10)) == at(rows[:10])
    path.with_name("empty.csv").write_text(f"asset,at,x\na,{START},1\n")
    assert take(source, 1).frame["x"].to_list() == [1.0]


@pytest.mark.parametrize("where", ["parquet", "arrow"])
def test_a_damaged_file_is_set_aside_and_the_rest_goes_on(tmp_path: Path, where: str) -> None:
    rows = made_up(60)
    whole = tmp_path / "whole"
    table = as_table(rows[:20])
    table.write_parquet(whole) if where == "parquet" else table.write_ipc(whole)
    data = whole.read_bytes()
    whole.unlink()
    (tmp_path / f"1.{where}").write_bytes(data[:-30])
    (tmp_path / f"2.{where}").write_bytes(data[:200] + bytes(len(data) - 208) + data[-8:])
    (tmp_path / f"3.{where}").write_bytes(b"no table at all")
    (tmp_path / "4.pdf").write_bytes(b"%PDF")
    pl.DataFrame({"asst": ["a"], "at": [1], "x": [1.0]}).write_parquet(tmp_path / "5.parquet")
    (tmp_path / "6.json").write_bytes(b"[" + as_lines(rows[:1]) + b"]")
    (tmp_path / "7.csv.gz").write_bytes(gzip.compress(b"asset,at,x\n" + b"a,1700000000,1\n" * 1000)[:-40])
    arrive(tmp_path, "8.ndjson", rows[20:40])
    source = opened(tmp_path)
    got = Got()
    while (fetched := source.poll(1_000, 0.3)) is not None:
        got.parts.append(fetched)
    assert times(got)[-20:] == at(rows[20:40])
    reasons = [letter.reason for letter in got.dead]
    for name in (f"1.{where}", f"2.{where}", f"3.{where}", "4.pdf", "5.parquet", "6.json", "7.csv.gz"):
        assert sum(name in reason for reason in reasons) == 1, (name, reasons)
    assert all("\n" not in reason for reason in reasons)
    assert "did you mean 'asst'" in next(reason for reason in reasons if "5.parquet" in reason)
    assert opened(tmp_path, got.positions).poll(10, 0.05) is None


def test_damaged_lines_are_set_aside_alone(tmp_path: Path) -> None:
    rows = made_up(10)
    (tmp_path / "a.ndjson").write_bytes(as_lines(rows[:5]) + b"{\n" + as_lines(rows[5:]) + b'{"asset"')
    (tmp_path / "b.csv").write_text(f"asset,at,x\na,{START},1\na,{START},one\na,{START},3")
    got = take(opened(tmp_path), 12, dead=3)
    assert times(got) == [*at(rows), START, START]
    assert [letter.payload for letter in got.dead] == [b"{", b'{"asset"', b"a,%d,one" % START]


def test_packed_text_goes_on_anywhere(tmp_path: Path) -> None:
    rows = made_up(40)
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(as_lines(rows[:20])))
    as_table(rows[20:]).write_csv(tmp_path / "b.csv.zst", compression="zstd")
    source, positions, seen = opened(tmp_path), [], 0
    while seen < 40:
        fetched = source.poll(7, 30)
        assert fetched is not None
        seen += fetched.frame.height
        positions.append((seen, fetched.positions))
    for seen, mark in positions[:-1]:
        assert times(take(opened(tmp_path, mark), 40 - seen)) == at(rows[seen:])


def test_positions_do_not_grow(tmp_path: Path) -> None:
    rows, draw = made_up(600), np.random.default_rng(3)
    names = [f"{i:03}" for i in range(60)]
    draw.shuffle(names)
    source, sizes, seen = opened(tmp_path), [], 0
    for i, name in enumerate(names):
        arrive(tmp_path, f"{name}.ndjson", rows[10 * i : 10 * i + 10])
        got = take(source, 10, most=4)
        seen += 10
        sizes.append(len(json.dumps(got.positions)))
        if i % 20 == 10:
            source.close()
            source = opened(tmp_path, got.positions)
    assert seen == 600
    assert max(sizes) < 200


def test_a_file_that_is_touched_is_not_taken_again(tmp_path: Path) -> None:
    rows = made_up(20)
    path = arrive(tmp_path, "a.ndjson", rows[:10])
    source = opened(tmp_path)
    take(source, 10)
    os.utime(path)
    path.chmod(0o600)
    arrive(tmp_path, "b.ndjson", rows[10:])
    assert times(take(source, 10)) == at(rows[10:])


def test_a_file_that_changed_while_it_was_half_read_is_left_out(tmp_path: Path) -> None:
    rows = made_up(30)
    path = arrive(tmp_path, "a.ndjson", rows[:20])
    fetched = opened(tmp_path).poll(5, 30)
    assert fetched is not None
    path.write_bytes(as_lines(rows[:3]))
    arrive(tmp_path, "b.ndjson", rows[20:])
    got = take(opened(tmp_path, fetched.positions), 10, dead=1)
    assert times(got) == at(rows[20:])
    assert "was changed while it was read" in got.dead[0].reason


def test_files_that_vanish_are_passed(tmp_path: Path) -> None:
    rows = made_up(30)
    for i in range(3):
        arrive(tmp_path, f"{i}.ndjson", rows[10 * i : 10 * i + 10])
    source = opened(tmp_path)
    first = source.poll(10, 30)
    (tmp_path / "0.ndjson").unlink()
    (tmp_path / "1.ndjson").unlink()
    assert first is not None
    got = take(source, 10, dead=1)
    assert times(got) == at(rows[20:])
    assert "1.ndjson" in got.dead[0].reason


def test_a_file_may_be_an_asset_and_long_files_are_read_too(tmp_path: Path) -> None:
    arrive(tmp_path, "pump.7.ndjson", [{"at": START, "x": 1.5}])
    shape = Shape(("x", "y"), key="@file", time="at")
    assert take(opened(tmp_path, shape=shape), 1).frame.rows() == [("pump.7", START * 10**6, 1.5, None)]
    long = Shape(("x", "y"), key="asset", time="at", sensor="name", value="v")
    pl.DataFrame({"asset": 7, "at": START, "name": ["x", "z"], "v": [1, 2]}).write_parquet(tmp_path / "long.parquet")
    (tmp_path / "pump.7.ndjson").unlink()
    got = take(opened(tmp_path, shape=long), 1)
    assert got.frame.rows() == [("7", START * 10**6, "x", 1.0)]
    assert got.strange == {"z": 1}


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.touch()
    with pytest.raises(DataError, match=r"is no folder; write file://"):
        opened(path)

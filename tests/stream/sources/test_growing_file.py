"""What only a growing file does: half lines, rotation, cutting short, and going on after all of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.sources.harness import SHAPE, Got, as_lines, made_up
from tocsin.errors import ColumnError, DataError, ParameterError
from tocsin.stream.sources.base import Positions, Shape, Source
from tocsin.stream.sources.catalog import open_source
from tocsin.stream.sources.local import LineBlocks


def take(source: Source, most: int = 1_000) -> Got:
    got = Got()
    while (fetched := source.poll(most, 0)) is not None:
        got.parts.append(fetched)
    return got


def times(got: Got) -> list[int]:
    return [time // 10**6 for time in got.frame["time"].to_list()]


def at(rows: list[dict[str, Any]]) -> list[int]:
    return [row["at"] for row in rows]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "readings.ndjson"


_OPEN: list[Source] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def open_at(address: str, shape: Shape = SHAPE) -> Source:
    _OPEN.append(open_source(address, shape))
    return _OPEN[-1]


def opened(path: Path, positions: Positions | None = None, options: str = "") -> Source:
    source = open_at(f"file://{path}{options}")
    source.seek(positions or {})
    return source


def test_half_a_line_waits_for_its_other_half(path: Path) -> None:
    rows = made_up(3)
    data = as_lines(rows)
    path.write_bytes(data[:-20])
    source = opened(path)
    first = take(source)
    assert times(first) == at(rows[:2])
    assert source.lag == len(as_lines(rows[2:])) - 20
    append(path, data[-20:-5])
    assert source.poll(10, 0) is None
    append(path, data[-5:])
    assert times(take(source)) == at(rows[2:])
    resumed = opened(path, first.positions)
    assert times(take(resumed)) == at(rows[2:])


def test_at_its_end_the_last_line_needs_no_end(path: Path) -> None:
    rows = made_up(3)
    path.write_bytes(as_lines(rows)[:-1])
    source = opened(path, options="?follow=no")
    assert times(take(source, most=2)) == at(rows)
    assert source.ended


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(path: Path) -> None:
    rows = made_up(50)
    path.write_bytes(as_lines(rows[:10]))
    source = opened(path)
    take(source)
    append(path, as_lines(rows[10:20])[:-1])
    path.rename(path.with_suffix(".ndjson.1"))
    assert times(take(source)) == at(rows[10:19])
    path.write_bytes(as_lines(rows[20:30]))
    got = take(source)
    assert times(got) == at(rows[19:30])
    append(path, as_lines(rows[30:]))
    assert times(take(source)) == at(rows[30:])


def test_a_restart_finds_the_renamed_file(path: Path) -> None:
    rows = made_up(30)
    path.write_bytes(as_lines(rows[:20]))
    source = opened(path)
    fetched = source.poll(5, 0)
    assert fetched is not None
    source.close()
    path.rename(path.with_name("readings.ndjson.1"))
    path.write_bytes(as_lines(rows[20:]))
    assert times(take(opened(path, fetched.positions))) == at(rows[5:])


def test_a_file_cut_short_is_read_anew(path: Path) -> None:
    rows = made_up(30)
    path.write_bytes(as_lines(rows[:20]))
    source = opened(path)
    take(source)
    path.write_bytes(as_lines(rows[20:25]))
    got = take(source)
    assert times(got) == at(rows[20:25])
    assert "was cut short from" in got.dead[0].reason
    path.write_bytes(as_lines(rows[5:]))
    got = take(source)
    assert times(got) == at(rows[5:])
    assert "was written anew" in got.dead[0].reason


@pytest.mark.parametrize("after", [b"", as_lines(made_up(5, seed=1)), as_lines(made_up(500, seed=1))])
def test_a_restart_that_does_not_find_what_it_read_says_so(path: Path, after: bytes) -> None:
    path.write_bytes(as_lines(made_up(20)))
    source = opened(path)
    positions = take(source).positions
    source.close()
    path.write_bytes(after)
    with pytest.raises(DataError, match=r"was cut short or replaced.*gone=begin") as caught:
        opened(path, positions)
    assert "\n" not in str(caught.value)
    anew = opened(path, positions, "?gone=begin")
    assert len(times(take(anew))) == after.count(b"\n")


def test_a_restart_goes_on_in_a_copy(path: Path, tmp_path: Path) -> None:
    rows = made_up(20)
    path.write_bytes(as_lines(rows))
    fetched = opened(path).poll(7, 0)
    assert fetched is not None
    other = tmp_path / "elsewhere.ndjson"
    other.write_bytes(path.read_bytes())
    assert times(take(opened(other, fetched.positions))) == at(rows[7:])


@pytest.mark.parametrize("options", ["?largest=2000", "?largest=2000&follow=no"])
def test_a_line_that_is_too_long_is_passed_without_being_kept(path: Path, options: str) -> None:
    rows = made_up(20)
    long = b'{"asset": "a", "note": "' + b"n" * 300_000 + b'"}\n'
    path.write_bytes(as_lines(rows[:10]) + long + as_lines(rows[10:]) + long[:-1])
    source = opened(path, options=options)
    got = take(source)
    assert times(got) == at(rows)
    assert len(got.dead) == (2 if "follow" in options else 1)
    assert got.dead[0].payload == long[:4096]
    assert "0.3 MB, more than" in got.dead[0].reason
    mark = next(part.positions for part in got.parts if part.frame.height == 10)
    assert times(take(opened(path, mark, options))) == at(rows[10:])


def test_csv_has_its_header_anew_in_each_file(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("asset;at;x;y;z\na;1700000000;1;2;3\na;1700000001;;4;\na;1700")
    source = opened(path)
    got = take(source)
    assert got.frame.rows() == [("a", 1_700_000_000 * 10**9, 1.0, 2.0), ("a", 1_700_000_001 * 10**9, None, 4.0)]
    assert got.strange == {"z": 2}
    append(path, b"000002;5;6;\na;1700000004;1;2;3;4\na;1700000003;high;1\n;1700000005;1;2\n")
    rest = take(source)
    assert rest.frame.rows() == [("a", 1_700_000_002 * 10**9, 5.0, 6.0)]
    assert [letter.reason.partition(";")[0] for letter in rest.dead] == [
        "it has 6 fields, but the header has 5: 'a",
        "'x' is the text 'high'",
        "key 'asset' is null",
    ]
    assert take(opened(path, got.positions)).frame.rows() == rest.frame.rows()
    path.rename(tmp_path / "readings.csv.1")
    path.write_text("y,x,at,asset\n2,1,1700000006,b\n")
    assert take(source).frame.rows() == [("b", 1_700_000_006 * 10**9, 1.0, 2.0)]


def test_csv_without_the_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("asst,at,x\na,1,2\n")
    with pytest.raises(ColumnError, match=r"no column 'asset' for the key; did you mean 'asst'\?"):
        take(opened(path))


def test_a_file_may_be_an_asset(path: Path) -> None:
    path.write_bytes(b'{"at": 1700000000, "x": 1}\n')
    source = open_at(f"file://{path}", Shape(("x",), key="@file", time="at"))
    assert take(source).frame.rows() == [("readings", 1_700_000_000 * 10**9, 1.0)]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("{}?follow=maybe", "follow is yes or no"),
        ("{}?largest=big", "is no number"),
        ("{}?largest=0", "must be at least 1"),
        ("{}?separator=", "is not one character"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, address: str, said: str) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("asset,at,x\n")
    with pytest.raises(ParameterError, match=said):
        take(open_at("file://" + address.format(path)))


def test_a_plain_path_takes_no_options(path: Path) -> None:
    with pytest.raises(ParameterError, match=r"takes no options; write file:///.*readings\.ndjson\?follow=\.\.\.$"):
        open_source(f"{path}?follow=no", SHAPE)
    odd = path.with_name("readings?follow=no")
    odd.write_bytes(b"")
    open_source(str(odd), SHAPE).close()


def test_what_cannot_grow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write replay://"):
        open_source(str(tmp_path / "readings.parquet"), SHAPE)
    with pytest.raises(DataError, match="write folder://"):
        open_source(f"file://{tmp_path}", SHAPE)
    assert open_source(str(tmp_path), SHAPE).poll(1, 0) is None


@given(
    st.lists(st.one_of(st.binary(max_size=8), st.just(b"\n"), st.just(b"123456789" * 9)), max_size=30),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
)
def test_lines_come_whole_whatever_is_read_at_once(parts: list[bytes], mosts: list[int]) -> None:
    """Lines of over 40 bytes are dropped; the others come in order, however the bytes come."""
    waiting = list(parts)

    def read(count: int) -> bytes:
        if not waiting:
            return b""
        part = waiting.pop(0)
        if len(part) > count:
            waiting.insert(0, part[count:])
        return part[:count]

    blocks, found, dead, i, idle = LineBlocks(read, most_bytes=40), b"", 0, 0, 0
    while idle < 2:
        block = blocks.next(mosts[i % len(mosts)], final=not waiting)
        i += 1
        idle = idle + 1 if block is None and not waiting else 0
        if block is not None:
            assert block.data.count(b"\n") <= mosts[(i - 1) % len(mosts)]
            found += block.data
            dead += len(block.dead)
    data = b"".join(parts)
    lines = data.split(b"\n")
    ends = [line + b"\n" for line in lines[:-1]] + [lines[-1]]
    assert found == b"".join(each for each in ends if len(each.rstrip(b"\n")) <= 40 or len(each) <= 40)
    assert dead == sum(len(each) > 41 for each in ends)
    assert blocks.offset == len(data)

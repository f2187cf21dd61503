"""CSV decoded at once is CSV decoded line by line."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ColumnError
from tocsin.stream.decoding.csv_lines import CsvLines
from tocsin.stream.sources.base import Shape

SHAPE = Shape(("x", "y"), key="k", time="t")
HEADER = b"note,k,x,t,y\n"
MS = 1_700_000_000_000


def slow(lines: list[str]) -> tuple[list[tuple[Any, ...]], int]:
    rows, dead = [], 0
    for line in lines:
        if not line.strip():
            continue
        fields = next(csv.reader([line]))
        fields += [""] * (5 - len(fields))
        try:
            _, key, x, time, y = fields
            row = (key, int(time) * 10**6, *[float(value) if value.strip() else None for value in (x, y)])
        except ValueError:
            dead += 1
            continue
        if key:
            rows.append(row)
        else:
            dead += 1
    return rows, dead


def line(fields: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    return out.getvalue()


words = st.sampled_from(["a", "pump 7", 'with "quotes"', "with,comma", "é"])
numbers = st.one_of(st.floats(-1e9, 1e9).map(repr), st.integers(-5, 5).map(str), st.just(""))
good = st.tuples(words, words, numbers, st.integers(MS, MS + 99).map(str), numbers).map(list)
odd = st.one_of(
    st.tuples(words, st.one_of(words, st.just("")), st.one_of(numbers, words), st.just(str(MS)), numbers).map(list),
    st.lists(words, min_size=1, max_size=7),
)
lines_of = st.lists(st.one_of(good.map(line), good.map(line), odd.map(line), st.just("")), max_size=12)


@given(lines_of, st.integers(1, 12), st.sampled_from(["\n", "\r\n"]))
def test_all_at_once_is_line_by_line(lines: list[str], times_over: int, end: str) -> None:
    lines = lines * times_over
    decoded = CsvLines(SHAPE, HEADER, None, "a.csv").decode("".join(each + end for each in lines).encode())
    rows, dead = slow(lines)
    assert decoded.frame.rows() == rows
    assert len(decoded.dead) == dead


def test_what_is_wrong_is_said_and_harms_no_other() -> None:
    good_lines = [f"n,a,1,{MS + i},2".encode() for i in range(200)]
    bad = {b"n,a,1,1,2,3": "it has 6 fields, but the header has 5", b"n,a,one,%d,2" % MS: "'x' is the text 'one'"}
    bad |= {b"n,,1,%d,2" % MS: "key 'k' is null", b"n,a,1,soon,2": "no time between 1971 and tomorrow"}
    bad |= {b"\xff,a,1,%d,2" % MS: "it is not UTF-8 at byte 0", b"n,a,1": "time 't' is null"}
    decoded = CsvLines(SHAPE, HEADER, None, "a.csv").decode(b"\n".join([*good_lines[:99], *bad, *good_lines[99:]]))
    assert decoded.frame["time"].to_list() == [(MS + i) * 10**6 for i in range(200)]
    said = {letter.payload: letter.reason for letter in decoded.dead}
    assert set(said) == set(bad)
    assert [payload for payload, reason in said.items() if bad[payload] not in reason or "\n" in reason] == []


def test_a_header_without_what_is_needed_is_refused() -> None:
    with pytest.raises(ColumnError, match="no column 't' for the time"):
        CsvLines(SHAPE, b"k,x,y", None, "a.csv")

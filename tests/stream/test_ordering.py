"""Rows in the order of their own time: as a plain program would sort them, however they come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.stream.ordering import Arrivals, Ordering, Released
from tocsin.stream.roster import Roster

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=6)


def feed(ordering: Ordering, roster: Roster, rows: list[tuple[int, int]], cuts: list[int]) -> list[Released]:
    """Let rows arrive in parts; the first value of each is its number."""
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    released = []
    for first, last in pairwise(edges):
        part = np.array(rows[first:last], np.int64).reshape(-1, 2)
        values = np.stack([np.arange(first, last, dtype=float), np.zeros(last - first)])
        released.append(ordering.arrive(Arrivals(part[:, 0].copy(), part[:, 1].copy(), values), roster))
    return released


def seen(released: list[Released]) -> dict[int, list[tuple[int, int]]]:
    """Return time and number of each slot's rows, in the order of their release."""
    found: dict[int, list[tuple[int, int]]] = {}
    for one in released:
        for i, slot in enumerate(one.slots.tolist()):
            own = slice(one.panel.offsets[i], one.panel.offsets[i + 1])
            assert one.panel.times is not None
            numbers = one.panel.values[0, own].astype(int).tolist()
            found.setdefault(slot, []).extend(zip(one.panel.times[own].tolist(), numbers, strict=True))
    return found


def naive(rows: list[tuple[int, int]], bound: int) -> tuple[dict[int, list[tuple[int, int]]], int]:
    """Return what would be released in the end, and how many rows are late."""
    newest: dict[int, int] = {}
    kept: dict[int, list[tuple[int, int]]] = {}
    late = 0
    for number, (slot, time) in enumerate(rows):
        if time < newest.get(slot, time) - bound:
            late += 1
            continue
        newest[slot] = max(time, newest.get(slot, time))
        kept.setdefault(slot, []).append((time, number))
    return {slot: sorted(own) for slot, own in kept.items()}, late


@given(ROWS, CUTS, st.sampled_from([0, 3, 10]))
def test_rows_come_out_in_time_and_none_is_lost(rows: list[tuple[int, int]], cuts: list[int], bound: int) -> None:
    roster = Roster(map(str, range(4)))
    ordering = Ordering(("a", "b"), np.float64, bound)
    released = feed(ordering, roster, rows, cuts)
    before = seen(released)
    for own in before.values():
        assert [time for time, _ in own] == sorted(time for time, _ in own)
    ordering.arena.grow(4)
    released.append(ordering.release(np.arange(4), roster))
    expected, late = naive(rows, bound)
    assert seen(released) == expected
    assert sum(one.late for one in released) == late


@given(ROWS, CUTS)
def test_a_row_waits_no_longer_than_the_bound(rows: list[tuple[int, int]], cuts: list[int]) -> None:
    roster = Roster(map(str, range(4)))
    found = seen(feed(Ordering(("a", "b"), np.float64, 5), roster, rows, cuts))
    expected, _ = naive(rows, 5)
    for slot, own in expected.items():
        last = own[-1][0]
        assert found.get(slot, []) == [row for row in own if row[0] <= last - 5]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 1)), max_size=40), CUTS)
def test_long_readings_become_rows(cells: list[tuple[int, int, int]], cuts: list[int]) -> None:
    cells = sorted(cells, key=lambda cell: cell[1])
    roster = Roster(map(str, range(3)))
    ordering = Ordering(("a", "b"), np.float64, long=True)
    ordering.arena.grow(3)
    expected: dict[tuple[int, int], list[float]] = {}
    for number, (slot, time, sensor) in enumerate(cells):
        expected.setdefault((slot, time), [np.nan, np.nan])[sensor] = float(number)
    released = []
    for first, last in pairwise(sorted({0, len(cells), *(cut for cut in cuts if cut < len(cells))})):
        slots, times, sensors = (np.array(column, np.int64) for column in zip(*cells[first:last], strict=True))
        values = np.stack([sensors.astype(float), np.arange(first, last, dtype=float)])
        released.append(ordering.arrive(Arrivals(slots, times, values), roster))
    released.append(ordering.release(np.arange(3), roster))
    found = {}
    for one in released:
        assert one.panel.times is not None
        for row, asset in enumerate(one.panel.asset_of_row.tolist()):
            cell = (int(one.slots[asset]), int(one.panel.times[row]))
            assert cell not in found
            found[cell] = one.panel.values[:, row].tolist()
    assert {cell: [str(value) for value in row] for cell, row in found.items()} == {
        cell: [str(value) for value in row] for cell, row in expected.items()
    }


def test_a_roster_numbers_assets_as_they_come() -> None:
    roster = Roster(["b", "a"])
    assert roster.slots_of(pl.Series(["a", "new", "b", "new", "newer"])).tolist() == [1, 2, 0, 2, 3]
    assert roster.since(2) == ["new", "newer"]
    assert roster.keys(np.array([3, 0])).to_pylist() == ["newer", "b"]
    assert roster.slot("newer") == 3
    assert roster.slot("nobody") is None


@pytest.mark.parametrize("row", [0, 1, 3])
def test_arrivals_are_cut(row: int) -> None:
    rows = Arrivals(np.arange(3), np.arange(3) * 10, np.arange(6.0).reshape(2, 3))
    before, after = rows.until(row)
    assert np.concatenate([before.slots, after.slots]).tolist() == [0, 1, 2]
    assert np.concatenate([before.values, after.values], axis=1).tolist() == rows.values.tolist()
    assert len(before.slots) == row

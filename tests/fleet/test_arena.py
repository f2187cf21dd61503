"""Arenas: whatever is put, taken and moved, each slot holds what was last put into it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import StoreError
from tocsin.fleet.arena import Arena, Slots
from tocsin.models import Ragged

ENTRIES = st.dictionaries(st.integers(0, 9), st.lists(st.integers(-99, 99), max_size=40), min_size=1, max_size=6)


def ragged(entries: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(entry) for entry in entries])]).astype(np.int64)
    return Ragged(np.array([value for entry in entries for value in entry], np.int64), offsets)


def lists(entries: Ragged) -> list[list[int]]:
    return [part.tolist() for part in np.split(entries.values, entries.offsets[1:-1])]


@given(st.lists(ENTRIES, min_size=1, max_size=30))
def test_slots_hold_what_was_put_last(puts: list[dict[int, list[int]]]) -> None:
    slots, known = Slots(np.int64, 10), {slot: [] for slot in range(10)}
    for put in puts:
        slots.put(np.array(list(put)), ragged(list(put.values())))
        known |= put
        order = np.random.default_rng(len(puts)).permutation(10)
        assert lists(slots.take(order)) == [known[slot] for slot in order]
    assert slots.nbytes == 8 * sum(map(len, known.values()))
    assert len(slots.values) <= max(1024, 16 * sum(slots.rooms)), "gaps close up"


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), max_size=40))
def test_rows_are_appended_in_order(calls: list[list[int]]) -> None:
    slots, known, number = Slots(np.float64, 4), {slot: [] for slot in range(4)}, 0.0
    for call in calls:
        counts = np.array([1 + slot for slot in call])
        offsets = np.concatenate([[0], np.cumsum(counts + 1)]).astype(np.int64)
        values = number + np.arange(2.0 * offsets[-1]).reshape(2, -1)
        slots.append(np.array(call), values, offsets, np.ones(len(call), np.int64), counts)
        for i, slot in enumerate(call):
            known[slot] += values[:, offsets[i] + 1 : offsets[i + 1]].T.tolist()
        number += values.size
    for slot, rows in known.items():
        values, offsets = slots.rows(np.array([slot]), 2)
        assert values.T.tolist() == rows
        assert offsets.tolist() == [0, len(rows)]


def test_what_is_packed_comes_back() -> None:
    arena = Arena({"rows": np.int64(0), "known": np.bool_(False)}, {"state": np.float32})
    arena.grow(5)
    arena.numbers["rows"][:] = [1, 2, 3, 4, 5]
    arena.numbers["known"][3] = True
    arena.arrays["state"].put(np.array([1, 3]), Ragged(np.arange(3, dtype=np.float32), np.array([0, 1, 3])))
    arena.array("later", np.int64).put(np.array([4]), Ragged(np.array([7]), np.array([0, 1])))
    other = Arena({"rows": np.int64(0), "known": np.bool_(False)}, {"state": np.float32})
    for slots in ([3, 4], [0, 1, 2]):
        other.unpack(arena.pack(np.array(slots)))
    every = np.arange(5)
    assert other.pack(every).equals(arena.pack(every))
    assert other.nbytes == arena.nbytes


def test_what_another_version_packed_is_refused() -> None:
    arena = Arena({"rows": np.int64(0)})
    arena.grow(2)
    with pytest.raises(StoreError, match="'version'"):
        Arena({"rows": np.int64(0), "version": np.int64(0)}).unpack(arena.pack(np.arange(2)))

"""The journal: whenever a stream ends, parts and entries together hold each row once, and old entries go."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.stores import MemoryStore
from tocsin.errors import StoreError
from tocsin.insights.base import Span
from tocsin.stream.journal import ENTRIES, WIDTH, Journal
from tocsin.stream.ordering import Arrivals
from tocsin.stream.packing import table_of

BATCHES = st.lists(st.lists(st.integers(0, 4 * WIDTH), min_size=1, max_size=30), min_size=1, max_size=25)


class Sums:
    """A state that is easy to follow: how much has come for each slot; what is lost or doubled shows."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.journal = store, Journal(store, self._pack)
        self.sums = np.zeros(0)
        self.named = 0

    def _pack(self, slots: np.ndarray) -> list[pa.Table]:
        return [pa.table({"slot": slots, "sum": self.sums[slots]})]

    def _add(self, rows: Arrivals) -> None:
        np.add.at(self.sums, rows.slots, rows.values[0])

    def begin(self, slots: int) -> None:
        self.sums = np.zeros(slots)
        for puts in self.journal.begin(slots, [f"asset {i}" for i in range(slots)]):
            self.store.commit(puts)
        self.named = slots

    def resume(self) -> None:
        assert self.journal.head() is not None
        keys = self.journal.keys()
        assert keys == [f"asset {i}" for i in range(len(keys))]
        self.sums, self.named = np.zeros(len(keys)), len(keys)
        for (table,) in self.journal.parts():
            self.sums[table["slot"].to_numpy()] = table["sum"].to_numpy()
        for entry in self.journal.entries(len(keys)):
            self._add(entry.rows)
            assert entry.notes == {"number": entry.number}

    def take(self, slots: list[int]) -> None:
        most = max(self.named, max(slots) + 1)
        self.sums = np.append(self.sums, np.zeros(most - len(self.sums)))
        rows = Arrivals(np.array(slots), np.arange(len(slots)), np.arange(1.0, len(slots) + 1)[None, :])
        self._add(rows)
        new = [f"asset {i}" for i in range(self.named, most)]
        note = {"number": self.journal.number + 1}
        puts, _, spans = self.journal.commit([rows], [note], most, new)
        self.named = most
        self.store.commit([*puts, self.journal.header()], [], spans)


@given(st.integers(0, 3 * WIDTH), BATCHES, st.lists(st.integers(0, 25), max_size=4))
def test_what_is_read_again_is_what_was(slots: int, batches: list[list[int]], ends: list[int]) -> None:
    store = MemoryStore()
    state = Sums(store)
    state.begin(slots)
    expected = np.zeros(4 * WIDTH + 1)
    for number, batch in enumerate(batches):
        if number and number in ends:
            state = Sums(store)
            state.resume()
        state.take(batch)
        np.add.at(expected, batch, np.arange(1.0, len(batch) + 1))
    again = Sums(store)
    again.resume()
    assert again.sums.tolist() == expected[: len(again.sums)].tolist() == state.sums.tolist()


def test_old_entries_go() -> None:
    store = MemoryStore()
    state = Sums(store)
    state.begin(8 * WIDTH)
    for batch in np.random.default_rng(3).integers(0, 8 * WIDTH, (400, 50)):
        state.take(batch.tolist())
    assert len(list(store.scan(Span.of_prefix(ENTRIES)))) < 40


def test_a_damaged_value_is_told() -> None:
    with pytest.raises(StoreError, match="damaged"):
        table_of(b"no table")

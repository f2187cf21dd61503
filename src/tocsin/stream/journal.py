"""What makes a stream go on where it was: the state of all assets in parts, and a journal of the rows since.

Each commit puts down the rows that came, which are few bytes, and renews those parts whose turn it is. A restart takes
the parts and lets the rows of the journal run through them again: as nothing depends on how a stream is cut, all is as
it was, bit for bit. Journal entries that are older than every part are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.insights.base import Span, Store
from tocsin.insights.recorder import Changes
from tocsin.stream.ordering import Arrivals
from tocsin.stream.packing import table_bytes, table_of

Ints = NDArray[np.int64]

HEAD, KEYS, PARTS, ENTRIES = b"s/head", b"s/keys/", b"s/parts/", b"s/journal/"
WIDTH = 64
"""How many assets a part has."""
RENEWED = 2.0
"""How many bytes of parts are renewed for each byte of the journal."""

Puts = list[tuple[bytes, bytes]]


class Entry(NamedTuple):
    """What was judged in one go: its number, the rows that came, and what else was decided then, as JSON values.

    `behind` says of each slot whether it is still to see this entry; rows of others are left out.
    """

    number: int
    rows: Arrivals
    notes: dict[str, Any]
    behind: NDArray[np.bool_]


class Journal:
    """The part of a store that a stream goes on from.

    Parameters
    ----------
    store : Store
        Opened to be written.
    pack : callable
        Gives what some slots hold, as tables.
    """

    def __init__(self, store: Store, pack: Callable[[Ints], Sequence[pa.Table]]) -> None:
        self._store, self._pack = store, pack
        self.number = 0
        self._marks: list[int] = []
        self._turn, self._owed = 0, 0.0
        self._first = 1
        self._n_keys = 0
        self.renewed: list[int] = []
        """Which parts the last commit puts down."""
        self.archived: int | None = None
        """Up to which number entries are kept elsewhere, too; those that are not stay. None keeps none for that."""

    @property
    def first(self) -> int:
        """The number of the oldest entry that is kept."""
        return self._first

    @property
    def named(self) -> int:
        """How many assets have their keys put down."""
        return self._n_keys

    # Going on --------------------------------------------------------------------------------------------------------

    def head(self) -> dict[str, Any] | None:
        """Return what the last commit said of the stream as a whole, None in a new store."""
        text = self._store.get(HEAD)
        if text is None:
            return None
        head: dict[str, Any] = json.loads(text)
        self.number, self._first = head["number"], head["first"]
        return head

    def keys(self) -> list[str]:
        """Return the keys of all assets, by slot."""
        found = [value.decode() for _, value in self._store.scan(Span.of_prefix(KEYS))]
        self._n_keys = len(found)
        return found

    def parts(self) -> Iterator[list[pa.Table]]:
        """Return what all slots held when their part was last put down; to be read before `entries`."""
        self._marks = []
        for _, value in self._store.scan(Span.of_prefix(PARTS)):
            number, tables = _unpacked(value)
            self._marks.append(number)
            yield tables

    def entries(self, n_slots: int) -> Iterator[Entry]:
        """Return all that came since, without the rows that a part has already."""
        marks = np.zeros(n_slots, np.int64)
        known = np.repeat(np.array(self._marks, np.int64), WIDTH)[:n_slots]
        marks[: len(known)] = known
        for key, value in self._store.scan(Span.of_prefix(ENTRIES)):
            number = int.from_bytes(key.removeprefix(ENTRIES), "big")
            notes, rows = _entry(value)
            behind = marks < number
            yield Entry(number, rows if behind.all() else rows.of(behind[rows.slots]), notes, behind)

    def rows(self, first: int, last: int, stop: Event) -> Iterator[Arrivals]:
        """Give the rows of some entries, one entry at a time; may be called in another thread.

        Raises
        ------
        InterruptedError
            If `stop` is set before all have been given.
        """
        for number in range(first, last + 1):
            if stop.is_set():
                raise InterruptedError
            value = self._store.get(ENTRIES + number.to_bytes(8, "big"))
            if value is not None:
                yield _entry(value)[1]

    # Putting down ----------------------------------------------------------------------------------------------------

    def begin(self, n_slots: int, new_keys: Sequence[str]) -> Iterator[Puts]:
        """Give the puts of a first start, a part at a time: all assets as they are before the first row."""
        yield self._keys(new_keys)
        for part in range(-(-n_slots // WIDTH)):
            self._marks.append(self.number)
            yield [self._part(part, n_slots)]

    def commit(
        self, rows: Sequence[Arrivals], notes: Sequence[dict[str, Any]], n_slots: int, new_keys: Sequence[str]
    ) -> Changes:
        """Return what a commit is to do for rows that came, in as many entries as they were judged in."""
        puts, size = self._keys(new_keys), 0
        for batch, note in zip(rows, notes, strict=True):
            self.number += 1
            value = _packed_entry(note, batch)
            size += len(value)
            puts.append((ENTRIES + self.number.to_bytes(8, "big"), value))
        while len(self._marks) * WIDTH < n_slots:
            self._marks.append(0)
        puts += self._in_turn(size, n_slots)
        return Changes(puts, [], self._dropped())

    def renew(self, n_slots: int) -> Puts:
        """Return all parts, as they are to be put down at once."""
        self._marks = [self.number] * -(-n_slots // WIDTH)
        self.renewed = [*range(len(self._marks))]
        return [self._part(part, n_slots) for part in self.renewed]

    def _in_turn(self, size: int, n_slots: int) -> Puts:
        """Return the parts whose turn it is."""
        puts: Puts = []
        self.renewed = []
        self._owed += RENEWED * size
        while self._owed > 0 and len(puts) < len(self._marks):
            self._turn %= len(self._marks)
            puts.append(self._part(self._turn, n_slots))
            self._owed -= len(puts[-1][1])
            self._marks[self._turn] = self.number
            self.renewed.append(self._turn)
            self._turn += 1
        return puts

    def _dropped(self) -> list[Span]:
        """Return the entries that every part has by now."""
        oldest = min(self._marks, default=self.number) + 1
        if self.archived is not None:
            oldest = min(oldest, self.archived + 1)
        if oldest <= self._first:
            return []
        span = Span(ENTRIES + self._first.to_bytes(8, "big"), ENTRIES + oldest.to_bytes(8, "big"))
        self._first = oldest
        return [span]

    def header(self, **said: Any) -> tuple[bytes, bytes]:
        """Return the put that says how far the stream is."""
        return HEAD, json.dumps({"number": self.number, "first": self._first, **said}).encode()

    def _keys(self, new: Sequence[str]) -> Puts:
        first = self._n_keys
        self._n_keys += len(new)
        return [(KEYS + (first + i).to_bytes(4, "big"), key.encode()) for i, key in enumerate(new)]

    def _part(self, part: int, n_slots: int) -> tuple[bytes, bytes]:
        slots = np.arange(part * WIDTH, min((part + 1) * WIDTH, n_slots))
        return PARTS + part.to_bytes(4, "big"), _packed(self.number, self._pack(slots))


def _packed(number: int, tables: Sequence[pa.Table]) -> bytes:
    """Return tables as bytes: a number, then for each its length and itself."""
    pieces = [number.to_bytes(8, "little")]
    for table in tables:
        body = table_bytes(table)
        pieces += [len(body).to_bytes(8, "little"), body]
    return b"".join(pieces)


def _unpacked(value: bytes) -> tuple[int, list[pa.Table]]:
    tables, at = [], 8
    while at < len(value):
        size = int.from_bytes(value[at : at + 8], "little")
        tables.append(table_of(value[at + 8 : at + 8 + size]))
        at += 8 + size
    return int.from_bytes(value[:8], "little"), tables


def _packed_entry(notes: dict[str, Any], rows: Arrivals) -> bytes:
    head = json.dumps(notes).encode()
    columns = {"slot": rows.slots.astype(np.int32), "time": rows.times}
    columns |= {str(i): values for i, values in enumerate(rows.values)}
    return len(head).to_bytes(4, "little") + head + table_bytes(pa.table(columns))


def _entry(value: bytes) -> tuple[dict[str, Any], Arrivals]:
    size = int.from_bytes(value[:4], "little")
    table = table_of(value[4 + size :])
    slots, times, *values = (column.combine_chunks().to_numpy() for column in table.columns)
    return json.loads(value[4 : 4 + size]), Arrivals(slots.astype(np.int64), times, np.stack(values))

"""What is known of many assets, held in memory and changed in place: a few of them at a time, whichever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import StoreError
from tocsin.kernels import arena as kernels
from tocsin.models import Place, Ragged, Shelf

Ints = NDArray[np.int64]

_SPARE, _PUT, _APPENDED = 8, 0.125, 0.5
"""How many values an entry that moves gets more than it needs, and which share of these: replaced, or appended to."""


class Slots:
    """One array of differing length for each of many slots, all in one buffer.

    An entry that outgrows its room moves to the end; when the buffer is full, the entries close up, or it doubles.
    """

    def __init__(self, dtype: Any, n_slots: int = 0) -> None:
        self.values: NDArray[Any] = np.empty(1024, dtype)
        self.starts, self.sizes, self.rooms = (np.zeros(n_slots, np.int64) for _ in range(3))
        self._end = 0

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self.starts)

    @property
    def nbytes(self) -> int:
        """The bytes of all entries, without the room between them."""
        return int(self.sizes.sum()) * self.values.itemsize

    def grow(self, n_slots: int) -> None:
        """Add empty slots until there are so many."""
        more = n_slots - len(self)
        if more > 0:
            none = np.zeros(more, np.int64)
            self.starts, self.sizes, self.rooms = (
                np.concatenate([each, none]) for each in (self.starts, self.sizes, self.rooms)
            )

    def take(self, slots: Ints) -> Ragged:
        """Return copies of the entries of some slots."""
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes[slots])])
        out = np.empty(offsets[-1], self.values.dtype)
        kernels.gather(self.values, self.starts, slots, out, offsets)
        return Ragged(out, offsets)

    def place(self, slots: Ints) -> Place:
        """Return where the entries of some slots lie, until one of them changes."""
        return Place(self.values, self.starts[slots], self.sizes[slots])

    def put(self, slots: Ints, entries: Ragged) -> None:
        """Replace the entries of some slots, each named once."""
        sizes = np.diff(entries.offsets)
        self.sizes[slots] = 0
        self.reserve(slots, sizes, _PUT)
        given = np.ascontiguousarray(entries.values, self.values.dtype)
        kernels.scatter(given, entries.offsets, slots, self.values, self.starts)
        self.sizes[slots] = sizes

    def clear(self, slots: Ints) -> None:
        """Make entries empty; they keep their room."""
        self.sizes[slots] = 0

    def append(self, slots: Ints, values: NDArray[Any], offsets: Ints, firsts: Ints, counts: Ints) -> None:
        """Add rows to entries that hold rows, one after the other.

        `values`, (width, n_rows), and `offsets` are those of a panel of the slots' assets; of each asset these are
        `counts` rows from its row `firsts` on.
        """
        self.reserve(slots, self.sizes[slots] + counts * len(values), _APPENDED)
        kernels.append(values, offsets, firsts, counts, slots, self.values, self.starts, self.sizes)

    def rows(self, slots: Ints, width: int) -> tuple[NDArray[Any], Ints]:
        """Return rows that were appended, as a panel has them: values of shape (width, n_rows), and offsets."""
        held = self.take(slots)
        values = np.empty((width, len(held.values) // width), self.values.dtype)
        kernels.transposed(held.values, values)
        return values, held.offsets // width

    def reserve(self, slots: Ints, sizes: Ints, spare: float = 0.0) -> None:
        """Give entries room for so many values each, and a share of these to `spare`; what they hold stays."""
        tight = np.flatnonzero(sizes > self.rooms[slots])
        if not len(tight):
            return
        moved, rooms = slots[tight], sizes[tight]
        if spare:
            rooms = rooms + (rooms * spare).astype(np.int64) + _SPARE
        if self._end + int(rooms.sum()) > len(self.values):
            self._settle(int(rooms.sum()))
        starts = self._end + np.cumsum(rooms) - rooms
        held = self.take(moved)
        kernels.scatter(held.values, held.offsets, np.arange(len(moved)), self.values, starts)
        self.starts[moved], self.rooms[moved] = starts, rooms
        self._end += int(rooms.sum())

    def _settle(self, more: int) -> None:
        """Close the gaps that entries have left, in a buffer with as much room again."""
        everyone = np.flatnonzero(self.rooms)
        rooms = self.rooms[everyone]
        held = self.take(everyone)
        self.values = np.empty(max(1024, 2 * (int(rooms.sum()) + more)), self.values.dtype)
        starts = np.cumsum(rooms) - rooms
        self.starts[everyone] = starts
        kernels.scatter(held.values, held.offsets, everyone, self.values, self.starts)
        self._end = int(rooms.sum())


class Arena:
    """Named numbers and named arrays of many slots, such as the models of a fleet.

    Parameters
    ----------
    numbers : mapping of str to number
        What each slot has one of, as what an empty slot has: a NumPy scalar, whose type is kept.
    arrays : mapping of str to dtype
        What each slot has an array of, empty in the beginning; more come as they are put.
    """

    def __init__(self, numbers: Mapping[str, np.generic], arrays: Mapping[str, Any] | None = None) -> None:
        self._empty = dict(numbers)
        self._n_slots = 0
        self.numbers: dict[str, NDArray[Any]] = {name: np.zeros(0, each.dtype) for name, each in numbers.items()}
        self.arrays: dict[str, Slots] = {name: Slots(dtype) for name, dtype in (arrays or {}).items()}

    def __len__(self) -> int:
        """How many slots there are."""
        return self._n_slots

    @property
    def nbytes(self) -> int:
        """The bytes of all entries."""
        numbers = sum(each.nbytes for each in self.numbers.values())
        return numbers + sum(each.nbytes for each in self.arrays.values())

    def grow(self, n_slots: int) -> None:
        """Add empty slots until there are so many."""
        more = n_slots - self._n_slots
        if more <= 0:
            return
        self._n_slots = n_slots
        for name, empty in self._empty.items():
            self.numbers[name] = np.concatenate([self.numbers[name], np.full(more, empty)])
        for each in self.arrays.values():
            each.grow(n_slots)

    def array(self, name: str, dtype: Any) -> Slots:
        """Return the arrays of a name, which are made if there are none."""
        if name not in self.arrays:
            self.arrays[name] = Slots(dtype, self._n_slots)
        return self.arrays[name]

    def pack(self, slots: Ints) -> pa.Table:
        """Return all that some slots hold, a row each."""
        columns = {name: pa.array(each[slots]) for name, each in self.numbers.items()}
        for name, each in self.arrays.items():
            values, offsets = each.take(slots)
            columns[name] = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))
        return pa.table({"slot": pa.array(slots), **columns})

    def unpack(self, table: pa.Table) -> None:
        """Put back what was packed.

        Raises
        ------
        StoreError
            If another version packed it.
        """
        slots = table.column("slot").to_numpy()
        missing = set(self.numbers) - set(table.column_names)
        if missing:
            raise StoreError(f"the store has no {min(missing)!r} of its assets; another version of Tocsin wrote it")
        self.grow(int(slots.max(initial=-1)) + 1)
        for name in table.column_names[1:]:
            column = table.column(name).combine_chunks()
            if name in self.numbers:
                self.numbers[name][slots] = column.to_numpy(zero_copy_only=False)
            else:
                values = column.values.to_numpy()
                self.array(name, values.dtype).put(slots, Ragged(values, column.offsets.to_numpy()))


class Held(Shelf):
    """Named arrays of some slots of an arena, as the state of models that is read where it lies.

    Parameters
    ----------
    arrays : mapping of str to Slots
        By their names in the state.
    slots : ndarray of shape (n_assets,), int64
    """

    def __init__(self, arrays: Mapping[str, Slots], slots: Ints) -> None:
        self._arrays, self._slots = arrays, slots

    def __getitem__(self, name: str) -> Ragged:
        """Return copies of the entries of a name."""
        return self._arrays[name].take(self._slots)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._arrays)

    def place(self, name: str) -> Place:
        """Return where the entries of a name lie."""
        return self._arrays[name].place(self._slots)

    def of(self, assets: Ints) -> Held:
        """Return the entries of some assets, in that order."""
        return Held(self._arrays, self._slots[assets])

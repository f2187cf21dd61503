"""Rows that the windows of their assets have still to learn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.rows import runs

Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Rows:
    """Rows of a batch, asset by asset: those of `slots[i]` go from `offsets[i]` to before `offsets[i + 1]`.

    Parameters
    ----------
    slots : ndarray of shape (n_assets,), int64
    offsets : ndarray of shape (n_assets + 1,), int64
    times : ndarray of shape (n_rows,), int64
    score, alert : ndarray of shape (n_rows,), float64 and bool
    values : ndarray of shape (n_sensors, n_rows)
    """

    slots: Ints
    offsets: Ints
    times: Ints
    score: NDArray[np.float64]
    alert: NDArray[np.bool_]
    values: NDArray[Any]


class Backlog:
    """Batches of rows, kept as they are until each of their assets has been taken.

    An asset's rows are given in the order in which they came. Taking some assets costs a look at each batch that waits.
    """

    def __init__(self) -> None:
        self._batches: deque[Rows] = deque()
        self._left: deque[int] = deque()
        self._first = 1
        """The number of the oldest batch that waits."""
        self._newest = np.zeros(0, np.int64)
        """The last batch that holds rows of an asset."""
        self._taken = np.zeros(0, np.int64)
        """Up to which batch an asset's rows have been given."""

    def __len__(self) -> int:
        """How many batches wait."""
        return len(self._batches)

    def add(self, rows: Rows) -> None:
        """Let rows wait, of which each asset has at least one."""
        room = int(rows.slots.max(initial=-1)) + 1 - len(self._taken)
        if room > 0:
            more = np.zeros(max(room, len(self._taken)), np.int64)
            self._newest, self._taken = (np.concatenate([each, more]) for each in (self._newest, self._taken))
        self._batches.append(rows)
        self._left.append(len(rows.slots))
        self._newest[rows.slots] = self._first + len(self._batches) - 1
        self._drop()

    def waiting(self, slots: Ints) -> Ints:
        """Return those of some slots that have rows here."""
        slots = slots[slots < len(self._taken)]
        found: Ints = slots[self._newest[slots] > self._taken[slots]]
        return found

    def take(self, slots: Ints) -> Rows:
        """Return the rows of some slots, each of which has some, and let them go."""
        found, sizes = list(self._those(slots)), np.zeros(len(self._taken), np.int64)
        for batch, which in found:
            sizes[batch.slots[which]] += batch.offsets[which + 1] - batch.offsets[which]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[slots])])
        first, count = found[0][0], int(offsets[-1])
        values = np.empty((len(first.values), count), first.values.dtype)
        rows = Rows(slots, offsets, np.empty(count, np.int64), np.empty(count), np.empty(count, np.bool_), values)
        places = np.empty_like(sizes)
        places[slots] = offsets[:-1]
        for batch, which in found:
            own, starts, stops = batch.slots[which], batch.offsets[which], batch.offsets[which + 1]
            at = places[own]
            for source, target in zip(_columns(batch), _columns(rows), strict=True):
                runs(source, starts, stops, at, target)
            places[own] += stops - starts
        self._taken[slots] = self._newest[slots]
        self._drop()
        return rows

    def _those(self, slots: Ints) -> Iterator[tuple[Rows, Ints]]:
        """Give the batches that hold rows of some slots, and which of their assets these are."""
        wanted = np.zeros(len(self._taken), np.bool_)
        wanted[slots] = True
        for place, batch in enumerate(self._batches):
            which = np.flatnonzero(wanted[batch.slots] & (self._taken[batch.slots] < self._first + place))
            if len(which):
                self._left[place] -= len(which)
                yield batch, which

    def _drop(self) -> None:
        while self._left and not self._left[0]:
            self._batches.popleft()
            self._left.popleft()
            self._first += 1


def _columns(rows: Rows) -> list[NDArray[Any]]:
    return [rows.times, rows.score, rows.alert, *rows.values]

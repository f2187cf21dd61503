"""Rows that the windows of their assets have still to learn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.panel import Scores

Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Rows:
    """Rows of a batch, asset by asset: those of `slots[i]` go from `offsets[i]` to before `offsets[i + 1]`.

    Parameters
    ----------
    slots : ndarray of shape (n_assets,), int64
    offsets : ndarray of shape (n_assets + 1,), int64
    times : ndarray of shape (n_rows,), int64
    values : ndarray of shape (n_sensors, n_rows)
    scores : Scores
    """

    slots: Ints
    offsets: Ints
    times: Ints
    values: NDArray[Any]
    scores: Scores


class Backlog:
    """Batches of rows, kept as they are until each of their assets has been taken.

    An asset's rows are given in the order in which they came. Taking some assets costs a look at each batch that waits,
    and copies nothing.
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

    def take(self, slots: Ints) -> Iterator[tuple[Rows, Ints]]:
        """Give the batches that hold rows of some slots, and which of their assets these are; all are to be taken."""
        wanted = np.zeros(len(self._taken), np.bool_)
        wanted[slots] = True
        for place, batch in enumerate(self._batches):
            number = self._first + place
            which = np.flatnonzero(wanted[batch.slots] & (self._taken[batch.slots] < number))
            if len(which):
                self._left[place] -= len(which)
                yield batch, which
        self._taken[slots] = self._newest[slots]
        self._drop()

    def _drop(self) -> None:
        while self._left and not self._left[0]:
            self._batches.popleft()
            self._left.popleft()
            self._first += 1

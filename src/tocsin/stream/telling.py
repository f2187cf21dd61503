"""When the windows of assets are put down: latest states and alerts go with each commit, windows follow in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tocsin.insights.alerts import ALERTS
from tocsin.insights.base import Span, Store
from tocsin.insights.recorder import Recorder
from tocsin.stream.journal import WIDTH, Puts
from tocsin.stream.outcomes import Outcome, together
from tocsin.stream.roster import Roster

Ints = NDArray[np.int64]

TOLD = b"s/told/"
SOON = 5.0
"""Seconds within which all assets have their turn, if there is time."""
FEW = 4
"""How many parts, of `WIDTH` assets each, always have their turn."""
ROWS = 4
"""For so many rows of a batch there is time for one more asset."""
MANY = 256
"""How many batches of the journal's may wait at a restart."""
AT_ONCE = 16
"""How many parts are put down in one commit at the end."""


class Telling:
    """Which assets' windows are put down with a commit, and which rows of the journal these have not seen.

    A part of the assets has its turn when others had theirs, and whenever its state is put down by the journal: rows
    that windows have not learned must be judged once more after a restart, and only the journal's can be.

    Parameters
    ----------
    store : Store
    recorder : Recorder
    """

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store, self._recorder = store, recorder
        self._marks = np.zeros(0, np.int64)
        """Up to which entry of the journal each part's windows have learned."""
        self._turn, self._owed, self._last = 0, 0.0, time.monotonic()

    def resume(self) -> None:
        """Be as after the last commit, before the journal's rows run through the models."""
        self._recorder.resume()
        for key, value in self._store.scan(Span.of_prefix(TOLD)):
            part = int.from_bytes(key.removeprefix(TOLD), "big")
            self._grow(part + 1)
            self._marks[part] = int.from_bytes(value, "little")

    def again(self, outcomes: Sequence[Outcome], number: int, roster: Roster) -> None:
        """Hear once more what was said of an entry of the journal."""
        if not outcomes:
            return
        one = together(outcomes)
        parts = one.slots // WIDTH
        self._grow(int(parts.max(initial=-1)) + 1)
        one = one.of(np.flatnonzero(self._marks[parts] < number))
        self._recorder.record(
            one.panel.keys.to_pylist(), one.panel, one.scores, one.threshold, one.version, ALERTS.empty_table()
        )
        if self._recorder.waiting >= MANY:
            for puts in self.rest(number, roster):
                self._store.commit(puts)

    def turn(self, number: int, renewed: Sequence[int], roster: Roster, rows: int = 0) -> Puts:
        """Return what goes with a commit, after a batch of some rows was recorded.

        Parameters
        ----------
        number : int
            The newest entry of the journal.
        renewed : sequence of int
            The parts whose state the commit puts down.
        roster : Roster
        rows : int, default 0
        """
        n_parts, now = -(-len(roster) // WIDTH), time.monotonic()
        self._owed += n_parts * (now - self._last) / SOON
        self._last = now
        many = min(n_parts, max(FEW, min(int(self._owed), rows // ROWS // WIDTH)))
        self._owed = max(self._owed - many, 0.0)
        parts = (self._turn + np.arange(many)) % max(n_parts, 1)
        self._turn = (self._turn + many) % max(n_parts, 1)
        return self._put_down(np.union1d(parts, np.array(renewed, np.int64)), number, roster)

    def rest(self, number: int, roster: Roster) -> Iterator[Puts]:
        """Give what is still to be put down, in pieces, each whole in itself."""
        n_parts = -(-len(roster) // WIDTH)
        for first in range(0, n_parts, AT_ONCE):
            puts = self._put_down(np.arange(first, min(first + AT_ONCE, n_parts)), number, roster)
            if puts:
                yield puts

    def _put_down(self, parts: Ints, number: int, roster: Roster) -> Puts:
        slots = (parts[:, None] * WIDTH + np.arange(WIDTH)).ravel()
        puts = self._recorder.put_down(roster.keys(slots[slots < len(roster)]).to_pylist())
        if puts:
            self._grow(int(parts.max()) + 1)
            self._marks[parts] = np.maximum(self._marks[parts], number)
            marks = zip(parts.tolist(), self._marks[parts].tolist(), strict=True)
            puts += [(TOLD + part.to_bytes(4, "big"), mark.to_bytes(8, "little")) for part, mark in marks]
        return puts

    def _grow(self, n_parts: int) -> None:
        more = n_parts - len(self._marks)
        if more > 0:
            self._marks = np.concatenate([self._marks, np.zeros(more, np.int64)])

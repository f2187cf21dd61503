"""The loop of a stream: readings are fetched, judged, learned and put down, all or nothing; alerts are handed on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from threading import Event
from typing import Any, TypeVar

import numpy as np

from tocsin.errors import FleetError, StoreError, StoreFullError, UnavailableError
from tocsin.fleet.fleet import Fleet
from tocsin.insights.alerts import ALERTS
from tocsin.insights.base import Store
from tocsin.insights.recorder import Changes, Recorder
from tocsin.kernels.arrivals import NEVER
from tocsin.stream import alarms
from tocsin.stream.adapting.adaptation import Adaptation
from tocsin.stream.adapting.context import Context
from tocsin.stream.alerts import alerts_of
from tocsin.stream.batch import Batch, Watcher
from tocsin.stream.identity import differing, identity
from tocsin.stream.journal import Journal
from tocsin.stream.live import Counts
from tocsin.stream.options import Options
from tocsin.stream.ordering import Arrivals
from tocsin.stream.outbox import Outbox
from tocsin.stream.outcomes import Outcome, together
from tocsin.stream.sources.base import Fetched, Positions, Source, joined
from tocsin.stream.state import State
from tocsin.stream.telling import Telling
from tocsin.stream.waiting import patiently

T = TypeVar("T")
EPOCH = 600_000_000_000
"""Nanoseconds of event time after which what concerns the whole fleet is looked at."""
NOTHING = Arrivals(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((1, 0)))
IDLE = 0.25
"""Seconds to wait for a first reading before looking whether there is something else to do."""
LEAVE = 0.5
"""Seconds to put down what is left when the stream is told to stop."""
SOON, NEWS = 0.05, 30.0
"""Seconds between two looks whether a night is over at the source's end, and between two lines that say it is not."""


class Runner:
    """A fleet at work on a source, with all that it knows in a store.

    Positions, state, insights and alerts go into the store in one transaction for each micro-batch; a restart goes on
    after the last one. Whatever is away, be it the source's server or the store's, or has no room, is waited for.

    Parameters
    ----------
    fleet : Fleet
        It has learned; it is not changed.
    source : Source
    store : Store
        Opened to be written.
    outbox : Outbox
        On the same store.
    options : Options
    say : callable
        Is given a line when something is waited for, and other news.
    watchers : sequence of Watcher
    """

    def __init__(
        self,
        fleet: Fleet,
        source: Source,
        store: Store,
        outbox: Outbox,
        options: Options,
        say: Callable[[str], None],
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._source, self._store, self._outbox, self._options = source, store, outbox, options
        self._say, self._watchers = say, watchers
        self._identity = identity(fleet)
        self._state = State(fleet, options)
        self.live = self._state.live
        self._recorder = Recorder(store, fleet.features, options.keep)
        self._journal = Journal(store, self._state.pack)
        self._telling = Telling(store, self._recorder)
        context = Context(fleet, self._journal, options.adapting, say, options.long)
        self._adaptation = Adaptation(context, store, self.live, options.budget)
        self._newest = NEVER
        self._positions: Positions = {}
        self._retained: list[int] = []
        self._stop = Event()
        self._resumed = False

    def stop(self) -> None:
        """Ask the stream to end after the micro-batch that it is at; may be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Go on until the source has ended, or `stop` is called.

        Raises
        ------
        StoreBusyError
            If another stream writes to the store.
        FleetError
            If the store belongs to another fleet.
        TocsinError
            If a source or a sink fails for ever; all that was committed stays.
        """
        with nullcontext() if self._resumed else self._store.alone("stream"):
            if not self._resumed:
                self.resume()
            try:
                self._loop()
            finally:
                self._adaptation.close()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._outbox.check()
            self._adapt()
            batch = self._gather()
            if batch is not None:
                self._take(batch)
            elif self._source.ended:
                self._release()
                self._finish()
                break
            else:
                self.settle()
        self._adapt(last=True)
        self._tell_rest()

    def resume(self) -> None:
        """Be as it was after the last commit.

        `run` does it, unless it was called before by whoever holds the store's lock ``stream`` until `run` has ended;
        so that nothing is delivered before it is known that the store is the fleet's.

        Raises
        ------
        FleetError
            If the store belongs to another fleet.
        """
        head = self._journal.head()
        if head is None:
            self._begin()
        else:
            self._go_on_from(head)
        self._source.seek(self._positions)
        self.live.counts = Counts()
        self._resumed = True

    def _begin(self) -> None:
        """Put down the fleet's models as the state before the first reading."""
        self._state.begin()
        roster = self._state.roster
        self._adaptation.begin(roster)
        for puts in self._journal.begin(len(roster), roster.since(0)):
            self._write(Changes(puts, [], []))

    def _go_on_from(self, head: dict[str, Any]) -> None:
        """Be as it was when the last commit said so."""
        differs = differing(head["fleet"], self._identity)
        if differs is not None:
            raise FleetError(
                f"the store belongs to a fleet with {differs}; give another store, or the fleet that it belongs to"
            )
        self._telling.resume()
        self._newest = head["newest"]
        if self._newest != NEVER:
            self._retained.append(int(self._newest) // EPOCH * EPOCH)
        self._state.resume(self._journal, self._store, self._telling.again, self._adaptation.again)
        self._adaptation.resume(self._state.roster)
        kind = type(self._source).__name__
        if head.get("source", kind) == kind:
            self._positions = head["positions"]
        else:
            self._say("the source is of another kind than before: it is read from its beginning")

    def settle(self) -> None:
        """Let the store know which alerts have been delivered since, and what watchers have to say."""
        changes = Changes([], [], [])
        changes.add(self._outbox.put(ALERTS.empty_table()))
        changes.add(*self._outbox.delivered())
        for watcher in self._watchers:
            changes.add(watcher.changes())
        changes.add(self._telling.turn(self._journal.number, [], self._state.roster))
        if any(changes):
            self._write(changes)
        self._outbox.committed()

    # Readings --------------------------------------------------------------------------------------------------------

    def _gather(self) -> Fetched | None:
        """Return what has come, after waiting a little for more."""
        if self._outbox.full:
            self._stop.wait(IDLE)
            return None
        first = self._poll(self._options.rows, IDLE)
        if first is None:
            return None
        parts, rows, end = [first], first.frame.height, time.monotonic() + self._options.linger
        while rows < self._options.rows and (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            more = self._poll(self._options.rows - rows, left)
            if more is not None:
                parts.append(more)
                rows += more.frame.height
            elif self._source.ended:
                break
        return joined(parts)

    def _poll(self, most: int, wait: float) -> Fetched | None:
        return self._patiently(partial(self._source.poll, most, wait), "the source")

    def _take(self, fetched: Fetched) -> None:
        """Judge what came, and commit."""
        batch = Batch(fetched.frame.height, fetched.size, dead=fetched.dead, strange=fetched.strange)
        batch.mended, batch.newest, batch.fetched = fetched.mended, fetched.newest, time.time()
        parts, notes, outcomes = [], [], list[Outcome]()
        for rows in self._epochs(self._state.arrivals(fetched.frame)):
            parts.append(rows)
            notes.append(self._notes())
            judged, late = self._state.arrive(rows)
            outcomes += judged
            batch.late += late
        batch.judged = time.time()
        self._commit(parts, notes, fetched.positions, outcomes, batch)

    def _epochs(self, rows: Arrivals) -> Iterator[Arrivals]:
        """Cut rows where the newest time of all passes a mark, and look at what concerns the whole fleet there."""
        newest = np.maximum.accumulate(np.append(self._newest, rows.times))
        marks = newest // EPOCH
        start, passes = 0, np.flatnonzero(marks[1:] > marks[:-1])
        if self._options.budget is None and not self._adaptation.cuts and len(passes):  # nothing depends on where
            self._mark(int(marks[-1]) * EPOCH)
            passes = passes[:0]
        for row in passes:
            before, rows = rows.until(int(row) - start)
            if len(before.slots):
                yield before
            start, self._newest = int(row), int(newest[row])
            self._mark(int(marks[row + 1]) * EPOCH)
        self._newest = int(newest[-1])
        if len(rows.slots):
            yield rows

    def _mark(self, now: int) -> None:
        """Look at what concerns the whole fleet; `now` is a whole number of epochs of event time."""
        if self._options.budget is not None and self._newest != NEVER:
            self._options.budget.epoch(now)
        if self._newest != NEVER:
            self._adaptation.mark(now)
        self._retained.append(now)

    def _notes(self) -> dict[str, Any]:
        """Return what rows are judged by beside the models."""
        budget, noted = self._options.budget, self._adaptation.note()
        return noted if budget is None else {"rule": budget.rule, **noted}

    def _release(self) -> None:
        """Judge what waits for later readings, as none will come."""
        batch = Batch(fetched=time.time())
        outcomes = self._state.release(np.arange(len(self._state.roster)))
        if outcomes:
            self._commit([NOTHING], [{**self._notes(), "release": True}], None, outcomes, batch)

    def _finish(self) -> None:
        """Let a night be over that is due: no readings will come beside which it could go on."""
        self._adapt(last=True)
        said, since = None, time.monotonic()
        while (doing := self._adaptation.doing) is not None and not self._stop.is_set():
            if doing != said or time.monotonic() - since >= NEWS:
                self._say(f"the source has ended; {doing}{', still' if doing == said else ''}")
                said, since = doing, time.monotonic()
            self._outbox.check()
            self.settle()
            self._stop.wait(SOON)
            self._adapt()

    def _adapt(self, *, last: bool = False) -> None:
        """Let models change by more than what comes in, and commit."""
        acts = self._patiently(partial(self._adaptation.due, last=last), "the store")
        if acts is None:
            return
        self._state.grow()
        if self._adaptation.renewed:
            self._state.begin_budget()
        self._commit([NOTHING], [{**self._notes(), "acts": acts}], None, [], Batch(fetched=time.time()))

    # Putting down ----------------------------------------------------------------------------------------------------

    def _commit(
        self,
        rows: Sequence[Arrivals],
        notes: Sequence[dict[str, Any]],
        positions: Positions | None,
        outcomes: Sequence[Outcome],
        batch: Batch,
    ) -> None:
        """Put down all that a micro-batch has changed, in one transaction, however long the store makes it wait."""
        if positions is not None:
            self._positions = positions
        budget, roster, changes = self._options.budget, self._state.roster, Changes([], [], [])
        changes.add(*self._journal.commit(rows, notes, len(roster), roster.since(self._journal.named)))
        alerts = ALERTS.empty_table()
        if outcomes:
            one = together(outcomes)
            alerts = alerts if one.alerts is None else alerts_of(one.alerts)
            keys = one.panel.keys.to_pylist()
            changes.add(*self._recorder.record(keys, one.panel, one.scores, one.threshold, one.version, alerts))
        changes.add(self._outbox.put(alerts))
        changes.add(*self._outbox.delivered())
        if budget is not None:
            changes.add([alarms.put(budget)])
        for watcher in self._watchers:
            changes.add(watcher.changes())
        changes.add(*self._adaptation.changes(notes, len(roster)))
        if self._retained:
            retain = partial(self._recorder.retain, self._retained[-1])
            changes.add(*self._patiently(retain, "the store"))
        changes.add(self._telling.turn(self._journal.number, self._journal.renewed, roster, batch.rows))
        kind = type(self._source).__name__
        said = {"fleet": self._identity, "newest": int(self._newest), "source": kind, "positions": self._positions}
        changes.add([self._journal.header(**said)])
        self._write(changes)
        self._outbox.committed()
        self._adaptation.committed()
        self._retained.clear()
        self._source.committed(self._positions)
        batch.alerts, batch.committed, batch.lag = alerts.num_rows, time.time(), self._source.lag
        for watcher in self._watchers:
            watcher.seen(batch)

    def _tell_rest(self) -> None:
        """Put down what windows have still to learn; if the stream is to stop, as much of it as there is time for."""
        end = time.monotonic() + LEAVE
        for puts in self._telling.rest(self._journal.number, self._state.roster):
            try:
                self._write(Changes(puts, [], []))
            except (StoreFullError, UnavailableError):
                break  # what is missing comes again from the journal
            if self._stop.is_set() and time.monotonic() > end:
                break

    def _write(self, changes: Changes) -> None:
        """Commit, however long the store makes it wait.

        Raises
        ------
        StoreError
            If there can never be room for it.
        """
        self._patiently(partial(self._fit, changes), "the store")

    def _fit(self, changes: Changes) -> None:
        """Commit; where there is no room, let go what may go, for as long as it helps if nothing else makes room."""
        gone: Changes | None = None
        while True:
            try:
                self._store.commit(*changes)
                return
            except StoreFullError as error:
                full = error
            before, gone = gone, self._spare()
            size = sum(len(key) + len(value) for key, value in changes.puts)
            if full.limit is not None and (size > full.limit or (gone == before and not self._outbox.waiting)):
                raise StoreError(
                    f"a micro-batch of {size / 1e6:,.4g} MB never fits: {full}, or take smaller ones with --rows"
                )
            if before is not None and (full.limit is None or gone == before):
                self._outbox.check()
                raise full
            self._store.commit(*gone)

    def _spare(self) -> Changes:
        """Return what may be deleted where there is no room: alerts that have gone out, and the oldest insights."""
        spare = Changes([], self._outbox.delivered()[1], [])
        if self._newest != NEVER:
            spare.add(*self._recorder.retain(int(self._newest), full=True))
        return spare

    def _patiently(self, action: Callable[[], T], what: str) -> T:
        return patiently(action, what, self._stop, self._say)

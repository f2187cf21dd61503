"""The loop of a stream: readings are fetched, judged, learned and put down, all or nothing; alerts are handed on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.budget import Budget
from tocsin.errors import FleetError, StoreFullError, UnavailableError
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.insights.alerts import ALERTS
from tocsin.insights.base import Span, Store
from tocsin.insights.recorder import Keep, Recorder
from tocsin.kernels.arrivals import NEVER
from tocsin.stream import alarms
from tocsin.stream.adapting.adaptation import Adaptation, Adapting
from tocsin.stream.alerts import alerts_of
from tocsin.stream.batch import Batch, Watcher
from tocsin.stream.identity import identity
from tocsin.stream.journal import Journal
from tocsin.stream.learning import Learning
from tocsin.stream.live import Counts, Live
from tocsin.stream.ordering import Arrivals, Ordering, Released
from tocsin.stream.outbox import Outbox
from tocsin.stream.outcomes import Outcome, together
from tocsin.stream.roster import Roster
from tocsin.stream.sources.base import KEY, SENSOR, TIME, VALUE, Fetched, Positions, Source

T = TypeVar("T")
EPOCH = 600_000_000_000
"""Nanoseconds of event time after which what concerns the whole fleet is looked at."""
NOTHING = Arrivals(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((1, 0)))
IDLE = 0.25
"""Seconds to wait for a first reading before looking whether there is something else to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a stream is run.

    Parameters
    ----------
    learning : Learning
        How models go on learning.
    late : int, default 0
        How many nanoseconds a reading may come after a newer one of its asset.
    rows : int, default 200,000
        The most readings a micro-batch.
    linger : float, default 0.02
        Seconds that a micro-batch waits for more readings.
    explain : int, default 3
        How many features to name for each alert.
    budget : Budget, optional
        What alarms are held to; without it, each reading above its model's threshold is an alert.
    long : bool, default False
        Whether a reading holds one sensor's value.
    adapting : Adapting
        What else changes models: nights, and the fleet's folder.
    keep : Keep
        How long insights are kept.
    """

    learning: Learning = field(default_factory=Learning)
    late: int = 0
    rows: int = 200_000
    linger: float = 0.02
    explain: int = 3
    budget: Budget | None = None
    long: bool = False
    adapting: Adapting = field(default_factory=Adapting)
    keep: Keep = field(default_factory=Keep)


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
        self._fleet = fleet
        self._roster = Roster()
        self.live = Live(fleet, options.learning, options.explain, options.budget)
        self._ordering = Ordering(fleet.features, fleet.dtype, options.late, long=options.long)
        self._sensors = pl.Enum(fleet.features)
        self._recorder = Recorder(store, fleet.features, options.keep)
        self._journal = Journal(store, self._pack)
        self._adaptation = Adaptation(
            store, fleet, self.live, self._journal, options.adapting, options.budget, say, long=options.long
        )
        self._newest = NEVER
        self._named = 0
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
                self._go_on()
            finally:
                self._adaptation.close()

    def _go_on(self) -> None:
        while not self._stop.is_set():
            self._outbox.check()
            self._adapt()
            batch = self._gather()
            if batch is not None:
                self._take(batch)
            elif self._source.ended:
                self._release()
                break
            else:
                self.settle()
        self._adapt(last=True)

    def resume(self) -> None:
        """Be as it was after the last commit.

        `run` does it, unless it was called before by whoever holds the store's lock ``stream`` until `run` has ended;
        so that nothing is delivered before it is known that the store is the fleet's.

        Raises
        ------
        FleetError
            If the store belongs to another fleet.
        """
        self._resume()
        self.live.counts = Counts()
        self._resumed = True

    def settle(self) -> None:
        """Let the store know which alerts have been delivered since, and what watchers have to say."""
        puts = self._outbox.put(ALERTS.empty_table())
        sent, deletes = self._outbox.delivered()
        puts += sent
        for watcher in self._watchers:
            puts += watcher.changes()
        if puts or deletes:
            self._patiently(partial(self._store.commit, puts, deletes), "the store")
        self._outbox.committed()

    # Going on --------------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Be as it was after the last commit."""
        head = self._journal.head()
        if head is None:
            self._begin()
            self._source.seek({})
            return
        mine = identity(self._fleet)
        for name, said in head["fleet"].items():
            if said != mine.get(name):
                raise FleetError(
                    f"the store belongs to a fleet with other {name} ({said}, not {mine.get(name)}); "
                    "give another store, or the fleet that it belongs to"
                )
        self._roster = Roster(self._journal.keys())
        self._named = len(self._roster)
        budget = self._options.budget
        held = budget is not None and alarms.resume(budget, self._store)
        for live, ordering, *more in self._journal.parts():
            self.live.arena.unpack(live)
            self._ordering.arena.unpack(ordering)
            if budget is not None and more:
                alarms.unpack(budget, more[0])
        self.live.arena.grow(len(self._roster))
        self._ordering.arena.grow(len(self._roster))
        for entry in self._journal.entries(len(self._roster)):
            self._again(entry.rows, entry.notes, entry.behind)
            self._adaptation.again(entry.notes.get("acts", ()), entry.behind, self._roster)
        if budget is not None and held:
            alarms.resume(budget, self._store)
        elif budget is not None:
            self._begin_budget(budget)
        self._adaptation.resume(self._roster)
        self._newest = head["newest"]
        self._recorder.resume()
        kind = type(self._source).__name__
        if head.get("source", kind) == kind:
            self._positions = head["positions"]
        else:
            self._say("the source is of another kind than before: it is read from its beginning")
        self._source.seek(self._positions)

    def _begin(self) -> None:
        """Put down the fleet's models as the state before the first reading."""
        models = ModelTable(self._fleet.models)
        self._roster = Roster(str(key) for key in models.scalars("key"))
        slots = np.arange(len(self._roster))
        self.live.arena.grow(len(slots))
        self._ordering.arena.grow(len(slots))
        self.live.place(slots, models)
        self._adaptation.begin(self._roster)
        if self._options.budget is not None:
            self._begin_budget(self._options.budget)
        for puts in self._journal.begin(len(slots), self._roster.since(0)):
            self._patiently(partial(self._store.commit, puts), "the store")
        self._named = len(slots)

    def _begin_budget(self, budget: Budget) -> None:
        known = np.flatnonzero(self.live.arena.numbers["known"])
        first, last = (self.live.arena.numbers[name][known] for name in ("first_time", "last_time"))
        spans = np.where((first == NEVER) | (last == NEVER), 0, last - first)
        models = self.live.models(known, self._roster.keys(known))
        alarms.begin(budget, self._fleet.detector, models, spans, known)

    def _pack(self, slots: NDArray[np.int64]) -> list[pa.Table]:
        """Return what a part of the journal holds."""
        budget = self._options.budget
        tables = [self.live.arena.pack(slots), self._ordering.arena.pack(slots)]
        return tables if budget is None else [*tables, alarms.pack(budget, slots)]

    def _again(self, rows: Arrivals, notes: dict[str, Any], behind: NDArray[np.bool_]) -> None:
        if self._options.budget is not None and "rule" in notes:
            self._options.budget.rule = notes["rule"]
        if notes.get("release"):
            self._judge(self._ordering.release(np.flatnonzero(behind), self._roster))
        elif len(rows.slots):
            self._judge(self._ordering.arrive(rows, self._roster))

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
        return _together(parts)

    def _poll(self, most: int, wait: float) -> Fetched | None:
        return self._patiently(partial(self._source.poll, most, wait), "the source")

    def _take(self, fetched: Fetched) -> None:
        """Judge what came, and commit."""
        batch = Batch(fetched.frame.height, fetched.size, dead=fetched.dead, strange=fetched.strange)
        batch.newest, batch.fetched = fetched.newest, time.time()
        parts, notes, outcomes = [], [], list[Outcome]()
        for rows in self._epochs(self._arrivals(fetched.frame)):
            released = self._ordering.arrive(rows, self._roster)
            batch.late += released.late
            parts.append(rows)
            notes.append(self._notes())
            outcomes += self._judge(released)
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
        slots = np.arange(len(self._roster))
        released = self._ordering.release(slots, self._roster)
        if len(released.slots):
            batch = Batch(fetched=time.time())
            outcomes = self._judge(released)
            self._commit([NOTHING], [{**self._notes(), "release": True}], None, outcomes, batch)

    def _adapt(self, *, last: bool = False) -> None:
        """Let models change by more than what comes in, and commit."""
        acts = self._patiently(partial(self._adaptation.due, last=last), "the store")
        if acts is None:
            return
        self._ordering.arena.grow(len(self._roster))
        if self._adaptation.renewed and self._options.budget is not None:
            self._begin_budget(self._options.budget)
        self._commit([NOTHING], [{**self._notes(), "acts": acts}], None, [], Batch(fetched=time.time()))

    def _arrivals(self, frame: pl.DataFrame) -> Arrivals:
        slots = self._roster.slots_of(frame[KEY])
        times = frame[TIME].to_numpy()
        if self._options.long:
            sensors = frame[SENSOR].cast(self._sensors).to_physical().cast(pl.Float64).to_numpy()
            values = np.stack([sensors, frame[VALUE].fill_null(np.nan).to_numpy()])
        else:
            values = np.empty((len(self.live.features), frame.height), self.live.dtype)
            for name, own in zip(self.live.features, values, strict=True):
                own[:] = frame[name].fill_null(np.nan).to_numpy()
        return Arrivals(slots, times, values)

    def _judge(self, released: Released) -> list[Outcome]:
        return self.live.absorb(released.slots, released.panel)

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
        self._positions = self._positions if positions is None else positions
        puts, spans = self._journal.commit(rows, notes, len(self._roster), self._roster.since(self._named))
        self._named = len(self._roster)
        deletes: list[bytes] = []
        raised = [one.alerts for one in outcomes if one.alerts is not None]
        found = [alerts_of(table.drop(["version"]), table["version"].to_numpy()) for table in raised]
        alerts = pa.concat_tables(found) if found else ALERTS.empty_table()
        batch.alerts = alerts.num_rows
        if outcomes:
            one = together(outcomes)
            keys = one.panel.keys.to_pylist()
            changes = self._recorder.record(keys, one.panel, one.scores, one.threshold, one.version, alerts)
            puts, deletes, spans = puts + changes.puts, deletes + changes.deletes, spans + changes.spans
        puts += self._outbox.put(alerts)
        sent, gone = self._outbox.delivered()
        if self._options.budget is not None:
            puts.append(alarms.put(self._options.budget))
        for watcher in self._watchers:
            puts += watcher.changes()
        changes = self._adaptation.changes(notes, len(self._roster))
        puts, deletes = puts + changes.puts, deletes + changes.deletes
        if self._retained:
            changes = self._patiently(partial(self._recorder.retain, self._retained[-1]), "the store")
            puts, deletes, spans = puts + changes.puts, deletes + changes.deletes, spans + changes.spans
        head = self._journal.header(
            fleet=identity(self._fleet),
            newest=int(self._newest),
            source=type(self._source).__name__,
            positions=self._positions,
        )
        self._patiently(partial(self._write, [*puts, *sent, head], [*deletes, *gone], spans), "the store")
        self._outbox.committed()
        self._recorder.committed()
        self._adaptation.committed()
        self._retained.clear()
        self._source.committed(self._positions)
        batch.committed, batch.lag = time.time(), self._source.lag
        for watcher in self._watchers:
            watcher.seen(batch)

    def _write(self, puts: Sequence[tuple[bytes, bytes]], deletes: Sequence[bytes], spans: Sequence[Span]) -> None:
        """Commit; where there is no room, let the oldest insights go and try once more."""
        try:
            self._store.commit(puts, deletes, spans)
        except StoreFullError:
            self._store.commit(*self._recorder.retain(int(self._newest), full=True))
            self._store.commit(puts, deletes, spans)

    def _patiently(self, action: Callable[[], T], what: str) -> T:
        """Do something that may have to wait for a server, or for room; says so, and gives up only if told to stop."""
        pause, said = 0.05, ""
        while True:
            try:
                done = action()
            except (UnavailableError, StoreFullError) as error:
                if self._stop.is_set():
                    raise
                if str(error) != said:
                    said = str(error)
                    self._say(f"{said}; waiting")
                self._stop.wait(pause)
                pause = min(2 * pause, 5.0)
            else:
                if said:
                    self._say(f"{what} is back; going on")
                return done


def _together(parts: Sequence[Fetched]) -> Fetched:
    """Return what was fetched in several calls as one."""
    if len(parts) == 1:
        return parts[0]
    strange: dict[str, int] = {}
    for part in parts:
        for name, count in part.strange.items():
            strange[name] = strange.get(name, 0) + count
    stamps = [part.newest for part in parts if part.newest is not None]
    return Fetched(
        pl.concat([part.frame for part in parts]),
        parts[-1].positions,
        sum(part.size for part in parts),
        [letter for part in parts for letter in part.dead],
        max(stamps, default=None),
        strange,
    )

"""What a stream knows of its assets: changed by rows, put down in parts, and had again from parts and a journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.insights.base import Store
from tocsin.kernels.arrivals import NEVER
from tocsin.stream import alarms
from tocsin.stream.journal import Entry, Journal
from tocsin.stream.live import Live
from tocsin.stream.options import Options
from tocsin.stream.ordering import Arrivals, Ordering
from tocsin.stream.outcomes import Outcome
from tocsin.stream.roster import Roster
from tocsin.stream.sources.base import KEY, SENSOR, TIME, VALUE

Again = Callable[[Sequence[Mapping[str, Any]], NDArray[np.bool_], Roster], None]
Tell = Callable[[Sequence[Outcome], int, Roster], None]


class State:
    """Who is watched, their models, what waits for earlier readings, and the alarms that count for the budget.

    Parameters
    ----------
    fleet : Fleet
        It has learned; it is not changed.
    options : Options

    Attributes
    ----------
    roster : Roster
    live : Live
    """

    def __init__(self, fleet: Fleet, options: Options) -> None:
        self._fleet, self._budget, self._long = fleet, options.budget, options.long
        self.roster = Roster()
        self.live = Live(fleet, options.learning, options.explain, options.budget)
        self._ordering = Ordering(fleet.features, fleet.dtype, options.late, long=options.long)
        self._sensors = pl.Enum(fleet.features)

    # Rows ------------------------------------------------------------------------------------------------------------

    def arrivals(self, frame: pl.DataFrame) -> Arrivals:
        """Return readings as `Fetched` has them by slot; assets that are new get one."""
        slots = self.roster.slots_of(frame[KEY])
        times = frame[TIME].to_numpy()
        if self._long:
            sensors = frame[SENSOR].cast(self._sensors).to_physical().cast(pl.Float64).to_numpy()
            values = np.stack([sensors, frame[VALUE].fill_null(np.nan).to_numpy()])
        else:
            values = np.empty((len(self.live.features), frame.height), self.live.dtype)
            for name, own in zip(self.live.features, values, strict=True):
                own[:] = frame[name].fill_null(np.nan).to_numpy()
        return Arrivals(slots, times, values)

    def arrive(self, rows: Arrivals) -> tuple[list[Outcome], int]:
        """Judge rows, and others whose turn it is with them; return what was said, and how many came too late."""
        released = self._ordering.arrive(rows, self.roster)
        return self.live.absorb(released.slots, released.panel), released.late

    def release(self, slots: NDArray[np.int64]) -> list[Outcome]:
        """Judge what waits of some assets for earlier readings, as none will come."""
        released = self._ordering.release(slots, self.roster)
        return self.live.absorb(released.slots, released.panel) if len(released.slots) else []

    def grow(self) -> None:
        """Make room for all assets that have a slot."""
        self.live.arena.grow(len(self.roster))
        self._ordering.arena.grow(len(self.roster))

    # Beginning, and going on -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Be what the fleet has learned."""
        models = ModelTable(self._fleet.models)
        self.roster = Roster(str(key) for key in models.scalars("key"))
        self.grow()
        self.live.place(np.arange(len(self.roster)), models)
        self.begin_budget()

    def begin_budget(self) -> None:
        """Let the budget, if there is one, begin with what the models at work say of their training."""
        if self._budget is None:
            return
        known = np.flatnonzero(self.live.arena.numbers["known"])
        first, last = (self.live.arena.numbers[name][known] for name in ("first_time", "last_time"))
        spans = np.where((first == NEVER) | (last == NEVER), 0, last - first)
        models = self.live.models(known, self.roster.keys(known))
        alarms.begin(self._budget, self._fleet.detector, models, spans, known)

    def pack(self, slots: NDArray[np.int64]) -> list[pa.Table]:
        """Return what a part of the journal holds."""
        tables = [self.live.arena.pack(slots), self._ordering.arena.pack(slots)]
        return tables if self._budget is None else [*tables, alarms.pack(self._budget, slots)]

    def resume(self, journal: Journal, store: Store, tell: Tell, again: Again) -> None:
        """Be as after the last commit: take the parts, and let the journal's rows run through them.

        What is said of an entry's rows is given to `tell`, with the entry's number. What else was decided then, the
        acts among its notes, `again` does once more, after the rows.
        """
        budget = self._budget
        self.roster = Roster(journal.keys())
        held = budget is not None and alarms.resume(budget, store)
        for live, ordering, *more in journal.parts():
            self.live.arena.unpack(live)
            self._ordering.arena.unpack(ordering)
            if budget is not None and more:
                alarms.unpack(budget, more[0])
        self.grow()
        for entry in journal.entries(len(self.roster)):
            tell(self._replay(entry), entry.number, self.roster)
            again(entry.notes.get("acts", ()), entry.behind, self.roster)
        if budget is not None and held:
            alarms.resume(budget, store)
        else:
            self.begin_budget()

    def _replay(self, entry: Entry) -> list[Outcome]:
        if self._budget is not None and "rule" in entry.notes:
            self._budget.rule = entry.notes["rule"]
        if entry.notes.get("release"):
            return self.release(np.flatnonzero(entry.behind))
        return self.arrive(entry.rows)[0] if len(entry.rows.slots) else []

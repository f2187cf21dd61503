"""What goes on beside a stream: readings become history, drift is measured, and models are learned at night."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread

import numpy as np

from tocsin.errors import FleetError, TocsinError
from tocsin.fleet.models import ModelTable
from tocsin.stream.adapting import drifts
from tocsin.stream.adapting.context import Context
from tocsin.stream.adapting.history import History
from tocsin.stream.adapting.night import Made, Night, Task
from tocsin.stream.adapting.nightly import DAY, Nightly
from tocsin.stream.adapting.versions import Versions
from tocsin.stream.roster import Roster

RETRY = 10.0
"""Seconds after which what could not be written is tried again."""
MEASURED = DAY // 4
"""How often drift is measured, in nanoseconds of event time."""
LEAVE = 1.5
"""Seconds that what goes on has to be left when the stream ends."""


@dataclass(frozen=True, slots=True)
class Archived:
    """Up to where the journal is history now; `why` not, if it is not."""

    last: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """How far assets have drifted at a mark, up to a number of the journal."""

    mark: int
    number: int
    found: drifts.Found


class Nights:
    """One thread at a time beside the stream, begun and heard of between two batches.

    Parameters
    ----------
    context : Context
    nightly : Nightly

    Raises
    ------
    ParameterError
        If the detector cannot be learned as is asked.
    FleetError
        If there is no folder for past readings.
    """

    def __init__(self, context: Context, nightly: Nightly) -> None:
        fleet, folder, fleets = context.fleet, context.adapting.history, context.adapting.fleets
        if folder is None or fleets is None:
            raise FleetError("a stream that learns at night needs a folder for past readings; say which")
        nightly.check(fleet.detector)
        self._journal, self._say = context.journal, context.say
        self._nightly, self._stop = nightly, Event()
        self._history = History(
            folder, fleet.features, fleet.dtype, long=context.long, age=nightly.keep, size=nightly.size
        )
        self._night = Night(fleet, self._history, nightly, fleets, self._stop)
        self._versions, self._roster = Versions(), Roster()
        self._marks: list[int] = []
        self._paused = -np.inf
        self._job: Thread | None = None
        self._done: SimpleQueue[Archived | Measured | Made] = SimpleQueue()
        self.changed = False

    def begin(self, versions: Versions, roster: Roster) -> None:
        """Go on with what is known of versions, which is changed from now on."""
        self._versions, self._roster = versions, roster
        versions.archived = max(versions.archived, self._journal.first - 1)
        versions.cuts = [cut for cut in versions.cuts if cut > versions.archived]
        self._journal.archived = versions.archived

    def close(self) -> None:
        """Stop; a night that is not over is done again at the next start."""
        self._stop.set()
        if self._job is not None:
            self._job.join(LEAVE)

    # Marks -----------------------------------------------------------------------------------------------------------

    def mark(self, now: int) -> None:
        """Hear that the newest event time passes a mark."""
        self._marks.append(now)

    def note(self) -> dict[str, int]:
        """Return what is noted of the rows that come next: the mark that they are the first after."""
        if not self._marks:
            return {}
        found = {"mark": self._marks[-1]}
        self._marks.clear()
        return found

    def cut(self, mark: int, number: int) -> None:
        """Let the history have a file that ends with an entry of the journal, and see whether it is night."""
        versions = self._versions
        if number > max([versions.archived, *versions.cuts]):
            versions.cuts.append(number)
        night = self._nightly.night_of(mark)
        if versions.night is None:
            versions.night = night
        elif night > versions.night and versions.due is None:
            versions.night, versions.due = night, (night, mark, number)
        elif versions.measured is None or mark - versions.measured >= MEASURED:
            versions.measured, versions.measuring = mark, (mark, number)
        self.changed = True

    def adopt(self, newest: int) -> None:
        """Let what is confirmed be learned at once, from all readings that came so far."""
        versions, number = self._versions, self._journal.number
        if number > max([versions.archived, *versions.cuts]):
            versions.cuts.append(number)
        versions.adopting, self.changed = (newest, number), True

    # Beside the stream -----------------------------------------------------------------------------------------------

    def go_on(self, models: Callable[[], ModelTable]) -> None:
        """Begin what is next, if nothing goes on; `models` are those at work."""
        if (self._job is not None and self._job.is_alive()) or not self._done.empty():
            return
        versions, due = self._versions, self._versions.due
        if versions.cuts:
            if time.monotonic() - self._paused >= RETRY:
                self._start(partial(self._archive, versions.archived + 1, [*versions.cuts]))
        elif versions.adopting is not None and not self._waits(versions.adopting[1]):
            self._work(models(), *versions.adopting, versions.confirmed)
        elif due is not None and not self._waits(due[2]):
            self._work(models(), *due[1:], {})
        elif versions.measuring is not None and not self._waits(versions.measuring[1]):
            self._start(partial(self._measure, models(), *versions.measuring))

    @property
    def doing(self) -> str | None:
        """What is still to be done, in words; None if there is nothing."""
        versions = self._versions
        if versions.adopting is not None:
            return "what was confirmed is learned"
        if versions.due is not None:
            return f"models are learned for the night of {_moment(versions.due[1])}"
        if versions.measuring is not None:
            return f"drift is measured at {_moment(versions.measuring[0])}"
        return None

    def finished(self) -> Iterator[Measured | Made]:
        """Give what has been done since."""
        while True:
            try:
                found = self._done.get_nowait()
            except Empty:
                return
            if isinstance(found, Archived):
                self._archived(found)
                continue
            if isinstance(found, Measured) and self._versions.measuring == (found.mark, found.number):
                self._versions.measuring, self.changed = None, True
            yield found

    def _waits(self, number: int) -> bool:
        return number > self._versions.archived

    def _work(self, champion: ModelTable, mark: int, until: int, confirmed: Mapping[str, int]) -> None:
        versions = self._versions
        learned, adopted = versions.learned.get(versions.at, 0), versions.adopted.get(versions.at, {})
        task = Task(versions.new(), versions.at, champion, learned, until, mark, dict(adopted), dict(confirmed))
        self._start(partial(self._night.work, task))

    def _start(self, work: Callable[[], Archived | Measured | Made | None]) -> None:
        def run() -> None:
            found = work()
            if found is not None:
                self._done.put(found)

        self._job = Thread(target=run, name="tocsin-night", daemon=True)
        self._job.start()

    def _archive(self, first: int, cuts: list[int]) -> Archived | None:
        try:
            for last in cuts:
                self._history.write(first, last, self._journal.rows(first, last, self._stop), self._roster)
                first = last + 1
        except InterruptedError:
            return None
        except TocsinError as error:
            return None if self._stop.is_set() else Archived(first - 1, str(error))
        return Archived(cuts[-1])

    def _archived(self, found: Archived) -> None:
        if found.why is not None:
            self._paused = time.monotonic()
            self._say(f"{found.why}; waiting")
        self._versions.archived = self._journal.archived = found.last
        self._versions.cuts = [cut for cut in self._versions.cuts if cut > found.last]
        self.changed = True

    def _measure(self, champion: ModelTable, mark: int, number: int) -> Measured | None:
        try:
            found = drifts.measured(self._night.drifts(champion, mark, number), mark)
        except TocsinError as error:
            self._say(f"drift cannot be measured: {error}")
            found = drifts.measured([], mark)
        return None if self._stop.is_set() else Measured(mark, number, found)


def _moment(mark: int) -> str:
    return f"{datetime.fromtimestamp(mark // 10**9, UTC):%Y-%m-%d %H:%M}"

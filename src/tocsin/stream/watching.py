"""What a stream counts while it runs, for whoever looks: records in the store, Prometheus, logs, a live table."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from tocsin.errors import UnavailableError
from tocsin.insights.base import Store
from tocsin.insights.records import LAG_UNIT, ops_put
from tocsin.stream.batch import Batch
from tocsin.stream.dead_letters import DeadLetters
from tocsin.stream.live import Live
from tocsin.stream.logs import log
from tocsin.stream.metrics import Figures
from tocsin.stream.outbox import Outbox

RATES = ("rows", "bytes", "alerts", "late", "dead", "strange", "unlearned")
"""What is told a second."""
LOG_EVERY = 10.0
"""Seconds between two lines of the log that say how the stream does."""
NEWS = 4
"""How many of the last news are kept."""


class Watch:
    """Counts what becomes of each micro-batch, and says so once a second.

    Delays are from when a batch's newest reading was sent, if its source knows, else from when it was fetched, to the
    commit.

    Parameters
    ----------
    dead : DeadLetters
        Takes what could not be decoded.
    """

    def __init__(self, dead: DeadLetters) -> None:
        self.figures, self.dead = Figures(), dead
        self.strange: Counter[str] = Counter()
        """How many values of each sensor that the fleet does not know were left aside."""
        self.latest: Mapping[str, float] = {}
        """The operation's figures of the last second, as they are in the store."""
        self.news: deque[str] = deque(maxlen=NEWS)
        self.unlearned: dict[str, str] = {}
        """Assets of which no model could be learned, and why."""
        self._of: tuple[Live, Outbox, Store] | None = None
        self._second, self._last = int(time.time()), False
        self._counted, self._at = self._now(), time.monotonic()
        self._logged, self._logged_at = 0, time.monotonic()

    def attach(self, live: Live, outbox: Outbox, store: Store) -> None:
        """Learn of whom to ask for what no batch tells."""
        self._of = live, outbox, store

    def say(self, line: str) -> None:
        """Hear news; from any thread."""
        self.news.append(line)
        log("news", logging.WARNING, text=line)

    def seen(self, batch: Batch) -> None:
        """Count a micro-batch."""
        figures = self.figures
        figures.rows += batch.rows
        figures.bytes += batch.size
        figures.batches += 1
        figures.alerts += batch.alerts
        figures.late += batch.late
        figures.lag = batch.lag
        figures.commits += 1
        figures.commit_seconds += batch.committed - batch.judged
        if batch.rows:
            figures.delays.add(batch.committed - (batch.newest or batch.fetched), batch.rows)
        self.strange.update(batch.strange)
        figures.strange += sum(batch.strange.values())
        figures.mended += batch.mended
        self._set_aside(batch)
        self._learned()
        self._ask()
        log(
            "batch",
            logging.DEBUG,
            rows=batch.rows,
            alerts=batch.alerts,
            late=batch.late,
            dead=len(batch.dead),
            seconds=round(batch.committed - batch.fetched, 4),
        )

    def finish(self) -> None:
        """Let the next record be told at once, as it is the last one."""
        self._last = True

    def changes(self) -> Sequence[tuple[bytes, bytes]]:
        """Return the record of the operation, once a second."""
        now, second = time.monotonic(), int(time.time())
        if self._last:
            second, self._last = max(second, self._second + 1), False
        if second <= self._second:
            return ()
        self._ask()
        counted, span = self._now(), max(now - self._at, 1e-3)
        delays = self.figures.delays.recent()
        rates = {name: (counted[name] - self._counted[name]) / span for name in RATES}
        self.latest = rates | {
            "delay_p50": 1e3 * delays.p50,
            "delay_p99": 1e3 * delays.p99,
            "lag": np.nan if self.figures.lag is None else float(self.figures.lag),
        }
        self._second, self._counted, self._at = second, counted, now
        self._log(now)
        return [ops_put(second, self.latest), (LAG_UNIT, self.figures.lag_unit.encode())]

    def _now(self) -> dict[str, int]:
        return {name: int(getattr(self.figures, name)) for name in RATES}

    def _set_aside(self, batch: Batch) -> None:
        if batch.dead:
            before = len(self.dead.kinds)
            self.dead.add(batch.dead)
            self.figures.dead = self.dead.count
            if len(self.dead.kinds) > before:
                log("not readable", logging.WARNING, reason=batch.dead[0].reason, so_far=self.dead.count)

    def _ask(self) -> None:
        if self._of is None:
            return
        live, outbox, store = self._of
        figures = self.figures
        figures.models = int(np.count_nonzero(live.arena.numbers["known"]))
        figures.waiting = outbox.waiting
        with suppress(UnavailableError):
            figures.store_bytes = store.size

    def _learned(self) -> None:
        """Count what models have learned, once it is in the store."""
        if self._of is None:
            return
        counts, figures = self._of[0].counts, self.figures
        figures.unlearned, figures.learned = counts.waited, counts.learned
        for key in counts.unlearned.keys() - self.unlearned.keys():
            self.unlearned[key] = counts.unlearned[key]
            log("no model", logging.WARNING, asset=key, reason=counts.unlearned[key])

    def _log(self, now: float) -> None:
        """Say how the stream does, if it did anything."""
        figures, span = self.figures, now - self._logged_at
        if span < LOG_EVERY or figures.rows == self._logged:
            return
        log(
            "running",
            rows=figures.rows,
            rows_a_second=round((figures.rows - self._logged) / span, 1),
            delay_p99_ms=round(self.latest["delay_p99"], 1),
            lag=figures.lag,
            lag_unit=figures.lag_unit,
            alerts=figures.alerts,
            waiting=figures.waiting,
            late=figures.late,
            dead=figures.dead,
        )
        self._logged, self._logged_at = figures.rows, now

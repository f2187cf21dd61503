"""A stream from its settings: everything opened in the right order, run, and closed, whatever happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event
from types import TracebackType
from typing import Any, Self, TypeVar

from tocsin.detectors.budget import Budget
from tocsin.errors import ParameterError, StoreFullError, UnavailableError
from tocsin.fleet.fleet import Fleet
from tocsin.insights.catalog import open_store
from tocsin.insights.lmdb import LMDB
from tocsin.insights.recorder import Keep
from tocsin.stream.adapting.context import Adapting
from tocsin.stream.adapting.nightly import Nightly
from tocsin.stream.dead_letters import DeadLetters
from tocsin.stream.learning import Learning
from tocsin.stream.logs import log
from tocsin.stream.metrics import MetricsServer
from tocsin.stream.options import Options
from tocsin.stream.outbox import Outbox, targets_of
from tocsin.stream.runner import Runner
from tocsin.stream.settings import Settings
from tocsin.stream.sources.base import Shape
from tocsin.stream.sources.catalog import open_source
from tocsin.stream.waiting import patiently
from tocsin.stream.watching import Watch
from tocsin.urls import Address

T = TypeVar("T")
DAY = 86_400.0
PATIENCE = 65.0
"""Seconds without an alert delivered after which a source's end is the stream's, too."""
SOON = 0.3
"""Seconds in which alerts may still go out when a stream is stopped."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a stream has done from its start to its end.

    Attributes
    ----------
    rows, bytes, alerts, late, learned, models : int
        Readings fetched and their bytes, alerts raised, readings that came too late, rows learned, assets with a model.
    seconds : float
    dead : int
        Messages that could not be decoded; `reasons` has, of each kind, how many there were and the first reason.
    strange : dict of str to int
        Sensors that the fleet does not know, and how many of their values were left aside.
    mended : int
        Values that were no finite number and count as missing.
    unlearned : int
        Readings of assets that had no model yet.
    unlearnable : dict of str to str
        Assets of which no model could be learned, and why.
    waiting : int
        Alerts that could not be delivered yet; they are in the store.
    ended : str
        ``"source"`` if the source has ended, ``"stopped"`` if the stream was stopped.
    waited_for : str or None
        What it waited for when it was stopped; what it had fetched and not yet committed is read again.
    """

    rows: int
    bytes: int
    seconds: float
    alerts: int
    late: int
    dead: int
    reasons: list[tuple[int, str]]
    strange: dict[str, int]
    mended: int
    unlearned: int
    unlearnable: dict[str, str]
    learned: int
    models: int
    waiting: int
    ended: str
    waited_for: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything for a machine."""
        told = {name: getattr(self, name) for name in self.__slots__}
        reasons = [{"count": many, "first": reason} for many, reason in self.reasons]
        rate = round(self.rows / self.seconds, 1) if self.seconds else None
        return told | {"seconds": round(self.seconds, 3), "rows_per_second": rate, "reasons": reasons}


class Session:
    """A stream, from its settings to its end; a context.

    On entering it opens the fleet, the store and its lock, the source and the sinks, in this order, and has the state
    of the last commit. A server that does not answer yet is waited for.

    Parameters
    ----------
    settings : Settings
    say : callable, optional
        Is given a line of news, from any thread; it is logged, too.

    Raises
    ------
    StoreBusyError
        If another stream is at work on the store.
    FleetError
        If the store belongs to another fleet.
    TocsinError
        If something cannot be opened, or settings do not fit the fleet.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self._say_too = say
        self._stop, self._stack = Event(), ExitStack()
        self._runner: Runner | None = None
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        """Open everything."""
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything; what waits for a sink stays in the store."""
        self._stack.close()

    def _open(self, stack: ExitStack) -> None:
        settings = self.settings
        self.fleet = Fleet.load(settings.fleet)
        options = options_of(settings, self.fleet)
        targets = targets_of(settings.sinks)
        self.watch = Watch(DeadLetters(settings.dead_letters, settings.dead_letters_size))
        self.store = self._patiently(lambda: open_store(settings.store, write=True), "the store")
        stack.callback(self.store.close)
        stack.enter_context(self.store.alone("stream"))
        shape = shape_of(settings, self.fleet)
        source = self._patiently(lambda: open_source(settings.source, shape), "the source")
        stack.callback(source.close)
        self.watch.figures.lag_unit = source.lag_unit
        self.outbox = Outbox(self.store, targets, self._say, most=settings.waiting)
        stack.callback(self.outbox.close)
        runner = Runner(self.fleet, source, self.store, self.outbox, options, self._say, [self.watch])
        self.watch.attach(runner.live, self.outbox, self.store)
        if settings.metrics is not None:
            server = MetricsServer(self.watch.figures, settings.metrics)
            stack.callback(server.close)
            log("metrics", at=server.address)
        self._runner = runner
        runner.resume()
        self.outbox.start()

    def stop(self) -> None:
        """Ask the stream to end after the micro-batch that it is at; may be called from a signal handler."""
        self._stop.set()
        if self._runner is not None:
            self._runner.stop()

    def run(self) -> Summary:
        """Go on until the source has ended, or `stop` is called; then hand on what alerts can be handed on."""
        runner = self._runner
        assert runner is not None
        if self._stop.is_set():
            runner.stop()
        self.started, waited_for = time.monotonic(), None
        log("started", logging.INFO, **self.settings.shown())
        try:
            runner.run()
            self._drain()
            self.watch.finish()
            runner.settle()
        except (UnavailableError, StoreFullError) as error:
            if not self._stop.is_set():
                raise
            waited_for = str(error)
            log("stopped while waiting", reason=waited_for)
        summary = replace(self.summary(), waited_for=waited_for)
        plain = {name: value for name, value in summary.to_dict().items() if not isinstance(value, dict | list)}
        log("ended", logging.INFO, **plain)
        return summary

    def summary(self) -> Summary:
        """Return what has been done so far."""
        watch, figures = self.watch, self.watch.figures
        return Summary(
            rows=figures.rows,
            bytes=figures.bytes,
            seconds=time.monotonic() - self.started,
            alerts=figures.alerts,
            late=figures.late,
            dead=figures.dead,
            reasons=[(kind.many, kind.reason) for kind in watch.dead.kinds],
            strange=dict(watch.strange.most_common()),
            mended=figures.mended,
            unlearned=figures.unlearned,
            unlearnable=dict(watch.unlearned),
            learned=figures.learned,
            models=figures.models,
            waiting=self.outbox.waiting,
            ended="stopped" if self._stop.is_set() else "source",
        )

    def _drain(self) -> None:
        """Wait as long as alerts are going out; a little only if it was stopped."""
        if self._stop.is_set():
            self.outbox.drain(SOON)
            return
        waiting, since = self.outbox.waiting, time.monotonic()
        while not self.outbox.drain(SOON) and not self._stop.is_set():
            self.outbox.check()
            if self.outbox.waiting < waiting:
                waiting, since = self.outbox.waiting, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                self._say(f"{waiting:,} alerts could not be delivered; they go out when the stream starts again")
                return
        self.outbox.check()

    def _say(self, line: str) -> None:
        self.watch.say(line)
        if self._say_too is not None:
            self._say_too(line)

    def _patiently(self, opened: Callable[[], T], what: str) -> T:
        return patiently(opened, what, self._stop, self._say, (UnavailableError,))


def shape_of(settings: Settings, fleet: Fleet) -> Shape:
    """Return what readings look like: as in training, but for fields that settings name.

    Raises
    ------
    ParameterError
        If only one of the fields of long readings is known, or these have no time.
    """
    columns = fleet.columns
    shape = Shape(
        fleet.features,
        settings.key or columns.key,
        settings.time or columns.time,
        settings.sensor or columns.sensor,
        settings.value or columns.value,
    )
    if (shape.sensor is None) != (shape.value is None):
        given, other = ("sensor", "value") if shape.value is None else ("value", "sensor")
        raise ParameterError(f"{settings.named(given)} is given without a {other}; long readings need both")
    return shape


def options_of(settings: Settings, fleet: Fleet) -> Options:
    """Return how the runner is to run.

    Raises
    ------
    ParameterError
        If something is asked for that cannot be had.
    """
    return Options(
        learning=Learning(online=settings.policy == "online", first=settings.learn_after),
        late=round(settings.late * 1e9),
        rows=settings.rows,
        linger=settings.linger,
        explain=settings.explain,
        budget=None if settings.budget is None else Budget(settings.budget.per_day),
        long=shape_of(settings, fleet).long,
        keep=keep_of(settings.retain),
        adapting=adapting_of(settings, fleet),
    )


def adapting_of(settings: Settings, fleet: Fleet) -> Adapting:
    """Return what may change models beside what they learn online.

    Raises
    ------
    ParameterError
        If a night needs a folder, and the store has none.
    """
    address, beside = Address.of(settings.store), settings.beside
    if beside is None and address.scheme in LMDB.schemes:
        beside = address.place
    nightly = None
    if settings.policy == "nightly":
        if beside is None:
            said = f"{settings.named('policy')}: nightly needs a folder for past readings"
            raise ParameterError(f"{said}; give one as {settings.named('beside')}")
        window = timedelta(seconds=settings.nightly_window)
        nightly = Nightly(
            at=settings.nightly_at,
            how=settings.nightly_how or ("update" if fleet.detector.incremental else "refit"),
            window=window,
            keep=max(window, Nightly().judged) + timedelta(days=1),
            drifting=settings.nightly_drift,
        )
    return Adapting(nightly, beside, settings.fleet)


def keep_of(retain: float | None) -> Keep:
    """Return how long what is kept if nothing is kept for more than so many seconds; fine windows go sooner."""
    if retain is None:
        return Keep()
    days, usual = retain / DAY, Keep()
    return Keep(
        minutes=min(usual.minutes or days, days),
        hours=min(usual.hours or days, days),
        days=days,
        alerts=days,
        ops=min(usual.ops or days, days),
    )

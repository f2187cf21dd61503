"""A small stream for tests: readings that come in parts, alerts that are collected, and what the store holds after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin import ECOD
from tocsin.detectors.budget import Budget
from tocsin.features import Smooth, Window
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet
from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store
from tocsin.stream.batch import Batch, Watcher
from tocsin.stream.learning import Learning
from tocsin.stream.options import Options
from tocsin.stream.outbox import Outbox, Target
from tocsin.stream.runner import Runner
from tocsin.stream.sinks.base import Sink
from tocsin.stream.sources.base import Fetched, Positions, Shape, Source
from tocsin.urls import Address

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SENSORS = ("flow", "heat", "load")


def readings(assets: int, rows: int, seed: int, begin: int = 0) -> pl.DataFrame:
    """Return readings of several assets, mixed as they would come."""
    rng = np.random.default_rng(seed)
    count = assets * rows
    frame = pl.DataFrame(
        {
            "key": np.tile([f"pump {i}" for i in range(assets)], rows),
            "time": START + np.repeat(np.arange(begin, begin + rows), assets) * SECOND,
            **{name: rng.normal(size=count) for name in SENSORS},
        }
    )
    return frame.with_columns(flow=pl.when(pl.int_range(pl.len()) % 37 == 0).then(None).otherwise("flow"))


def trained(features: Sequence[str] | None = None, seed: int = 1) -> Fleet:
    history = readings(5, 300, seed).with_columns(pl.from_epoch("time", "ns"))
    recipe = Recipe([Smooth("ewma"), Window(5, ["mean", "max"])])
    detector = ECOD(half_life=500.0)
    return Fleet(detector, key="key", time="time", features=features, recipe=recipe).fit(history, threads=1)


def later(rows: int = 400) -> pl.DataFrame:
    """Return readings of seven assets, two of which are new; one has a fault for a while."""
    frame = readings(7, rows, seed=2, begin=300)
    faulty = (pl.col("key") == "pump 3") & pl.int_range(pl.len()).is_between(900, 1400)
    return frame.with_columns(heat=pl.when(faulty).then(pl.col("heat") + 6.0).otherwise("heat"))


class Frames(Source):
    """Gives a frame in parts of the given sizes, again and again; a position is a row."""

    schemes = ()

    def __init__(self, frame: pl.DataFrame, sizes: Sequence[int], stop_after: int | None = None) -> None:
        self._frame, self._sizes, self._stop_after = frame, sizes, stop_after
        self._at, self._calls = 0, 0

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Self:
        raise NotImplementedError

    def seek(self, positions: Positions) -> None:
        self._at = positions.get("row", 0)

    def poll(self, most: int, wait: float) -> Fetched | None:
        if self.ended:
            return None
        size = self._sizes[self._calls % len(self._sizes)]
        self._calls += 1
        part = self._frame[self._at : self._at + size]
        self._at += part.height
        return Fetched(part, {"row": self._at}, 100 * part.height)

    @property
    def ended(self) -> bool:
        return self._at >= self._frame.height

    @property
    def halts(self) -> bool:
        """Whether it is time to stop the stream."""
        return self._stop_after is not None and self._calls >= self._stop_after

    def close(self) -> None:
        pass


class Drawer(Sink):
    """Keeps the ids of alerts, in a file if there is one."""

    schemes = ()

    def __init__(self, path: Path | None = None) -> None:
        self.ids: list[str] = []
        self._path = path

    @classmethod
    def open(cls, address: Address) -> Self:
        return cls()

    def write(self, alerts: pa.Table, sequence: int) -> None:
        self.ids += alerts["id"].to_pylist()
        if self._path is not None:
            with self._path.open("a") as file:
                file.writelines(f"{each}\n" for each in alerts["id"].to_pylist())

    def close(self) -> None:
        pass


class _Halt:
    """Stops the stream when its source says so; keeps the batches."""

    def __init__(self, source: Frames) -> None:
        self.batches: list[Batch] = []
        self._source = source
        self.runner: Runner | None = None

    def changes(self) -> Sequence[tuple[bytes, bytes]]:
        return ()

    def seen(self, batch: Batch) -> None:
        self.batches.append(batch)
        if self._source.halts and self.runner is not None:
            self.runner.stop()


def runner_of(
    fleet: Fleet,
    source: Source,
    store: Store,
    outbox: Outbox,
    *,
    say: Callable[[str], None] = lambda line: None,
    watchers: Sequence[Watcher] = (),
    budget: str | None = None,
    learning: Learning | None = None,
    **options: Any,
) -> Runner:
    """Return what runs a stream, with models that learn soon."""
    settings = Options(
        learning=learning or Learning(first=100, least=32),
        linger=0.0,
        budget=None if budget is None else Budget.of(budget, quiet=30.0),
        **options,
    )
    return Runner(fleet, source, store, outbox, settings, say, watchers)


def run(
    fleet: Fleet,
    source: Frames,
    where: Path | Store,
    sink: Sink,
    *,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> list[Batch]:
    """Run a stream to its end, or until its source halts it; see `runner_of` for the options."""
    store = where if isinstance(where, Store) else open_store(str(where), write=True)
    outbox = Outbox(store, [Target("drawer", b"drawer", lambda: sink)], say)
    outbox.start()
    halt = _Halt(source)
    halt.runner = runner_of(fleet, source, store, outbox, say=say, watchers=[halt], **options)
    try:
        halt.runner.run()
        assert outbox.drain(10.0)
    finally:
        outbox.close()
        if store is not where:
            store.close()
    return halt.batches


def models(fleet: Fleet, where: Path, **options: Any) -> pa.Table:
    """Return the models that a stream would go on with; see `runner_of` for the options."""
    store = open_store(str(where), write=True)
    runner = runner_of(fleet, Frames(readings(1, 1, seed=0), [1]), store, Outbox(store, [], print), **options)
    runner.resume()
    known = np.flatnonzero(runner.live.arena.numbers["known"])
    found = runner.live.models(known, pa.array([str(slot) for slot in known])).table
    store.close()
    return found


def contents(where: Path) -> dict[bytes, Any]:
    """Return the insights in a store, which must not depend on how the stream was cut."""
    store = open_store(str(where))
    found: dict[bytes, Any] = dict(store.scan(Span.of_prefix(b"i/")))
    store.close()
    return found

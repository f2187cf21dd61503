"""A few pumps for tests, streams that wait for something at a row, and nights."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.stream.running import SENSORS, Frames
from tocsin import ECOD
from tocsin.fleet.fleet import Fleet
from tocsin.insights import ask
from tocsin.insights.base import Store
from tocsin.stream.adapting import versions
from tocsin.stream.adapting.context import Adapting
from tocsin.stream.adapting.nightly import Nightly
from tocsin.stream.adapting.verdict import Bounds
from tocsin.stream.learning import Learning
from tocsin.stream.sources.base import Fetched

MINUTE = 60_000_000_000
MIDNIGHT = 1_700_006_400 * 10**9  # of a day
EVERY = 10 * MINUTE
DAY = 144
ASSETS = 4
PATIENCE = 60.0
"""Seconds after which what a stream waits for will not come."""
FROZEN = Learning(online=False)
STRICT = Bounds(delay=0.0)  # nobody finds a fault in no time
LOOSE = Bounds(lasting=10_000, new_alarms=9.0, vanished=1.0, changed=1.0, recall=0.5, recall_of_kind=0.0, delay=9.0)


def table(days: float, seed: int, begin: int = 0, faults: Mapping[str, int] | None = None) -> pl.DataFrame:
    """Return readings of a few pumps, every ten minutes; from a row on, some of them are much hotter."""
    rng, rows = np.random.default_rng(seed), round(days * DAY)
    places = np.repeat(np.arange(begin, begin + rows), ASSETS)
    frame = pl.DataFrame(
        {
            "key": [f"pump {i}" for i in range(ASSETS)] * rows,
            "time": MIDNIGHT + places * EVERY,
            **{name: rng.normal(size=rows * ASSETS) for name in SENSORS},
        }
    )
    for key, row in (faults or {}).items():
        hot = (pl.col("key") == key) & (pl.col("time") >= MIDNIGHT + (begin + row) * EVERY)
        frame = frame.with_columns(heat=pl.when(hot).then(pl.col("heat") + 8.0).otherwise("heat"))
    return frame


def learned(path: Path, seed: int = 1, sensors: Sequence[str] = SENSORS) -> Fleet:
    past = table(7, seed, begin=-7 * DAY).with_columns(pl.from_epoch("time", "ns"))
    Fleet(ECOD(half_life=500.0), key="key", time="time", features=list(sensors)).fit(past, threads=1).save(path)
    return Fleet.load(path)


class Gated(Frames):
    """A source that does something when it comes to a row, and gives no more until that is true."""

    def __init__(
        self,
        frame: pl.DataFrame,
        gates: Mapping[int, Callable[[], object]],
        size: int = 96,
        stop_after: int | None = None,
    ) -> None:
        super().__init__(frame, [size], stop_after)
        self._gates, self._size, self._since = dict(gates), size, time.monotonic()

    def poll(self, most: int, wait: float) -> Fetched | None:
        gate = self._gates.get(self._at)
        if gate is not None and not gate():
            assert time.monotonic() - self._since < PATIENCE, f"nothing happens at row {self._at}"
            time.sleep(min(wait, 0.01))  # as a source does that has nothing
            return None
        self._since = time.monotonic()
        ahead = min((row for row in self._gates if row > self._at), default=self._at + self._size)
        self._sizes = [min(self._size, ahead - self._at)]
        return super().poll(most, wait)


def once(action: Callable[[], object]) -> Callable[[], bool]:
    """Return what does something the first time that it is called, and lets pass at the second."""
    done: list[object] = []

    def gate() -> bool:
        if done:
            return True
        done.append(action() or True)
        return False

    return gate


def recent(store: Store, key: str) -> float:
    """Return the mean score of an asset's last day."""
    found = ask.series(store, key)["mean"].mean()
    assert isinstance(found, float)
    return found


def nightly(where: Path, bounds: Bounds = LOOSE, **options: Any) -> Adapting:
    options = {"at": datetime.time(0, 0), "bounds": bounds, **options}
    return Adapting(Nightly(**options), where)


def judged(store: Store, many: int = 1) -> Callable[[], bool]:
    return lambda: len(versions.trials(store)) >= many


def state(store: Store) -> versions.Versions:
    found = versions.Versions.load(store)
    assert found is not None
    return found

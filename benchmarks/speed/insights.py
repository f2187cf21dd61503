"""What it costs to keep insights, and how soon a question is answered while a stream writes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pyarrow as pa

from benchmarks.measure import Line, compare, cpu_seconds
from tocsin import Panel
from tocsin.insights import ask
from tocsin.insights.alerts import ALERTS
from tocsin.insights.base import Store
from tocsin.insights.catalog import open_store
from tocsin.insights.recorder import Recorder
from tocsin.panel import Scores

SENSORS = ("heat", "flow", "speed", "load")
START, MINUTE = 1_700_000_040_000_000_000, 60 * 10**9
SMALL, LARGE = 500, 10_000


class Batches:
    """Batches of made-up readings, each of some rows of every asset, going on in time."""

    def __init__(self, assets: int, rows: int, step: int) -> None:
        self.keys, self.rows, self.step, self.time = [f"pump-{i:05d}" for i in range(assets)], rows, step, START
        self.rng, self.offsets = np.random.default_rng(0), np.arange(assets + 1, dtype=np.int64) * rows
        self.thresholds, self.versions = np.full(assets, 3.0), np.ones(assets, np.int64)

    def record(self, recorder: Recorder, store: Store) -> tuple[float, float]:
        """Record and commit a batch; return the CPU-seconds of each."""
        count, ticks = int(self.offsets[-1]), self.time + np.arange(self.rows) * self.step
        values = self.rng.standard_normal((len(SENSORS), count))
        score, alert = self.rng.random(count), np.zeros(count, bool)
        panel = Panel(values, self.offsets, pa.array(self.keys), SENSORS, np.tile(ticks, len(self.keys)))
        self.time += self.rows * self.step
        begun = cpu_seconds()
        changes = recorder.record(
            self.keys, panel, Scores(score, score, alert), self.thresholds, self.versions, ALERTS.empty_table()
        )
        changes.add(recorder.put_down())
        recorded = cpu_seconds()
        store.commit(*changes)
        return recorded - begun, cpu_seconds() - recorded


def costs(folder: Path, rows: int) -> tuple[float, float]:
    """Return the least CPU-seconds of recording and committing a batch in which no minute ends."""
    store = open_store(f"lmdb://{folder / str(rows)}", write=True)
    recorder, batches = Recorder(store, SENSORS), Batches(LARGE, rows, 10**9 // rows)
    spent = [batches.record(recorder, store) for _ in range(25)]
    store.close()
    return min(each[0] for each in spent[2:]), min(each[1] for each in spent[2:])


def day(path: Path, *, forever: bool) -> None:
    """Write a reading a minute of each asset, for a day or until this process is stopped."""
    store = open_store(f"lmdb://{path}?sync=never", write=True)
    recorder, batches = Recorder(store, SENSORS), Batches(SMALL, 10, MINUTE)
    recorder.resume()
    if forever:
        batches.time = ask.newest(store) + MINUTE
        batches.rows, batches.step, batches.offsets = 1, 10**9, np.arange(SMALL + 1, dtype=np.int64)
    written = 0
    while forever or written < 150:
        batches.record(recorder, store)
        written += 1
        if written == 3:
            print("writing", flush=True)
    store.close()


def answers(store: Store, question: Callable[[str], object], times: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of the wall-clock milliseconds of a question about various assets."""
    question("pump-00000")
    waited = []
    for number in range(times):
        key, begun = f"pump-{number * 7 % SMALL:05d}", time.perf_counter()
        question(key)
        waited.append(1e3 * (time.perf_counter() - begun))
    return median(waited), quantiles(waited, n=100)[98]


def lines() -> list[Line]:
    """Measure everything."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (1, 5, 50):
            record, commit = costs(folder, rows)
            if rows > 1:
                each = 1e6 * record / rows / LARGE
                shown = f"{1e3 * record:.1f} ms"
                what = f"insights of {rows} rows of each of {LARGE:,} assets, 4 sensors, a row, all but the commit"
                found.append(compare(what, each, 0.3, 0.1, ours=shown, other="", unit="us"))
            whole = 1e3 * (record + commit)
            shown = f"{1e3 * record:.1f} + {1e3 * commit:.1f} ms"
            what = f"insights of {rows} rows of each of {LARGE:,} assets, a batch with its commit"
            if rows < 50:
                found.append(compare(what, whole, 40, 15, ours=shown, other="", unit="ms"))
        day(folder / "day", forever=False)
        command = [sys.executable, "-m", "benchmarks.speed.insights", str(folder / "day")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            store = open_store(str(folder / "day"))
            for what, question, times, floor, moonshot in (
                ("an asset's latest state", lambda key: ask.latest(store, key), 3000, 1, 0.1),
                ("a day of an asset, 1,440 minutes", lambda key: ask.series(store, key), 300, 10, 3),
                (f"the top 10 of {SMALL} assets", lambda key: ask.top(store), 300, 10, 1),
            ):
                middle, worst = answers(store, question, times)
                shown = f"{middle:.3f} ms, p99 {worst:.3f} ms"
                told = f"{what}, beside a writing process, wall clock"
                found.append(compare(told, middle, floor, moonshot, ours=shown, other="", unit="ms"))
            store.close()
            writer.kill()
    return found


if __name__ == "__main__":
    day(Path(sys.argv[1]), forever=True)

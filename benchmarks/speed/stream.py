"""How fast the stream is: readings from a real Kafka, scored, learned and put down, alerts back to Kafka.

Readings of 4 sensors as JSON, one a second of each asset; ECOD in double precision, windows of 10 readings with mean,
least and most, models that learn online, a budget of false
alarms, the top 3 reasons of alerts, the store LMDB. ``--rows`` makes the run at
10 MB/s longer: 1e8 take half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import Line, compare, show
from benchmarks.speed import streaming
from tests.services.kafka import Kafka, fetch
from tocsin import ECOD
from tocsin.features import Window
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet

ASSETS = 10_000
TRAINED = 1_440
"""Readings that each asset's model has learned before, as in the benchmark of fleets; its blocks then are of 180."""
BLOCK = TRAINED // 8
RATE = 10e6
STAGES = (
    "fetch", "decode", "columns", "order", "features", "score", "explain", "collect", "learn", "other of models",
    "insights", "journal", "alerts", "commit",
)  # fmt: skip
ENVIRONMENT = os.environ | {"POLARS_MAX_THREADS": "1"}


def work(name: str, **settings: Any) -> subprocess.Popen[bytes]:
    """Start a process of the benchmark."""
    command = [sys.executable, "-m", "benchmarks.speed.streaming", name, json.dumps(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT)


def told(process: subprocess.Popen[bytes]) -> Any:
    """Return what a process printed at its end."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args!r} failed")
    return json.loads((output.splitlines() or [b"{}"])[-1])


class Bench:
    """A broker, a folder, and fleets of several sizes."""

    def __init__(self, folder: Path, broker: Kafka) -> None:
        self.folder, self.broker, self.fed = folder, broker, dict[str, int]()

    def fleet(self, assets: int, trained: int, *, windows: bool) -> Path:
        """Return the folder of a fleet that has learned, with its store beside it."""
        where = self.folder / f"{assets}-{windows}"
        if not where.exists():
            where.mkdir()
            history = streaming.readings(assets, trained, -trained, seed=1, history=True)
            history = history.with_columns(pl.from_epoch("time", "ns"))
            recipe = Recipe([Window(10, ["mean", "min", "max"])]) if windows else None
            Fleet(ECOD(), key="asset", time="time", recipe=recipe).fit(history).save(where / "fleet")
        return where

    def backlog(
        self, assets: int, rows: int, *, warm: int, processes: int = 1, trained: int = TRAINED, windows: bool = True,
        least: int = 64,
    ) -> list[Any]:  # fmt: skip
        """Fill a topic, then let one or more processes take it as fast as they can; return what each found."""
        where, topic, server = self.fleet(assets, trained, windows=windows), self.broker.topic(processes), self.server
        told(work("send", server=server, topic=topic, assets=assets, rows=rows, first=0, partitions=processes))
        running = []
        for number in range(processes):
            source = f"kafka://{server}/{topic}?partitions={number}&start=earliest"
            share = rows // processes - assets
            running.append(
                work("stream", folder=str(where), source=source, sink=self.sink(), warm=warm // processes, rows=share,
                     least=least)
            )  # fmt: skip
        return [told(each) for each in running]

    def river(self, assets: int, rows: int) -> float:
        """Return how many readings a core-second the same pipeline takes row by row, once its trees are built."""
        topic = self.broker.topic()
        told(work("send", server=self.server, topic=topic, assets=assets, rows=2 * rows, first=0, partitions=1))
        found = told(work("river", server=self.server, topic=topic, folder=str(self.folder), assets=assets, rows=rows))
        return float(found["rate"])

    @property
    def server(self) -> str:
        """Where the broker listens."""
        return self.broker.open

    def sink(self) -> str:
        """Return the address of a new topic for alerts."""
        return f"kafka://{self.server}/{self.broker.topic()}"

    def live(self, rows: int) -> tuple[Any, np.ndarray]:
        """Send at 10 MB/s to a stream that runs; return what it found, and the delays of all alerts in seconds.

        Its budget is wide, so that there are alerts enough to tell a quantile.
        """
        where, topic, sink = self.fleet(ASSETS, TRAINED, windows=True), self.broker.topic(), self.sink()
        source = f"kafka://{self.server}/{topic}?partitions=0&start=earliest"
        before = 2 * BLOCK * ASSETS
        told(work("send", server=self.server, topic=topic, assets=ASSETS, rows=before, first=0, partitions=1))
        running = work("stream", folder=str(where), source=source, sink=sink, warm=before, rows=before + rows - ASSETS,
                       least=64, budget="1000000/day")  # fmt: skip
        listening = work("listen", server=self.server, topic=sink.rpartition("/")[2], seconds=8)
        assert running.stdout is not None
        running.stdout.readline()  # it is warm
        told(work("pace", server=self.server, topic=topic, assets=ASSETS, rows=rows, rate=RATE))
        delays = np.array(told(listening)["delays"])
        return told(running), delays


def between(found: Any) -> dict[str, Any]:
    """Return what was used from warm to the end."""
    begin, end = found["begin"], found["end"]
    used = {name: end[name] - begin[name] for name in end if name != "stages"}
    return used | {"stages": {name: end["stages"][name] - begin["stages"].get(name, 0.0) for name in end["stages"]}}


def stages(title: str, found: dict[str, list[Any]]) -> None:
    """Print where the time goes: microseconds of CPU a reading, by stage."""
    print(f"\n{title}: CPU-microseconds a reading\n")
    print(f"| stage | {' | '.join(found)} |\n| --- |{' --- |' * len(found)}")
    spent = {name: [between(each) for each in runs] for name, runs in found.items()}
    rows = {name: sum(each["rows"] for each in used) for name, used in spent.items()}
    cells: dict[str, list[float]] = {
        stage: [sum(each["stages"].get(stage, 0.0) for each in used) for used in spent.values()] for stage in STAGES
    }
    main = [sum(each["main"] for each in used) for used in spent.values()]
    known = [sum(column) for column in zip(*cells.values(), strict=True)]
    cpu = [sum(each["cpu"] for each in used) for used in spent.values()]
    cells["the rest of the stream's thread"] = [a - b for a, b in zip(main, known, strict=True)]
    cells["other threads: Kafka's client, sinks"] = [a - b for a, b in zip(cpu, main, strict=True)]
    cells["all"] = cpu
    for stage, seconds in cells.items():
        told_ = (f"{1e6 * each / n:.3f}" for each, n in zip(seconds, rows.values(), strict=True))
        print(f"| {stage} | {' | '.join(told_)} |")
    sizes = (sum(each["bytes"] for each in used) for used in spent.values())
    print(f"| **MB a core-second** | {' | '.join(f'{s / c / 1e6:.1f}' for s, c in zip(sizes, cpu, strict=True))} |")
    fast = (sum(each["rows"] / each["wall"] for each in used) for used in spent.values())
    print(f"| readings a second, wall clock | {' | '.join(f'{each:,.0f}' for each in fast)} |")
    batch = (sum(e["rows"] for e in used) / sum(e["batches"] for e in used) for used in spent.values())
    print(f"| readings a batch | {' | '.join(f'{each:,.0f}' for each in batch)} |")
    alerts = (sum(e["alerts"] for e in used) / n for used, n in zip(spent.values(), rows.values(), strict=True))
    print(f"| alerts a million readings | {' | '.join(f'{1e6 * each:,.0f}' for each in alerts)} |")
    peaks = (max(each["peak"] for each in runs) for runs in found.values())
    print(f"| peak memory, GB | {' | '.join(f'{each / 1e9:.2f}' for each in peaks)} |")


def main_lines(bench: Bench, backlog: Any, live_rows: int) -> tuple[list[Line], Any]:
    """Measure what has a floor; return it, and what the stream found at 10 MB/s."""
    used = between(backlog)
    bytes_, rows = used["bytes"] / used["cpu"], used["rows"] / used["cpu"]
    say("decoding alone, and River")
    bare = told(work("decode", assets=ASSETS, rows=200_000))["rate"]
    theirs = bench.river(assets=20, rows=8_000)
    size = f"{used['rows']:,} readings of {used['bytes'] / used['rows']:.0f} bytes"
    found = [
        compare("bytes decoded, scored, learned, committed, a core-second", bytes_ / 1e6, 25, 80, unit="MB",
                ours=f"{used['cpu']:.1f} core-s, {size}", other=""),
        compare("readings a core-second against River's half-space trees row by row", rows / theirs, 30, 100,
                ours=f"{rows:,.0f}", other=f"{theirs:,.0f}, of 20 assets, without reasons or recovery"),
        compare("of the bare rate of decoding with Polars", 100 * bytes_ / bare, 20, 50, unit="%",
                ours=f"{bytes_ / 1e6:.1f} MB", other=f"{bare / 1e6:.0f} MB a core-second"),
    ]  # fmt: skip
    say(f"{live_rows:,} readings at {RATE / 1e6:.0f} MB/s")
    run, delays = bench.live(live_rows)
    live = between(run)
    middle, late = np.quantile(delays, [0.5, 0.99]) if len(delays) else (np.nan, np.nan)
    steady = run["begin"]["rows"] + live_rows // 3
    memory = [each for each in run["memory"] if each[0] >= steady]
    third = max(len(memory) // 3, 1)
    before, after = (float(np.median([size for _, size in part])) for part in (memory[:third], memory[-third:]))
    found.append(
        compare(f"delay from produce to alert at {live['bytes'] / live['wall'] / 1e6:.1f} MB/s, p99", 1e3 * late, 300,
                80, unit="ms", ours=f"{len(delays):,} alerts, p50 {1e3 * middle:.0f} ms, "
                f"{live['cpu'] / live['wall']:.2f} cores, {live['rows'] / live['batches']:,.0f} readings a batch",
                other="")
    )  # fmt: skip
    found.append(
        compare(f"memory growth over the last {run['end']['rows'] - steady:,} readings",
                100 * (after / before - 1), 5, 0, unit="%", ours=f"{before / 1e6:.0f} -> {after / 1e6:.0f} MB",
                other="")
    )  # fmt: skip
    return found, run


def growth(bench: Bench, backlog: list[Any], *, million: bool) -> dict[str, list[Any]]:
    """Measure how the cost grows with assets and processes."""
    found = {}
    for assets in (10, 1_000):
        say(f"{assets:,} assets")
        rows = 900_000
        found[f"{assets:,}"] = bench.backlog(assets, rows, warm=300_000)
    found[f"{ASSETS:,}"] = backlog
    say("10,000 assets, 2 partitions in 2 processes")
    found["10,000 in 2 processes"] = bench.backlog(ASSETS, 3 * BLOCK * ASSETS, warm=2 * BLOCK * ASSETS, processes=2)
    say("100,000 assets")
    found["100,000, blocks of 8"] = bench.backlog(100_000, 2_000_000, warm=900_000, trained=128, least=8)
    if million:
        say("1,000,000 assets")
        found["1,000,000, 4 features, blocks of 2"] = bench.backlog(
            1_000_000, 5_000_000, warm=2_500_000, trained=32, windows=False, least=2
        )
    return found


def say(text: str) -> None:
    """Tell of progress."""
    load = os.getloadavg()[0]
    print(f"[load {load:.1f}] {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Run in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=3e6, help="readings of the run at 10 MB/s")
    parser.add_argument("--million", action="store_true", help="measure a million assets, too")
    parser.add_argument("--only", choices=["backlog", "table", "growth"], help="not all of it")
    given = parser.parse_args()
    jars = fetch()
    if jars is None:
        raise SystemExit("no Kafka: Java and Maven are needed")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TOCSIN_BENCH")) as folder:
        (Path(folder) / "kafka").mkdir()
        broker = Kafka(jars, Path(folder) / "kafka")
        broker.start()
        try:
            bench = Bench(Path(folder), broker)
            say(f"{ASSETS:,} assets")
            cycle = BLOCK * ASSETS
            backlog = bench.backlog(ASSETS, 3 * cycle, warm=2 * cycle)
            grown = {f"{ASSETS:,}": backlog}
            if given.only is None or given.only == "growth":
                grown = growth(bench, backlog, million=given.million)
            if given.only is None or given.only == "table":
                lines, live = main_lines(bench, backlog[0], int(given.rows))
                show(f"The stream: {ASSETS:,} assets", lines)
                grown["10,000 at 10 MB/s"] = [live]
            stages("Where the time goes, by number of assets", grown)
        finally:
            broker.kill()
    print(f"\nLoad average {', '.join(f'{each:.1f}' for each in os.getloadavg())}")


if __name__ == "__main__":
    main()

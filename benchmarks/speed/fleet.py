"""The whole job: 1.44e9 readings of 10,000 assets from Parquet on disk to a saved fleet, and from there to alerts.

Makes its own input, twice 5.8 GB one after the other, in TOCSIN_BENCH or the system's folder for temporary files, and
removes it. Smaller: ``python -m benchmarks.speed.fleet --assets 1000``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Line, Run, compare, run, show
from tocsin import Fleet

ROWS, FEATURES = 1440, 100
PRICE = 0.05
"""Dollars a core-hour, about what a general-purpose virtual core costs on demand."""
REFERENCE = 1.44e9 / (120 * 32)
"""Readings a second a core of the published reference: 1.44e9 in two minutes on 32 cores."""
TOCSIN = [str(Path(sys.executable).with_name("tocsin"))]


def chunk(assets: np.ndarray, ticks: np.ndarray, seed: int) -> pa.Table:
    """Return readings of the given assets at the given ticks, row by row."""
    rng = np.random.default_rng(seed)
    keys = pa.DictionaryArray.from_arrays(pa.array(assets.astype(np.int32)), [f"asset-{i:05}" for i in range(NAMES)])
    columns = {"asset": keys, "time": pa.array(ticks * 60_000, pa.timestamp("ms"))}
    for i in range(FEATURES):
        columns[f"s{i}"] = rng.standard_normal(len(assets), dtype=np.float32)
    return pa.table(columns)


NAMES = 10_000


def write(path: Path, assets: int, *, by_key: bool) -> None:
    """Write readings, each asset's together or each tick's together."""
    step = 50 if by_key else 10
    writer = None
    for seed, start in enumerate(range(0, assets if by_key else ROWS, step)):
        if by_key:
            own = np.arange(start, min(start + step, assets))
            table = chunk(np.repeat(own, ROWS), np.tile(np.arange(ROWS), len(own)), seed)
        else:
            ticks = np.arange(start, min(start + step, ROWS))
            table = chunk(np.tile(np.arange(assets), len(ticks)), np.repeat(ticks, assets), seed)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=["asset"])
        writer.write_table(table)
    assert writer is not None
    writer.close()


def opening(fleet: Path, one: Path) -> float:
    """Return the milliseconds from a path to the scores of one asset, in a process that runs already: the median."""
    readings = pl.read_parquet(one)
    took = []
    for _ in range(15):
        started = time.perf_counter()
        Fleet.load(fleet).score(readings)
        took.append(1e3 * (time.perf_counter() - started))
    return float(np.median(took[5:]))


def lines(folder: Path, assets: int) -> list[Line]:
    """Measure everything."""
    readings, fleet, out = folder / "readings.parquet", folder / "fleet", folder / "alerts.parquet"
    count = assets * ROWS * FEATURES
    fit = [*TOCSIN, "fit", str(readings), "--key", "asset", "--time", "time", "--out", str(fleet)]
    score = [*TOCSIN, "score", str(fleet), str(readings), "--alerts-only", "--out", str(out)]
    say(f"writing {count:,} readings in key order")
    write(readings, assets, by_key=True)
    size = readings.stat().st_size
    say(f"{size / 1e9:.2f} GB; fitting")
    by_key = run(fit)
    say(f"{by_key}; scoring")
    plain = run(score)
    say(f"{plain}; scoring with explanations")
    explained = run([*score, "--explain", "5"])
    say(f"{explained}; opening")
    pl.scan_parquet(readings).head(ROWS).tail(60).collect().write_parquet(folder / "one.parquet")
    opened = opening(fleet, folder / "one.parquet")
    readings.unlink()
    say(f"{opened:.1f} ms; writing as many in time order")
    write(readings, assets, by_key=False)
    say("fitting")
    by_time = run(fit)
    say(str(by_time))
    return table(count, by_key, by_time, plain, explained, opened)


def table(count: int, by_key: Run, by_time: Run, plain: Run, explained: Run, opened: float) -> list[Line]:
    """Set the figures against what is asked for."""
    rate = count / by_key.cpu
    dollars = f"{by_key.cpu:.0f} core-s, ${by_key.cpu / 3600 * PRICE:.5f}"
    return [
        compare("fit, readings a second a core, against the reference's", rate / 1e6, 15, 30, unit="million",
                ours=f"{by_key.wall:.0f} s, {dollars}", other=f"{REFERENCE / 1e6:.3f} million"),
        compare("its peak memory", by_key.memory / 1e9, 4, 2, unit="GB", ours="", other=""),
        compare("the same in time order, times the CPU of key order", by_time.cpu / by_key.cpu, 3, 2,
                ours=f"{by_time.cpu:.0f} core-s", other=f"{by_key.cpu:.0f} core-s"),
        compare("its peak memory", by_time.memory / 1e9, 8, 4, unit="GB", ours="", other=""),
        compare("explaining all alerts, times the CPU of scoring", explained.cpu / plain.cpu, 1.5, 1.1,
                ours=f"{explained.cpu:.1f} core-s", other=f"{plain.cpu:.1f} core-s"),
        compare("open the saved fleet and score one asset", opened, 50, 10, unit="ms", ours="", other=""),
    ]  # fmt: skip


def say(text: str) -> None:
    """Tell of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=NAMES)
    assets = parser.parse_args().assets
    with tempfile.TemporaryDirectory(dir=os.environ.get("TOCSIN_BENCH")) as folder:
        found = lines(Path(folder), assets)
    show(f"The whole job: {assets:,} assets x {ROWS:,} rows x {FEATURES} float32 features", found)


if __name__ == "__main__":
    main()

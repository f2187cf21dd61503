"""Making up signals against NumPy's generators and against the disk, and scoring them while they are in the cache."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measure import Line, compare, cost, paired
from tocsin import ZScore
from tocsin.evaluate.fused import fused
from tocsin.kernels import noise, philox
from tocsin.synth import MadeUp, Sensor
from tocsin.synth.parts import Noise, Season
from tocsin.tables.results import ResultWriter
from tocsin.threads import cores

ROWS, PERIOD = 1 << 26, 200
SMALL = 1 << 18
SEASONAL = MadeUp([Sensor("x", (Noise(), Season(0.1, PERIOD)))], rows=ROWS)
ON_DISK = 500_000_000


def lines() -> list[Line]:
    """Measure everything."""
    return [_normals(), _seasonal(), _to_disk(), _fused(100), _fused(1)]


def _normals() -> Line:
    """Measure values that stay in the cache, so that memory has no say, against the fastest of NumPy's generators."""
    out, keys, words = np.zeros(SMALL, np.float32), philox.keys(1), np.empty(2 * philox.WORDS, np.uint32)
    kinds = (np.random.SFC64, np.random.PCG64DXSM, np.random.Philox, np.random.MT19937)
    theirs = {kind.__name__: np.random.Generator(kind(1)) for kind in kinds}
    took = {
        name: median(cost(lambda own=own: own.standard_normal(dtype=np.float32, out=out)) for _ in range(20))
        for name, own in theirs.items()
    }
    fastest = min(took, key=took.__getitem__)

    def ours() -> None:
        for _ in range(16):
            noise.add_noise(noise.NORMAL, 1.0, 0.0, keys, 0, 0, 0, 0, words, out)

    def numpy() -> None:
        for _ in range(16):
            theirs[fastest].standard_normal(dtype=np.float32, out=out)

    cpu, other = paired(ours, numpy, repeats=15)
    rates = [f"{16 * SMALL / each / 1e6:,.0f} M/s" for each in (cpu, other)]
    return compare(
        f"standard normal float32 a core, NumPy's {fastest}", other / cpu, 8, 12, ours=rates[0], other=rates[1]
    )


def _seasonal() -> Line:
    """Measure a long series into memory on all cores, by the clock."""
    out = np.empty(ROWS, np.float32)
    cuts = np.linspace(0, ROWS, 8 * cores() + 1).astype(int)
    spans = list(pairwise(cuts))
    theirs = [np.random.Generator(np.random.SFC64(seed)) for seed in range(len(spans))]

    def part(place: int) -> None:
        start, stop = spans[place]
        own = out[start:stop]
        theirs[place].standard_normal(dtype=np.float32, out=own)
        own *= np.float32(1.0)
        wave = np.arange(start, stop, dtype=np.float32)
        wave *= np.float32(2 * np.pi / PERIOD)
        np.sin(wave, out=wave)
        wave *= np.float32(0.1)
        own += wave

    def numpy() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(part, range(len(spans))))

    took, other = _by_the_clock(lambda: SEASONAL.series(out=out), numpy)
    return compare(
        f"seasonal normal series of {ROWS:,}, all cores, threads of NumPy", other / took, 6, 15,
        ours=f"{ROWS / took / 1e6:,.0f} M/s", other=f"{ROWS / other / 1e6:,.0f} M/s",
    )  # fmt: skip


def _to_disk() -> Line:
    """Measure a file written in order and flushed to the disk, by the clock, against dd in turn."""
    made = MadeUp(SEASONAL.sensors, rows=ON_DISK)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TOCSIN_BENCH")) as folder:
        path, plain = Path(folder) / "x.npy", Path(folder) / "plain"
        blocks = ON_DISK * 4 // (1 << 20)

        def ours() -> None:
            with ResultWriter(path) as out:
                for table in made.tables(named=False):
                    out.write(table)
            path.unlink()

        def dd() -> None:
            words = ["dd", "if=/dev/zero", f"of={plain}", "bs=1M", f"count={blocks}", "conv=fsync", "status=none"]
            subprocess.run(words, check=True)
            plain.unlink()

        took, other = _by_the_clock(ours, dd, repeats=9)
    return compare(
        f"to a file in order, {ON_DISK * 4 / 1e9:.0f} GB, share of dd's rate", 100 * other / took, 80, 95, unit="%",
        ours=f"{ON_DISK * 4 / took / 1e6:,.0f} MB/s", other=f"{ON_DISK * 4 / other / 1e6:,.0f} MB/s",
    )  # fmt: skip


def _fused(features: int) -> Line:
    """Measure making up, learning, scoring, alerts and grades together, on one thread, in CPU-seconds."""
    sensors = [Sensor(f"x{index}", (Noise(), Season(0.1, PERIOD, spread=1.0))) for index in range(features)]
    rows = 2_048_000 // features
    made = MadeUp(sensors, assets=150, rows=rows, clean_rows=min(rows // 5, 20_480), faulty=0.6)
    fused(made, ZScore(), assets=2)
    rate = median(fused(made, ZScore(), threads=1).rate_a_core for _ in range(5))
    return compare(
        f"made up and scored on one thread, values a second, {features} a row", rate / 1e6, 300, 1000, unit="million",
        ours="", other="",
    )  # fmt: skip


def _by_the_clock(ours, theirs, repeats: int = 5) -> tuple[float, float]:
    def took(work) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    ours(), theirs()
    pairs = [(took(ours), took(theirs)) for _ in range(repeats)]

    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)

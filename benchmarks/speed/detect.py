"""Detecting in one long series: samples a second a core, and against NumPy where the series fits in memory."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import Line, compare, cost, paired
from tocsin import detect

SAMPLES, PERIOD, PERIODS = 20_000_000, 200, (24, 168)


def write(path: Path, samples: int) -> None:
    """Write a seasonal series with noise, a part at a time."""
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(samples,))
    rng = np.random.default_rng(0)
    for start in range(0, samples, 1 << 20):
        stop = min(start + (1 << 20), samples)
        season = np.sin(np.arange(start, stop) * (2 * np.pi / PERIOD))
        values[start:stop] = rng.standard_normal(stop - start, dtype=np.float32) + season
    values.flush()


def numpy_zscore(path: Path) -> None:
    """Do what one does with NumPy where the series fits in memory."""
    x = np.load(path)
    np.flatnonzero(np.abs(x - x.mean()) / x.std() > 5)


def numpy_mad(path: Path) -> None:
    """The same, robustly."""
    x = np.load(path)
    distances = np.abs(x - np.median(x))
    np.flatnonzero(distances / (1.4826 * np.median(distances)) > 5)


def lines() -> list[Line]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        write(path, SAMPLES)
        found = []
        for method, period in (("stl", PERIOD), ("mstl", PERIODS)):
            detect(np.ones(100), method, period=2)
            cpu = min(cost(partial(detect, path, method, period=period)) for _ in range(3))
            found.append(
                compare(
                    f"{method} detection over {SAMPLES:,} float32 samples in a file, period {period}, a core",
                    SAMPLES / cpu, 2e6, 1e7, ours=f"{cpu:.2f} s", other="", unit="samples/s",
                )
            )  # fmt: skip
        for method, theirs in (("zscore", numpy_zscore), ("mad", numpy_mad)):
            cpu, other = paired(partial(detect, path, method), partial(theirs, path))
            found.append(
                compare(
                    f"{method} detection over {SAMPLES:,} float32 samples in a file, NumPy with all in memory",
                    other / cpu, 1, 2, ours=f"{cpu:.3f} s", other=f"{other:.3f} s",
                )
            )  # fmt: skip
    return found

"""STL of one series, of a fleet and of a series without end, against statsmodels."""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Line, compare, cost
from tocsin import SpanSTL, stl

LONG, PERIOD = 100_000, 200
ASSETS, ROWS, CYCLE, PART = 10_000, 1_440, 60, 8
SPAN, ENDLESS = 1 << 20, 1_000_000_000


def series(n: int, period: int, seed: int) -> NDArray[np.float64]:
    """Return a season that drifts, a trend that wanders, noise, and one value in a thousand far out."""
    rng = np.random.default_rng(seed)
    steps = np.arange(n)
    season = np.sin(2 * np.pi * steps / period) * (1 + steps / n) + 0.3 * np.cos(6 * np.pi * steps / period)
    noise = rng.normal(0, 0.5, n) + 8 * (rng.random(n) < 0.001)
    return season + np.cumsum(rng.normal(0, 0.01, n)) + noise


def often(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median CPU-seconds of a call, after one that is not counted."""
    work()
    return median(cost(work) for _ in range(repeats))


def agree(ours: object, theirs: object, scale: float) -> None:
    """Stop unless both decompositions are the same."""
    for name in ("trend", "seasonal", "resid", "weights"):
        off = float(np.abs(getattr(ours, name) - getattr(theirs, name)).max())
        if not off <= 1e-8 * scale:
            raise SystemExit(f"{name} differs from that of statsmodels by {off}")


def lines() -> list[Line]:
    """Measure everything; statsmodels takes its one or two minutes."""
    from statsmodels.tsa.seasonal import STL

    found = []
    x = series(LONG, PERIOD, 0)
    for robust, floor, moonshot in ((False, 200, 1000), (True, 50, 300)):
        print(f"statsmodels, {'robust ' if robust else ''}STL of {LONG:,} values ...", file=sys.stderr)
        results: list = []
        other = cost(lambda robust=robust, into=results: into.append(STL(x, PERIOD, robust=robust).fit()))
        cpu = often(lambda robust=robust: stl(x, PERIOD, robust=robust))
        agree(stl(x, PERIOD, robust=robust), results[0], float(np.abs(x).max()))
        found.append(
            compare(
                f"{'robust ' if robust else ''}STL, {LONG:,} values, period {PERIOD}, statsmodels once",
                other / cpu, floor, moonshot, ours=f"{1e3 * cpu:.1f} ms", other=f"{other:.1f} s",
            )
        )  # fmt: skip
    fleet = np.array([series(ROWS, CYCLE, seed) for seed in range(ASSETS)])
    cpu = often(lambda: stl(fleet, CYCLE), 3)
    other = cost(lambda: [STL(row, CYCLE).fit() for row in fleet[:PART]]) / PART * ASSETS
    found.append(
        compare(
            f"STL, {ASSETS:,} series of {ROWS:,} values, period {CYCLE}, statsmodels in a loop over {PART}",
            other / cpu, 200, 1000, ours=f"{cpu:.2f} s", other=f"{other:,.0f} s",
        )
    )  # fmt: skip
    spans = SpanSTL(ENDLESS, PERIOD)
    start = ENDLESS // 2
    first, last = spans.bounds(start, start + SPAN)
    span = series(last - first, PERIOD, 1)
    cpu = often(lambda: spans.decompose(span, start, start + SPAN))
    found.append(
        compare(
            f"STL of a span of {SPAN:,} amid {ENDLESS:,} values, period {PERIOD}, values a second a core",
            SPAN / cpu, 2e6, 1e7, ours=f"{1e3 * cpu:.1f} ms", other="-", unit="/s",
        )
    )  # fmt: skip
    return found

"""How often the period of a series is found, kind by kind, and how often one is found where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.quality.data import find
from tocsin import find_period
from tocsin.errors import ParameterError

Floats = NDArray[np.float64]
Generator = np.random.Generator
DRAWS, SILENT = 10, 300
LENGTHS, PERIODS = (200, 20_000), (4, 1_000)
CYCLES, RATIOS = (2.5, 4.0, 10.0, 40.0), (0.1, 0.3, 1.0, 3.0, 10.0)
VERDICTS = ("right", "multiple", "wrong", "none")


def _sine(phase: Floats, rng: Generator) -> Floats:
    return np.sin(2 * np.pi * phase)


def _sawtooth(phase: Floats, rng: Generator) -> Floats:
    return phase % 1


def _pulse(phase: Floats, rng: Generator) -> Floats:
    return (phase % 1 < 0.25).astype(float)


def _harmonics(phase: Floats, rng: Generator) -> Floats:
    """Draw a shape from its first four harmonics, the first of them not the strongest as a rule."""
    sizes, shifts = rng.uniform(0.2, 1, 4), rng.uniform(0, 2 * np.pi, 4)
    waves = [np.sin(2 * np.pi * (j + 1) * phase + shifts[j]) for j in range(4)]
    shape: Floats = sizes @ np.array(waves)
    return shape


def _swelling(phase: Floats, rng: Generator) -> Floats:
    return _harmonics(phase, rng) * (1 + 0.6 * np.sin(2 * np.pi * np.linspace(0, rng.uniform(0.5, 2), len(phase))))


def _with_trend(x: Floats, period: float, rng: Generator) -> Floats:
    place = np.linspace(-1, 1, len(x))
    return x + x.std() * (rng.uniform(-5, 5) * place + rng.uniform(-3, 3) * place**2)


def _with_walk(x: Floats, period: float, rng: Generator) -> Floats:
    """Add a walk that goes as far in a cycle as half of the season does."""
    return x + np.cumsum(rng.normal(size=len(x))) * 0.5 * x.std() / np.sqrt(period)


def _with_outliers(x: Floats, period: float, rng: Generator) -> Floats:
    far = rng.random(len(x)) < 0.01
    return np.where(far, x + 20 * x.std() * rng.standard_t(1, len(x)), x)


def _with_gaps(x: Floats, period: float, rng: Generator) -> Floats:
    x[rng.random(len(x)) < 0.1] = np.nan
    for start in rng.integers(0, len(x), 2):
        x[start : start + len(x) // 20] = np.nan
    return x


def _with_red(x: Floats, period: float, rng: Generator) -> Floats:
    return x + 0.5 * x.std() * _red(len(x), rng)


def _as_is(x: Floats, period: float, rng: Generator) -> Floats:
    return x


SEASONS: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "sine": (_sine, _as_is),
    "sawtooth": (_sawtooth, _as_is),
    "pulse": (_pulse, _as_is),
    "four harmonics": (_harmonics, _as_is),
    "changing amplitude": (_swelling, _as_is),
    "with a trend": (_harmonics, _with_trend),
    "with a walk": (_harmonics, _with_walk),
    "with red noise": (_harmonics, _with_red),
    "with outliers": (_harmonics, _with_outliers),
    "with gaps": (_harmonics, _with_gaps),
}


def _red(n: int, rng: Generator) -> Floats:
    """Return AR(1) of variance about 1, after a while from its start."""
    memory = rng.uniform(0.3, 0.97)
    x: Floats = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=n + 200))[200:]
    return x


def _pseudo_cycle(n: int, rng: Generator) -> Floats:
    """Return AR(2) that swings, and forgets its phase within one cycle or two."""
    period = np.exp(rng.uniform(np.log(5), np.log(max(n / 20, 6))))
    shrink = np.exp(-1 / (period * rng.uniform(0.5, 2)))
    back = [1, -2 * shrink * np.cos(2 * np.pi / period), shrink**2]
    x: Floats = lfilter([1], back, rng.normal(size=n + 2_000))[2_000:]
    return x


NOISE: dict[str, Callable[[int, Generator], Floats]] = {
    "white": lambda n, rng: rng.normal(size=n),
    "AR(1)": _red,
    "AR(2), swinging": _pseudo_cycle,
    "MA(10)": lambda n, rng: lfilter(np.ones(10), [1], rng.normal(size=n + 10))[10:],
    "random walk": lambda n, rng: np.cumsum(rng.normal(size=n)),
    "Cauchy": lambda n, rng: rng.standard_cauchy(n),
    "steps": lambda n, rng: np.cumsum(rng.normal(size=n) * (rng.random(n) < 5 / n)) + 0.3 * rng.normal(size=n),
    "curve": lambda n, rng: np.arange(n) ** 2 / n**2 * rng.uniform(1, 30) + rng.normal(size=n),
}


class Drawn(NamedTuple):
    """A series and how it was made; `period` is 0 where there is none, and `second` where there is but one."""

    kind: str
    x: Floats
    period: float = 0.0
    second: float = 0.0
    cycles: float = 0.0
    ratio: float = 0.0


def with_season() -> Iterator[Drawn]:
    """Draw series with a season in all kinds, numbers of cycles and ratios of its variance to that of white noise."""
    for number, (kind, (shape, beside)) in enumerate(SEASONS.items()):
        for cycles in CYCLES:
            for ratio in RATIOS:
                for draw in range(DRAWS):
                    rng = np.random.default_rng([number, int(10 * cycles), int(10 * ratio), draw])
                    n, period = _sizes(cycles, rng)
                    x = shape(np.arange(n) / period + rng.random(), rng)
                    x = x / x.std() * np.sqrt(ratio) + rng.normal(size=n)
                    yield Drawn(kind, beside(x, period, rng), period, 0.0, cycles, ratio)


def with_two_seasons() -> Iterator[Drawn]:
    """Draw series with a short season and one that is seven times as long; either is right."""
    for ratio in RATIOS:
        for draw in range(4 * DRAWS):
            rng = np.random.default_rng([int(10 * ratio), draw, 2])
            cycles = rng.uniform(4, 20)
            period = float(round(np.exp(rng.uniform(np.log(6), np.log(140)))))
            n = int(7 * period * cycles)
            short, long = (_harmonics(np.arange(n) / (period * k), rng) for k in (1, 7))
            x = short / short.std() * np.sqrt(ratio) + 0.7 * long / long.std() * np.sqrt(ratio) + rng.normal(size=n)
            yield Drawn("two seasons", x, period, 7.0 * period, cycles * 7, ratio)


def _sizes(cycles: float, rng: Generator) -> tuple[int, float]:
    """Return a length and a period; one period in three is no whole number."""
    low, high = max(PERIODS[0], LENGTHS[0] / cycles), min(PERIODS[1], LENGTHS[1] / cycles)
    period = np.exp(rng.uniform(np.log(low), np.log(high)))
    period = period if rng.random() < 1 / 3 else float(round(period))
    return int(np.ceil(period * cycles)), period


def without_season() -> Iterator[Drawn]:
    """Draw series without a season."""
    for number, (kind, noise) in enumerate(NOISE.items()):
        for draw in range(SILENT):
            rng = np.random.default_rng([number, draw])
            n = int(np.exp(rng.uniform(np.log(LENGTHS[0]), np.log(LENGTHS[1] / 4))))
            yield Drawn(kind, noise(n, rng))


def verdict(found: int, drawn: Drawn) -> str:
    """Say what a found period, 0 for none, is worth: right is within 2 % or one sample."""
    if not found:
        return "none"
    for period in (drawn.period, drawn.second):
        if period and abs(found - period) <= max(1.0, 0.02 * period):
            return "right"
    for part in (*range(2, 9), *(1 / parts for parts in range(2, 9))):
        if drawn.period and abs(found - part * drawn.period) <= max(1.0, 0.03 * part * drawn.period):
            return "multiple"
    return "wrong"


def judge(series: Iterator[Drawn], estimate: Callable[[Any], int]) -> pl.DataFrame:
    """Return a row a series: how it was made, what was found, and the seconds that it took."""
    rows = []
    for drawn in series:
        started = time.process_time()
        found = estimate(drawn.x)
        used = time.process_time() - started
        rows.append(
            (drawn.kind, len(drawn.x), drawn.period, drawn.cycles, drawn.ratio, found, verdict(found, drawn), used)
        )
    names = ("kind", "n", "period", "cycles", "ratio", "found", "verdict", "seconds")
    return pl.DataFrame(rows, schema=names, orient="row")


REAL = {
    "nab/data/realKnownCause/nyc_taxi.csv": {48, 336},
    "nab/data/realKnownCause/ambient_temperature_system_failure.csv": {24, 168},
    "nab/data/artificialWithAnomaly/art_daily_jumpsup.csv": {288},
    "nab/data/artificialWithAnomaly/art_daily_flatmiddle.csv": {288},
    "nab/data/artificialNoAnomaly/art_daily_no_noise.csv": {288},
    "nab/data/artificialNoAnomaly/art_daily_small_noise.csv": {288},
    "nab/data/artificialNoAnomaly/art_noisy.csv": {0},
    "nab/data/realAWSCloudwatch/elb_request_count_8c0756.csv": {288},
    "nab/data/realTweets/Twitter_volume_AAPL.csv": {288, 2016},
    "nab/data/realTweets/Twitter_volume_CRM.csv": {288, 2016},
    "nab/data/realTweets/Twitter_volume_FB.csv": {288, 2016},
    "nab/data/realTweets/Twitter_volume_IBM.csv": {288, 2016},
    "nab/data/realTweets/Twitter_volume_PFE.csv": {288, 2016},
}
"""Files, and the periods that are right in them; 0 says that there is none."""


def found_in(x: Any) -> int:
    """Return the period of a series, or 0."""
    try:
        return find_period(x)
    except ParameterError:
        return 0


def table(results: pl.DataFrame, by: str) -> None:
    """Print the share of each verdict, a row a value of a column."""
    print(f"\n| {by} | {' | '.join(VERDICTS)} |\n|{' --- |' * 5}")
    for (value,), group in results.group_by(by, maintain_order=True):
        shares = [f"{(group['verdict'] == each).mean():.0%}" for each in VERDICTS]
        print(f"| {value} | {' | '.join(shares)} |")
    shares = [f"{(results['verdict'] == each).mean():.1%}" for each in VERDICTS]
    print(f"| all | {' | '.join(shares)} |")


def main() -> None:
    """Print what was found in made-up series with a season, in those without one, and in real readings."""
    found = pl.concat([judge(with_season(), found_in), judge(with_two_seasons(), found_in)])
    silent = judge(without_season(), found_in)
    print(f"\n### Periods of {len(found):,} made-up series with a season and {len(silent):,} without")
    table(found, "kind")
    table(found.filter(pl.col("kind") != "two seasons").sort("cycles"), "cycles")
    table(found.filter(pl.col("kind") != "two seasons").sort("ratio"), "ratio")
    print("\n| noise | found in |\n| --- | --- |")
    for (kind,), group in silent.group_by("kind", maintain_order=True):
        print(f"| {kind} | {(group['found'] > 0).mean():.1%} |")
    cost = sum((each["seconds"].sum() for each in (found, silent)), 0.0)
    print(f"\n{1e6 * cost / (found['n'].sum() + silent['n'].sum()):.2f} µs a value")
    print("\n| readings | known | found |\n| --- | --- | --- |")
    for name, known in REAL.items():
        seen = found_in(pl.read_csv(find(name))["value"])
        print(f"| {name.split('/')[-1]} | {' or '.join(map(str, sorted(known)))} | {seen} |")


if __name__ == "__main__":
    main()

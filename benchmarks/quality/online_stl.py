"""Online decompositions against each other: Tocsin's, OnlineSTL and OneShotSTL as published, by the same start.

The two others are written here from their papers as plainly as they can be, to be measured and not to be used.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numba import njit

from benchmarks.measure import cost
from benchmarks.quality.data import find
from tocsin import OnlineSTL, stl

PERIOD, START = 96, 4
KINDS = ("noise", "slow trend", "ramp", "steps", "growing season", "new season", "spikes", "AR noise")
SERIES = {
    "nyc_taxi 48": ("realKnownCause/nyc_taxi.csv", 48),
    "nyc_taxi 336": ("realKnownCause/nyc_taxi.csv", 336),
    "temperature 24": ("realKnownCause/ambient_temperature_system_failure.csv", 24),
    "tweets 288": ("realTweets/Twitter_volume_AAPL.csv", 288),
    "ad clicks 24": ("realAdExchange/exchange-2_cpc_results.csv", 24),
}


@njit
def _tricube(n):
    weights = (1 - (np.arange(n - 1, -1, -1) / n) ** 3) ** 3
    return weights / weights.sum()


@njit
def online_stl(y, period, start, gain, cycle):
    """OnlineSTL (Mishra et al., VLDB 2022): one-sided tricube windows of 4, 3 and 1 periods."""
    long, middle, short = _tricube(4 * period), _tricube(3 * period), _tricube(period)
    first, second, season, rest = cycle.copy(), cycle.copy(), np.empty(len(y)), np.empty(len(y))
    for t in range(start):
        season[t] = cycle[t % period]
        rest[t] = y[t] - season[t]
    out = np.empty((2, len(y) - start))
    for t in range(start, len(y)):
        r = t % period
        detrended = y[t] - np.dot(long, y[t - 4 * period + 1 : t + 1])
        first[r] += gain * (detrended - first[r])
        season[t] = first[r]
        detrended -= np.dot(middle, season[t - 3 * period + 1 : t + 1])
        second[r] += gain * (detrended - second[r])
        rest[t] = y[t] - second[r]
        out[0, t - start], out[1, t - start] = np.dot(short, rest[t - period + 1 : t + 1]), second[r]
    return out


@njit
def one_shot(y, period, start, weight, gain, sigma, cycle, level, rounds=8):
    """OneShotSTL (He et al., VLDB 2023): an L1 trend filter by reweighted least squares, carried on in place."""
    season, info, vector = cycle.copy(), np.zeros((rounds, 3)), np.zeros((rounds, 2))
    info[:, 0] = info[:, 2] = 1.0
    vector[:] = level / sigma
    out = np.empty((2, len(y) - start))
    for t in range(start, len(y)):
        r = t % period
        target, x0, x1, x2 = (y[t] - season[r]) / sigma, 0.0, 0.0, 0.0
        for i in range(rounds):
            a = weight * (0.5 / max(abs(x2 - x1), 1e-10) if i else 1.0)
            b = weight * (0.5 / max(abs(x2 - 2 * x1 + x0), 1e-10) if i else 1.0)
            m00, m01, m11, m12, m22 = info[i, 0] + b, info[i, 1] - 2 * b, info[i, 2] + a + 4 * b, -a - 2 * b, a + b
            h0, h1, h2 = vector[i, 0], vector[i, 1], (1 - gain) * target
            info[i, 0], info[i, 1], info[i, 2] = m11 - m01**2 / m00, m12 - m01 * b / m00, m22 + 1 - gain - b**2 / m00
            vector[i, 0], vector[i, 1] = h1 - m01 / m00 * h0, h2 - b / m00 * h0
            determinant = info[i, 0] * info[i, 2] - info[i, 1] ** 2
            x1 = (vector[i, 0] * info[i, 2] - vector[i, 1] * info[i, 1]) / determinant
            x2 = (vector[i, 1] * info[i, 0] - vector[i, 0] * info[i, 1]) / determinant
            x0 = (h0 - m01 * x1 - b * x2) / m00
        season[r] += gain * (target - x2) * sigma
        out[0, t - start], out[1, t - start] = x2 * sigma, season[r]
    return out


def made_up(kind, seed, cycles=24):
    """Return a series with noise of 1, its trend and its season."""
    rng, n = np.random.default_rng([seed, KINDS.index(kind)]), cycles * PERIOD
    hour = 2 * np.pi * np.arange(n) / PERIOD
    season, trend, noise = 3 * np.sin(hour) + 1.5 * np.sin(2 * hour + 0.5), np.zeros(n), rng.normal(size=n)
    if kind == "slow trend":
        trend = np.cumsum(rng.normal(size=n)) * 0.6 / np.sqrt(PERIOD)
    elif kind == "ramp":
        trend = np.arange(n) / PERIOD * 0.5
    elif kind == "steps":
        for step in rng.integers(5 * PERIOD, n, 4):
            trend[step:] += rng.choice([-8, 8])
    elif kind == "growing season":
        season = season * (1 + 0.3 * np.sin(4 * np.pi * np.arange(n) / n))
    elif kind == "new season":
        season = np.where(np.arange(n) < n // 2, season, 3 * np.sin(hour + 1.2) + 1.5 * np.sin(2 * hour))
    elif kind == "spikes":
        noise = noise + (rng.random(n) < 0.02) * rng.choice([-15, 15], n)
    elif kind == "AR noise":
        for i in range(1, n):
            noise[i] = 0.8 * noise[i - 1] + 0.6 * noise[i]
    return trend + season + noise, trend, season


def methods(y, period):
    """Return each method's trend and season after the start, as functions."""
    start = START * period
    begun = stl(y[:start], period, robust=True)
    cycle, level = begun.seasonal[-period:].copy(), begun.trend[-1]
    sigma = 1.4826 * np.median(np.abs(begun.resid)) + 1e-9
    fitted = OnlineSTL(period).fit(y[:start])
    return {
        "Tocsin": lambda: fitted.update(y[start:])[:2],
        "OnlineSTL 0.7": lambda: online_stl(y, period, start, 0.7, cycle),
        "OnlineSTL 0.3": lambda: online_stl(y, period, start, 0.3, cycle),
    } | {
        f"OneShotSTL {weight}": lambda weight=weight: one_shot(y, period, start, weight, 0.3, sigma, cycle, level)
        for weight in (1.0, 10.0, 100.0)
    }


def errors(y, period, trend, season):
    """Return the root mean square error of each method's trend and season after one more cycle than the start."""
    after = slice((START + 1) * period, None)
    return {
        name: [
            float(np.sqrt(np.mean((part[period:] - true[after]) ** 2)))
            for part, true in zip(run(), (trend, season), strict=True)
        ]
        for name, run in methods(y, period).items()
    }


def _table(title, columns):
    print(f"\n{title}\n\n| method | {' | '.join(columns)} |\n| --- {'| --- ' * len(columns)}|")
    for name in next(iter(columns.values())):
        cells = [" ".join(f"{each:.2f}" for each in column[name]) for column in columns.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Print errors against truth and against batch STL, and what a sample costs."""
    columns = {}
    for kind in KINDS:
        found = [errors(y, PERIOD, *truth) for y, *truth in (made_up(kind, seed) for seed in range(4))]
        columns[kind] = {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}
    _table("Online decomposition: error of trend and season against the truth, in units of the noise", columns)
    columns = {}
    for name, (path, period) in SERIES.items():
        y = pl.read_csv(find(f"nab/data/{path}"))["value"].cast(pl.Float64).to_numpy()
        batch, scale = stl(y, period, robust=True), y.std()
        found = errors(y / scale, period, batch.trend / scale, batch.seasonal / scale)
        columns[name] = found
    _table("The same against robust batch STL of the whole series, in its standard deviations", columns)
    print("\n| CPU-nanoseconds a sample | " + " | ".join(methods(*made_up("noise", 0)[:1], PERIOD)) + " |")
    print("| --- " * 7 + "|")
    for period in (24, 96, 384):
        y = np.random.default_rng(0).normal(size=40_000 + START * period)
        spent = []
        for run in methods(y, period).values():
            run()
            spent.append(min(cost(run) for _ in range(3)) / 40_000 * 1e9)
        print(f"| period {period} | " + " | ".join(f"{each:,.0f}" for each in spent) + " |")


if __name__ == "__main__":
    main()

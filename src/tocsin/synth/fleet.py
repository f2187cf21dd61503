"""A fleet of made-up pumps: correlated sensors with daily cycles, and faults that are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import numpy as np
import polars as pl

from tocsin.errors import ParameterError, did_you_mean
from tocsin.synth.faults import KINDS, Fault, Signal, inject
from tocsin.synth.sensors import Sensor, sensors

START = datetime(2026, 1, 5, tzinfo=UTC)


def fleet(
    assets: int = 20,
    features: int = 8,
    rows: int = 1440,
    seed: int = 0,
    *,
    clean_rows: int | None = None,
    faulty: float = 0.6,
    kinds: Sequence[str] = KINDS,
    every: timedelta = timedelta(minutes=10),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make up the readings of a fleet, and the truth about its faults.

    An asset depends on the seed and on its own number, not on how many assets there are. Without faults its readings
    are the same but for the rows of its fault.

    Parameters
    ----------
    assets, features, rows : int
        How many assets, sensors an asset, and readings an asset.
    seed : int
        The same seed gives the same fleet.
    clean_rows : int, optional
        How many rows of each asset come before any fault; by default seven tenths. See `split`.
    faulty : float, default 0.6
        The probability that an asset has a fault; none has two.
    kinds : sequence of {"spike", "shift", "drift", "stuck"}
        Which faults there may be.
    every : timedelta, default 10 minutes
        The time between readings. Sensors follow the hour of the day.

    Returns
    -------
    readings : polars.DataFrame
        Columns asset, time and one float32 a sensor; all assets interleaved, in time order.
    truth : polars.DataFrame
        One row a fault: asset, feature, kind, onset, end (both included), and size in standard deviations of the
        sensor (null for a stuck one).

    Raises
    ------
    ParameterError
        If a number makes no sense or a kind of fault does not exist.

    Examples
    --------
    >>> readings, truth = fleet(assets=3, features=2, rows=100)
    >>> readings.shape
    (300, 4)
    >>> readings.columns
    ['asset', 'time', 'bearing_temp', 'vibration']
    """
    clean = rows * 7 // 10 if clean_rows is None else clean_rows
    _check(assets, features, rows, clean, faulty, kinds)
    chosen = sensors(features)
    values = np.empty((assets, features, rows), np.float32)
    faults: list[tuple[int, Fault]] = []
    for asset in range(assets):
        nature, misfortune = np.random.default_rng([seed, asset, 0]), np.random.default_rng([seed, asset, 1])
        signals = _signals(chosen, rows, timedelta(days=1) / every, nature)
        if misfortune.random() < faulty:
            faults.append((asset, inject(signals, clean, tuple(kinds), misfortune)))
        values[asset] = signals
    keys = pl.Series("asset", [f"pump-{asset + 1:0{max(2, len(str(assets)))}}" for asset in range(assets)])
    times = pl.datetime_range(START, START + every * (rows - 1), every, time_unit="us", eager=True).alias("time")
    readings = pl.DataFrame(
        {"asset": pl.concat([keys] * rows), "time": times.gather(np.repeat(np.arange(rows), assets))}
        | {sensor.name: values[:, index].T.ravel() for index, sensor in enumerate(chosen)}
    )
    return readings, _truth(faults, keys, times, chosen)


def split(readings: pl.DataFrame, rows: int | float = 0.7, *, key: str = "asset") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split readings in time order into the first rows of each asset and the rest.

    Parameters
    ----------
    readings : polars.DataFrame
        As `fleet` gives them.
    rows : int or float, default 0.7
        How many rows of each asset, or which share of them; the default is the clean part of `fleet`.

    Examples
    --------
    >>> training, later = split(fleet(assets=3, features=2, rows=100)[0])
    >>> len(training), len(later)
    (210, 90)
    """
    position = pl.int_range(pl.len()).over(key)
    first = position < (rows if isinstance(rows, int) else (pl.len().over(key) * rows + 1e-9).floor())
    return readings.filter(first), readings.filter(~first)


def _check(assets: int, features: int, rows: int, clean: int, faulty: float, kinds: Sequence[str]) -> None:
    for name, number, least in (("assets", assets, 1), ("features", features, 1), ("rows", rows, 4)):
        if number < least:
            raise ParameterError(f"{name} must be at least {least}, not {number}")
    if not 2 <= clean <= rows - 2:
        raise ParameterError(f"clean_rows must leave 2 rows on either side of it, so at most {rows - 2}, not {clean}")
    if not 0 <= faulty <= 1:
        raise ParameterError(f"faulty must be a probability, not {faulty}")
    if not kinds:
        raise ParameterError("kinds must name at least one kind of fault; faulty=0 makes a fleet without faults")
    for kind in kinds:
        if kind not in KINDS:
            raise ParameterError(f"no fault {kind!r}{did_you_mean(kind, KINDS)}")


def _signals(chosen: list[Sensor], rows: int, day: float, rng: np.random.Generator) -> Signal:
    """Return the readings of one asset without faults, shape (n_features, n_rows)."""
    hour = 2 * np.pi * np.arange(rows) / day
    shift, warmth = rng.normal(0.0, 0.5), rng.normal(0.0, 0.3)
    load = 0.7 * np.sqrt(2) * np.sin(hour - np.pi / 2 + shift) + np.sqrt(0.51) * _wander(rows, day / 12, rng)
    weather = 0.6 * np.sqrt(2) * np.sin(hour - 2.4 + warmth) + 0.8 * _wander(rows, day / 4, rng)
    signals = np.empty((len(chosen), rows))
    for signal, sensor in zip(signals, chosen, strict=True):
        own = np.sqrt(1.0 - sensor.load**2 - sensor.weather**2)
        rest = sensor.base + sensor.spread * rng.normal(0.0, 1.5)
        memory = rng.uniform(1.0, 4.0)
        moved = sensor.load * _lagged(load, sensor.lag) + sensor.weather * _lagged(weather, sensor.lag)
        signal[:] = rest + sensor.spread * (moved + own * _wander(rows, memory, rng))
        signal[:] = signal.round(2 - int(np.floor(np.log10(sensor.spread))))  # no sensor has more digits to tell
    return signals


def _wander(rows: int, memory: float, rng: np.random.Generator) -> Signal:
    """Return noise of unit variance that forgets in about `memory` rows: an AR(1) process in its steady state."""
    keep = float(np.exp(-1.0 / max(memory, 0.1)))
    noise = rng.normal(size=rows)
    noise[1:] *= np.sqrt(1.0 - keep * keep)
    return np.fromiter(accumulate(noise.tolist(), lambda last, new: keep * last + new), np.float64, rows)


def _lagged(signal: Signal, lag: int) -> Signal:
    """Return what follows the signal as a warm body does."""
    keep = float(np.exp(-1.0 / lag)) if lag else 0.0
    follow = accumulate(signal.tolist(), lambda last, new: keep * last + (1.0 - keep) * new)
    return np.fromiter(follow, np.float64, len(signal))


def _truth(faults: list[tuple[int, Fault]], keys: pl.Series, times: pl.Series, chosen: list[Sensor]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset": [keys[asset] for asset, _ in faults],
            "feature": [chosen[fault.feature].name for _, fault in faults],
            "kind": [fault.kind for _, fault in faults],
            "onset": [times[fault.onset] for _, fault in faults],
            "end": [times[fault.end] for _, fault in faults],
            "size": [None if np.isnan(fault.size) else fault.size for _, fault in faults],
        },
        schema={
            "asset": pl.String,
            "feature": pl.String,
            "kind": pl.String,
            "onset": times.dtype,
            "end": times.dtype,
            "size": pl.Float64,
        },
    )

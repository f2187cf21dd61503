"""A fleet of made-up pumps: correlated sensors with daily cycles, and faults that are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from tocsin.synth.faults import KINDS
from tocsin.synth.made_up import MOST_FEATURES, MadeUp, check_count, check_interval
from tocsin.synth.sensors import pump_factors, pump_sensors


def pumps(
    assets: int = 20,
    features: int = 8,
    rows: int = 1440,
    seed: int = 0,
    *,
    every: timedelta = timedelta(minutes=10),
    **more: Any,
) -> MadeUp:
    """Describe a fleet of made-up pumps, without making it yet.

    Parameters
    ----------
    assets, features, rows, seed, every, **more
        As in `fleet`.
    """
    check_count("features", features, MOST_FEATURES)
    check_interval(every)
    day = timedelta(days=1) / every
    sensors = pump_sensors(features)
    return MadeUp(
        sensors, pump_factors(max(day, 2.0)), assets=assets, rows=rows, seed=seed, every=every, name="pump", **more
    )


def fleet(
    assets: int = 20,
    features: int = 8,
    rows: int = 1440,
    seed: int = 0,
    *,
    clean_rows: int | None = None,
    faults: int = 1,
    faulty: float = 0.6,
    kinds: Sequence[str] = KINDS,
    every: timedelta = timedelta(minutes=10),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make up the readings of a fleet, and the truth about its faults.

    Any value depends on the seed, its asset, its sensor and its row alone, but where faults are depends on the other
    parameters, too. Without faults readings are the same but for the rows of the faults.

    Parameters
    ----------
    assets, features, rows : int
        How many assets, sensors an asset, and readings an asset.
    seed : int
        The same seed gives the same fleet, to the last bit, on any machine.
    clean_rows : int, optional
        How many rows of each asset come before any fault; by default seven tenths. See `split`.
    faults : int, default 1
        How many faults an asset may have; they may overlap.
    faulty : float, default 0.6
        The probability of each of them.
    kinds : sequence of str, default `tocsin.synth.faults.KINDS`
        Which faults there may be: spike, shift, drift, variance, season, correlation, stuck, contact.
    every : timedelta, default 10 minutes
        The time between readings. Sensors follow the hour of the day.

    Returns
    -------
    readings : polars.DataFrame
        Columns asset, time and one float32 a sensor; all assets interleaved, in time order.
    truth : polars.DataFrame
        One row a fault: asset, feature, kind, onset, end (both included), and size in standard deviations of the
        sensor (null for faults that have no size).

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
    made = pumps(
        assets, features, rows, seed, clean_rows=clean_rows, faults=faults, faulty=faulty, kinds=kinds, every=every
    )
    return made.frame("time"), made.truth


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

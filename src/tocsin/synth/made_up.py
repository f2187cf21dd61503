"""A made-up fleet as a whole, of which any part can be had without the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import ParameterError
from tocsin.kernels import faults as kernels
from tocsin.kernels.philox import keys
from tocsin.kernels.signals import turns
from tocsin.panel import Panel
from tocsin.synth.faults import KINDS, Misfortunes, possible
from tocsin.synth.parts import Part, Season, Shared, encode
from tocsin.synth.sensors import Sensor
from tocsin.threads import run

START = datetime(2026, 1, 5, tzinfo=UTC)
"""When the first reading is."""
LAST, FARTHEST = datetime(2262, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Before when readings with times must be, which count nanoseconds, and before when any fault."""
MOST_ASSETS, MOST_FEATURES, MOST_ROWS = 1 << 32, 1 << 20, 1 << 40
"""How many there may be."""
CELLS = 1 << 21
"""How many values are made in one go."""

WIDEST = 1 << 27
"""How many values there may be at each time if they are made in the order of time."""

Span = tuple[int, int]
Order = Literal["asset", "time"]


class MadeUp:
    """A fleet whose every value is a function of the seed, the asset, the feature and the row.

    Nothing is kept but what the sensors are made of; see `fleet` for the usual pumps.

    Parameters
    ----------
    sensors : sequence of Sensor
        What each asset has.
    factors : mapping of str to sequence of parts
        What sensors have a share in, by name.
    assets, rows : int
        How many assets, and how many readings of each.
    seed : int
        64 bits.
    clean_rows : int, optional
        How many rows of each asset come before any fault; by default seven tenths.
    faults : int, default 1
        How many faults an asset may have; they may overlap.
    faulty : float, default 0
        The probability of each of them.
    kinds : sequence of str
        Which kinds of faults there may be; see `tocsin.synth.faults.KINDS`.
    every : timedelta, default 10 minutes
        The time between readings.
    name : str, default "asset"
        What assets are called, before their number.

    Raises
    ------
    ParameterError
        If a number makes no sense.

    Examples
    --------
    >>> from tocsin.synth.parts import Noise, Season
    >>> series = MadeUp([Sensor("x", (Noise(), Season(0.1, period=200)))], rows=1_000_000)
    >>> part = series.values(rows=(999_000, 1_000_000))
    >>> part.shape, str(part.dtype)
    ((1, 1000), 'float32')
    >>> bool((series.values()[:, 999_000:] == part).all())
    True
    """

    def __init__(  # noqa: PLR0913 - all that a fleet is
        self,
        sensors: Sequence[Sensor],
        factors: Mapping[str, Sequence[Part]] | None = None,
        *,
        assets: int = 1,
        rows: int = 1440,
        seed: int = 0,
        clean_rows: int | None = None,
        faults: int = 1,
        faulty: float = 0.0,
        kinds: Sequence[str] = KINDS,
        every: timedelta = timedelta(minutes=10),
        name: str = "asset",
    ) -> None:
        for what, number, most in (
            ("assets", assets, MOST_ASSETS),
            ("features", len(sensors), MOST_FEATURES),
            ("rows", rows, MOST_ROWS),
        ):
            check_count(what, number, most)
        for what, whole in (("seed", seed), ("faults", faults), ("clean_rows", clean_rows or 0)):
            check_whole(what, whole)
        if not 0 <= seed < 1 << 64:
            raise ParameterError(f"seed must be from 0 to {(1 << 64) - 1}, not {seed}")
        check_interval(every)
        _check_names([sensor.name for sensor in sensors])
        self.sensors = tuple(sensors)
        self.factors = {name: tuple(parts) for name, parts in (factors or {}).items()}
        self.assets, self.rows, self.seed, self.every, self.name = assets, rows, seed, every, name
        self._keys = keys(seed)
        digits = [0.0 if sensor.decimals is None else 10.0**sensor.decimals for sensor in sensors]
        self._parts = encode(self.factors, [sensor.parts for sensor in sensors], digits)
        asked = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        self._misfortunes = Misfortunes(
            clean_rows=rows * 7 // 10 if clean_rows is None else clean_rows,
            rows=rows,
            chances=faults,
            probability=faulty,
            kinds=possible(asked, sensors),
            deviations=np.array([sensor.deviation or 1.0 for sensor in sensors]),
            steps=np.array([turns(2.0 / self._period(sensor)) for sensor in sensors], np.uint64),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which kinds of faults there may be: of those asked for, the ones that a sensor can have."""
        return tuple(self._misfortunes.kinds)

    @property
    def features(self) -> tuple[str, ...]:
        """What the sensors are called."""
        return tuple(sensor.name for sensor in self.sensors)

    @property
    def cells(self) -> int:
        """How many values there are in all."""
        return self.assets * self.rows * len(self.sensors)

    def values(
        self, assets: Span | None = None, rows: Span | None = None, features: Span | None = None
    ) -> NDArray[np.float32]:
        """Make a part of the fleet: assets, rows and features from the first of each pair up to the second.

        Returns
        -------
        ndarray of shape (n_features, n_assets * n_rows), float32
            As the values of a panel; all rows of an asset lie together.
        """
        spans = self._spans(assets, rows, features)
        (first, last), (start, stop), (low, high) = spans
        out = np.empty((high - low, (last - first) * (stop - start)), np.float32)
        self.fill(out, *spans)
        return out

    def fill(self, out: NDArray[np.float32], assets: Span, rows: Span, features: Span | None = None) -> None:
        """Make a part of the fleet into an array of the shape that `values` returns; on one thread."""
        (first, last), (start, stop), (low, high) = self._spans(assets, rows, features)
        faults = self._misfortunes.of(self._keys, first, last)
        shape = (high - low, (last - first) * (stop - start))
        if out.shape != shape or out.dtype != np.float32:
            raise ParameterError(f"out must be a float32 array of shape {shape}, not {out.dtype} of {out.shape}")
        kernels.fill(self._keys, self._parts, faults, first, low, start, stop - start, out)

    def panel(self, assets: Span | None = None, rows: Span | None = None) -> Panel:
        """Make a part of the fleet as a panel, with times."""
        (first, last), (start, stop), _ = self._spans(assets, rows, None)
        times = np.tile(self._times(start, stop), last - first)
        offsets = np.arange(last - first + 1, dtype=np.int64) * (stop - start)
        return Panel(self.values((first, last), (start, stop)), offsets, self.keys(first, last), self.features, times)

    def series(self, threads: int | None = None, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Make the one sensor of one asset as a whole, shape (n_rows,), on all cores; into `out` if it is given.

        Raises
        ------
        ParameterError
            If there are several assets or sensors.
        """
        if self.assets > 1 or len(self.sensors) > 1:
            raise ParameterError(f"a series has one asset and one feature, not {self.assets} and {len(self.sensors)}")
        series = np.empty(self.rows, np.float32) if out is None else out
        if series.shape != (self.rows,):
            raise ParameterError(f"out must have the shape ({self.rows},), not {series.shape}")
        spans = [(start, min(start + CELLS, self.rows)) for start in range(0, self.rows, CELLS)]
        for _ in run(spans, lambda span: self.fill(series[None, slice(*span)], (0, 1), span), threads):
            pass
        return series

    def tables(
        self,
        order: Order = "asset",
        threads: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
        *,
        named: bool = True,
    ) -> Iterator[pa.Table]:
        """Make the readings as tables, one after the other, in order, with a bounded number of them in memory.

        Columns asset and time, if they are to be `named`, and one float32 a sensor; asset by asset, or all assets at
        each time.
        """
        done, total = 0, self.assets * self.rows
        for table in run(self.cuts(order), lambda spans: self._table(spans, order, named), threads):
            yield table
            done += table.num_rows
            if progress is not None:
                progress(done, total)

    def cuts(self, order: Order = "asset") -> Iterator[tuple[Span, Span]]:
        """Yield assets and rows that together are the whole fleet, about `CELLS` values at a time, in order."""
        if order == "time":
            width = self.assets * len(self.sensors)
            if width > WIDEST:
                raise ParameterError(f"{width:,} values at each time are too many for order='time'; take 'asset'")
            step = max(8 * CELLS // width, 1)
            for start in range(0, self.rows, step):
                yield (0, self.assets), (start, min(start + step, self.rows))
            return
        group = max(CELLS // (self.rows * len(self.sensors)), 1)
        block = self._parts.block
        most = max(CELLS // len(self.sensors), 1)
        step = (most // block * block or most) if group == 1 else self.rows
        for first in range(0, self.assets, group):
            for start in range(0, self.rows, step):
                yield (first, min(first + group, self.assets)), (start, min(start + step, self.rows))

    def frame(self, order: Order = "time") -> pl.DataFrame:
        """Make all readings as one frame."""
        made = pl.from_arrow(pa.concat_tables(self.tables(order)))
        assert isinstance(made, pl.DataFrame)
        return made

    @cached_property
    def truth(self) -> pl.DataFrame:
        """One row a fault: asset, feature, kind, onset, end (both included), and size in deviations of the sensor.

        Size is null for faults that have none. A fault keeps its row where another one overlaps it.
        """
        return self.named(self.faults(0, self.assets))

    @property
    def clean_rows(self) -> int:
        """How many rows come before any fault."""
        return self._misfortunes.clean_rows

    def faults(self, first: int, last: int) -> pl.DataFrame:
        """Return the truth about some assets, with numbers for assets, features and rows."""
        return self._misfortunes.table(self._keys, first, last)

    def named(self, faults: pl.DataFrame) -> pl.DataFrame:
        """Return faults with the names of their assets and features, and with times for rows."""
        return faults.with_columns(
            asset=pl.Series(self._names(faults["asset"].to_numpy()), dtype=pl.String),
            feature=pl.Series(self.features, dtype=pl.String).gather(faults["feature"]),
            onset=self.moments(faults["onset"]),
            end=self.moments(faults["end"]),
        )

    def moments(self, rows: pl.Series) -> pl.Series:
        """Return when some rows are; null of a row that is null."""
        every = self.every // timedelta(microseconds=1)
        if len(rows):
            self._require_before(FARTHEST)
        return (rows * every + int(START.timestamp()) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    def keys(self, first: int, last: int) -> pa.Array:
        """Return what some assets are called."""
        return pa.array(self._names(np.arange(first, last)), pa.string())

    def _names(self, assets: NDArray[np.int64]) -> list[str]:
        width = max(2, len(str(self.assets)))
        return [f"{self.name}-{asset + 1:0{width}}" for asset in assets.tolist()]

    def _times(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return when some rows are, in nanoseconds."""
        self._require_before(LAST)
        first, step = int(START.timestamp()) * 1_000_000_000, self.every // timedelta(microseconds=1) * 1000
        return first + step * np.arange(start, stop, dtype=np.int64)

    def _require_before(self, last: datetime) -> None:
        """Raise a `ParameterError` if readings go on longer than times can be counted."""
        microsecond = timedelta(microseconds=1)
        if self.rows * (self.every // microsecond) > (last - START) // microsecond:
            raise ParameterError(
                f"{self.rows:,} readings, {self.every} apart, go beyond the year {last.year}; give fewer, or less time"
            )

    def _table(self, spans: tuple[Span, Span], order: Order, named: bool) -> pa.Table:
        (first, last), (start, stop) = spans
        n_assets, n_rows = last - first, stop - start
        values = self.values((first, last), (start, stop)).reshape(-1, n_assets, n_rows)
        turned = order == "time"
        if turned:
            values = values.transpose(0, 2, 1)
        columns = {}
        if named:
            key, time = np.indices((n_assets, n_rows), np.int32)
            key, time = (each.T.ravel() if turned else each.ravel() for each in (key, time))
            columns["asset"] = pa.DictionaryArray.from_arrays(pa.array(key), self.keys(first, last)).dictionary_decode()
            columns["time"] = pa.array(self._times(start, stop)[time] // 1000, pa.timestamp("us", tz="UTC"))
        return pa.table(columns | dict(zip(self.features, map(pa.array, values.reshape(len(values), -1)), strict=True)))

    def _period(self, sensor: Sensor) -> float:
        """Return the period of a sensor's largest season, its factors' included; a day if it has none."""
        own = list(sensor.parts)
        for part in sensor.parts:
            own += self.factors.get(part.factor, ()) if isinstance(part, Shared) else ()
        seasons = [part for part in own if isinstance(part, Season)]
        largest = max(seasons, key=lambda season: abs(season.amplitude), default=None)
        return max(timedelta(days=1) / self.every, 2.0) if largest is None else largest.period

    def _spans(self, assets: Span | None, rows: Span | None, features: Span | None) -> tuple[Span, Span, Span]:
        given = (("assets", assets, self.assets), ("rows", rows, self.rows), ("features", features, len(self.sensors)))
        for what, span, count in given:
            if span is not None and not 0 <= span[0] <= span[1] <= count:
                raise ParameterError(f"{what} {span[0]} to {span[1]} are not all among the {count}")
        return tuple((0, count) if span is None else span for _, span, count in given)  # type: ignore[return-value]


def check_count(what: str, number: int, most: int) -> None:
    """Raise a `ParameterError` for what is no count, or one below 1 or above what there may be."""
    check_whole(what, number)
    if number < 1:
        raise ParameterError(f"{what} must be at least 1, not {number:,}")
    if number > most:
        raise ParameterError(f"{what} must be at most {most:,}, not {number:,}")


def check_interval(every: object) -> None:
    """Raise a `ParameterError` for what is no time between readings."""
    if not isinstance(every, timedelta) or every < timedelta(microseconds=1):
        raise ParameterError(f"every must be a time of a microsecond or more, not {every}")


def check_whole(what: str, number: object) -> None:
    """Raise a `ParameterError` for what is no whole number."""
    if not isinstance(number, int | np.integer) or isinstance(number, bool):
        raise ParameterError(f"{what} must be a whole number, not {number!r}")


def _check_names(names: Sequence[str]) -> None:
    for name in ("asset", "time"):
        if name in names:
            raise ParameterError(f"a sensor cannot be called {name!r}, as another column is")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ParameterError(f"two sensors are called {twice!r}; give each a name of its own")

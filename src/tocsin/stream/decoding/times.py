"""Times as senders write them, made nanoseconds: a stream cannot wait to see which way of writing fits most of them."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.tables.times import FIRST_YEAR, ISO, LAST_YEAR

EARLIEST = 31_536_000 * 1_000_000_000
"""The first nanosecond of 1971: what is before it is a clock that was never set."""
AHEAD = 86_400 * 1_000_000_000
"""How far ahead of now a time may be: clocks and zones differ, but by no more than a day."""

_BANDS = ((10**10, 10**9), (10**13, 10**6), (10**16, 10**3), (2**63 - 1, 1))
_MOST = 2**63 - 1
_TO_MICROSECONDS = 26
"""Text of so many characters may hold more digits of a second than six."""


def latest() -> int:
    """Return the last time that is believed now, in nanoseconds since 1970 UTC."""
    return time.time_ns() + AHEAD


def nanoseconds(times: pl.Series) -> pl.Series:
    """Return times as Int64 nanoseconds since 1970 UTC, null where there is none or none that can be read.

    Whole numbers and fractions are taken by their size: below 1e10 they are seconds, below 1e13 milliseconds, below
    1e16 microseconds, else nanoseconds; from 1971 to 2262 that is never in doubt. Fractions of seconds, milliseconds
    and microseconds are kept to the microsecond. Text is such a number, or ISO 8601, without a zone UTC. Other types
    are dates and datetimes.

    Cost: a few nanoseconds a row for whole numbers, a few hundred for text.

    Examples
    --------
    >>> nanoseconds(pl.Series([1_700_000_000, 1_700_000_000_000, None])).to_list()
    [1700000000000000000, 1700000000000000000, None]
    >>> nanoseconds(pl.Series(["2023-11-14T23:13:20+01:00", "2023-11-14 22:13", "tomorrow"])).to_list()
    [1700000000000000000, 1699999980000000000, None]
    """
    kind = times.dtype
    if isinstance(kind, pl.Categorical | pl.Enum):
        return nanoseconds(times.cast(pl.String))
    if kind.is_integer():
        return _of_whole(times.cast(pl.Int64, strict=False))
    if kind.is_float() or kind.is_decimal():
        return _of_fractions(times.cast(pl.Float64))
    if isinstance(kind, pl.String):
        return _of_text(times)
    if isinstance(kind, pl.Datetime):
        moments = times if kind.time_unit == "ns" else _inside(times)
        return moments.dt.cast_time_unit("ns").to_physical()
    if isinstance(kind, pl.Date):
        return nanoseconds(times.cast(pl.Datetime("us")))
    return pl.repeat(None, len(times), dtype=pl.Int64, eager=True)


def _of_whole(times: pl.Series) -> pl.Series:
    if times.null_count() == 0 and len(times):
        numbers: NDArray[np.int64] = times.to_numpy()
        low, high = int(numbers.min()), int(numbers.max())
        for below, unit in _BANDS:
            if high < below:
                if low >= below // 1_000 and high <= _MOST // unit:
                    return pl.Series(numbers * unit)
                break
    column = pl.col("")
    scaled = column
    for below, unit in reversed(_BANDS[:-1]):
        fits = pl.when(column.abs() <= _MOST // unit).then(column * unit)
        scaled = pl.when(column.abs() < below).then(fits).otherwise(scaled)
    return times.alias("").to_frame().select(scaled).to_series()


def _of_fractions(times: pl.Series) -> pl.Series:
    """Scale to whole microseconds in two steps: a double has no room for the nanoseconds of our days."""
    numbers: NDArray[np.float64] = times.fill_null(np.nan).to_numpy()
    whole = np.zeros(len(numbers), np.int64)
    good = np.abs(numbers) < 2.0**63
    todo = good.copy()
    for below, unit in _BANDS:
        now = todo & (np.abs(numbers) < below) if unit > 1 else todo
        todo = todo & ~now
        value = numbers[now]
        units = np.floor(value)
        fits = np.abs(units) <= _MOST // unit - 1
        part = np.rint((value - units) * (unit / 1_000)).astype(np.int64) * 1_000
        whole[now] = np.where(fits, np.where(fits, units, 0).astype(np.int64) * unit + part, 0)
        good[now] &= fits
    return pl.Series(whole).to_frame("").select(pl.when(pl.Series(good)).then(pl.col(""))).to_series()


def _of_text(times: pl.Series) -> pl.Series:
    """Read what is ISO, and what is a number; the second is tried only while something is left unread."""
    read = pl.repeat(None, len(times), dtype=pl.Int64, eager=True)
    present = times.is_not_null()
    numbers_first = times.drop_nulls().head(1).cast(pl.Float64, strict=False).null_count() == 0
    for step in (_of_number_text, _of_iso) if numbers_first else (_of_iso, _of_number_text):
        todo = present & read.is_null()
        if not todo.any():
            break
        read = step(times) if bool(todo.all()) else read.zip_with(~todo, step(times))
    return read


def _of_number_text(times: pl.Series) -> pl.Series:
    bare = times.str.strip_chars()
    whole = bare.cast(pl.Int64, strict=False)
    if whole.null_count() == times.null_count():
        return _of_whole(whole)
    numbers = _of_fractions(bare.cast(pl.Float64, strict=False))
    return numbers.zip_with(whole.is_null(), _of_whole(whole))


def _of_iso(times: pl.Series) -> pl.Series:
    bare = times.str.strip_chars()
    read = pl.repeat(None, len(times), dtype=pl.Int64, eager=True)
    for form in _likely_first(bare):
        todo = bare.is_not_null() & read.is_null()
        if not todo.any():
            break
        found = _moments(bare, form)
        read = found if bool(todo.all()) else read.zip_with(~todo, found)
    return read


def _likely_first(times: pl.Series) -> list[str]:
    """Return the forms of ISO 8601, those that the first text fits before the others."""
    first = times.drop_nulls().head(1)
    return sorted(ISO, key=lambda form: first.str.to_datetime(form, strict=False).null_count())


def _moments(times: pl.Series, form: str) -> pl.Series:
    moments = _inside(times.str.to_datetime(form, time_unit="us", strict=False))
    if "%.f" in form and (times.str.len_bytes().max() or 0) > _TO_MICROSECONDS:  # type: ignore[operator]
        fine = times.str.to_datetime(form, time_unit="ns", strict=False)
        return fine.to_physical().set(moments.is_null(), None)
    return moments.dt.cast_time_unit("ns").to_physical()


def _inside(moments: pl.Series) -> pl.Series:
    """Return datetimes, null where nanoseconds cannot tell them."""
    year = moments.dt.year()
    return moments.set(~year.is_between(FIRST_YEAR, LAST_YEAR).fill_null(True), None)

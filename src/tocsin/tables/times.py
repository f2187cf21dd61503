"""Times of any kind as int64 and back: nanoseconds since 1970 UTC for dates, whole numbers as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import ColumnError

_NS_OF_UNIT = {"ms": 1_000_000, "us": 1_000, "ns": 1}
_NS_OF_DAY = 86_400_000_000_000
FIRST_YEAR, LAST_YEAR = 1678, 2261  # what nanoseconds in int64 can tell

_CLOCKS = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")


def _with_clocks(day: str) -> tuple[str, ...]:
    return (*(f"{day} {clock}" for clock in _CLOCKS), day)


# One family is one way to write times; a column is read with the family that fits most of it.
ISO = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
)
_FAMILIES: dict[str, tuple[str, ...]] = {
    "iso": ISO,
    "year/month/day": _with_clocks("%Y/%m/%d"),
    "year.month.day": (*_with_clocks("%Y.%m.%d"), "%Y.%m.%d.%H.%M.%S"),
    "compact": ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S"),
    "day month year": _with_clocks("%d %m %Y"),
    "day.month.year": _with_clocks("%d.%m.%Y"),
    "day/month/year": _with_clocks("%d/%m/%Y"),
    "month/day/year": _with_clocks("%m/%d/%Y"),
    "day-month-year": _with_clocks("%d-%m-%Y"),
    "month-day-year": _with_clocks("%m-%d-%Y"),
    "month day year": _with_clocks("%m %d %Y"),
}
_TWINS = {family: family.replace("day", "*").replace("month", "*") for family in _FAMILIES}


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """How a column's times are read.

    Parameters
    ----------
    expr : polars.Expr
        Gives int64, null where there is no time or none that can be read.
    type : pyarrow.DataType
        The type in which results show times.
    remark : str, optional
        What the user should know of a choice that was made.
    """

    expr: pl.Expr
    type: pa.DataType
    remark: str | None = None


def time_column(name: str, dtype: pl.DataType) -> TimeColumn | None:
    """Return how to read a column of the given type; None if it is text, whose looks must be seen first.

    Raises
    ------
    ColumnError
        If nothing of that type can be a time.
    """
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return TimeColumn(_scaled(column, _NS_OF_UNIT[dtype.time_unit]), pa.timestamp(dtype.time_unit, dtype.time_zone))
    if isinstance(dtype, pl.Date):
        return TimeColumn(_scaled(column, _NS_OF_DAY), pa.date32())
    if isinstance(dtype, pl.Duration):
        return TimeColumn(_scaled(column, _NS_OF_UNIT[dtype.time_unit]), pa.duration(dtype.time_unit))
    if dtype.is_integer():
        arrow: pa.DataType = pl.Series([], dtype=dtype).to_arrow().type
        return TimeColumn(column.cast(pl.Int64, strict=False), arrow)
    if dtype.is_float():
        return TimeColumn(_whole(column), pl.Series([], dtype=dtype).to_arrow().type)
    if isinstance(dtype, pl.String):
        return None
    raise ColumnError(f"time column {name!r} is {str(dtype).lower()}; it must hold datetimes, dates or whole numbers")


def text_time_column(name: str, frame: pl.LazyFrame) -> TimeColumn:
    """Look at a column of text and return how to read its times.

    One short look at the start; where that leaves a doubt of day and month, one pass over the column.

    Raises
    ------
    ColumnError
        If most of what is there is no time of a known form.
    """
    column = pl.col(name).str.strip_chars()
    sample = frame.select(column.drop_nulls().head(1_000)).collect()
    ways = _ways(column)
    if sample.is_empty():
        return TimeColumn(ways["iso"], pa.timestamp("us"))
    fits = {way: expr for way, expr in ways.items() if _count(sample.lazy(), expr) * 2 >= sample.height}
    if not fits:
        example = sample.to_series()[0]
        raise ColumnError(
            f"time column {name!r} holds {example!r}, which is no time of a known form; "
            "write times as 2020-03-09 10:34:33, or as whole numbers"
        )
    if len(fits) > 1:
        counts = frame.select(expr.is_not_null().sum().alias(way) for way, expr in fits.items()).collect().row(0)
        best = max(counts)
        fits = {way: expr for (way, expr), count in zip(fits.items(), counts, strict=True) if count == best}
    way, expr = next(iter(fits.items()))
    if way in ("integer", "whole number"):
        return TimeColumn(expr, pa.int64())
    fine = sample.select(pl.col(name).str.contains(r"[.]\d{7,}").any()).item()
    twins = [other for other in fits if _TWINS.get(other) == _TWINS[way]]
    remark = f"times in {name!r} fit day or month first; read as {way}" if len(twins) > 1 else None
    return TimeColumn(expr, pa.timestamp("ns" if fine else "us"), remark)


def _scaled(column: pl.Expr, factor: int) -> pl.Expr:
    """Return the stored numbers as nanoseconds, null beyond what int64 holds."""
    stored = column.to_physical().cast(pl.Int64)
    if factor == 1:
        return stored
    most = (2**63 - 1) // factor
    return pl.when(stored.is_between(-most, most)).then(stored) * factor


def _whole(column: pl.Expr) -> pl.Expr:
    """Return floats that are whole numbers as int64, null for all others."""
    return pl.when(column == column.floor()).then(column).cast(pl.Int64, strict=False)


def _ways(column: pl.Expr) -> dict[str, pl.Expr]:
    """Return every known way to read text as times, the likelier first."""
    ways = {
        "integer": column.cast(pl.Int64, strict=False),
        "whole number": _whole(column.cast(pl.Float64, strict=False)),
    }
    for family, formats in _FAMILIES.items():
        ways[family] = pl.coalesce(_moment(column, form) for form in formats)
    return ways


def _moment(column: pl.Expr, form: str) -> pl.Expr:
    """Read text of one form as int64 nanoseconds."""
    moment = column.str.to_datetime(form, time_unit="us", strict=False)
    inside = moment.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    precise = (
        column.str.to_datetime(form, time_unit="ns", strict=False) if "%.f" in form else moment.dt.cast_time_unit("ns")
    )
    return pl.when(inside).then(precise.to_physical())


def _count(frame: pl.LazyFrame, expr: pl.Expr) -> int:
    return int(frame.select(expr.is_not_null().sum()).collect().item())


def restore_times(times: NDArray[np.int64], time_type: pa.DataType) -> pa.Array:
    """Return times as they were in the source.

    Parameters
    ----------
    times : ndarray of shape (n_rows,), int64
        Nanoseconds since 1970 UTC for a `time_type` of dates, datetimes or durations, else any whole numbers.
    time_type : pyarrow.DataType
        ``Readings.time_type`` of the source.

    Examples
    --------
    >>> restore_times(np.array([1_500_000_000]), pa.timestamp("ms"))[0].as_py()
    datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)
    """
    if pa.types.is_timestamp(time_type) or pa.types.is_duration(time_type):
        return pa.array(times // _NS_OF_UNIT[time_type.unit]).view(time_type)
    if pa.types.is_date(time_type):
        return pa.array((times // _NS_OF_DAY).astype(np.int32)).view(pa.date32())
    return pa.array(times).cast(time_type)

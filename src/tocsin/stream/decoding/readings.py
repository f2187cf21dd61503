"""From a table with the sender's columns to readings as all sources give them, whatever the format was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.stream.decoding.times import AHEAD, EARLIEST, latest, nanoseconds
from tocsin.stream.sources.base import KEY, SENSOR, TIME, VALUE, DeadLetter, Shape

Rows = NDArray[np.int64]
"""Numbers of rows, or of messages."""


class Checked(NamedTuple):
    """What became of a table's rows.

    Parameters
    ----------
    frame : polars.DataFrame
        The readings among them, in their order, in the columns of `Fetched.frame`.
    kept : ndarray of shape (n_readings,), int64, optional
        Which rows they are of; None if of all.
    refused : ndarray of int64
        The rows that are no readings.
    mended : int
        How many infinite values became missing ones.
    strange : dict of str to int
        Sensors that are not the fleet's, with how many values they had here.
    """

    frame: pl.DataFrame
    kept: Rows | None
    refused: Rows
    mended: int
    strange: dict[str, int]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row is no reading."""

    reason: str

    def letter(self, payload: bytes) -> DeadLetter:
        """Return it with the bytes, as far as they are kept."""
        return DeadLetter(self.reason, payload[:KEPT])


KEPT = 4_096
"""So many bytes of a dead letter are kept."""


def columns_of(shape: Shape) -> dict[str, type[pl.DataType]]:
    """Return the columns of readings, with their types."""
    if shape.long:
        return {KEY: pl.String, TIME: pl.Int64, SENSOR: pl.String, VALUE: pl.Float64}
    return {KEY: pl.String, TIME: pl.Int64, **dict.fromkeys(shape.features, pl.Float64)}


def nothing(shape: Shape) -> pl.DataFrame:
    """Return readings of which there are none."""
    return pl.DataFrame(schema=columns_of(shape))


def fields_of(shape: Shape) -> list[str]:
    """Return the sender's names of what is needed."""
    named = [shape.key, shape.time, shape.sensor, shape.value, *(() if shape.long else shape.features)]
    return [name for name in named if name is not None]


def as_readings(table: pl.DataFrame, shape: Shape, *, any_time: bool = False) -> Checked:
    """Bring a table with the sender's names and any types into the columns of readings.

    A row is refused without a key or a time where the shape has one, with a time before 1971 or more than a day ahead
    (unless `any_time`), or with a feature that is neither a number nor missing. Booleans are 1 and 0, text that holds
    a number is that number, infinite values are missing. A column that is not there is missing.

    Cost: a few passes over the columns; nothing a row in Python.
    """
    n_rows = table.height
    bad = np.zeros(n_rows, bool)
    columns: dict[str, pl.Series] = {}
    if shape.key is None:
        columns[KEY] = pl.repeat("", n_rows, dtype=pl.String, eager=True)
    else:
        columns[KEY] = _text(table, shape.key)
        _mark(bad, columns[KEY])
    columns[TIME] = _times(table, shape, bad, any_time=any_time)
    mended = 0
    if shape.sensor is not None:
        columns[SENSOR] = _text(table, shape.sensor)
        _mark(bad, columns[SENSOR])
    wanted = {VALUE: shape.value or ""} if shape.long else {name: name for name in shape.features}
    for name, field in wanted.items():
        columns[name], infinite = _numbers(table, field, bad)
        mended += infinite
    frame = pl.DataFrame(columns)
    kept = None
    if bad.any():
        kept = np.flatnonzero(~bad)
        frame = frame.filter(~bad)
    strange: dict[str, int] = {}
    if shape.long:
        frame, kept, strange = _known_sensors(frame, kept, shape)
    return Checked(frame, kept, np.flatnonzero(bad), mended, strange)


def _mark(bad: NDArray[np.bool_], column: pl.Series) -> None:
    if column.null_count():
        bad |= column.is_null().to_numpy()


def _text(table: pl.DataFrame, name: str) -> pl.Series:
    """Return a column as text, whole numbers without a point; null where it is nested."""
    if name not in table.columns:
        return pl.repeat(None, table.height, dtype=pl.String, eager=True)
    column = table[name]
    kind = column.dtype
    if isinstance(kind, pl.String):
        return column
    if kind.is_nested() or isinstance(kind, pl.Object):
        return pl.repeat(None, table.height, dtype=pl.String, eager=True)
    text = column.cast(pl.String, strict=False)
    return text.str.strip_suffix(".0") if kind.is_float() else text


def _times(table: pl.DataFrame, shape: Shape, bad: NDArray[np.bool_], *, any_time: bool) -> pl.Series:
    last = latest()
    if shape.time is None:
        return pl.repeat(last - AHEAD, table.height, dtype=pl.Int64, eager=True)
    if shape.time not in table.columns:
        times = pl.repeat(None, table.height, dtype=pl.Int64, eager=True)
    else:
        times = nanoseconds(table[shape.time])
    _mark(bad, times)
    if table.height and not any_time:
        low, high = times.min(), times.max()
        if isinstance(low, int) and isinstance(high, int) and (low < EARLIEST or high > last):
            bad |= ~times.is_between(EARLIEST, last).fill_null(False).to_numpy()
    return times


def _numbers(table: pl.DataFrame, name: str, bad: NDArray[np.bool_]) -> tuple[pl.Series, int]:
    """Return a column as floats and how many infinite values it had; marks the rows that have no number in it."""
    if name not in table.columns:
        return pl.repeat(None, table.height, dtype=pl.Float64, eager=True), 0
    column = table[name]
    kind = column.dtype
    if isinstance(kind, pl.String):
        bare = column.str.strip_chars()
        numbers = bare.cast(pl.Float64, strict=False)
        if numbers.null_count() > column.null_count():
            bad |= (numbers.is_null() & (bare != "")).fill_null(False).to_numpy()
    elif kind.is_numeric() or isinstance(kind, pl.Boolean | pl.Null):
        numbers = column.cast(pl.Float64)
    else:
        numbers = pl.repeat(None, table.height, dtype=pl.Float64, eager=True)
        bad |= column.is_not_null().to_numpy()
    if all(limit is None or isfinite(limit) for limit in (numbers.min(), numbers.max())):  # type: ignore[arg-type]
        return numbers, 0
    infinite = numbers.is_infinite().fill_null(False)
    return numbers.set(infinite, None), int(infinite.sum())


def _known_sensors(
    frame: pl.DataFrame, kept: Rows | None, shape: Shape
) -> tuple[pl.DataFrame, Rows | None, dict[str, int]]:
    """Leave the values of other sensors aside, and count them."""
    known = frame[SENSOR].is_in(pl.Series(shape.features, dtype=pl.String).implode())
    if known.all():
        return frame, kept, {}
    counts = frame.filter(~known)[SENSOR].value_counts()
    kept = np.flatnonzero(known.to_numpy()) if kept is None else kept[known.to_numpy()]
    return frame.filter(known), kept, {str(name): int(count) for name, count in counts.rows()}


def strange_columns(table: pl.DataFrame, shape: Shape) -> dict[str, int]:
    """Return the columns of numbers that are nobody's features, with how many values each has."""
    if shape.long:
        return {}
    known = set(fields_of(shape))
    found = {}
    for name, kind in table.schema.items():
        if name not in known and kind.is_numeric():
            found[name] = table.height - table[name].null_count()
    return {name: count for name, count in found.items() if count}


def fault_of(row: dict[str, object], shape: Shape, *, text_numbers: bool = False) -> Fault:
    """Say why a row is no reading, once it is known that it is none; with `text_numbers` text may hold a number.

    Examples
    --------
    >>> fault_of({"at": 12, "flow": 1.0}, Shape(("flow",), time="at")).reason
    "time 'at' is 12, which is before 1971 or more than a day ahead"
    """
    for role, name in (("key", shape.key), ("time", shape.time), ("sensor", shape.sensor)):
        if name is not None and row.get(name) is None:
            known = f"; it has {', '.join(map(repr, list(row)[:6]))}" if row else ""
            return Fault(f"{role} {name!r} is null" if name in row else f"no {role} {name!r}{known}")
        if name is not None and isinstance(row.get(name), list | dict):
            return Fault(f"{role} {name!r} is {_kind(row[name])}")
    for name in [shape.value or ""] if shape.long else shape.features:
        value = row.get(name)
        number = isinstance(value, str) and is_number(value)
        if value is not None and not isinstance(value, bool | int | float | Decimal) and not (number and text_numbers):
            hint = "; write numbers without quotes" if number else ""
            return Fault(f"{name!r} is {_kind(value)}{hint}")
    if shape.time is None:
        return Fault("it is no reading")
    value = row[shape.time]
    why = "no time between 1971 and tomorrow" if isinstance(value, str) else "before 1971 or more than a day ahead"
    return Fault(f"time {shape.time!r} is {shown(value)}, which is {why}")


def shown(value: object) -> str:
    """Return a value in one short line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, list):
        return "a list"
    return "nested" if isinstance(value, dict) else shown(value)


def is_number(text: str) -> bool:
    """Return whether a text holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def holds_numbers(kind: pa.DataType) -> bool:
    """Return whether a column of a type may be a sensor."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def as_json(table: pl.DataFrame, row: int) -> bytes:
    """Return a row of a table as the bytes of a dead letter that had none of its own."""
    return json.dumps(table.row(row, named=True), default=str).encode()

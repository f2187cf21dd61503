"""Labels that lie apart from the readings, row by row or as windows, put beside the rows they speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import ColumnError, DataError, ParameterError, did_you_mean
from tocsin.evaluate.holdout import gathered
from tocsin.panel import labels_of
from tocsin.tables.columns import FILE_KEY, Columns
from tocsin.tables.failures import plain_errors
from tocsin.tables.sources import open_source
from tocsin.tables.times import TimeColumn, restore_times, text_time_column, time_column

KEYS = ("key", "asset")
"""What the column of keys may be called besides its name in the readings."""
MARKS = ("label", "anomaly", "anomalous")
"""What the column of labels may be called besides its name in the readings."""
WINDOWS = (("start", "end"), ("onset", "end"))
"""What the columns of a window's first and last moment may be called."""

_Shown = Callable[[int], str]
"""Says a time as the readings have it."""

_KEY, _TIME, _ROW, _START, _END, _MARK = "_key", "_time", "_row", "_start", "_end", "_mark"


def join_labels(readings: pl.DataFrame, labels: Any, columns: Columns) -> NDArray[np.int8]:
    """Return a label for each row of readings.

    Parameters
    ----------
    readings : polars.DataFrame
        With the columns of key and time; rows in any order.
    labels : path, glob, URL or data frame
        A row a reading: key, time, and label, 1 for anomalous and 0 for normal; what is not listed is not known. Or a
        row a window: key, start and end, both included; all rows outside of windows are normal, and so are those in
        windows that have a label of 0. The columns of key, time and label are called as in the readings, or key or
        asset, time, and label, anomaly or anomalous; windows may begin with onset, as in the truth about made-up
        faults. Other columns are left aside.
    columns : Columns
        What the columns of the readings mean. Without a key all rows are one asset.

    Returns
    -------
    ndarray of shape (n_rows,), int8
        1 anomalous, 0 normal, -1 not known.

    Raises
    ------
    ColumnError
        If a column is missing or of the wrong kind, or times are local on one side only.
    DataError
        If a label is neither 0 nor 1, or two of one row differ; if a label or a window speaks of no reading; if windows
        of one asset overlap, or one ends before it starts; if no row is anomalous, or none is normal.
    ParameterError
        If the readings have no time.

    Notes
    -----
    Cost: about 0.15 µs a reading with windows, 1.5 µs a label with rows. A time of labels must be that of the reading,
    to the nanosecond. Times without a zone are UTC.

    Examples
    --------
    >>> readings = pl.DataFrame({"pump": ["a", "a", "a", "b"], "at": [1, 2, 3, 2], "flow": [0.1, 0.9, 0.8, 0.1]})
    >>> windows = pl.DataFrame({"pump": ["a"], "start": [2], "end": [9]})
    >>> join_labels(readings, windows, Columns(key="pump", time="at")).tolist()
    [0, 1, 1, 0]
    """
    if columns.time is None:
        raise ParameterError("labels apart from the readings are matched by time; say which column holds the time")
    key = "file" if columns.key == FILE_KEY else columns.key
    clock = _Clock(readings, columns.time)
    rows = _keyed(readings, key, (), "readings").select(_KEY, clock.times.alias(_TIME)).with_row_index(_ROW)
    table = _table(labels, columns)
    marks = _keyed(table, key, KEYS, "labels")
    window = next((pair for pair in WINDOWS if set(pair) <= set(table.columns)), None)
    time = _one_of(table, (columns.time, "time"))
    mark = _one_of(table, (columns.label, *MARKS))
    values = None if mark is None else pl.Series(_MARK, _zeros_and_ones(table[mark], mark))
    if window is not None and time is None:
        ends = [clock.like(table, name).alias(to) for name, to in zip(window, (_START, _END), strict=True)]
        spans = marks.select(_KEY, *ends)
        found = _inside(rows, spans if values is None else spans.filter(values == 1), clock.shown)
    elif time is not None and values is not None:
        found = _listed(rows, marks.select(_KEY, clock.like(table, time).alias(_TIME), values), clock.shown)
    else:
        raise ColumnError(
            f"the labels need the columns {columns.time} and label, a row a reading, or start and end, a row a window"
            f"; there are: {', '.join(table.columns)}"
        )
    _check_both(found, listed=time is not None)
    return found


def labelled(source: Any, labels: Any, columns: Columns, **reading: Any) -> tuple[pl.DataFrame, Columns]:
    """Read everything and add labels that lie apart as a column, as what learns from labels wants them.

    Parameters
    ----------
    source, **reading
        As in `tocsin.tables.readings.open_readings`. All readings are held in memory.
    labels, columns
        As in `join_labels`.

    Returns
    -------
    readings : polars.DataFrame
        A wide table of key, time, features and the labels, null where they are not known.
    columns : Columns
        What its columns mean.

    Raises
    ------
    TocsinError
        As `join_labels` does, or if the readings cannot be used.

    Examples
    --------
    >>> readings = pl.DataFrame({"at": [1, 2, 3], "flow": [0.1, 0.9, 0.2]})
    >>> table, columns = labelled(readings, pl.DataFrame({"start": [2], "end": [2]}), Columns(time="at"))
    >>> table["label"].to_list(), columns.label
    ([0, 1, 0], 'label')
    """
    whole = gathered(source, columns, **reading)
    found = join_labels(whole.frame, labels, whole.columns)
    name = columns.label or "label"
    while name in whole.frame.columns:
        name += "_"
    column = pl.Series(name, found).replace(-1, None)
    return whole.frame.with_columns(column), replace(whole.columns, label=name)


class _Clock:
    """The times of the readings as whole numbers, and those of labels alike."""

    def __init__(self, readings: pl.DataFrame, name: str) -> None:
        if name not in readings.columns:
            near = did_you_mean(name, readings.columns)
            raise ColumnError(f"the readings have no column {name!r} for the time{near}")
        column = _time_column(readings, name)
        self.times = readings.select(column.expr).to_series()
        self._type, self._zone = column.type, _zone(readings, name)

    def like(self, table: pl.DataFrame, name: str) -> pl.Series:
        """Return the times of labels."""
        column = _time_column(table, name)
        kinds = ["moments" if pa.types.is_temporal(kind) else "whole numbers" for kind in (column.type, self._type)]
        if kinds[0] != kinds[1]:
            raise ColumnError(
                f"column {name!r} of the labels holds {kinds[0]}, but the times of the readings are {kinds[1]}"
            )
        zone = _zone(table, name)
        if (zone is None) != (self._zone is None) and "UTC" not in (zone, self._zone):
            own, other = (f"in {zone}", "without a time zone") if zone else ("without a time zone", f"in {self._zone}")
            raise ColumnError(
                f"column {name!r} of the labels is {own}, but the times of the readings are {other}; give both alike"
            )
        times = table.select(column.expr).to_series()
        if times.null_count():
            row = int(times.is_null().arg_max() or 0)
            raise DataError(
                f"row {row} of the labels has no time in {name!r} that can be read; give it, or take it out"
            )
        return times

    def shown(self, time: int) -> str:
        """Return a time as the readings have it."""
        return str(restore_times(np.array([time]), self._type)[0].as_py())


def _time_column(frame: pl.DataFrame, name: str) -> TimeColumn:
    return time_column(name, frame.schema[name]) or text_time_column(name, frame.lazy())


def _zone(frame: pl.DataFrame, name: str) -> str | None:
    """Return the zone of times; text that says how far it is from UTC is as good as UTC."""
    dtype = frame.schema[name]
    if isinstance(dtype, pl.Datetime):
        return dtype.time_zone
    if dtype != pl.String:
        return None
    first = frame[name].drop_nulls().head(1).str.strip_chars()
    return "UTC" if first.str.contains(r"\d(Z|[+-]\d\d:?\d\d)$").any() else None


def _table(labels: Any, columns: Columns) -> pl.DataFrame:
    """Read labels, what is their mark as numbers and all else as it is."""
    source = open_source(labels, None, separator=None, header=True, null_values=None)
    names = MARKS if columns.label is None else (columns.label, *MARKS)
    marks = [name for name in names if name in source.kinds and source.kinds[name].usable]
    with plain_errors(source.name):
        table = source.scan(marks).collect()
    if table.is_empty():
        raise DataError("there are no labels; give a row a reading, or a row a window")
    return table


def _one_of(table: pl.DataFrame, names: tuple[str | None, ...]) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _keyed(table: pl.DataFrame, key: str | None, others: tuple[str, ...], what: str) -> pl.DataFrame:
    """Add the keys as text, so that 7 in a file is 7 in a frame."""
    if key is None:
        return table.with_columns(pl.lit("").alias(_KEY))
    name = _one_of(table, (key, *others))
    if name is None:
        raise ColumnError(f"the {what} have no column {key!r} for the key{did_you_mean(key, table.columns)}")
    return table.with_columns(pl.col(name).cast(pl.String).alias(_KEY))


def _zeros_and_ones(marks: pl.Series, name: str) -> NDArray[np.int8]:
    numbers = marks.cast(pl.Float64, strict=False)
    text = marks.filter(numbers.is_null() & marks.is_not_null())
    try:
        if len(text):
            raise DataError(f"labels must be 0 (normal) or 1 (anomalous), not {text[0]!r}")
        return labels_of(numbers, len(numbers))
    except DataError as error:
        raise DataError(f"column {name!r} of the labels: {error}") from None


def _listed(rows: pl.DataFrame, marks: pl.DataFrame, shown: _Shown) -> NDArray[np.int8]:
    """Return the labels of the rows that are listed."""
    listed = marks.unique()
    twice = listed.filter(pl.struct(_KEY, _TIME).is_duplicated())
    if len(twice):
        key, time, _ = twice.row(0)
        raise DataError(f"{_asset(key)} has two different labels at {shown(time)}; give one")
    joined = rows.join(listed, on=[_KEY, _TIME], how="left", maintain_order="left")
    stray = listed.join(rows, on=[_KEY, _TIME], how="anti", maintain_order="left")
    if len(stray):
        raise _no_reading(rows, stray, _TIME, shown, f"{len(stray):,} of {len(listed):,} labels match no reading")
    return joined[_MARK].fill_null(-1).to_numpy().astype(np.int8)


def _inside(rows: pl.DataFrame, windows: pl.DataFrame, shown: _Shown) -> NDArray[np.int8]:
    """Return 1 for rows inside windows and 0 for all others."""
    windows = windows.sort(_KEY, _START, _END).with_row_index("_window")
    for key, start, end in windows.filter(pl.col(_END) < pl.col(_START)).select(_KEY, _START, _END).iter_rows():
        raise DataError(f"a window of {_asset(key)} ends at {shown(end)}, before it starts at {shown(start)}")
    before = pl.col(_END).shift(1).over(_KEY)
    for key, start, end in windows.filter(pl.col(_START) < before).select(_KEY, _START, _END).iter_rows():
        raise DataError(
            f"windows of {_asset(key)} overlap: one from {shown(start)} to {shown(end)} starts before another ends; "
            "make them one"
        )
    last = rows.drop_nulls(_TIME).sort(_TIME).join_asof(
        windows, left_on=_TIME, right_on=_START, by=_KEY, strategy="backward", check_sortedness=False
    )  # fmt: skip
    inside = last.filter(pl.col(_TIME) <= pl.col(_END))
    stray = windows.join(inside, on="_window", how="anti", maintain_order="left")
    if len(stray):
        raise _no_reading(rows, stray, _START, shown, f"{len(stray):,} of {len(windows):,} windows hold no reading")
    labels = np.where(rows[_TIME].is_null(), -1, 0).astype(np.int8)
    labels[inside[_ROW].to_numpy()] = 1
    return labels


def _no_reading(rows: pl.DataFrame, stray: pl.DataFrame, time: str, shown: _Shown, what: str) -> DataError:
    key, at = stray.select(_KEY, time).row(0)
    known = rows[_KEY].unique()
    if key not in known:
        return DataError(f"{what}: there is no asset {key!r} in the readings{did_you_mean(str(key), known)}")
    return DataError(
        f"{what}, such as that of {_asset(key)} {'from' if time == _START else 'at'} {shown(at)}; "
        "give times as the readings have them, or take it out"
    )


def _asset(key: str) -> str:
    return f"asset {key!r}" if key else "the asset"


def _check_both(labels: NDArray[np.int8], *, listed: bool) -> None:
    if not (labels == 1).any():
        raise DataError("no label is 1, anomalous; to measure what is found, at least one must be")
    if not (labels == 0).any():
        cure = (
            "list normal rows as well, or give windows, outside of which rows are normal" if listed else "shorten them"
        )
        what = "no label is 0, normal" if listed else "no row lies outside of the windows"
        raise DataError(f"{what}; {cure}")

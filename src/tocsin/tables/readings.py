"""The one door for readings: whatever the source, panels come out, each asset whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.errors import ColumnError, DataError, ParameterError
from tocsin.panel import Panel, labels_of
from tocsin.tables.columns import FILE_KEY, Columns
from tocsin.tables.failures import plain_errors
from tocsin.tables.features import check_column, expected, resolve
from tocsin.tables.files import stem
from tocsin.tables.grouping import through
from tocsin.tables.kinds import EMPTY, NESTED
from tocsin.tables.notes import Notes
from tocsin.tables.plan import PANEL_BYTES, Plan, make_plan
from tocsin.tables.rows import BLANK, KEY, RAW_TIME, TIME, Infinite, Rows
from tocsin.tables.shuffle import shuffled
from tocsin.tables.sources import Source, open_source
from tocsin.tables.staging import staged
from tocsin.tables.stores import FileStore, MemoryStore, Store, scratch_folder
from tocsin.tables.times import TimeColumn, text_time_column, time_column

DEFAULT_MEMORY = 2 << 30


def open_readings(
    source: Any,
    columns: Columns,
    *,
    expect: Sequence[str] | None = None,
    separator: str | None = None,
    header: bool = True,
    null_values: Sequence[str] | None = None,
    infinite: Infinite = "error",
    labelled: bool = False,
    memory_limit: int = DEFAULT_MEMORY,
    tmp: Path | None = None,
) -> Readings:
    r"""Open a table of readings and settle which columns are features; reading waits for ``panels()``.

    Parameters
    ----------
    source : str, Path, several of them, or data frame
        A file, folder, glob or URL of CSV, NDJSON (either also .gz or .zst), Parquet or Arrow IPC; or a Polars,
        pandas or Arrow table, or anything else with ``__arrow_c_stream__``.
    columns : Columns
        What the columns mean.
    expect : sequence of str, optional
        The features a fleet was trained with: exactly those are read, in that order, whatever else is there.
    separator : str, optional
        Between the fields of a line of CSV; ``" "`` is any run of spaces. None finds out.
    header : bool
        Whether CSV files begin with the names of columns; else they are called ``column_1``, ``column_2``...
    null_values : sequence of str, optional
        What else than an empty field stands for a missing value in text.
    infinite : {"error", "missing"}
        What to do with infinite values.
    labelled : bool
        Whether panels carry labels; the label column must then be there.
    memory_limit : int
        Bytes that reading should need at most, beyond one panel; a single asset is never split, however large.
    tmp : Path, optional
        Where to set readings aside that do not fit; by default the system's folder for temporary files.

    Returns
    -------
    Readings

    Raises
    ------
    ColumnError
        If a column is missing, ambiguous or of the wrong kind, or no feature is left.
    EmptyDataError
        If there is nothing to read.
    DataError
        If the source cannot be read or is no table.
    ParameterError
        If the source is of a kind that is not read.

    Examples
    --------
    >>> frame = pl.DataFrame({"pump": ["b", "a", "b"], "at": [2, 1, 1], "flow": [3.0, 1.0, 2.0], "site": ["x"] * 3})
    >>> readings = open_readings(frame, Columns(key="pump", time="at"))
    >>> readings.features, readings.left_out
    (('flow',), {'pump': 'key', 'at': 'time', 'site': 'text'})
    >>> panel = next(readings.panels())
    >>> panel.keys.to_pylist(), panel.values
    (['b', 'a'], array([[2., 3., 1.]]))
    """
    if infinite not in ("error", "missing"):
        raise ParameterError(f"infinite must be 'error' or 'missing', not {infinite!r}")
    opened = open_source(source, columns.key, separator=separator, header=header, null_values=null_values)
    if labelled and columns.label is None:
        raise ParameterError("labels are needed to learn from; say which column holds them, 1 anomalous and 0 normal")
    for column, role in columns.roles.items():
        if role != "label" or labelled:
            check_column(column, role, list(opened.kinds))
    if columns.key and columns.key != FILE_KEY and opened.kinds[columns.key].name == NESTED:
        raise ColumnError(f"key column {columns.key!r} is nested; a key must be a text, a number or a date")
    if columns.long:
        from tocsin.tables.long import LongReadings

        return LongReadings(opened, columns, expect, infinite, memory_limit, tmp)
    if labelled:
        return LabelledReadings(opened, columns, expect, infinite, memory_limit, tmp)
    return Readings(opened, columns, expect, infinite, memory_limit, tmp)


class Readings:
    """Readings that are open: what was found, and panels of them.

    Attributes
    ----------
    features : tuple of str
        The features, in the order of the panels' rows.
    left_out : dict of str to str
        Why each other column is none.
    dtype : dtype
        float32 if every feature is, else float64.
    time_type : pyarrow.DataType or None
        The type in which results show times; see `restore_times`.
    total_rows : int or None
        How many rows the source has, where that is known.
    notes : Notes
        What was skipped or mended; complete when the last panel has been taken.
    """

    def __init__(
        self,
        source: Source,
        columns: Columns,
        expect: Sequence[str] | None,
        infinite: Infinite,
        memory_limit: int,
        tmp: Path | None,
    ) -> None:
        self.notes = Notes()
        for sentence in source.remarks:
            self.notes.remark(sentence)
        self.total_rows = source.rows
        self._source, self._columns = source, columns
        self._memory, self._tmp, self._infinite = memory_limit, tmp, infinite
        self.features, self.left_out = self._settle(expect)
        self._time = self._read_time(columns.time) if columns.time is not None else None
        self.time_type: pa.DataType | None = self._time.type if self._time else None
        self.dtype = self._find_dtype()
        self._stack = ExitStack()
        self._kept: tuple[Rows, Plan] | None = None
        self._key_type: pa.DataType | None = None
        if self._time is not None and self._time.remark:
            self.notes.remark(self._time.remark)

    def _settle(self, expect: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
        """Choose the features."""
        kinds, roles = self._source.kinds, self._columns.roles
        if expect is None:
            return resolve(kinds, self._columns.features, roles)
        features, left_out = expected(kinds, expect, roles)
        self._remark_extra([name for name in left_out if name not in roles])
        return features, left_out

    def _remark_extra(self, extra: list[str]) -> None:
        if extra:
            shown = ", ".join(extra[:5]) + (", ..." if len(extra) > 5 else "")
            what = "column is no feature" if len(extra) == 1 else "columns are no features"
            self.notes.remark(f"{len(extra)} {what} of this fleet and ignored: {shown}")

    def _find_dtype(self) -> np.dtype[Any]:
        numbers = [name for name in self._numbers() if name != self._columns.label]
        schema = self._source.scan(numbers).collect_schema()
        single = all(isinstance(schema[name], pl.Float32) for name in numbers)
        return np.dtype(np.float32 if single else np.float64)

    def _numbers(self) -> tuple[str, ...]:
        """Return the columns that are read as numbers."""
        return self.features

    def _read_time(self, name: str) -> TimeColumn:
        with plain_errors(self._source.name):
            return time_column(name, self._source.dtype(name)) or text_time_column(name, self._source.frame)

    @property
    def key_type(self) -> pa.DataType:
        """The type of the panels' keys. For text sources this reads the source: names and numbers look alike."""
        if self._key_type is None:
            self._key_type = self._planned()[1].keys.type
        return self._key_type

    def _values(self) -> dict[str, pl.Expr]:
        """Return what gives each feature of the rows, named by its place."""
        wanted = pl.Float32 if self.dtype == np.float32 else pl.Float64
        return {str(i): pl.col(name).cast(wanted) for i, name in enumerate(self._numbers())}

    def _rows(self) -> Rows:
        """Return the columns that matter, under names of our own."""
        source, columns = self._source, self._columns
        picks: dict[str, pl.Expr] = {}
        if columns.key is not None:
            picks[KEY] = pl.col(columns.key)
        if columns.time is not None and self._time is not None:
            picks |= {TIME: self._time.expr, RAW_TIME: pl.col(columns.time)}
        frame = source.scan(self._numbers())
        if source.text and not picks:
            frame = frame.with_columns(pl.all_horizontal(pl.all().is_null()).alias(BLANK))
            picks[BLANK] = pl.col(BLANK)
        diagnose = partial(source.diagnose, self._numbers())
        picks |= self._values()
        return Rows(frame, picks, self._row_names(), self.dtype, source.name, diagnose, self._infinite)

    def _row_names(self) -> tuple[str, ...]:
        return self._numbers()

    def _planned(self) -> tuple[Rows, Plan]:
        """Read what must be known before the first panel; kept until the panels have been taken."""
        if self._kept is None:
            self.notes.restart()
            with ExitStack() as stack:
                rows, total = self._rows(), self.total_rows
                if self._source.storage == "rows":
                    scratch = partial(scratch_folder, self._tmp)
                    rows, total = staged(rows, memory=self._memory, scratch=scratch, stack=stack)
                    self.total_rows = total
                plan = make_plan(rows, self.notes, total=total, of_text=self._source.text)
                if self._columns.key == FILE_KEY:
                    plan = replace(plan, keys=pa.array([stem(path) for path in plan.keys.to_pylist()]))
                self._key_type = plan.keys.type
                self._kept = rows, plan
                self._stack = stack.pop_all()
        return self._kept

    def panels(self, target_rows: int | None = None) -> Iterator[Panel]:
        """Yield panels that hold each asset whole, assets in the order of their first appearance.

        Within an asset rows are sorted by time, those of one time in the order of the input. Neither the memory limit
        nor how the input is cut into batches changes what comes out.

        Parameters
        ----------
        target_rows : int, optional
            How many rows a panel should have at most, unless one asset alone has more; by default about 64 MB.

        Raises
        ------
        EmptyDataError
            If no row is left.
        DataError
            If the source cannot be read to its end, holds infinite values, or text among numbers.
        OutputError
            If there is no room to set readings aside.
        """
        rows, plan = self._planned()
        with self._stack:
            self._kept = None
            yield from self._panels(rows, plan, target_rows)

    def _panels(self, rows: Rows, plan: Plan, target: int | None, *, repeats: bool = True) -> Iterator[Panel]:
        """Choose the way: straight through, in memory, or through a file."""
        ranges = plan.ranges(target or max(PANEL_BYTES // rows.row_bytes, 1))
        if plan.grouped:
            yield from through(rows, plan, ranges, self.notes, repeats=repeats)
            return
        with ExitStack() as stack:
            if plan.n_rows * rows.row_bytes <= self._memory // 2:
                store: Store = MemoryStore()
            else:
                folder = stack.enter_context(scratch_folder(self._tmp))
                store = stack.enter_context(FileStore(folder / "rows"))
            yield from shuffled(rows, plan, ranges, store, self.notes, memory=self._memory, repeats=repeats)

    def close(self) -> None:
        """Remove what was set aside; needed only if the panels were not taken to their end."""
        self._kept = None
        self._stack.close()


class LabelledReadings(Readings):
    """Readings whose panels carry labels; inside, the label goes the way of the features, as the last of them."""

    def _settle(self, expect: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
        label = self._columns.label or ""
        kind = self._source.kinds[label]
        if not kind.usable and kind.name != EMPTY:
            raise ColumnError(f"label column {label!r} is {kind.title}; it must hold 1 for anomalous and 0 for normal")
        return super()._settle(expect)

    def _numbers(self) -> tuple[str, ...]:
        return (*self.features, self._columns.label or "")

    def _panels(self, rows: Rows, plan: Plan, target: int | None, *, repeats: bool = True) -> Iterator[Panel]:
        for panel in super()._panels(rows, plan, target, repeats=repeats):
            try:
                labels = labels_of(panel.values[-1], panel.n_rows)
            except DataError as error:
                raise DataError(f"label column {self._columns.label!r}: {error}") from None
            yield replace(panel, values=panel.values[:-1], features=self.features, labels=labels)

"""A table's rows in the order of time, in pieces, however large the table and whatever its own order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import EmptyDataError
from tocsin.stream.decoding.csv_lines import check_columns
from tocsin.stream.decoding.readings import fields_of
from tocsin.stream.decoding.times import nanoseconds
from tocsin.stream.sources.base import Shape
from tocsin.stream.sources.local import FILE_KEY
from tocsin.tables.failures import plain_errors
from tocsin.tables.files import stem
from tocsin.tables.sources import open_source
from tocsin.tables.times import text_time_column, time_column

PIECE_ROWS = 2_000_000
"""So many rows are sorted at a time."""

_BATCH_ROWS = 1 << 16


class Timetable:
    """A table whose times are known.

    Parameters
    ----------
    name : str
        A path, glob or URL, as `open_readings` takes it.
    shape : Shape
        What is needed of it, and what it is called there.
    separator : str, optional
        Between the fields of CSV.

    Attributes
    ----------
    n_rows : int
        Rows that have a time, if there are times.
    lost : int
        Rows that have none.
    period : int
        Nanoseconds from the first row to where the table would begin again.

    Raises
    ------
    DataError
        If it cannot be read, or is no table.
    ColumnError
        If the key, the time or all features are missing, or the time is none.

    Memory: the times, 8 bytes a row, while the table is opened, and longer only where they are not in order.
    """

    def __init__(self, name: str, shape: Shape, separator: str | None = None) -> None:
        self._source = open_source(name, shape.key, separator=separator, header=True, null_values=None)
        known = [*self._source.kinds, *([FILE_KEY] if shape.key == FILE_KEY else [])]
        check_columns(known, shape, name)
        self._shape = shape
        self._fields = [field for field in fields_of(shape) if field in known]
        self._numbers = [field for field in ([shape.value] if shape.long else shape.features) if field in known]
        self.strange = [
            field
            for field, kind in self._source.kinds.items()
            if not shape.long and field not in self._fields and kind.usable and kind.name != "boolean"
        ]
        self._read_time = self._time_reader()
        self._look_at_times()

    def _time_reader(self) -> pl.Expr | None:
        name = self._shape.time
        if name is None:
            return None
        with plain_errors(self._source.name):
            column = time_column(name, self._source.dtype(name)) or text_time_column(name, self._source.frame)
        whole = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        return column.expr.map_batches(nanoseconds, return_dtype=pl.Int64) if whole else column.expr

    def _look_at_times(self) -> None:
        self._bounds: list[int] = []
        self.lost = self.period = 0
        with plain_errors(self._source.name):
            if self._read_time is None:
                self.n_rows = int(self._source.frame.select(pl.len()).collect(engine="streaming").item())
            else:
                pieces = [
                    batch.select(self._read_time).to_series() for batch in self._batches([self._shape.time or ""])
                ]
                times = pl.concat(pieces) if pieces else pl.Series(dtype=pl.Int64)
                self.lost, times = times.null_count(), times.drop_nulls()
                self.n_rows = len(times)
                self._settle_order(times.to_numpy())
        if not self.n_rows:
            raise EmptyDataError(f"{self._source.name} has no rows to replay" + (" that have a time" * bool(self.lost)))

    def _settle_order(self, times: NDArray[np.int64]) -> None:
        """Find the steps of the clock, and where to cut rows that are not in order."""
        if len(times) < 2:
            return
        steps = np.diff(times)
        if (steps < 0).any():
            times = np.sort(times)
            steps = np.diff(times)
            self._bounds = np.unique([*times[::PIECE_ROWS].tolist(), int(times[-1]) + 1]).tolist()
        positive = steps[steps > 0]
        self.period = int(times[-1] - times[0]) + (int(np.median(positive)) if len(positive) else 1)

    def _batches(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        frame = self._source.scan([name for name in columns if name in self._numbers]).select(columns)
        with plain_errors(self._source.name, partial(self._source.diagnose, self._numbers)):
            yield from frame.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)

    def pieces(self, start: int) -> Iterator[pl.DataFrame]:
        """Yield the rows from number `start` on, with the sender's columns, the time as a datetime."""
        for piece in self._in_order():
            if start < piece.height:
                yield piece.slice(start)
            start = max(start - piece.height, 0)

    def _in_order(self) -> Iterator[pl.DataFrame]:
        if not self._bounds:
            yield from map(self._prepared, self._batches(self._fields))
            return
        time = pl.col(self._shape.time or "")
        for first, last in pairwise(self._bounds):
            inside = time.to_physical().is_between(first, last, closed="left")
            found = [self._prepared(batch).filter(inside) for batch in self._batches(self._fields)]
            yield pl.concat(found).sort(time, maintain_order=True)

    def _prepared(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Return rows that have a time, with their times read and files called by their names."""
        if self._read_time is not None:
            time = self._read_time.cast(pl.Datetime("ns")).alias(self._shape.time or "")
            batch = batch.with_columns(time).drop_nulls(self._shape.time)
        if FILE_KEY in batch.columns:
            names = {path: stem(path) for path in batch[FILE_KEY].unique().to_list()}
            batch = batch.with_columns(pl.col(FILE_KEY).replace_strict(names, return_dtype=pl.String))
        return batch

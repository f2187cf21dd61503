"""One file that has arrived, read a batch at a time from any place on, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.errors import DataError
from tocsin.stream.decoding.base import Gathering
from tocsin.stream.decoding.csv_lines import CsvLines, check_columns
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.decoding.readings import as_json, fields_of, holds_numbers
from tocsin.stream.sources.base import Fetched, Shape
from tocsin.stream.sources.local import FILE_KEY, LineBlocks, fetched
from tocsin.tables.failures import plain_errors
from tocsin.tables.files import format_of_file, stem

_BATCH_ROWS = 1 << 16
_STEP = 1 << 20


class Arrived(ABC):
    """A file that is read once, from one end to the other."""

    at: int
    """The place up to which it was read: a row, or a byte of text."""

    @abstractmethod
    def read(self, most: int) -> Fetched | None:
        """Return at most so many readings, without positions; None at the end.

        Raises
        ------
        DataError
            If the file is damaged here.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


def open_arrived(path: Path, shape: Shape, at: int, separator: str | None, most_bytes: int) -> Arrived:
    """Open a file at a place.

    Raises
    ------
    DataError
        If it is no table, is damaged, or lacks the key, the time or all features.
    """
    form = format_of_file(str(path), explicit=False)
    key = None
    if shape.key == FILE_KEY:
        shape, key = replace(shape, key=None), stem(path.name)
    if form is None:
        raise DataError(f"{path} is no table; put CSV, Parquet, Arrow IPC or NDJSON into the folder")
    if form in ("csv", "ndjson"):
        return _Text(path, shape, key, at, separator if form == "csv" else None, most_bytes, csv=form == "csv")
    return _Parquet(path, shape, key, at) if form == "parquet" else _Arrow(path, shape, key, at)


class _Text(Arrived):
    """Lines, packed or not; packed text is unpacked anew up to the place where it goes on."""

    def __init__(
        self, path: Path, shape: Shape, key: str | None, at: int, separator: str | None, most_bytes: int, *, csv: bool
    ) -> None:
        self._path, self._key, self._most_bytes = path, key, most_bytes
        self._decoder: Decoder | CsvLines = Decoder(shape, most_bytes=most_bytes)
        self._go_to(0)
        if csv:
            with self._errors():
                header = self._blocks.next(1, final=True)
            if header is None:
                raise DataError(f"{path} has no header")
            self._decoder = CsvLines(shape, header.data, separator, str(path))
        if at > self._blocks.offset:
            self._stream.close()
            self._go_to(at)

    def _errors(self) -> AbstractContextManager[None]:
        return plain_errors(str(self._path))

    def _go_to(self, at: int) -> None:
        with self._errors():
            self._stream = pa.input_stream(str(self._path), compression="detect")
            left = at
            while left and (passed := len(self._stream.read(min(left, _STEP)))):
                left -= passed
        self._blocks = LineBlocks(self._stream.read, at, self._most_bytes)
        self.at = at

    def read(self, most: int) -> Fetched | None:
        with self._errors():
            block = self._blocks.next(most, final=True)
        if block is None:
            return None
        size, self.at = self._blocks.offset - self.at, self._blocks.offset
        return fetched(self._decoder.decode(block.data), {}, size, key=self._key, dead=block.dead)

    def close(self) -> None:
        self._stream.close()


class _Columns(Arrived):
    """Batches of columns; each is handed out in as many pieces as are asked for."""

    def __init__(self, path: Path, shape: Shape, key: str | None, at: int) -> None:
        self._path, self._shape, self._key, self.at = path, shape, key, at
        with self._errors():
            self._schema, self._total = self._opened()
        check_columns(self._schema.names, shape, str(path))
        fields = set(fields_of(shape))
        self._needed = [name for name in self._schema.names if name in fields]
        others = [] if shape.long else [field for field in self._schema if field.name not in fields]
        self._strange = [field.name for field in others if holds_numbers(field.type)]
        self._row_bytes = path.stat().st_size / max(self._total, 1)
        self._batches = self._from(at)
        self._batch: pl.DataFrame | None = None

    def _errors(self) -> AbstractContextManager[None]:
        return plain_errors(str(self._path))

    @abstractmethod
    def _opened(self) -> tuple[pa.Schema, int]:
        """Open the file; return its columns and how many rows it has."""

    @abstractmethod
    def _from(self, row: int) -> Iterator[pa.RecordBatch]:
        """Yield the needed columns of all batches from a row on."""

    def read(self, most: int) -> Fetched | None:
        while self._batch is None or not self._batch.height:
            with self._errors():
                batch = next(self._batches, None)
            if batch is None:
                return None
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            self._batch = frame
        table, self._batch = self._batch.head(most), self._batch.slice(most)
        self.at += table.height
        gathering = Gathering(self._shape)
        gathering.add(table, np.zeros(table.height, np.int64), lambda row: as_json(table, row))
        gathering.count(dict.fromkeys(self._strange, table.height))
        return fetched(gathering.result(), {}, round(table.height * self._row_bytes), key=self._key)


class _Parquet(_Columns):
    """Row groups, a batch of rows at a time."""

    def _opened(self) -> tuple[pa.Schema, int]:
        self._file = pq.ParquetFile(self._path)
        return self._file.schema_arrow, self._file.metadata.num_rows

    def _from(self, row: int) -> Iterator[pa.RecordBatch]:
        start = 0
        for group in range(self._file.num_row_groups):
            end = start + self._file.metadata.row_group(group).num_rows
            if end > row:
                passed = max(row - start, 0)
                batches = self._file.iter_batches(
                    _BATCH_ROWS, row_groups=[group], columns=self._needed, use_threads=False
                )
                for batch in batches:
                    yield batch.slice(min(passed, batch.num_rows))
                    passed -= min(passed, batch.num_rows)
            start = end

    def close(self) -> None:
        self._file.close()


class _Arrow(_Columns):
    """Record batches of a memory-mapped file."""

    def _opened(self) -> tuple[pa.Schema, int]:
        self._mapped = pa.memory_map(str(self._path))
        self._file = pa.ipc.open_file(self._mapped)
        batches = range(self._file.num_record_batches)
        return self._file.schema, sum(self._file.get_batch(number).num_rows for number in batches)

    def _from(self, row: int) -> Iterator[pa.RecordBatch]:
        for number in range(self._file.num_record_batches):
            batch = self._file.get_batch(number)
            passed = min(row, batch.num_rows)
            row -= passed
            yield batch.select(self._needed).slice(passed)

    def close(self) -> None:
        self._mapped.close()

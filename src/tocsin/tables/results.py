"""Results out: a table in any of four formats, whole or not at all."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import DTypeLike

from tocsin.errors import OutputError, did_you_mean
from tocsin.tables.whole import WholeFile


class ResultWriter:
    """Writes tables one after the other into one file, which appears under its name only when it is whole.

    Until then it stands beside the target under a hidden name. On an error, Ctrl-C included, that file is removed and
    what the target held before stays as it was.

    Parameters
    ----------
    path : str or Path
        Its suffix says the format: .parquet, .arrow, .feather or .ipc (Arrow IPC), .ndjson or .jsonl, .csv. CSV has
        no nested columns: they are written as JSON text. Arrays of fractional numbers alone, row by row: .npy, or
        without a header .raw, .bin, .f32 (single precision) or .f64.
    schema : pyarrow.Schema, optional
        What to write if no table comes; else the first table decides.

    Raises
    ------
    OutputError
        If the suffix is unknown, the format cannot hold the schema, the folder is missing or may not be written, or
        the disk is full.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, ResultWriter(f"{folder}/scores.csv") as out:
    ...     out.write(pa.table({"key": ["a"], "score": [1.5]}))
    """

    def __init__(self, path: str | Path, schema: pa.Schema | None = None) -> None:
        self._path = Path(path).expanduser()
        self._schema = schema
        self._sink: _Sink | None = None
        suffix = self._path.suffix.lower()
        if suffix not in _SINKS:
            raise OutputError(f"cannot write {path}: no format ends in {suffix!r}" + did_you_mean(suffix, _SINKS))
        self._make_sink = _SINKS[suffix]
        self._whole = WholeFile(path)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._whole)
            if self._schema is not None:
                self._begun(self._schema)
            stack.pop_all()
        return self

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append rows; all tables must have the columns of the first, or those of the given schema.

        Raises
        ------
        OutputError
            If columns differ, or the disk is full.
        """
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        with self._plain_errors():
            sink = self._sink or self._begun(table.schema)
            sink.write(_fit(table, sink.schema))
            self._whole.settle()

    def complete(self) -> None:
        """Write all that is left to write, so that nothing but the name is missing; no table may follow.

        Who writes several files calls this for each before the first appears; else leaving does it.

        Raises
        ------
        OutputError
            If the disk is full, or nothing says what the columns are.
        """
        if self._sink is None:
            raise OutputError(f"nothing to write to {self._path}: no table came and no schema says its columns")
        if not self._whole.complete:
            with self._plain_errors():
                self._sink.close()
            self._whole.end()

    def _begun(self, schema: pa.Schema) -> _Sink:
        with self._plain_errors():
            self._sink = self._make_sink(self._whole.file, schema)
        return self._sink

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._whole.failure(error) from None
        except (pa.ArrowException, pl.exceptions.PolarsError, ValueError) as error:
            reason = str(error).split("\n", 1)[0]
            raise OutputError(f"cannot write {self._path}: {reason}") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            stack.push(self._whole)
            if kind is None:
                self.complete()
            elif self._sink is not None:
                with suppress(OSError, ValueError, pa.ArrowException):
                    self._sink.close()
            stack.pop_all().__exit__(kind, error, traceback)


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.names != schema.names:
        raise ValueError(f"columns {table.schema.names} came after {schema.names}")
    return table if table.schema.equals(schema) else table.cast(schema)


class _Sink(ABC):
    """One format; bytes go through a file of Python's, so that a full disk is an OSError."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self.file, self.schema = file, schema

    @abstractmethod
    def write(self, table: pa.Table) -> None:
        """Append a table of the sink's schema."""

    def close(self) -> None:  # noqa: B027 - lines of text need no end
        """Write what a format needs at its end."""


class _Parquet(_Sink):
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        super().__init__(file, schema)
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _Arrow(_Sink):
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        super().__init__(file, schema)
        self._writer = pa.ipc.new_file(file, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _Raw(_Sink):
    """Nothing but numbers, row by row."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, dtype: DTypeLike | None = None) -> None:
        super().__init__(file, schema)
        if others := [field.name for field in schema if not pa.types.is_floating(field.type)]:
            raise ValueError(f"an array holds fractional numbers only, not column {others[0]!r}; take .parquet")
        own = np.result_type(*(field.type.to_pandas_dtype() for field in schema))
        self.dtype = np.dtype(dtype or own).newbyteorder("<")
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        columns = [column.to_numpy().astype(self.dtype, copy=False) for column in table.columns]
        matrix = columns[0] if len(columns) == 1 else np.column_stack(columns)
        self.file.write(np.ascontiguousarray(matrix).data)
        self.rows += table.num_rows


class _Npy(_Raw):
    """An array of shape (rows,) or (rows, columns); how many rows there are is written into the header at the end."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        super().__init__(file, schema)
        self._write_header()

    def _write_header(self) -> None:
        """NumPy leaves room for the number of rows to grow, so that the header never changes its length."""
        shape = (self.rows,) if len(self.schema) == 1 else (self.rows, len(self.schema))
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)

    def close(self) -> None:
        self.file.flush()
        self.file.seek(0)
        self._write_header()


class _Ndjson(_Sink):
    def write(self, table: pa.Table) -> None:
        self.file.write(_text(pl.DataFrame(table), "ndjson"))


class _Csv(_Sink):
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        super().__init__(file, schema)
        self.file.write(_text(_flat(pl.DataFrame(schema.empty_table())), "csv", header=True))

    def write(self, table: pa.Table) -> None:
        self.file.write(_text(_flat(pl.DataFrame(table)), "csv"))


def _text(frame: pl.DataFrame, kind: str, *, header: bool = False) -> bytes:
    buffer = io.BytesIO()
    if kind == "csv":
        frame.write_csv(buffer, include_header=header)
    else:
        frame.write_ndjson(buffer)
    return buffer.getvalue()


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return nested columns as JSON text; Polars encodes structs only, so each is wrapped in one and unwrapped."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    texts = []
    for name in nested:
        wrapped = pl.struct(pl.col(name).alias("x")).struct.json_encode()
        text = wrapped.str.strip_prefix('{"x":').str.strip_suffix("}")
        texts.append(pl.when(pl.col(name).is_not_null()).then(text).alias(name))
    return frame.with_columns(texts)


_SINKS: dict[str, Callable[[IO[bytes], pa.Schema], _Sink]] = {
    ".parquet": _Parquet,
    ".arrow": _Arrow,
    ".feather": _Arrow,
    ".ipc": _Arrow,
    ".ndjson": _Ndjson,
    ".jsonl": _Ndjson,
    ".csv": _Csv,
    ".npy": _Npy,
    ".raw": _Raw,
    ".bin": _Raw,
    ".f32": partial(_Raw, dtype=np.float32),
    ".f64": partial(_Raw, dtype=np.float64),
}
ARRAYS = frozenset({".npy", ".raw", ".bin", ".f32", ".f64"})
"""What files end in that hold numbers only."""

"""One long series, however it is stored, as slices of plain arrays in any order and by any thread.

What lies on disk as it is needed (``.npy``, raw, Arrow IPC without compression) is read from there, slice by slice.
It is read, not mapped: pages of a mapped file count as memory of the process, and a billion of samples is 4 GB.
Whatever has to be decoded (Parquet, CSV and the rest) is set aside once, as raw numbers.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import ColumnError, DataError, EmptyDataError, ParameterError, did_you_mean
from tocsin.panel import unmasked
from tocsin.tables.drafts import Draft
from tocsin.tables.failures import plain_errors
from tocsin.tables.features import check_column, mixed_error
from tocsin.tables.files import is_paths, nothing_there
from tocsin.tables.kinds import MIXED, NUMBER
from tocsin.tables.sources import Source, open_source

RAW = {".f32": "float32", ".f64": "float64", ".raw": None, ".bin": None}
"""What files of plain numbers end in, and of which type those are."""
_BATCH_ROWS = 1 << 18


class _Store(Protocol):
    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the values from `start` to `stop` as they are stored."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series that is open for reading.

    Parameters
    ----------
    name : str
        What it is called in messages.
    length : int
        How many samples it has.
    dtype : dtype
        Of what `read` returns: float32 where that holds all that is stored, else float64.
    column : str, optional
        The column of a table that was taken.
    remarks : tuple of str
        What the user should know of how it is read.
    infinite_is_missing : bool
        Whether infinite values read as NaN.
    paths : tuple of str
        The files of this machine that it is read from, if there are any.
    """

    name: str
    length: int
    dtype: np.dtype[Any]
    _store: _Store
    column: str | None = None
    remarks: tuple[str, ...] = ()
    infinite_is_missing: bool = False
    paths: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many samples there are."""
        return self.length

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the samples from `start` up to `stop`, which the caller may change; NaN is a missing one.

        Raises
        ------
        DataError
            If the file has become shorter or unreadable.
        """
        with plain_errors(self.name):
            values = self._store.read(start, stop).astype(self.dtype, copy=False)
        if self.infinite_is_missing:
            values[np.isinf(values)] = np.nan
        return values

    def without_infinite(self) -> Series:
        """Return the series with infinite values as missing ones."""
        return replace(self, infinite_is_missing=True)


@contextmanager
def open_series(
    source: Any,
    *,
    column: str | None = None,
    dtype: str | None = None,
    separator: str | None = None,
    header: bool = True,
    null_values: Sequence[str] | None = None,
    tmp: Path | None = None,
) -> Iterator[Series]:
    """Open one series for as long as the context lasts.

    Parameters
    ----------
    source : path, glob, URL, array, or data frame
        A ``.npy`` file of one dimension or of shape (n, 1); a raw file (``.f32``, ``.f64``, or any with `dtype`); a
        table in any format that fleets are read from; or an array, a series or a data frame.
    column : str, optional
        The column of a table; not needed where only one is numeric.
    dtype : str, optional
        What a raw file holds, such as ``"float32"`` or ``">i2"``.
    separator, header, null_values
        How text is read; see `open_readings`.
    tmp : Path, optional
        Where to set decoded numbers aside if they are many; by default the system's folder for temporary files.

    Raises
    ------
    DataError, ColumnError, EmptyDataError, ParameterError
        If there is no such file or column, it is ambiguous, has no samples, or holds no real numbers.
    OutputError
        If there is no room to set numbers aside.

    Examples
    --------
    >>> with open_series([1.0, 2.0, 4.0]) as series:
    ...     series.read(1, 3)
    array([2., 4.])
    """
    with ExitStack() as stack:
        path = Path(source).expanduser() if isinstance(source, str | Path) else None
        suffix = path.suffix.lower() if path is not None else ""
        if path is not None and (suffix in (".npy", ".npz") or suffix in RAW or dtype is not None):
            if column is not None:
                raise ParameterError(f"column {column!r} is given, but {source} is no table; leave column out")
            series = _open_plain(path, suffix, dtype, stack)
        elif dtype is not None:
            raise ParameterError("dtype says what a raw file holds; leave it out")
        elif _is_array(source) and not (is_paths(source) and len(source)):
            series = _of_array(source)
        else:
            opened = open_source(source, None, separator=separator, header=header, null_values=null_values)
            series = _of_column(opened, _choose(opened, column, header=header), stack, tmp)
        if not len(series):
            raise EmptyDataError(f"{series.name} has no samples")
        yield series


# Arrays -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Memory:
    """An array; slices are copies, since whoever reads them may change them."""

    values: NDArray[Any]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self.values[start:stop].copy()


def _is_array(source: Any) -> bool:
    return isinstance(source, pl.Series | list | tuple) or (
        hasattr(source, "__array__") and not hasattr(source, "columns")
    )


def _of_array(source: Any) -> Series:
    name = "the series"
    try:
        values = unmasked(source)
        if values.dtype == object:
            values = np.array([np.nan if value is None else value for value in values.ravel()], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must hold real numbers: {error}") from None
    return Series(name, _length(name, values.shape), _computed(name, values.dtype), _Memory(values.reshape(-1)))


def _length(name: str, shape: tuple[int, ...]) -> int:
    """Return how long a series of that shape is."""
    if len(shape) == 1 or (len(shape) == 2 and 1 in shape):
        return int(np.prod(shape))
    hint = "take one of its columns, as in x[:, 0]" if len(shape) == 2 else "give one dimension, as from x.reshape(-1)"
    raise DataError(f"{name} has the shape {shape}, which is not one series; {hint}")


def _computed(name: str, stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which to compute with what is stored."""
    if stored.kind in "fiub" and stored.itemsize <= 8:
        single = stored.itemsize <= (4 if stored.kind == "f" else 2)
        return np.dtype(np.float32 if single else np.float64)
    cures = {
        "c": "save its real part or its absolute value",
        "f": "save it as float64",
        "V": "save one of its fields",
        "O": "save plain numbers",
    }
    raise DataError(f"{name} holds {stored}, not real numbers; {cures.get(stored.kind, 'give numbers')}")


# Files of plain numbers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    """Runs of numbers in a file: run ``i`` begins at byte ``places[i]`` and holds samples from ``starts[i]`` on."""

    descriptor: int
    dtype: np.dtype[Any]
    places: tuple[int, ...]
    starts: tuple[int, ...]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        values = np.empty(stop - start, self.dtype)
        run = bisect_right(self.starts, start) - 1
        at = start
        while at < stop:
            end = min(stop, self.starts[run + 1]) if run + 1 < len(self.starts) else stop
            place = self.places[run] + (at - self.starts[run]) * self.dtype.itemsize
            self._fill(values[at - start : end - start], place)
            at, run = end, run + 1
        return values

    def _fill(self, values: NDArray[Any], place: int) -> None:
        view = values.view(np.uint8).data
        while view:
            count = os.preadv(self.descriptor, [view], place)
            if not count:
                raise DataError("the file was cut short while it was read")
            view, place = view[count:], place + count


def _opened(path: str | Path, stack: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    stack.callback(os.close, descriptor)
    return descriptor


def _open_plain(path: Path, suffix: str, dtype: str | None, stack: ExitStack) -> Series:
    """Open a ``.npy`` or raw file."""
    if not path.exists():
        raise nothing_there(str(path), path)
    if path.is_dir():
        raise DataError(f"cannot read {path}: it is a folder; name a file in it")
    with plain_errors(str(path)):
        if suffix == ".npz":
            raise DataError(f"{path} bundles several arrays; save one with np.save, as a .npy file")
        if suffix == ".npy":
            if dtype is not None:
                raise ParameterError(f"{path} says itself what it holds; leave dtype out")
            stored, length, place = _npy_header(path)
        else:
            stored, length, place = *_raw_type(path, dtype or RAW[suffix]), 0
        computed = _computed(str(path), stored)
        store = _File(_opened(path, stack), stored, (place,), (0,))
        return Series(str(path), length, computed, store, paths=(str(path),))


def _npy_header(path: Path) -> tuple[np.dtype[Any], int, int]:
    """Return type, length and place of the numbers in a ``.npy`` file."""
    from numpy.lib import format as npy

    with path.open("rb") as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, stored = read(file)
        except ValueError as error:
            reason = str(error).split("\n", 1)[0]
            raise DataError(f"cannot read {path}: it is called .npy but is not ({reason}); write it again") from None
        place = file.tell()
    if stored.hasobject:
        raise DataError(f"{path} holds pickled Python objects, which are never opened; save plain numbers")
    _computed(str(path), stored)
    length = _length(str(path), shape)
    if place + length * stored.itemsize > path.stat().st_size:
        raise DataError(f"cannot read {path}: it ends too early; it seems cut short, so fetch or write it again")
    return stored, length, place


def _raw_type(path: Path, dtype: str | None) -> tuple[np.dtype[Any], int]:
    """Return the type of a raw file's numbers and how many there are."""
    if dtype is None:
        raise ParameterError(f"{path} does not say what it holds; give dtype='float32', or what it is")
    try:
        stored = np.dtype(dtype)
    except TypeError:
        names = ("float32", "float64", "float16", "int16", "int32", "int64", "uint8", "uint16")
        raise ParameterError(f"no dtype {dtype!r}" + did_you_mean(dtype, names)) from None
    _computed(str(path), stored)
    size = path.stat().st_size
    if size % stored.itemsize:
        raise DataError(
            f"{path} has {size:,} bytes, which is no whole number of {stored.itemsize}-byte {stored.name} values; "
            "is dtype right, and the file whole?"
        )
    return stored, size // stored.itemsize


# Columns of tables --------------------------------------------------------------------------------------------------


def _choose(source: Source, column: str | None, *, header: bool) -> str:
    """Return the column that is the series."""
    kinds = source.kinds
    if column is not None:
        check_column(column, "series", list(kinds))
    numeric = [name for name, kind in kinds.items() if kind.name == NUMBER]
    if column is None:
        mixed = [name for name, kind in kinds.items() if kind.name == MIXED]
        if len(numeric) + len(mixed) > 1:
            shown = ", ".join(map(repr, (numeric + mixed)[:8])) + (", ..." if len(numeric + mixed) > 8 else "")
            raise ColumnError(f"{source.name} has several numeric columns: {shown}; name one with column=")
        if not numeric and not mixed:
            raise ColumnError(f"{source.name} has no numeric column; there are: {', '.join(kinds)}")
        column = (numeric + mixed)[0]
        if source.text and header and _is_number(column):
            raise ColumnError(
                f"the first line of {source.name} is the number {column}: say header=False if that is the first "
                f"sample, or column={column!r} if the column is called so"
            )
    kind = kinds[column]
    if kind.name == MIXED:
        raise mixed_error(column, kind.example)
    if not kind.usable:
        raise ColumnError(f"column {column!r} is {kind.title}; name a numeric one" + did_you_mean(column, numeric))
    return column


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_column(source: Source, column: str, stack: ExitStack, tmp: Path | None) -> Series:
    if (
        len(source.paths) == 1
        and source.storage == "columns"
        and (store := _arrow_runs(source.paths[0], column, stack))
    ):
        dtype = _computed(source.name, store[0].dtype)
        return Series(source.name, store[1], dtype, store[0], column, source.remarks, paths=source.paths)
    frame = source.scan([column]).select(column)
    single = frame.collect_schema()[column] in (pl.Float32, pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Boolean)
    dtype = np.dtype(np.float32 if single else np.float64)
    draft = Draft(dtype, stack, tmp)
    for values in _decoded(frame, dtype, source):
        draft.append(values)
    series = of_draft(draft, source.name)
    return replace(series, column=column, remarks=source.remarks + series.remarks, paths=source.paths)


def _arrow_runs(path: str, column: str, stack: ExitStack) -> tuple[_File, int] | None:
    """Return where an Arrow IPC file holds a column's numbers as they are; None if they have to be decoded."""
    import mmap

    import pyarrow as pa

    with Path(path).open("rb") as file:
        if file.read(6) != b"ARROW1":
            return None
        mapped = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    reader = pa.ipc.open_file(pa.BufferReader(mapped))
    kind = reader.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    dtype = np.dtype(kind.to_pandas_dtype())
    places, starts, length = [], [], 0
    for i in range(reader.num_record_batches):
        values = reader.get_batch(i).column(column)
        place = values.buffers()[1].address - mapped.address + values.offset * dtype.itemsize if len(values) else 0
        if values.null_count or not 0 <= place < mapped.size:
            return None
        if len(values):
            places.append(place)
            starts.append(length)
            length += len(values)
    return (_File(_opened(path, stack), dtype, tuple(places), tuple(starts)), length) if length else None


def of_draft(draft: Draft, name: str) -> Series:
    """Return the numbers of a draft that is complete as a series."""
    values = draft.finish()
    store: _Store = _File(draft.descriptor, draft.dtype, (0,), (0,)) if values is None else _Memory(values)
    return Series(name, draft.length, draft.dtype, store, remarks=(draft.remark,) if draft.remark else ())


def _decoded(frame: pl.LazyFrame, dtype: np.dtype[Any], source: Source) -> Iterator[NDArray[Any]]:
    """Yield the numbers of a frame of one column, a batch at a time; NaN for null."""
    kind = pl.Float32 if dtype == np.float32 else pl.Float64
    diagnose = partial(source.diagnose, frame.collect_schema().names())
    with plain_errors(source.name, diagnose):
        batches = frame.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
    while True:
        with plain_errors(source.name, diagnose):
            batch = next(batches, None)
            if batch is None:
                return
            values = batch.to_series().cast(kind).fill_null(np.nan).to_numpy()
        yield np.ascontiguousarray(values)

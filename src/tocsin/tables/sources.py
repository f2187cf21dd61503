"""Tables of every kind behind one face: what columns hold, and a lazy frame of those that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from tocsin.errors import ColumnError, DataError, TocsinError
from tocsin.tables.columns import FILE_KEY
from tocsin.tables.failures import plain_errors
from tocsin.tables.features import mixed_error
from tocsin.tables.files import Files, check_source, find_files, format_of_file, is_paths, left_out_remark
from tocsin.tables.kinds import BOOLEAN, Kind, kind_of_type

Storage = Literal["memory", "columns", "rows"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table with typed columns.

    Parameters
    ----------
    name : str
        What it is called in messages.
    frame : polars.LazyFrame
        All its columns.
    storage : {"memory", "columns", "rows"}
        What a pass over few columns costs: nothing, its share, or as much as a pass over all.
    kinds : dict of str to Kind
        What each column holds, in the order of the columns; the ``"@file"`` column is not among them.
    rows : int, optional
        How many rows there are, where that is cheap to know.
    remarks : tuple of str
        What the user should know of what was found.
    text : bool
        Whether it has no types of its own, so that whole numbers may be names and a blank line is no row.
    paths : tuple of str
        The files, if there are any.
    """

    name: str
    frame: pl.LazyFrame
    storage: Storage
    kinds: dict[str, Kind]
    rows: int | None = None
    remarks: tuple[str, ...] = ()
    text: bool = False
    paths: tuple[str, ...] = ()

    def dtype(self, column: str) -> pl.DataType:
        """Return the type of a column as `scan` gives it when it is not among the numbers."""
        return self.frame.collect_schema()[column]

    def scan(self, numbers: Sequence[str]) -> pl.LazyFrame:
        """Return all columns, those in `numbers` in a type that casts to float."""
        return self.frame

    def diagnose(self, numbers: Sequence[str]) -> TocsinError | None:
        """Look for what is wrong after a failure: a file whose columns differ from the first one's."""
        if len(self.paths) < 2:
            return None
        parquet = format_of_file(self.paths[0], explicit=True) == "parquet"
        read = pl.read_parquet_schema if parquet else pl.read_ipc_schema
        first = dict(read(self.paths[0]))
        for path in self.paths[1:]:
            if error := differing(self.paths[0], first, path, dict(read(path))):
                return error
        return None


def differing(first: str, wanted: dict[str, Any], path: str, found: dict[str, Any]) -> ColumnError | None:
    """Return the error that says how the columns of a file differ from the first file's; None if they do not."""
    hint = "make the files alike, or name those that are with a glob"
    for name, kind in wanted.items():
        if name not in found:
            return ColumnError(f"{path} has no column {name!r}, which {first} has; {hint}")
        if kind != found[name]:
            kinds = f"{str(found[name]).lower()} in {path} but {str(kind).lower()} in {first}"
            return ColumnError(f"column {name!r} is {kinds}; {hint}")
    for name in found:
        if name not in wanted:
            return ColumnError(f"{path} has a column {name!r}, which {first} has not; {hint}")
    if list(wanted) != list(found):
        return ColumnError(f"{path} has its columns in another order than {first}; {hint}")
    return None


def open_source(
    source: Any, key: str | None, *, separator: str | None, header: bool, null_values: Sequence[str] | None
) -> Source:
    """Open a path or several, a glob, URL or data frame; the costly parts wait until they are asked for.

    Raises
    ------
    DataError
        If it cannot be read or is no table.
    ParameterError
        If it is neither a path nor a data frame.
    """
    if not is_paths(source):
        return _open_frame(source, key)
    files = find_files(source, key)
    if files.format in ("csv", "ndjson"):
        from tocsin.tables.texts import open_text

        return open_text(files, key, separator=separator, header=header, null_values=null_values)
    return _open_columns(files, key)


def _open_columns(files: Files, key: str | None) -> Source:
    paths = list(files.paths)
    with plain_errors(files.name):
        scan = pl.scan_parquet if files.format == "parquet" else pl.scan_ipc
        frame = scan(
            paths,
            glob=files.remote,
            hive_partitioning=files.partitioned,
            include_file_paths=FILE_KEY if key == FILE_KEY else None,
        )
        kinds = _kinds(frame)
    source = Source(
        name=files.name,
        frame=frame,
        storage="columns",
        kinds=kinds,
        remarks=(left_out_remark(files),) if files.left_out else (),
        paths=() if files.remote else files.paths,
    )
    with plain_errors(files.name, lambda: source.diagnose(())):
        return replace(source, rows=int(frame.select(pl.len()).collect().item()))


def _kinds(frame: pl.LazyFrame) -> dict[str, Kind]:
    return {name: kind_of_type(dtype) for name, dtype in frame.collect_schema().items() if name != FILE_KEY}


def _open_frame(source: Any, key: str | None) -> Source:
    if key == FILE_KEY:
        raise ColumnError("key '@file' needs files; name the column of the data frame that holds the key")
    name = "the data frame"
    with plain_errors(name):
        if isinstance(source, pl.LazyFrame):
            return Source(name=name, frame=source, storage="rows", kinds=_kinds(source))
        if isinstance(source, pl.DataFrame):
            frame = source
        elif hasattr(source, "__arrow_c_stream__"):
            frame = _from_arrow(source)
        else:
            check_source(source)
        lazy = frame.lazy()
        return Source(name=name, frame=lazy, storage="memory", kinds=_kinds(lazy), rows=frame.height)


def _from_arrow(source: Any) -> pl.DataFrame:
    """Take over an Arrow stream; pandas calls an index without a name ``__index_level_0__``."""
    names = [str(name) for name in getattr(source, "columns", ())] if hasattr(source, "iloc") else []
    if twins := {name for name in names if names.count(name) > 1}:
        raise ColumnError(f"the data frame has two columns called {min(twins)!r}; rename one of them")
    try:
        table = pa.table(source)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _mixed_object(error) from None
    names = table.column_names
    if twins := {name for name in names if names.count(name) > 1}:
        raise ColumnError(f"the data frame has two columns called {min(twins)!r}; rename one of them")
    frame = pl.from_arrow(table.select([name for name in names if not name.startswith("__index_level_")]))
    if not isinstance(frame, pl.DataFrame):
        raise DataError("the data frame has no columns")
    return frame


def _mixed_object(error: pa.ArrowException) -> TocsinError:
    """Find the column's name and the value in what Arrow says of a pandas column of mixed objects."""
    import re

    text = " ".join(str(part) for part in error.args)
    column = re.search(r"column (.+?) with type", text)
    value = re.search(r"(?:Could not convert|Expected bytes, got a|object of type) '?([^']*)'?", text)
    if column is None:
        return DataError(f"the data frame cannot be read: {text.splitlines()[0]}")
    return mixed_error(column.group(1), value.group(1) if value else "?", of_frame=True)


def text_as_float(name: str, kind: Kind) -> pl.Expr:
    """Return text as float64; what is no number is an error when it is read."""
    if kind.name == BOOLEAN:
        return pl.col(name).str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None)
    bare = pl.col(name).str.strip_chars()
    if kind.decimal_comma:
        bare = bare.str.replace(",", ".", literal=True)
    return pl.when(bare != "").then(bare).cast(pl.Float64)

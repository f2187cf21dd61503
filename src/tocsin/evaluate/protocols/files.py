"""The files of benchmarks, read with one plain sentence for whatever may be wrong with them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import ColumnError, DataError, did_you_mean
from tocsin.tables.failures import plain_errors


def found(root: Path, pattern: str, what: str) -> list[Path]:
    """Return the files of a pattern, `2.csv` before `10.csv`.

    Raises
    ------
    DataError
        If there is none.
    """
    paths = sorted(root.glob(pattern), key=lambda path: _natural(path.relative_to(root).as_posix()))
    if not paths:
        raise DataError(f"no {pattern} in {root}; give the folder that holds {what}")
    return paths


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def file(root: Path, name: str, what: str) -> Path:
    """Return the path of a file that must be there."""
    path = root / name
    if not path.is_file():
        raise DataError(f"no {name} in {root}, which holds {what}; the benchmark is incomplete, so fetch it again")
    return path


def csv(path: Path, columns: Sequence[str], separator: str = ",") -> pl.DataFrame:
    """Read a table that has at least some columns."""
    with plain_errors(str(path)):
        frame = pl.read_csv(path, separator=separator, try_parse_dates=True)
    for column in columns:
        if column not in frame.columns:
            raise ColumnError(f"{path} has no column {column!r}{did_you_mean(column, frame.columns)}")
    if frame.is_empty():
        raise DataError(f"{path} has no rows; fetch it again")
    return frame


def numbers(path: Path, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return some columns as float64."""
    for column in columns:
        if not frame.schema[column].is_numeric():
            kind = str(frame.schema[column]).lower()
            raise ColumnError(f"column {column!r} of {path} is {kind}, not numbers; fetch the file again")
    return frame.select(pl.col(column).cast(pl.Float64) for column in columns)


def npz(path: Path, arrays: dict[str, int]) -> list[NDArray[Any]]:
    """Read some arrays of numbers, each with so many dimensions; nothing in the file is executed."""
    try:
        with np.load(path, allow_pickle=False) as content:
            missing = [name for name in arrays if name not in content.files]
            if missing:
                raise ColumnError(f"{path} has no array {missing[0]!r}{did_you_mean(missing[0], content.files)}")
            read = [content[name] for name in arrays]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        why = "it is no whole .npz file of plain numbers" if path.is_file() else "there is no such file"
        raise DataError(f"cannot read {path}: {why}; fetch it again") from error
    for (name, dimensions), array in zip(arrays.items(), read, strict=True):
        if array.ndim != dimensions or array.dtype.kind not in "biuf":
            raise DataError(
                f"{name!r} of {path} is {array.dtype} of shape {array.shape}; it must be numbers in {dimensions} "
                f"{'dimension' if dimensions == 1 else 'dimensions'}"
            )
    return read


def of_json(path: Path) -> dict[str, Any]:
    """Read an object of JSON."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise DataError(f"cannot read {path}: it is no object of JSON; fetch it again")
    return content


def matrix(path: Path) -> NDArray[np.float64]:
    """Read numbers between blanks, a row a line."""
    try:
        rows = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}; fetch it again") from None
    if rows.size == 0:
        raise DataError(f"{path} has no rows; fetch it again")
    return rows


def rows_of(values: NDArray[Any], features: Sequence[str], first: int = 0) -> pl.DataFrame:
    """Return a matrix of shape (n_rows, n_features) as a table; the column row numbers its rows from `first` on."""
    single = values.dtype == np.float32
    data = np.ascontiguousarray(values.T, np.float32 if single else np.float64)
    columns = dict(zip(features, data, strict=True))
    return pl.DataFrame({ROW: np.arange(first, first + len(values), dtype=np.int64), **columns})


ROW = "row"
"""The column that orders rows without a time."""

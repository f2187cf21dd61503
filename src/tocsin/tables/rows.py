"""The columns that matter, as batches of plain arrays: the one place where frames turn into numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.tables.failures import Diagnose, plain_errors
from tocsin.tables.keys import KeyIndex
from tocsin.tables.notes import Notes

KEY, TIME, RAW_TIME, BLANK = "key", "time", "raw time", "blank"
_BATCH_BYTES = 32 << 20
Infinite = Literal["error", "missing"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of the input that have a key and a time.

    Parameters
    ----------
    columns : list of ndarray of shape (n_rows,), float32 or float64
        One a feature.
    times : ndarray of shape (n_rows,), int64, optional
        None without a time column.
    codes : ndarray of shape (n_rows,), int32, optional
        Which asset each row is of; None where that was not asked for.
    """

    columns: list[NDArray[Any]]
    times: NDArray[np.int64] | None
    codes: NDArray[np.int32] | None
    n_rows: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings that can be read as often as needed, a batch at a time.

    Parameters
    ----------
    frame : polars.LazyFrame
        The columns ``"key"``, ``"time"`` (int64), ``"raw time"`` and ``"blank"``, as far as there are any, then the
        features, named ``"0"``, ``"1"`` and so on.
    features : tuple of str
        What the features are called.
    dtype : dtype
        float32 or float64.
    in_memory : bool
        Whether the frame holds data rather than a plan to read some.
    """

    frame: pl.LazyFrame
    features: tuple[str, ...]
    dtype: np.dtype[Any]
    name: str
    diagnose: Diagnose
    infinite: Infinite
    in_memory: bool = False

    @property
    def columns(self) -> list[str]:
        """The names of the frame's columns."""
        return self.frame.collect_schema().names()

    @property
    def keyed(self) -> bool:
        """Whether there is a key column."""
        return KEY in self.columns

    @property
    def timed(self) -> bool:
        """Whether there is a time column."""
        return TIME in self.columns

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes as numbers."""
        return len(self.features) * self.dtype.itemsize + 12

    def only(self, test: pl.Expr) -> Rows:
        """Return those rows alone that pass a test."""
        return replace(self, frame=self.frame.filter(test))

    def heads(self) -> Iterator[pl.DataFrame]:
        """Yield key, time and blank columns alone, a batch at a time; at least one column of something."""
        names = [name for name in (KEY, TIME, RAW_TIME, BLANK) if name in self.columns]
        with plain_errors(self.name, self.diagnose):
            yield from self.frame.select(names).collect_batches(chunk_size=1 << 18, maintain_order=True)

    def valid(self) -> pl.Expr:
        """Tell which rows count."""
        columns = self.columns
        tests = [pl.col(name).is_not_null() for name in (KEY, TIME) if name in columns]
        return pl.all_horizontal(*tests, *([~pl.col(BLANK)] if BLANK in columns else []))

    def batches(self, notes: Notes, keys: KeyIndex | None, *, skipping: bool) -> Iterator[Batch]:
        """Yield all rows in order.

        Parameters
        ----------
        notes : Notes
            Where infinite values are counted.
        keys : KeyIndex, optional
            Encodes keys; None leaves them unread.
        skipping : bool
            Whether there are rows that do not count.
        """
        frame = self._needed(keys, skipping=skipping)
        chunk = min(max(_BATCH_BYTES // self.row_bytes, 1 << 12), 1 << 20)
        with plain_errors(self.name, self.diagnose):
            for piece in frame.collect_batches(chunk_size=chunk, maintain_order=True):
                if piece.height:
                    yield self._batch(piece, notes, keys)

    def whole(self, notes: Notes, keys: KeyIndex, *, skipping: bool) -> Batch:
        """Return all rows as one batch; columns that are contiguous in memory already are not copied."""
        with plain_errors(self.name, self.diagnose):
            frame = self._needed(keys, skipping=skipping).collect()
            return self._batch(frame, notes, keys)

    def _needed(self, keys: KeyIndex | None, *, skipping: bool) -> pl.LazyFrame:
        frame = self.frame.filter(self.valid()) if skipping else self.frame
        heads = [name for name in (KEY, TIME) if name in self.columns and (name != KEY or keys is not None)]
        return frame.select(*heads, *(str(i) for i in range(len(self.features))))

    def _batch(self, piece: pl.DataFrame, notes: Notes, keys: KeyIndex | None) -> Batch:
        times = piece[TIME].to_numpy() if TIME in piece.columns else None
        codes = None
        if keys is not None:
            codes = keys.encode(piece[KEY]) if KEY in piece.columns else np.zeros(piece.height, np.int32)
        columns = [self._numbers(piece[str(i)], i, notes) for i in range(len(self.features))]
        return Batch(columns, times, codes, piece.height)

    def _numbers(self, series: pl.Series, feature: int, notes: Notes) -> NDArray[Any]:
        """Return a column with NaN for what is missing, without copying where there is nothing to change."""
        numbers: NDArray[Any] = series.to_numpy()
        infinite = np.isinf(numbers)
        if infinite.any():
            if self.infinite == "error":
                raise self._infinite_error(feature)
            notes.infinite[self.features[feature]] += int(np.count_nonzero(infinite))
            numbers = np.where(infinite, numbers.dtype.type(np.nan), numbers)
        return numbers

    def _infinite_error(self, feature: int) -> DataError:
        """Count the infinite values of the whole column, now that it will not be used anyway."""
        count = int(self.frame.select(pl.col(str(feature)).is_infinite().sum()).collect(engine="streaming").item())
        plural = "s" if count > 1 else ""
        return DataError(
            f"column {self.features[feature]!r} has {count:,} infinite value{plural}; "
            "mend them, or read with infinite='missing' to treat them as missing"
        )

"""The columns that matter, as batches of plain arrays: the one place where frames turn into numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.tables.failures import Diagnose, plain_errors
from tocsin.tables.keys import KeyIndex
from tocsin.tables.notes import Notes

KEY, TIME, RAW_TIME, BLANK = "key", "time", "raw time", "blank"
BATCH_BYTES = 24 << 20
Infinite = Literal["error", "missing"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of the input that have a key and a time.

    Parameters
    ----------
    n_rows : int
        How many rows there are.
    times : ndarray of shape (n_rows,), int64, optional
        None without a time column.
    codes : ndarray of shape (n_rows,), int32, optional
        Which asset each row is of; None where that was not asked for.
    column : callable
        Gives the values of a feature, shape (n_rows,), float32 or float64. A column in several pieces is put together
        each time it is asked for, so that one column at a time takes memory.
    """

    n_rows: int
    times: NDArray[np.int64] | None
    codes: NDArray[np.int32] | None
    column: Callable[[int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings that can be read as often as needed, a batch at a time.

    Parameters
    ----------
    frame : polars.LazyFrame
        Columns as they are stored.
    picks : dict of str to polars.Expr
        What gives ``"key"``, ``"time"`` (int64), ``"raw time"`` and ``"blank"``, as far as there are any, then the
        features, named ``"0"``, ``"1"`` and so on. They are applied to each batch rather than to the lazy frame:
        the streaming engine reads a gigabyte ahead of a node that computes, but not of a bare projection.
    features : tuple of str
        What the features are called.
    dtype : dtype
        float32 or float64.
    only : polars.Expr, optional
        Which rows to look at, in terms of `picks`.
    """

    frame: pl.LazyFrame
    picks: dict[str, pl.Expr]
    features: tuple[str, ...]
    dtype: np.dtype[Any]
    name: str
    diagnose: Diagnose
    infinite: Infinite
    only: pl.Expr | None = None

    @property
    def keyed(self) -> bool:
        """Whether there is a key column."""
        return KEY in self.picks

    @property
    def timed(self) -> bool:
        """Whether there is a time column."""
        return TIME in self.picks

    @property
    def counted(self) -> bool:
        """Whether the number of rows that count is known only after looking at them."""
        return bool({KEY, TIME, BLANK} & set(self.picks)) or self.only is not None

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes as numbers."""
        return len(self.features) * self.dtype.itemsize + 12

    @property
    def stored(self) -> list[str]:
        """The columns of the frame that are needed."""
        return self._roots(list(self.picks))

    def heads(self) -> Iterator[pl.DataFrame]:
        """Yield key, time and blank columns alone, a batch at a time."""
        names = [name for name in (KEY, TIME, RAW_TIME, BLANK) if name in self.picks]
        yield from self._pieces(names, 1 << 18)

    def batches(
        self, notes: Notes, keys: KeyIndex | None, *, skipping: bool, size: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield all rows in order.

        Parameters
        ----------
        notes : Notes
            Where infinite values are counted.
        keys : KeyIndex, optional
            Encodes keys; None leaves them unread.
        skipping : bool
            Whether there are rows that do not count.
        size : int
            Roughly how many bytes a batch has.
        """
        heads = [name for name in (KEY, TIME, BLANK) if name in self.picks]
        if not skipping:
            heads = [name for name in heads if name == TIME or (name == KEY and keys is not None)]
        chunk = min(max(size // self.row_bytes, 1 << 12), 1 << 20)
        for found in self._pieces([*heads, *(str(i) for i in range(len(self.features)))], chunk):
            piece = found.filter(self._valid()) if skipping else found
            if piece.height:
                yield self._batch(piece, notes, keys)

    def _valid(self) -> pl.Expr:
        """Tell which rows count."""
        tests = [pl.col(name).is_not_null() for name in (KEY, TIME) if name in self.picks]
        return pl.all_horizontal(*tests, *([~pl.col(BLANK)] if BLANK in self.picks else []))

    def _roots(self, names: list[str]) -> list[str]:
        roots = dict.fromkeys(root for name in names for root in self.picks[name].meta.root_names())
        return list(roots)

    def _pieces(self, names: list[str], chunk: int) -> Iterator[pl.DataFrame]:
        """Yield some of the picks."""
        wanted = list(dict.fromkeys([*names, *(self.only.meta.root_names() if self.only is not None else [])]))
        picks = [self.picks[name].alias(name) for name in wanted]
        frame = self.frame.select(self._roots(wanted))
        with plain_errors(self.name, self.diagnose):
            for piece in frame.collect_batches(chunk_size=chunk, maintain_order=True):
                picked = piece.select(picks)
                yield picked if self.only is None else picked.filter(self.only)

    def _batch(self, piece: pl.DataFrame, notes: Notes, keys: KeyIndex | None) -> Batch:
        times = piece[TIME].to_numpy() if self.timed else None
        codes = None
        if keys is not None:
            codes = keys.encode(piece[KEY]) if self.keyed else np.zeros(piece.height, np.int32)
        return Batch(piece.height, times, codes, lambda feature: self._numbers(piece[str(feature)], feature, notes))

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
        column = self.picks[str(feature)]
        count = int(self.frame.select(column.is_infinite().sum()).collect(engine="streaming").item())
        plural = "s" if count > 1 else ""
        return DataError(
            f"column {self.features[feature]!r} has {count:,} infinite value{plural}; "
            "mend them, or read with infinite='missing' to treat them as missing"
        )

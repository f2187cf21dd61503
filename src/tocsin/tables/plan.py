"""One pass over keys and times alone: how many rows each asset has, and whether they stand together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import DataError, EmptyDataError
from tocsin.tables.keys import KeyIndex
from tocsin.tables.notes import Notes
from tocsin.tables.rows import BLANK, KEY, RAW_TIME, TIME, Rows

PANEL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to read.

    Parameters
    ----------
    keys : pyarrow.Array of length n_assets
        In order of first appearance, which is the order of all that follows.
    counts : ndarray of shape (n_assets,), int64
        Rows of each asset.
    grouped : bool
        Whether every asset's rows stand together.
    index : KeyIndex
        Gives keys the codes that `counts` is indexed by.
    skipping : bool
        Whether some rows do not count.
    """

    keys: pa.Array
    counts: NDArray[np.int64]
    grouped: bool
    index: KeyIndex
    skipping: bool

    @property
    def n_rows(self) -> int:
        """How many rows count."""
        return int(self.counts.sum())

    def offsets(self, first: int, last: int) -> NDArray[np.int64]:
        """Return where each of the assets ``first:last`` starts when they stand one after the other."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts[first:last])])

    def ranges(self, target_rows: int) -> list[tuple[int, int]]:
        """Cut the assets into consecutive ranges ``first, last`` of roughly `target_rows` rows."""
        return cut(self.counts, target_rows)


def cut(counts: NDArray[np.int64], target: int) -> list[tuple[int, int]]:
    """Cut into consecutive ranges whose sums stay below `target`; one that alone is above it is a range of its own.

    Examples
    --------
    >>> cut(np.array([3, 3, 9, 1]), 6)
    [(0, 2), (2, 3), (3, 4)]
    """
    ends = np.cumsum(counts)
    ranges, first = [], 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + target, side="right")), first + 1)
        ranges.append((first, last))
        first = last
    return ranges


def make_plan(rows: Rows, notes: Notes, *, total: int | None, of_text: bool) -> Plan:
    """Look at keys and times once.

    Raises
    ------
    EmptyDataError
        If no row is left.
    DataError
        If the time column holds fractions.
    """
    index = KeyIndex()
    counts = np.zeros(0, np.int64)
    grouped, last = True, -1
    skipped = seen = 0
    if not rows.counted:
        seen = int(rows.frame.select(pl.len()).collect().item()) if total is None else total
        counts = np.array([seen], np.int64)
    else:
        for head in rows.heads():
            seen += head.height
            kept = _kept(head, notes)
            skipped += head.height - kept.height
            if kept.height:
                codes, lengths = _runs(kept, index)
                grouped = grouped and int(codes[0]) >= last and bool((np.diff(codes) >= 0).all())
                last = int(codes[-1])
                more = np.bincount(codes, lengths, minlength=max(len(index), len(counts), 1)).astype(np.int64)
                more[: len(counts)] += counts
                counts = more
    if not counts.sum():
        why = "; ".join(notes.lines())
        raise EmptyDataError(f"{rows.name} has no rows" if not seen else f"no row of {rows.name} is left: {why}")
    keys = index.keys(of_text=of_text) if rows.keyed else pa.array([""])
    return Plan(keys, counts.astype(np.int64), grouped, index, skipped > 0)


def _runs(kept: pl.DataFrame, index: KeyIndex) -> tuple[NDArray[np.int32], NDArray[np.int64] | None]:
    """Return codes of consecutive rows of one key and how many there are; hashing each run once, not each row."""
    if KEY not in kept.columns:
        return np.zeros(1, np.int32), np.array([kept.height])
    keys = kept[KEY]
    starts = (keys != keys.shift(1)).fill_null(value=True).arg_true()
    if 2 * len(starts) > kept.height:
        return index.encode(keys), None
    return index.encode(keys.gather(starts)), np.diff(starts.to_numpy().astype(np.int64), append=kept.height)


def _kept(head: pl.DataFrame, notes: Notes) -> pl.DataFrame:
    """Return the rows that count, and count the others."""
    if BLANK in head.columns:
        notes.count("blank", int(head[BLANK].sum()))
        head = head.filter(~pl.col(BLANK))
    if KEY in head.columns and (without := head[KEY].null_count()):
        notes.count("no key", without)
        head = head.filter(pl.col(KEY).is_not_null())
    if TIME in head.columns and (without := head[TIME].null_count()):
        example = None
        strays = head.filter(pl.col(TIME).is_null())
        if RAW_TIME in head.columns:
            values = strays[RAW_TIME].drop_nulls()
            if values.dtype.is_float() and len(values := values.drop_nans()):
                raise DataError(f"the time column holds fractions such as {values[0]}; multiply it into whole numbers")
            example = str(values[0]) if len(values) else None
        notes.count("no time", without, example)
        head = head.filter(pl.col(TIME).is_not_null())
    return head

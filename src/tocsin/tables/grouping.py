"""From rows to panels: straight through where the rows of an asset stand together; what else that needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.panel import Panel
from tocsin.tables.notes import Notes
from tocsin.tables.plan import Plan
from tocsin.tables.rows import Batch, Rows

Ranges = list[tuple[int, int]]


def time_order(
    offsets: NDArray[np.int64], times: NDArray[np.int64], notes: Notes, *, repeats: bool
) -> NDArray[np.int64] | None:
    """Return the order that sorts each asset's rows by time, stably; None if they are sorted.

    Counts rows that came too early and, with `repeats`, rows that repeat a time.
    """
    if len(times) < 2:
        return None
    inside = np.ones(len(times) - 1, bool)
    starts = offsets[1:-1]
    inside[starts[(starts > 0) & (starts < len(times))] - 1] = False
    late = (times[1:] < times[:-1]) & inside
    order = None
    if late.any():
        notes.count("unsorted times", int(np.count_nonzero(late)))
        assets = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        order = np.lexsort((times, assets))
        times = times[order]
    if repeats:
        notes.count("repeated times", int(np.count_nonzero((times[1:] == times[:-1]) & inside)))
    return order


def stable_order(codes: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the stable order of codes below `count`; 16 bits at a time, since NumPy sorts those by radix."""
    if count <= 1 << 16:
        return np.argsort(codes.astype(np.uint16), kind="stable")
    low = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    high = (codes >> 16).astype(np.uint16)
    return low[np.argsort(high[low], kind="stable")]


def through(rows: Rows, plan: Plan, ranges: Ranges, notes: Notes, *, repeats: bool = True) -> Iterator[Panel]:
    """Yield panels of input whose assets stand together; each value is copied once.

    Memory: one panel and a few batches.
    """
    batches = rows.batches(notes, None, skipping=plan.skipping)
    batch: Batch | None = None
    columns: list[NDArray[Any]] = []
    used = 0
    for first, last in ranges:
        offsets = plan.offsets(first, last)
        size = int(offsets[-1])
        values = np.empty((len(rows.features), size), rows.dtype)
        times = np.empty(size, np.int64) if rows.timed else None
        filled = 0
        while filled < size:
            if batch is None or used == batch.n_rows:
                batch, used = next(batches, None), 0
                if batch is None:
                    raise changed(rows)
                columns = [batch.column(feature) for feature in range(len(rows.features))]
            step = min(size - filled, batch.n_rows - used)
            for feature, column in enumerate(columns):
                values[feature, filled : filled + step] = column[used : used + step]
            if times is not None and batch.times is not None:
                times[filled : filled + step] = batch.times[used : used + step]
            filled += step
            used += step
        if times is not None and (order := time_order(offsets, times, notes, repeats=repeats)) is not None:
            times = times[order]
            for row in values:
                row[:] = row[order]
        yield Panel(values, offsets, plan.keys[first:last], rows.features, times)
    if (batch is not None and used < batch.n_rows) or next(batches, None) is not None:
        raise changed(rows)


def changed(rows: Rows) -> DataError:
    """Return the error for input that is not what it was when it was first looked at."""
    return DataError(f"{rows.name} changed while it was read; read it again when nothing writes to it")

"""From rows to panels: straight through where assets stand together, by gathering where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
                    raise _changed(rows)
            step = min(size - filled, batch.n_rows - used)
            for feature, column in enumerate(batch.columns):
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
        raise _changed(rows)


def _changed(rows: Rows) -> DataError:
    return DataError(f"{rows.name} changed while it was read; read it again when nothing writes to it")


def gather(
    rows: Rows,
    plan: Plan,
    lots: list[Ranges],
    data: tuple[Callable[[int], NDArray[Any]], NDArray[np.int32], NDArray[np.int64] | None],
    notes: Notes,
    *,
    repeats: bool = True,
) -> Iterator[Panel]:
    """Yield panels of rows in any order that are all in memory.

    Parameters
    ----------
    lots : list of list of (int, int)
        The panels' assets, consecutive throughout. The panels of a lot are filled together, feature by feature.
    data : (callable, ndarray of shape (n_rows,), ndarray of shape (n_rows,) or None)
        What gives the column of a feature, each row's code, and times.
    """
    column, codes, times = data
    first, last = lots[0][0][0], lots[-1][-1][1]
    order = stable_order(codes - first, last - first)
    starts = plan.offsets(first, last)
    if times is not None:
        times = times[order]
        again = time_order(starts, times, notes, repeats=repeats)
        if again is not None:
            order, times = order[again], times[again]
    for ranges in lots:
        bounds = [(int(starts[a - first]), int(starts[b - first])) for a, b in ranges]
        matrices = [np.empty((len(rows.features), end - start), rows.dtype) for start, end in bounds]
        for feature in range(len(rows.features)):
            numbers = column(feature)
            for matrix, (start, end) in zip(matrices, bounds, strict=True):
                np.take(numbers, order[start:end], out=matrix[feature], mode="clip")
        for matrix, (a, b), (start, end) in zip(matrices, ranges, bounds, strict=True):
            stamps = None if times is None else np.ascontiguousarray(times[start:end])
            yield Panel(matrix, plan.offsets(a, b), plan.keys[a:b], rows.features, stamps)

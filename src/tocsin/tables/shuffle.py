"""Readings whose assets do not stand together: one pass brings rows together by asset, another makes panels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.panel import Panel
from tocsin.tables.grouping import Ranges, changed, stable_order, time_order
from tocsin.tables.notes import Notes
from tocsin.tables.plan import Plan, cut
from tocsin.tables.rows import Batch, Rows
from tocsin.tables.stores import Bytes, Store

_MOST_BUCKETS = 1 << 12
_BATCH_BYTES = 56 << 20  # the more rows a batch has, the longer the runs of one asset in it


class _Piece(NamedTuple):
    """Where in the store the rows lie that one batch had of one bucket."""

    start: int
    n_rows: int


def shuffled(
    rows: Rows, plan: Plan, ranges: Ranges, store: Store, notes: Notes, *, memory: int, repeats: bool = True
) -> Iterator[Panel]:
    """Yield panels of input in any order.

    A bucket is a few consecutive panels, up to a sixteenth of `memory`: in each batch its rows are brought together
    and written as one piece, sorted by asset, so that reading a bucket back takes one seek a batch.

    Memory: two buckets and a few batches, besides the store, which holds all rows. Cost: three copies of each value
    besides what the store costs.
    """
    sizes = np.array([plan.counts[a:b].sum() for a, b in ranges])
    buckets = cut(sizes, max(memory // 16 // rows.row_bytes, -(-plan.n_rows // _MOST_BUCKETS)))
    bucket_of_panel = np.repeat(np.arange(len(buckets)), [b - a for a, b in buckets])
    bucket_of_code = np.repeat(bucket_of_panel, [b - a for a, b in ranges]).astype(np.uint16)
    pieces = _scatter(rows, plan, bucket_of_code, len(buckets), store, notes)
    longest = max(sum(_piece_bytes(rows, piece.n_rows) for piece in bucket) for bucket in pieces)
    space = np.empty(longest, np.uint8)
    for bucket, (a, b) in zip(pieces, buckets, strict=True):
        yield from _gather(rows, plan, ranges[a:b], _collect(rows, bucket, store, space), notes, repeats=repeats)


def _scatter(
    rows: Rows, plan: Plan, bucket_of_code: NDArray[np.uint16], count: int, store: Store, notes: Notes
) -> list[list[_Piece]]:
    """Write all rows, those of a bucket together within each batch."""
    pieces: list[list[_Piece]] = [[] for _ in range(count)]
    for batch in rows.batches(notes, plan.index, skipping=plan.skipping, size=_BATCH_BYTES):
        if batch.codes is None or len(plan.index) > len(plan.counts):
            raise changed(rows)
        order = stable_order(batch.codes, len(plan.counts))
        ends = np.cumsum(np.bincount(bucket_of_code[batch.codes], minlength=count))
        found = [int(bucket) for bucket in np.flatnonzero(np.diff(ends, prepend=0))]
        bounds = [(int(ends[bucket - 1]) if bucket else 0, int(ends[bucket])) for bucket in found]
        sizes = [_piece_bytes(rows, b - a) for a, b in bounds]
        data = store.buffer(sum(sizes))
        _pack(rows, batch, order, bounds, data)
        start = store.write(data)
        for bucket, size, (a, b) in zip(found, sizes, bounds, strict=True):
            pieces[bucket].append(_Piece(start, b - a))
            start += size
    store.wait()
    return pieces


def _piece_bytes(rows: Rows, count: int) -> int:
    """Return how long a piece of `count` rows is, rounded up so that the next one is aligned too."""
    size = count * (len(rows.features) * rows.dtype.itemsize + (12 if rows.timed else 4))
    return -(-size // 8) * 8


class _Views(NamedTuple):
    """The rows of a piece, in the bytes that hold it."""

    values: NDArray[Any]
    codes: NDArray[np.int32]
    times: NDArray[np.int64] | None


def _views(rows: Rows, count: int, data: Bytes) -> _Views:
    """Return the piece of `count` rows that `data` starts with; what is widest comes first and is aligned."""
    at = 8 * count if rows.timed else 0
    times = data[:at].view(np.int64) if rows.timed else None
    end = at + len(rows.features) * count * rows.dtype.itemsize
    values = data[at:end].view(rows.dtype).reshape(len(rows.features), count)
    return _Views(values, data[end : end + 4 * count].view(np.int32), times)


def _pack(rows: Rows, batch: Batch, order: NDArray[np.int64], bounds: list[tuple[int, int]], buffer: Bytes) -> None:
    """Lay the pieces of a batch one after the other; a column is read for all pieces while it is in the cache."""
    views, at = [], 0
    for a, b in bounds:
        views.append(_views(rows, b - a, buffer[at:]))
        at += _piece_bytes(rows, b - a)
    chosen = [order[a:b] for a, b in bounds]
    for places, (_, codes, times) in zip(chosen, views, strict=True):
        if batch.codes is not None:
            codes[:] = batch.codes[places]
        if times is not None and batch.times is not None:
            times[:] = batch.times[places]
    for feature in range(len(rows.features)):
        column = batch.column(feature)
        for places, (values, _, _) in zip(chosen, views, strict=True):
            np.take(column, places, out=values[feature], mode="clip")


def _collect(rows: Rows, pieces: list[_Piece], store: Store, space: Bytes) -> list[_Views]:
    """Read one bucket back."""
    parts, at = [], 0
    for piece in pieces:
        size = _piece_bytes(rows, piece.n_rows)
        parts.append(_views(rows, piece.n_rows, store.read(piece.start, space[at : at + size])))
        at += size
    return parts


def _gather(
    rows: Rows, plan: Plan, ranges: Ranges, parts: list[_Views], notes: Notes, *, repeats: bool
) -> Iterator[Panel]:
    """Make the panels of a bucket, feature by feature; one feature of a bucket stays in the cache."""
    first, last = ranges[0][0], ranges[-1][1]
    codes = np.concatenate([part.codes for part in parts])
    starts = plan.offsets(first, last)
    if len(codes) != starts[-1]:
        raise changed(rows)
    order = stable_order(codes - first, last - first)
    times = None
    if rows.timed:
        times = np.concatenate([part.times for part in parts if part.times is not None])[order]
        again = time_order(starts, times, notes, repeats=repeats)
        if again is not None:
            order, times = order[again], times[again]
    bounds = [(int(starts[a - first]), int(starts[b - first])) for a, b in ranges]
    matrices = [np.empty((len(rows.features), end - start), rows.dtype) for start, end in bounds]
    column = np.empty(len(codes), rows.dtype)
    for feature in range(len(rows.features)):
        np.concatenate([part.values[feature] for part in parts], out=column)
        for matrix, (start, end) in zip(matrices, bounds, strict=True):
            np.take(column, order[start:end], out=matrix[feature], mode="clip")
    for i, ((a, b), (start, end)) in enumerate(zip(ranges, bounds, strict=True)):
        stamps = None if times is None else times[start:end]
        yield Panel(matrices[i], plan.offsets(a, b), plan.keys[a:b], rows.features, stamps)

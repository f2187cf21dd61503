"""Readings in time order that do not fit memory: one pass scatters them by asset over a file, one reads them back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import OutputError
from tocsin.panel import Panel
from tocsin.tables.grouping import Ranges, gather, stable_order
from tocsin.tables.notes import Notes
from tocsin.tables.plan import Plan, cut
from tocsin.tables.rows import Batch, Rows

_MOST_BUCKETS = 1 << 12


class _Piece(NamedTuple):
    """Where in the file the rows lie that one batch had of one bucket."""

    start: int
    n_rows: int


@contextmanager
def scratch_folder(tmp: Path | None) -> Iterator[Path]:
    """Give a folder that is gone afterwards, and say so in plain words where it cannot be made or filled."""
    try:
        with tempfile.TemporaryDirectory(prefix="tocsin-", dir=tmp, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        place = tmp or tempfile.gettempdir()
        reason = error.strerror or error
        raise OutputError(f"cannot set readings aside in {place}: {reason}; give tmp a folder with room") from None


def shuffled(
    rows: Rows, plan: Plan, ranges: Ranges, notes: Notes, *, memory: int, tmp: Path | None, repeats: bool = True
) -> Iterator[Panel]:
    """Yield panels of input in any order, through a file.

    A bucket is a few consecutive panels, about an eighth of `memory`: in each batch its rows are brought together
    and written as one piece, so that reading a bucket back takes one seek a batch.

    Memory: two buckets and a few batches. Disk: the rows as numbers. Cost: about three copies of each value, a write
    and a read.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    row_bytes = rows.row_bytes
    sizes = np.array([plan.counts[a:b].sum() for a, b in ranges])
    target = max(memory // 8 // row_bytes, -(-plan.n_rows // _MOST_BUCKETS))
    buckets = cut(sizes, target)
    bucket_of_panel = np.repeat(np.arange(len(buckets)), [b - a for a, b in buckets])
    bucket_of_code = np.repeat(bucket_of_panel, [b - a for a, b in ranges]).astype(np.uint16)
    with scratch_folder(tmp) as folder, (folder / "rows").open("w+b", buffering=0) as file:
        pieces = _scatter(rows, plan, bucket_of_code, len(buckets), file, notes)
        for bucket, (a, b) in zip(pieces, buckets, strict=True):
            yield from _collect(rows, plan, ranges[a:b], bucket, file, notes, repeats=repeats)


def _scatter(
    rows: Rows, plan: Plan, bucket_of_code: NDArray[np.uint16], count: int, file: IO[bytes], notes: Notes
) -> list[list[_Piece]]:
    """Write all rows, those of a bucket together within each batch: codes, times, then feature by feature."""
    pieces: list[list[_Piece]] = [[] for _ in range(count)]
    written = 0
    buffer = np.empty(0, np.uint8)
    for batch in rows.batches(notes, plan.index, skipping=plan.skipping):
        assert batch.codes is not None
        buckets = bucket_of_code[batch.codes]
        order = stable_order(buckets, count)
        ends = np.cumsum(np.bincount(buckets, minlength=count))
        size = batch.n_rows * _stored_bytes(rows)
        if len(buffer) < size:
            buffer = np.empty(size, np.uint8)
        filled = 0
        for bucket in np.flatnonzero(np.diff(ends, prepend=0)):
            chosen = order[ends[bucket - 1] if bucket else 0 : ends[bucket]]
            pieces[bucket].append(_Piece(written + filled, len(chosen)))
            filled += _pack(batch, rows, chosen, buffer[filled:])
        _write(file, buffer[:size])
        written += size
    return pieces


def _stored_bytes(rows: Rows) -> int:
    return len(rows.features) * rows.dtype.itemsize + 4 + (8 if rows.timed else 0)


def _views(
    rows: Rows, count: int, buffer: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64] | None]:
    """Return the values, codes and times of a piece that starts with the buffer; widest first, to stay aligned."""
    at = 8 * count if rows.timed else 0
    times = buffer[:at].view(np.int64) if rows.timed else None
    end = at + len(rows.features) * count * rows.dtype.itemsize
    values = buffer[at:end].view(rows.dtype).reshape(len(rows.features), count)
    return values, buffer[end : end + 4 * count].view(np.int32), times


def _pack(batch: Batch, rows: Rows, chosen: NDArray[np.int64], buffer: NDArray[np.uint8]) -> int:
    values, codes, times = _views(rows, len(chosen), buffer)
    assert batch.codes is not None
    np.take(batch.codes, chosen, out=codes, mode="clip")
    if times is not None and batch.times is not None:
        np.take(batch.times, chosen, out=times, mode="clip")
    for feature, column in enumerate(batch.columns):
        np.take(column, chosen, out=values[feature], mode="clip")
    return len(chosen) * _stored_bytes(rows)


def _write(file: IO[bytes], data: NDArray[np.uint8]) -> None:
    view = memoryview(data.data)
    while view:
        view = view[file.write(view) :]


def _read(file: IO[bytes], start: int, data: NDArray[np.uint8]) -> None:
    file.seek(start)
    view = memoryview(data.data)
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise OSError("the file of readings set aside was cut short")
        view = view[count:]


def _collect(
    rows: Rows, plan: Plan, ranges: Ranges, pieces: list[_Piece], file: IO[bytes], notes: Notes, *, repeats: bool
) -> Iterator[Panel]:
    """Read one bucket back and make its panels."""
    parts = []
    for piece in pieces:
        data = np.empty(piece.n_rows * _stored_bytes(rows), np.uint8)
        _read(file, piece.start, data)
        parts.append(_views(rows, piece.n_rows, data))
    codes = np.concatenate([part[1] for part in parts])
    times = np.concatenate([part[2] for part in parts if part[2] is not None]) if rows.timed else None
    whole = np.empty(len(codes), rows.dtype)

    def column(feature: int) -> NDArray[Any]:
        return np.concatenate([part[0][feature] for part in parts], out=whole)

    yield from gather(rows, plan, [ranges], (column, codes, times), notes, repeats=repeats)

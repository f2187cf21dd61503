"""Sources that cost a whole pass for any column are read once and kept: in memory, or in a file if that is too much."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.tables.failures import plain_errors
from tocsin.tables.rows import Rows

_BATCH_ROWS = 1 << 16


def staged(
    rows: Rows, *, memory: int, scratch: Callable[[], AbstractContextManager[Path]], stack: ExitStack
) -> tuple[Rows, int]:
    """Return rows that can be read again cheaply, and how many there are.

    Up to a quarter of `memory` stays in memory; more goes into a Parquet file in a scratch folder that `stack`
    removes.
    """
    kept: list[pl.DataFrame] = []
    size = total = 0
    writer: pq.ParquetWriter | None = None
    path = Path()
    pieces = rows.frame.select(rows.stored).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
    while True:
        with plain_errors(rows.name, rows.diagnose):
            piece = next(pieces, None)
        if piece is None:
            break
        total += piece.height
        if writer is not None:
            _write(writer, piece)
            continue
        kept.append(piece)
        size += int(piece.estimated_size())
        if size > memory // 4:
            path = stack.enter_context(scratch()) / "rows.parquet"
            writer = stack.enter_context(_writer(path, piece))
            for earlier in kept:
                _write(writer, earlier)
            kept.clear()
    if writer is not None:
        writer.close()
        return replace(rows, frame=pl.scan_parquet(path, glob=False)), total
    frame = pl.concat(kept, rechunk=True) if kept else rows.frame.select(rows.stored).collect()
    return replace(rows, frame=frame.lazy()), total


def _writer(path: Path, piece: pl.DataFrame) -> pq.ParquetWriter:
    schema = _table(piece).schema
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False)


def _write(writer: pq.ParquetWriter, piece: pl.DataFrame) -> None:
    writer.write_table(_table(piece).cast(writer.schema), row_group_size=_BATCH_ROWS)


def _table(piece: pl.DataFrame) -> pa.Table:
    return piece.to_arrow()

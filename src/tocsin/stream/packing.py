"""Tables as bytes in a store, and back; nothing that is read can run."""

from __future__ import annotations

import pyarrow as pa

from tocsin.errors import StoreError


def table_bytes(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def table_of(value: bytes) -> pa.Table:
    """Undo `table_bytes`.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        return pa.ipc.open_stream(value).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(
            f"the store is damaged: {str(error).splitlines()[0]}; restore it, or begin a new one"
        ) from None

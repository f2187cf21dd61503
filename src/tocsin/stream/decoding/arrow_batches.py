"""Arrow IPC, a stream of record batches a message: already columns, which are only brought together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.stream.decoding.base import Decoded, Form, Gathering
from tocsin.stream.decoding.readings import as_json, fields_of, holds_numbers


class ArrowBatches(Form):
    """Messages that are Arrow IPC streams, or files, of any number of rows.

    Cost: some ten microseconds a message, so it pays with a hundred rows or more in each.
    """

    name = "arrow"

    def decode(self, payloads: Sequence[bytes] | bytes) -> Decoded:
        """Return the readings of all batches of all messages."""
        messages = [payloads] if isinstance(payloads, bytes) else payloads
        gathering = Gathering(self.shape)
        alike: list[pa.Table] = []
        places: list[int] = []
        for place, message in enumerate(messages):
            if not message:
                continue
            try:
                table = self._read(message, gathering)
            except (pa.ArrowException, OSError, ValueError) as error:
                said = (str(error).splitlines() or [type(error).__name__])[0]
                gathering.refuse(f"it is no Arrow IPC stream: {said}", message)
                continue
            if alike and table.schema != alike[0].schema:
                self._take(alike, places, gathering)
                alike, places = [], []
            alike.append(table)
            places.append(place)
        self._take(alike, places, gathering)
        return gathering.result()

    def _read(self, message: bytes, gathering: Gathering) -> pa.Table:
        """Return the needed columns of a message, checked, since their bytes come from elsewhere."""
        opened = pa.ipc.open_file(message) if message.startswith(b"ARROW1") else pa.ipc.open_stream(message)
        table = opened.read_all()
        known = set(fields_of(self.shape))
        if not self.shape.long:
            numbers = [field.name for field in table.schema if field.name not in known and holds_numbers(field.type)]
            gathering.count(dict.fromkeys(numbers, table.num_rows))
        needed = table.select([name for name in table.column_names if name in known])
        needed.validate(full=True)
        return needed

    def _take(self, tables: list[pa.Table], places: list[int], gathering: Gathering) -> None:
        if not tables:
            return
        table = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
        of = np.repeat(np.array(places, np.int64), [each.num_rows for each in tables])
        if not table.width:  # without columns Polars forgets how many rows there were
            table = pl.DataFrame({"": pl.repeat(None, len(of), dtype=pl.Null, eager=True)})
        gathering.add(table, of, lambda row: as_json(table, row))

"""The models table: one row an asset, in Arrow, so that it can be mapped from disk, joined and shipped as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.models import Models, Ragged

COLUMNS = ("key", "rows", "first_time", "last_time", "threshold", "version")
"""The columns before the detector's own state."""


@dataclass(frozen=True)
class ModelTable:
    """The models of a fleet.

    Parameters
    ----------
    table : pyarrow.Table
        `COLUMNS`, then one list column for each array of the detector's state.
    """

    table: pa.Table

    @classmethod
    def of_models(
        cls,
        models: Models,
        keys: pa.Array,
        first_time: pa.Array,
        last_time: pa.Array,
        version: NDArray[np.int32],
    ) -> ModelTable:
        """Make the table of the models of one panel; no state is copied."""
        columns = {
            "key": keys,
            "rows": pa.array(models.rows, pa.int64()),
            "first_time": first_time,
            "last_time": last_time,
            "threshold": pa.array(models.threshold, pa.float64()),
            "version": pa.array(version, pa.int32()),
        }
        for name, entry in models.state.items():
            columns[name] = pa.LargeListArray.from_arrays(pa.array(entry.offsets), pa.array(entry.values))
        return cls(pa.table(columns))

    @classmethod
    def concat(cls, parts: Sequence[ModelTable]) -> ModelTable:
        """Put tables one under the other, without copying."""
        return cls(pa.concat_tables([part.table for part in parts]))

    def __len__(self) -> int:
        """How many assets there are."""
        return int(self.table.num_rows)

    @property
    def keys(self) -> pa.ChunkedArray:
        """The key of each asset."""
        return self.table.column("key")

    @cached_property
    def _known(self) -> pa.Array:
        return self.keys.combine_chunks()

    def index_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the row of each key, -1 where there is none; the keys may be of another but comparable type."""
        known = self._known
        if keys.type != known.type:
            try:
                keys = keys.cast(known.type)
            except pa.ArrowInvalid:
                keys = keys.cast(pa.string()) if pa.types.is_string(known.type) else pa.nulls(len(keys), known.type)
        found = pc.index_in(keys, value_set=known)
        index: NDArray[np.int64] = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return index

    def take(self, assets: NDArray[np.int64]) -> ModelTable:
        """Return the rows of the given assets; only these are read where the table is mapped from disk."""
        if len(assets) and np.array_equal(assets, np.arange(assets[0], assets[0] + len(assets))):
            return ModelTable(self.table.slice(assets[0], len(assets)))
        chunks = [self.table.slice(int(asset), 1) for asset in assets]
        return ModelTable(pa.concat_tables(chunks) if chunks else self.table.slice(0, 0))

    def to_models(self) -> Models:
        """Return the models as arrays."""
        state = {name: _ragged(self.table.column(name)) for name in self.table.column_names[len(COLUMNS) :]}
        rows, threshold = (self.table.column(name).to_numpy() for name in ("rows", "threshold"))
        return Models(rows, threshold, state)

    def scalars(self, name: str) -> list[Any]:
        """Return a column of `COLUMNS` as Python values."""
        values: list[Any] = self.table.column(name).to_pylist()
        return values


def _ragged(column: pa.ChunkedArray) -> Ragged:
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    if len(chunks) == 1:
        return _entry(chunks[0])
    if not chunks:
        return Ragged(np.zeros(0, column.type.value_type.to_pandas_dtype()), np.zeros(1, np.int64))
    return Ragged.concat([_entry(chunk) for chunk in chunks])


def _entry(chunk: pa.LargeListArray) -> Ragged:
    offsets = chunk.offsets.to_numpy()
    values = chunk.values.to_numpy()[offsets[0] : offsets[-1]]
    return Ragged(values, offsets - offsets[0])

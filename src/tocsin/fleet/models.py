"""The models table: one row an asset, in Arrow, so that it can be mapped from disk, joined and shipped as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.errors import ColumnError, did_you_mean
from tocsin.models import Models, Ragged
from tocsin.panel import Panel
from tocsin.tables.times import restore_times

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
    def of_panel(cls, models: Models, panel: Panel, time_type: pa.DataType | None, version: Sequence[int] = ()) -> Self:
        """Make the table of the models of one panel, without copying their state.

        `version` is what each model was before it learned this panel; without it, it is a first one.
        """
        if panel.times is None or time_type is None:
            first = last = pa.nulls(panel.n_assets, pa.int64())
        else:
            empty = np.diff(panel.offsets) == 0
            times = np.append(panel.times, 0)
            first = _times(times[panel.offsets[:-1]], empty, time_type)
            last = _times(times[np.maximum(panel.offsets[1:] - 1, 0)], empty, time_type)
        columns = {
            "key": panel.keys,
            "rows": pa.array(models.rows, pa.int64()),
            "first_time": first,
            "last_time": last,
            "threshold": pa.array(models.threshold, pa.float64()),
            "version": pa.array(np.array(version or [0] * panel.n_assets) + 1, pa.int32()),
        }
        if clash := sorted(set(models.state) & set(COLUMNS)):
            raise ValueError(f"a detector's state cannot have entries called {clash}, as columns beside it are")
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

    def keys_like_own(self, keys: pa.Array) -> pa.Array:
        """Return keys in the type of the fleet's own, null where one cannot be written in it."""
        own = self.keys.type
        if keys.type == own:
            return keys
        given = pl.Series(keys)
        wanted = pl.Series(pa.nulls(0, own)).dtype
        cast = given.cast(wanted, strict=False)
        same = cast.cast(given.dtype, strict=False).eq_missing(given)
        return pl.select(pl.when(same).then(cast)).to_series().to_arrow().cast(own)

    def index_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Return the row of each key, -1 where there is none; the keys may be of another but comparable type."""
        found = pc.index_in(self.keys_like_own(keys), value_set=self._known, skip_nulls=True)
        index: NDArray[np.int64] = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return index

    def like_own(self, panel: Panel, time_type: pa.DataType | None) -> tuple[Panel, pa.DataType | None]:
        """Return a panel with keys and values in the types of the fleet's own, and the type of the fleet's times.

        Raises
        ------
        ColumnError
            If that cannot be: text among keys that are numbers, or dates where times are whole numbers.
        """
        keys = self.keys_like_own(panel.keys)
        if keys.null_count:
            odd = panel.keys.filter(keys.is_null())[0].as_py()
            raise ColumnError(f"asset {odd!r} cannot join a fleet whose keys are of type {self.keys.type}; rename it")
        own = self.table.schema.field("first_time").type
        if time_type is not None and is_clock(time_type) != is_clock(own):
            kinds = ("dates and times", "whole numbers")
            here, there = kinds if is_clock(time_type) else kinds[::-1]
            raise ColumnError(f"times are {here} here, but {there} in the fleet; give the same kind of times")
        return replace(panel, keys=keys), None if time_type is None else own

    def known(self, panel: Panel) -> tuple[Panel, NDArray[np.int64], list[str]]:
        """Leave out assets without a model; return the others, the rows of their models, and who was left out."""
        index = self.index_of(panel.keys)
        if (index >= 0).all():
            return panel, index, []
        missing = [str(key) for key in panel.keys.filter(pa.array(index < 0)).to_pylist()]
        return panel.take_assets(np.flatnonzero(index >= 0)), index[index >= 0], missing

    def near(self, key: Any) -> str:
        """Return the end of an error sentence: a key that is much like this one, else a few that there are."""
        return did_you_mean(str(key), [str(known) for known in self.scalars("key")])

    def since(self, before: ModelTable) -> ModelTable:
        """Keep the first time that each model ever saw, and the last one if what it learned now was older."""
        merged = self.table
        for name, precedes in (("first_time", pc.less_equal), ("last_time", pc.greater_equal)):
            old, new = before.table.column(name), merged.column(name)
            stays = pc.coalesce(precedes(old, new), pc.is_valid(old))
            merged = merged.set_column(merged.column_names.index(name), name, pc.if_else(stays, old, new))
        return ModelTable(merged)

    def replaced(self, learned: ModelTable) -> ModelTable:
        """Put learned models in the place of those of the same assets; new ones follow."""
        place = learned.index_of(self.keys.combine_chunks())
        both = ModelTable.concat([learned, self])
        order = np.where(place >= 0, place, len(learned) + np.arange(len(self)))
        new = np.setdiff1d(np.arange(len(learned)), place)
        return ModelTable(both.take(np.concatenate([order, new]).astype(np.int64)).table.combine_chunks())

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


def is_clock(time_type: pa.DataType) -> bool:
    """Return whether times are dates and times, rather than whole numbers."""
    return bool(pa.types.is_timestamp(time_type) or pa.types.is_date(time_type))


def _times(times: NDArray[np.int64], empty: NDArray[np.bool_], time_type: pa.DataType) -> pa.Array:
    return pc.if_else(pa.array(empty), pa.nulls(len(times), time_type), restore_times(times, time_type))


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

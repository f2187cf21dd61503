"""Long tables: one sensor's value a row, brought into panels with a row for each time of an asset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import ColumnError, EmptyDataError
from tocsin.panel import Panel
from tocsin.tables.failures import plain_errors
from tocsin.tables.features import expected, mixed_error, resolve
from tocsin.tables.kinds import EMPTY, MIXED, NESTED, NUMBER, Kind
from tocsin.tables.plan import PANEL_BYTES, Plan, cut
from tocsin.tables.readings import Readings
from tocsin.tables.rows import Rows

_CODE = "sensor code"
_INNER_ROWS = PANEL_BYTES // 16


class LongReadings(Readings):
    """Readings of a long table; one pass over the sensor column finds what the features are.

    Inside, a row is two numbers, the value and the code of its sensor, which go the way of any wide table until all
    rows of an asset are together. Codes are exact: float32 counts to 16 million.
    """

    def _settle(self, expect: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
        columns, source = self._columns, self._source
        sensor, value = columns.sensor or "", columns.value or ""
        kind = source.kinds[value]
        if kind.name == MIXED:
            raise mixed_error(value, kind.example)
        if kind.name not in (NUMBER, EMPTY):
            raise ColumnError(f"value column {value!r} is {kind.title}; it must be numeric")
        if source.kinds[sensor].name == NESTED:
            raise ColumnError(f"sensor column {sensor!r} is nested; it must hold the names of sensors")
        with plain_errors(source.name):
            names = pl.col(sensor).cast(pl.String).alias("name")
            found = source.frame.group_by(names).agg(pl.len()).collect(engine="streaming")
        known = {name: count for name, count in found.rows() if name is not None}
        self._without_sensor = sum(count for name, count in found.rows() if name is None)
        if not known:
            raise EmptyDataError(f"{source.name} names no sensor in column {sensor!r}")
        kinds = {name: Kind(NUMBER) for name in sorted(known)}
        if expect is not None:
            chosen = expected(kinds, expect, {}, "sensor")
            self._remark_extra(list(chosen.left_out))
        else:
            chosen = resolve(kinds, columns.features, {}, "sensor")
        return chosen.features, chosen.left_out

    def _numbers(self) -> tuple[str, ...]:
        return (self._columns.value or "",)

    def _values(self) -> dict[str, pl.Expr]:
        wanted = pl.Float32 if self.dtype == np.float32 else pl.Float64
        codes = {name: float(i) for i, name in enumerate(self.features)}
        sensor = pl.col(self._columns.sensor or "").cast(pl.String)
        code = sensor.replace_strict(codes, default=None, return_dtype=wanted)
        return {"0": pl.col(self._columns.value or "").cast(wanted), "1": code}

    def _row_names(self) -> tuple[str, ...]:
        return (self._columns.value or "", _CODE)

    def _rows(self) -> Rows:
        self.notes.count("no sensor", self._without_sensor)
        return replace(super()._rows(), only=pl.col("1").is_not_null())

    def _panels(self, rows: Rows, plan: Plan, target: int | None, *, repeats: bool = True) -> Iterator[Panel]:
        size = np.dtype(self.dtype).itemsize
        target = target or max(PANEL_BYTES // (len(self.features) * size + 8), 1)
        for inner in super()._panels(rows, plan, _INNER_ROWS, repeats=False):
            yield from self._widen(inner, target)

    def _widen(self, inner: Panel, target: int) -> Iterator[Panel]:
        """Give each time of an asset a row; cut again, since rows may be as many as readings or far fewer."""
        times = inner.times
        assert times is not None
        fresh = np.ones(inner.n_rows, bool)
        fresh[1:] = times[1:] != times[:-1]
        fresh[inner.offsets[:-1]] = True
        row = np.cumsum(fresh) - 1
        ends = np.concatenate([[0], np.cumsum(fresh)])[inner.offsets].astype(np.int64)
        for a, b in cut(np.diff(ends), target):
            start, end = inner.offsets[a], inner.offsets[b]
            values = self._pivot(inner.values[:, start:end], row[start:end] - ends[a], int(ends[b] - ends[a]))
            stamps = times[start:end][fresh[start:end]]
            yield Panel(values, ends[a : b + 1] - ends[a], inner.keys[a:b], self.features, stamps)

    def _pivot(self, readings: NDArray[Any], row: NDArray[np.int64], count: int) -> NDArray[Any]:
        """Return a row for each time; of several readings of one sensor the last one stays."""
        there = ~np.isnan(readings[0])
        values = np.full((len(self.features), count), np.nan, readings.dtype)
        values[readings[1, there].astype(np.int64), row[there]] = readings[0, there]
        filled = values.size - int(np.count_nonzero(np.isnan(values)))
        self.notes.count("repeated readings", int(np.count_nonzero(there)) - filled)
        return values

"""The first part of each asset's readings to learn from, and the rest to score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import EmptyDataError
from tocsin.panel import Panel
from tocsin.tables.columns import FILE_KEY, Columns
from tocsin.tables.readings import Readings, open_readings
from tocsin.tables.times import restore_times


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """Readings in two parts.

    Attributes
    ----------
    training, later : polars.DataFrame
        Wide tables, asset by asset, times ascending in each.
    columns : Columns
        What their columns mean.
    left_out : dict of str to str
        Why each other column of the source is no feature.
    notes : list of str
        What was skipped or mended while reading.
    """

    training: pl.DataFrame
    later: pl.DataFrame
    columns: Columns
    left_out: dict[str, str]
    notes: list[str]


def holdout(source: Any, columns: Columns, share: float = 0.7, **reading: Any) -> Holdout:
    """Read everything and split each asset's rows in time; without a time column both parts are all rows.

    Parameters
    ----------
    source, **reading
        As in `tocsin.tables.readings.open_readings`. All readings are held in memory.
    columns : Columns
        What the columns mean.
    share : float, default 0.7
        Which share of each asset's rows comes first; never fewer than one.

    Examples
    --------
    >>> frame = pl.DataFrame({"pump": ["a"] * 10, "at": range(10), "flow": [1.0] * 10})
    >>> parts = holdout(frame, Columns(key="pump", time="at"))
    >>> len(parts.training), len(parts.later)
    (7, 3)
    """
    readings = open_readings(source, columns, **reading)
    plain = replace(
        columns, key="file" if columns.key == FILE_KEY else columns.key, features=None, sensor=None, value=None
    )
    first: list[pl.DataFrame] = []
    rest: list[pl.DataFrame] = []
    for panel in readings.panels():
        frame = _frame(panel, plain, readings)
        early = _early(panel, share) if columns.time else np.ones(panel.n_rows, np.bool_)
        first.append(frame.filter(early))
        rest.append(frame.filter(~early) if columns.time else frame)
    if not first:
        raise EmptyDataError("no readings to learn from")
    return Holdout(pl.concat(first), pl.concat(rest), plain, dict(readings.left_out), readings.notes.lines())


def _early(panel: Panel, share: float) -> NDArray[np.bool_]:
    counts = np.diff(panel.offsets)
    place = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], counts)
    early: NDArray[np.bool_] = place < np.repeat(np.ceil(counts * share - 1e-9), counts)
    return early


def _frame(panel: Panel, columns: Columns, readings: Readings) -> pl.DataFrame:
    data: dict[str, Any] = {}
    if columns.key is not None:
        keys = pl.Series(panel.keys)
        data[columns.key] = keys.gather(panel.asset_of_row)
    if columns.time is not None and panel.times is not None:
        data[columns.time] = pl.Series(restore_times(panel.times, readings.time_type))
    return pl.DataFrame(data | dict(zip(panel.features, panel.values, strict=True)))

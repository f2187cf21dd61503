"""Each asset's readings cut in time: the first part to learn from, and what comes later to choose and to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import EmptyDataError, ParameterError
from tocsin.panel import Panel
from tocsin.tables.columns import FILE_KEY, Columns
from tocsin.tables.readings import Readings, open_readings
from tocsin.tables.times import restore_times


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """All readings of a source in memory.

    Attributes
    ----------
    frame : polars.DataFrame
        A wide table, asset by asset, times ascending in each.
    offsets : ndarray of shape (n_assets + 1,), int64
        Where each asset's rows begin and end.
    columns : Columns
        What its columns mean.
    left_out : dict of str to str
        Why each other column of the source is no feature.
    notes : list of str
        What was skipped or mended while reading.
    """

    frame: pl.DataFrame
    offsets: NDArray[np.int64]
    columns: Columns
    left_out: dict[str, str]
    notes: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """Readings in two parts.

    Attributes
    ----------
    training, later : polars.DataFrame
        Wide tables, asset by asset, times ascending in each.
    columns, left_out, notes
        As in `Gathered`.
    """

    training: pl.DataFrame
    later: pl.DataFrame
    columns: Columns
    left_out: dict[str, str]
    notes: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Readings in three parts.

    Attributes
    ----------
    training, validation, test : polars.DataFrame
        Wide tables, asset by asset, times ascending in each: to learn from, to choose by, and to judge by once all is
        chosen.
    columns, left_out, notes
        As in `Gathered`; the notes also say how many assets have no rows in a part.
    """

    training: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    columns: Columns
    left_out: dict[str, str]
    notes: list[str]


def gathered(source: Any, columns: Columns, **reading: Any) -> Gathered:
    """Read everything into one table.

    Parameters
    ----------
    source, **reading
        As in `tocsin.tables.readings.open_readings`. With ``labelled=True`` the table has the label column as well,
        null where a label is not known.
    columns : Columns
        What the columns mean.

    Raises
    ------
    EmptyDataError
        If there are no readings.
    """
    readings = open_readings(source, columns, **reading)
    key = "file" if columns.key == FILE_KEY else columns.key
    plain = replace(columns, key=key, features=None, sensor=None, value=None)
    frames, counts = [], [np.zeros(1, np.int64)]
    for panel in readings.panels():
        frames.append(_frame(panel, plain, readings))
        counts.append(np.diff(panel.offsets))
    if not frames:
        raise EmptyDataError("no readings to learn from")
    offsets = np.cumsum(np.concatenate(counts))
    return Gathered(pl.concat(frames), offsets, plain, dict(readings.left_out), readings.notes.lines())


def holdout(source: Any, columns: Columns, share: float = 0.7, **reading: Any) -> Holdout:
    """Read everything and split each asset's rows in time; without a time column both parts are all rows.

    Parameters
    ----------
    source, **reading
        As in `gathered`. All readings are held in memory.
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
    whole = gathered(source, columns, **reading)
    training = later = whole.frame
    if columns.time is not None:
        training, later = _parts(whole, (share, 1.0))
    return Holdout(training, later, whole.columns, whole.left_out, whole.notes)


def chronological(source: Any, columns: Columns, shares: Sequence[float] = (0.7, 0.2, 0.1), **reading: Any) -> Split:
    """Read everything and cut each asset's rows in time in three: to learn from, to choose by, and to judge by.

    No row of a part is older than a row of its asset in the part before.

    Parameters
    ----------
    source, **reading
        As in `gathered`. All readings are held in memory.
    columns : Columns
        What the columns mean; a time is needed.
    shares : sequence of three floats, default (0.7, 0.2, 0.1)
        Which share of each asset's rows each part has; they sum to 1. Rounding favours the earlier part.

    Raises
    ------
    ParameterError
        If the shares make no sense, or there is no time.
    TocsinError
        If the readings cannot be used.

    Examples
    --------
    >>> frame = pl.DataFrame({"pump": ["a"] * 10 + ["b"] * 20, "at": range(30), "flow": [1.0] * 30})
    >>> parts = chronological(frame, Columns(key="pump", time="at"))
    >>> len(parts.training), len(parts.validation), len(parts.test)
    (21, 6, 3)
    """
    given = np.asarray(shares, np.float64)
    if given.shape != (3,) or not bool((given > 0).all()) or abs(float(given.sum()) - 1.0) > 1e-9:
        raise ParameterError(f"shares must be three numbers above 0 that sum to 1, not {tuple(shares)!r}")
    if columns.time is None:
        raise ParameterError("readings are cut in time; say which column holds the time")
    whole = gathered(source, columns, **reading)
    ends = given[0], given[0] + given[1], 1.0
    training, validation, test = _parts(whole, ends)
    notes = whole.notes + _without_rows(whole, ends)
    return Split(training, validation, test, whole.columns, whole.left_out, notes)


def _parts(whole: Gathered, ends: Sequence[float]) -> list[pl.DataFrame]:
    """Cut each asset's rows where the given shares of them end."""
    counts = np.diff(whole.offsets)
    place = np.arange(whole.offsets[-1]) - np.repeat(whole.offsets[:-1], counts)
    parts, before = [], np.zeros(len(place), np.bool_)
    for until in _ends(counts, ends):
        early = place < np.repeat(until, counts)
        parts.append(whole.frame.filter(early & ~before))
        before = early
    return parts


def _ends(counts: NDArray[np.int64], ends: Sequence[float]) -> NDArray[np.int64]:
    """Return how many rows of each asset come before each end, shape (n_ends, n_assets)."""
    until: NDArray[np.int64] = np.ceil(np.outer(ends, counts) - 1e-9).astype(np.int64)
    return until


def _without_rows(whole: Gathered, ends: Sequence[float]) -> list[str]:
    counts = np.diff(whole.offsets)
    sizes = np.diff(_ends(counts, ends), axis=0)
    lines = []
    for part, size in zip(("validation", "test"), sizes, strict=True):
        if none := int(np.count_nonzero(size == 0)):
            lines.append(f"{none:,} {'asset has' if none == 1 else 'assets have'} no rows in the {part} part")
    return lines


def _frame(panel: Panel, columns: Columns, readings: Readings) -> pl.DataFrame:
    data: dict[str, Any] = {}
    if columns.key is not None:
        keys = pl.Series(panel.keys)
        data[columns.key] = keys.gather(panel.asset_of_row)
    if columns.time is not None and panel.times is not None:
        data[columns.time] = pl.Series(restore_times(panel.times, readings.time_type))
    data |= dict(zip(panel.features, panel.values, strict=True))
    if panel.labels is not None and columns.label is not None:
        data[columns.label] = pl.Series(panel.labels).replace(-1, None)
    return pl.DataFrame(data)

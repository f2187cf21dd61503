"""Where readings stand in time, and in which cycle: for detectors to which the order of rows matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.features.periods import find_periods
from tocsin.models import Ragged
from tocsin.panel import Panel

SPARSE = 4
"""How many times as many sampling intervals as readings there may be for a season to be looked for."""
LARGEST = 1e150
"""The largest reading of which a season is looked for: its square is still finite."""


class Clock(NamedTuple):
    """Where each asset's readings stand in time, (n_assets,) each: the first time, the step, and the next tick.

    A step of 0 says that there were no times.
    """

    origin: NDArray[np.int64]
    step: NDArray[np.int64]
    following: NDArray[np.int64]

    @classmethod
    def learn(cls, panel: Panel) -> Clock:
        """Take the median step between an asset's readings for its sampling interval."""
        origin, step = np.zeros(panel.n_assets, np.int64), np.zeros(panel.n_assets, np.int64)
        if panel.times is not None:
            for asset, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
                if last - first > 1:
                    origin[asset] = panel.times[first]
                    step[asset] = max(int(np.median(np.diff(panel.times[first:last]))), 0)
        return cls(origin, step, np.zeros(panel.n_assets, np.int64))

    @classmethod
    def of_state(cls, state: Mapping[str, Ragged]) -> Clock:
        """Undo `to_state`."""
        origin, step, following = state["clock"].values.reshape(-1, 3).T
        return cls(origin, step, following)

    def to_state(self) -> Ragged:
        """Return one entry an asset."""
        return Ragged.of_rows(np.column_stack(self))

    def ticks(self, panel: Panel) -> NDArray[np.int64]:
        """Return how many steps each row is from the first one that was learned, shape (n_rows,)."""
        counts = np.diff(panel.offsets)
        rows = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], counts) + np.repeat(self.following, counts)
        if panel.times is None:
            return rows
        step = np.repeat(self.step, counts)
        since = panel.times - np.repeat(self.origin, counts)
        return np.where(step > 0, (since + step // 2) // np.maximum(step, 1), rows)

    def after(self, panel: Panel, ticks: NDArray[np.int64]) -> Clock:
        """Return the clock after the rows of a panel."""
        empty = np.diff(panel.offsets) == 0
        last = np.append(ticks, 0)[np.maximum(panel.offsets[1:] - 1, 0)]
        return self._replace(following=np.where(empty, self.following, last + 1))


class Seasons(NamedTuple):
    """The cycles of a panel's features.

    `periods`, shape (n_assets, n_features), is how many ticks each cycle has, 1 where there is none. `series`, one for
    each feature of each asset, are their readings at even ticks, NaN where there is none; None without a cycle.
    """

    periods: NDArray[np.int64]
    series: list[NDArray[np.float64] | None]


def seasons_of(panel: Panel, ticks: NDArray[np.int64], period: int | None) -> Seasons:
    """Return the cycles of each feature of each asset; with `period` None they are found.

    There is none with fewer than two cycles of readings.
    """
    least = 4 if period is None else 2 * period
    spread = [
        _spread(panel.values[feature, first:last], ticks[first:last], least)
        for first, last in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
        for feature in range(panel.n_features)
    ]
    found = _found(spread) if period is None else np.full(len(spread), period)
    series = [
        each if each is not None and 1 < cycle <= len(each) // 2 else None
        for each, cycle in zip(spread, found, strict=True)
    ]
    periods = np.where([each is not None for each in series], found, 1).astype(np.int64)
    return Seasons(periods.reshape(panel.n_assets, panel.n_features), series)


def cycle_remarks(periods: NDArray[np.int64], given: int | None, plain: str) -> dict[str, int]:
    """Return of how many assets no season was learned, and which periods were found of how many.

    `periods` has shape (n_assets, n_features), 1 where there is no season; `plain` says what is done without one.
    """
    if given is not None:
        short = int((periods == 1).any(axis=1).sum())
        return {f"too few readings for two cycles of {given}; {plain}": short} if short else {}
    kinds, counts = np.unique(np.concatenate([np.unique(own) for own in periods]), return_counts=True)
    said = {f"a cycle of {kind} readings was found": int(count) for kind, count in zip(kinds, counts, strict=True)}
    said.pop("a cycle of 1 readings was found", None)
    bare = int((periods == 1).all(axis=1).sum())
    return said | ({f"no cycle was found; {plain}": bare} if bare else {})


def check_cycles(rows: int, period: int | None) -> None:
    """Raise a `DataError` if a given period does not fit twice into the rows of a matrix."""
    if period is not None and 0 < rows < 2 * period:
        raise DataError(
            f"period={period} needs at least {2 * period} rows to learn from, and X has {rows}; "
            f"give more rows or a shorter period"
        )


def starts_of(periods: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each cell's cycle begins in one buffer of all of them, shape (n_cells + 1,)."""
    return np.concatenate([[0], np.cumsum(periods)]).astype(np.int64)


def _spread(values: NDArray[Any], ticks: NDArray[np.int64], least: int) -> NDArray[np.float64] | None:
    """Return readings at even ticks, or None if nothing can be said of their season."""
    span = int(ticks[-1]) + 1 if len(ticks) else 0
    if span < least or span > SPARSE * len(values) or len(values) < 4:
        return None
    series = np.full(span, np.nan)
    series[ticks] = values
    return None if (np.abs(series) > LARGEST).any() else series


def _found(cells: list[NDArray[np.float64] | None]) -> NDArray[np.int64]:
    """Return the period of each series, those of one length together; 0 if it has none."""
    found = np.zeros(len(cells), np.int64)
    alike: dict[int, list[tuple[int, NDArray[np.float64]]]] = {}
    for place, series in enumerate(cells):
        if series is not None:
            alike.setdefault(len(series), []).append((place, series))
    for members in alike.values():
        found[[place for place, _ in members]] = find_periods(np.stack([series for _, series in members]))
    return found

"""Rows in the order of their own time, asset by asset: early ones wait, and those that come too late are counted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.fleet.arena import Arena, Slots
from tocsin.kernels import arrivals
from tocsin.kernels.arrivals import NEVER
from tocsin.models import Ragged
from tocsin.panel import Panel
from tocsin.stream.roster import Roster

Ints = NDArray[np.int64]


class Arrivals(NamedTuple):
    """Rows as they came.

    Parameters
    ----------
    slots, times : ndarray of shape (n_rows,), int64
    values : ndarray of shape (n_features, n_rows)
        Of long readings (2, n_rows), float64: the number of the sensor, and its value.
    """

    slots: Ints
    times: Ints
    values: NDArray[Any]

    def until(self, row: int) -> tuple[Arrivals, Arrivals]:
        """Return the rows before one, and the others."""
        values = np.ascontiguousarray(self.values[:, :row]), np.ascontiguousarray(self.values[:, row:])
        return Arrivals(self.slots[:row], self.times[:row], values[0]), Arrivals(
            self.slots[row:], self.times[row:], values[1]
        )

    def of(self, chosen: NDArray[np.bool_]) -> Arrivals:
        """Return some of the rows."""
        return Arrivals(self.slots[chosen], self.times[chosen], np.ascontiguousarray(self.values[:, chosen]))


class Released(NamedTuple):
    """Rows whose turn has come: the slots of the panel's assets, the panel, and how many rows came too late."""

    slots: Ints
    panel: Panel
    late: int


class Ordering:
    """Sorts each asset's rows by their own time, within a bound on how late a row may come.

    A row is released once its asset has sent one that is `bound` newer, or at least as new if `bound` is 0; a row that
    comes after others of its asset that are more than `bound` newer is left aside, and counted. Whatever the cutting
    into calls, the same rows are released in the same order.

    Parameters
    ----------
    features : tuple of str
        The fleet's.
    dtype : dtype
        Single or double precision, that of the panels.
    bound : int, default 0
        In nanoseconds.
    long : bool, default False
        Whether a row holds one sensor's value. Rows of one asset and time then become one; they are released once a
        newer one comes.
    """

    def __init__(self, features: tuple[str, ...], dtype: Any, bound: int = 0, *, long: bool = False) -> None:
        self.features, self.dtype, self.bound, self.long = features, np.dtype(dtype), bound, long
        arrays = {"held": np.dtype(np.float64) if long else self.dtype, "held_times": np.int64}
        self.arena = Arena({"newest": np.int64(NEVER)}, arrays)

    @property
    def _newest(self) -> Ints:
        return self.arena.numbers["newest"]

    @property
    def _held(self) -> Slots:
        return self.arena.arrays["held"]

    @property
    def _held_times(self) -> Slots:
        return self.arena.arrays["held_times"]

    def arrive(self, rows: Arrivals, roster: Roster) -> Released:
        """Take rows as they come, and release those whose turn it is."""
        self.arena.grow(len(roster))
        grouped, late = self._grouped(rows, roster)
        if not self.bound and not self.long:
            return Released(*grouped, late)
        slots, panel = grouped
        return Released(*self._sorted(slots, panel, self._newest[slots] - self.bound, roster), late)

    def release(self, slots: Ints, roster: Roster) -> Released:
        """Release all that waits of some assets, of which nothing more is expected for now."""
        slots = slots[self._held_times.sizes[slots] > 0]
        nothing = Panel(
            np.empty((2 if self.long else len(self.features), 0), self._held.values.dtype),
            np.zeros(len(slots) + 1, np.int64),
            roster.keys(slots),
            ("sensor", "value") if self.long else self.features,
            np.zeros(0, np.int64),
        )
        ends = np.full(len(slots), np.iinfo(np.int64).max)
        return Released(*self._sorted(slots, nothing, ends, roster), 0)

    def _grouped(self, rows: Arrivals, roster: Roster) -> tuple[tuple[Ints, Panel], int]:
        """Return rows by asset, in the order in which they came, without those that are late."""
        counts = np.zeros(len(self._newest), np.int64)
        arrivals.count(rows.slots, counts)
        places, late = np.empty(len(rows.slots), np.int64), np.empty(len(rows.slots), np.bool_)
        firsts = np.cumsum(counts) - counts
        arrivals.order(rows.slots, rows.times, self.bound, firsts, self._newest, places, late)
        n_late = int(np.count_nonzero(late))
        if n_late:
            places = places[~late[places]]
            counts[:] = 0
            arrivals.count(rows.slots[places], counts)
        slots = np.flatnonzero(counts)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[slots])])
        values = np.empty((len(rows.values), len(places)), self._held.values.dtype)
        for source, target in zip(rows.values, values, strict=True):
            arrivals.pick(source, places, target)
        times = np.empty(len(places), np.int64)
        arrivals.pick(rows.times, places, times)
        names = ("sensor", "value") if self.long else self.features
        return (slots, Panel(values, offsets, roster.keys(slots), names, times)), n_late

    def _sorted(self, slots: Ints, panel: Panel, ends: Ints, roster: Roster) -> tuple[Ints, Panel]:
        """Release rows up to `ends`, one an asset, in the order of their times; keep the others."""
        waiting, offsets = self._held.rows(slots, panel.n_features)
        assert panel.times is not None
        assets = np.concatenate([np.repeat(np.arange(len(slots)), np.diff(offsets)), panel.asset_of_row])
        times = np.concatenate([self._held_times.take(slots).values, panel.times])
        values = np.concatenate([waiting, panel.values], axis=1)
        order = np.lexsort((times, assets))
        assets, times, values = assets[order], times[order], np.ascontiguousarray(values[:, order])
        ready = times < ends[assets] if self.long else times <= ends[assets]
        self._hold(slots, assets[~ready], times[~ready], np.ascontiguousarray(values[:, ~ready]))
        return self._panel(slots, assets[ready], times[ready], np.ascontiguousarray(values[:, ready]), roster)

    def _hold(self, slots: Ints, assets: Ints, times: Ints, values: NDArray[Any]) -> None:
        counts = np.bincount(assets, minlength=len(slots))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        self._held.clear(slots)
        self._held.append(slots, values, offsets, np.zeros(len(slots), np.int64), counts)
        self._held_times.put(slots, Ragged(times, offsets))

    def _panel(
        self, slots: Ints, assets: Ints, times: Ints, values: NDArray[Any], roster: Roster
    ) -> tuple[Ints, Panel]:
        if self.long:
            assets, times, values = self._wide(assets, times, values)
        counts = np.bincount(assets, minlength=len(slots))
        there = np.flatnonzero(counts)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[there])])
        return slots[there], Panel(values, offsets, roster.keys(slots[there]), self.features, times)

    def _wide(self, assets: Ints, times: Ints, values: NDArray[Any]) -> tuple[Ints, Ints, NDArray[Any]]:
        """Make one row of the sensors of one asset and time."""
        first = np.ones(len(times), np.bool_)
        first[1:] = (assets[1:] != assets[:-1]) | (times[1:] != times[:-1])
        wide = np.full((len(self.features), int(first.sum())), np.nan, self.dtype)
        arrivals.pivot(np.cumsum(first) - 1, values[0].astype(np.int64), values[1], wide)
        return assets[first], times[first], wide

"""What the stream has seen, as insights: latest states and alerts with each batch, windows in their turn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import DataError, StoreError
from tocsin.insights import records
from tocsin.insights.alerts import to_lines
from tocsin.insights.backlog import Backlog, Rows
from tocsin.insights.base import Span, Store
from tocsin.insights.records import ASSET, BLOCK, BOARD, LEVELS, NAMES, PER, VALUES, asset_id
from tocsin.insights.state import State
from tocsin.kernels.rolling import FIGURES, Ended, endings, learn
from tocsin.panel import Panel, Scores

DAY = LEVELS["day"]
AT_ONCE = 4096
"""How many assets are read from a store at once."""


class Changes(NamedTuple):
    """What a commit is to do, in the order of `Store.commit`."""

    puts: list[tuple[bytes, bytes]]
    deletes: list[bytes]
    spans: list[Span]

    def add(
        self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes] = (), spans: Iterable[Span] = ()
    ) -> None:
        """Do more in the same commit."""
        self.puts.extend(puts)
        self.deletes.extend(deletes)
        self.spans.extend(spans)


@dataclass(frozen=True, slots=True)
class Keep:
    """How long insights are kept, in days of event time; None for ever.

    Parameters
    ----------
    minutes, hours, days : float, optional
        Past windows of each length. A day's window is there as long as it is kept, whatever has become of its hours.
    alerts, ops : float, optional
        Alerts, and the operation's own figures.
    size : int, optional
        How many bytes the store may hold before the oldest minutes go early, then the oldest hours, then days.
    """

    minutes: float | None = 2.0
    hours: float | None = 60.0
    days: float | None = None
    alerts: float | None = 366.0
    ops: float | None = 7.0
    size: int | None = None


class Recorder:
    """Learns what a batch says of its assets, and says what to write into the store.

    The stream calls `resume` once; for each batch `record`, and commits what it gets with what else belongs together.
    That holds latest states and alerts. Windows learn their rows, and are written with those that have ended, when
    `put_down` is called for their assets: it costs some ten microseconds an asset, however many rows have come since.
    Until then rows wait in memory; whoever resumes must `record` them again.

    All figures depend on each asset's rows in their order alone, not on how they are cut into batches. In memory are
    about 2 kB a sensor and asset, and as much for the score.

    Parameters
    ----------
    store : Store
        Where insights are; only read here.
    sensors : tuple of str
        What the readings' values are called, in their order.
    keep : Keep, optional
        How long what is kept.
    """

    def __init__(self, store: Store, sensors: tuple[str, ...], keep: Keep | None = None) -> None:
        self.sensors, self.keep = sensors, keep or Keep()
        self._store, self._state, self._backlog = store, State(len(sensors)), Backlog()
        self._slots: dict[str, int] = {}
        self._names: list[str] = []
        self._ids: list[bytes] = []
        self._first_kept: dict[str, int] = {}
        """Which bucket of each level's windows is the oldest that is kept."""

    @property
    def assets(self) -> int:
        """How many assets have been seen."""
        return len(self._names)

    @property
    def waiting(self) -> int:
        """How many batches hold rows that windows have not learned."""
        return len(self._backlog)

    def resume(self) -> None:
        """Load what the store holds, as it was when it was put down; costs some 10 microseconds an asset.

        Raises
        ------
        StoreError
            If its insights are of other sensors.
        """
        meta = self._store.get(records.META)
        if meta is None:
            return
        sensors, assets = records.meta_of(meta)
        if sensors != self.sensors:
            there, ours = ", ".join(sensors[:5]), ", ".join(self.sensors[:5])
            raise StoreError(f"the store's insights are of other sensors ({there}, not {ours}); take another store")
        names = [name for _, block in self._store.scan(Span.of_prefix(NAMES)) for name in json.loads(block)]
        self._state.grow(assets)
        self._name(names[:assets])
        for start in range(0, assets, AT_ONCE):
            self._load(np.arange(start, min(start + AT_ONCE, assets)))

    def record(
        self,
        keys: Sequence[str],
        panel: Panel,
        scores: Scores,
        thresholds: NDArray[np.float64],
        versions: NDArray[np.int64],
        alerts: pa.Table,
    ) -> Changes:
        """Take in a batch, and return what is to be committed for it.

        Parameters
        ----------
        keys : sequence of str
            The panel's assets, each once.
        panel : Panel
            Their readings: `sensors` in their order, and times. It is kept until its windows are put down.
        scores : Scores
            Of each row; a score that is NaN is none.
        thresholds, versions : ndarray of shape (n_assets,)
            Of each asset's model.
        alerts : pyarrow.Table
            What is alerted of, of the schema `tocsin.insights.alerts.ALERTS`.
        """
        if panel.times is None or panel.values.shape[0] != len(self.sensors):
            raise DataError(f"insights need times and {len(self.sensors)} sensors, not {panel.values.shape[0]}")
        touched, known = np.flatnonzero(np.diff(panel.offsets)), len(self._names)
        slots = self._slots_of([keys[i] for i in touched.tolist()] if len(touched) < len(keys) else keys)
        puts = self._introduced(known)
        offsets = np.append(panel.offsets[touched], panel.offsets[-1])
        rows = Rows(slots, offsets, panel.times, scores.score, scores.alert, panel.values)
        self._backlog.add(rows)
        self._update(rows, scores.p_value, thresholds[touched], versions[touched])
        puts += self._board(slots)
        puts += _alert_puts(alerts)
        return Changes(puts, [], [])

    def put_down(self, keys: Sequence[str] | None = None) -> list[tuple[bytes, bytes]]:
        """Let windows learn the rows that wait, of some assets or of all; return their records, and what has ended."""
        slots = np.arange(len(self._names))
        if keys is not None:
            slots = np.array([slot for slot in map(self._slots.get, keys) if slot is not None], np.int64)
        slots = self._backlog.waiting(slots)
        if not len(slots):
            return []
        rows, rolling = self._backlog.take(slots), self._state.rolling
        ended = _room(endings(rolling, slots, rows.offsets, rows.times), len(self.sensors) + 1)
        learn(rolling, slots, rows.offsets, rows.times, rows.score, rows.alert, rows.values, ended)
        return self._records(slots, ended)

    def retain(self, now: int, *, full: bool = False) -> Changes:
        """Return what is to be deleted by now, in nanoseconds of event time: what is too old, or too much.

        With `full`, or above the size that is kept, the oldest tenth of the minutes goes, else of the hours, else of
        the days. What a commit deletes is all assets' windows of a quarter of an hour, or day, or 32 days.
        """
        spans, deletes = [], list[bytes]()
        for level, days in zip(LEVELS, (self.keep.minutes, self.keep.hours, self.keep.days), strict=True):
            if days is not None:
                window = (now - int(days * DAY)) // LEVELS[level]
                spans.append(records.series_until(level, window))
                self._first_kept[level] = window // PER[level]
        if self.keep.alerts is not None:
            old = Span(records.ALERT, records.ALERT + records.whole(now - int(self.keep.alerts * DAY)))
            spans.append(old)
            deletes += [pointer for _, line in self._store.scan(old) for pointer in _pointers([line])]
        if self.keep.ops is not None:
            second = (now - int(self.keep.ops * DAY)) // 10**9
            spans.append(Span(records.OPS, records.OPS + records.whole(second)))
        if full or (self.keep.size is not None and self._store.size > self.keep.size):
            spans += self._oldest(now)
        return Changes([], deletes, spans)

    def _oldest(self, now: int) -> list[Span]:
        """Return the oldest tenth of the shortest windows that are kept, but never those of the newest bucket."""
        for level, length in LEVELS.items():
            every = records.series_until(level, 1 << 60)
            for key, _ in self._store.scan(every, most=1):
                first, last = records.window_of(key, level), now // length
                if last // records.PER[level] > first // records.PER[level]:
                    until = first + max((last - first) // 10, records.PER[level])
                    return [records.series_until(level, min(until, last))]
        return []

    def _slots_of(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of assets; those not seen before get the next ones."""
        found = list(map(self._slots.get, keys))
        if None in found:
            self._name([key for key, slot in zip(keys, found, strict=True) if slot is None])
            self._state.grow(len(self._names))
            found = list(map(self._slots.get, keys))
        return np.array(found, np.int64)

    def _name(self, names: Sequence[str]) -> None:
        for name in names:
            self._slots[name] = len(self._names)
            self._names.append(name)
            self._ids.append(asset_id(name))

    def _load(self, slots: NDArray[np.int64]) -> None:
        """Read some assets from the store."""
        for level, prefix in enumerate(ASSET):
            values = self._store.get_many([prefix + self._ids[slot] for slot in slots])
            there = np.array([value is not None for value in values], bool)
            self._state.unpack(level, slots[there], [value for value in values if value is not None])

    def _update(
        self,
        rows: Rows,
        p_value: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        versions: NDArray[np.int64],
    ) -> None:
        """Write the last row of each asset into its state."""
        slots, heads, last = rows.slots, self._state.heads, rows.offsets[1:] - 1
        heads["time"][slots], heads["score"][slots] = rows.times[last], rows.score[last]
        heads["p_value"][slots], heads["alert"][slots] = p_value[last], rows.alert[last]
        heads["threshold"][slots], heads["version"][slots] = thresholds, versions
        heads["rows"][slots] += np.diff(rows.offsets)
        heads["alerts"][slots] += np.diff(np.concatenate([[0], np.cumsum(rows.alert)])[rows.offsets])
        self._state.values[slots] = rows.values[:, last].T

    def _introduced(self, known: int) -> list[tuple[bytes, bytes]]:
        """Return the names of assets that are new, and their records from before their first row."""
        if len(self._names) == known:
            return []
        puts = self._packed(0, np.arange(known, len(self._names)))
        for block in range(known // BLOCK, (len(self._names) - 1) // BLOCK + 1):
            names = self._names[block * BLOCK : (block + 1) * BLOCK]
            puts.append((records.block_key(NAMES, block), json.dumps(names).encode()))
        return [*puts, records.meta_put(self.sensors, len(self._names))]

    def _board(self, slots: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
        """Return the blocks of latest states that hold those of some assets."""
        puts = []
        for block in np.unique(slots // BLOCK).tolist():
            held = slice(block * BLOCK, min((block + 1) * BLOCK, len(self._names)))
            puts.append((records.block_key(BOARD, block), self._state.heads[held].tobytes()))
            puts.append((records.block_key(VALUES, block), self._state.values[held].tobytes()))
        return puts

    def _records(self, slots: NDArray[np.int64], ended: Ended) -> list[tuple[bytes, bytes]]:
        """Return the records of assets that have learned, and the windows that have ended, but for what is too old."""
        puts = self._packed(0, slots)
        for level in (1, 2):
            puts += self._packed(level, np.unique(ended.assets[ended.levels == level - 1]))
        names, values = list(LEVELS), records.series_values(ended.rows, ended.summaries)
        whose = zip(ended.levels.tolist(), ended.windows.tolist(), ended.assets.tolist(), values, strict=True)
        for level, window, slot, value in whose:
            name = names[level]
            if window // PER[name] >= self._first_kept.get(name, window // PER[name]):
                before, after = records.series_parts(name, window)
                puts.append((before + self._ids[slot] + after, value))
        return puts

    def _packed(self, level: int, slots: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
        prefix, packed = ASSET[level], self._state.pack(level, slots)
        return [(prefix + self._ids[slot], value) for slot, value in zip(slots.tolist(), packed, strict=True)]


def _room(count: int, channels: int) -> Ended:
    return Ended(
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty((count, 2), np.int64),
        np.empty((count, channels, FIGURES)),
    )


def _alert_puts(alerts: pa.Table) -> list[tuple[bytes, bytes]]:
    """Return each alert under its time, and under its asset where it is."""
    if not len(alerts):
        return []
    columns = (alerts["key"], alerts["time"].cast(pa.int64()), alerts["id"])
    puts = []
    for line, key, time, name in zip(to_lines(alerts), *(each.to_pylist() for each in columns), strict=True):
        where, pointer = records.alert_keys(asset_id(key), time, name)
        puts += [(where, line), (pointer, b"")]
    return puts


def _pointers(lines: Sequence[bytes]) -> list[bytes]:
    return [records.alert_keys(asset_id(of["key"]), of["time"], of["id"])[1] for of in map(json.loads, lines)]

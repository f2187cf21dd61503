"""The windows and latest states of all assets in memory, and how they become records and come back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.insights.records import BLOCK, HEAD, fixed_type
from tocsin.kernels.rolling import (
    BUFFER,
    CLUSTERS,
    FIGURES,
    LEVELS,
    Rolling,
    current,
    read_digests,
    tail_sizes,
    write_records,
)


class State:
    """Arrays with a place for each asset: about 2 kB a sensor and asset, and as much for the score.

    Parameters
    ----------
    sensors : int
        How many sensors an asset has.
    room : int, optional
        How many assets there is room for before the arrays grow.
    """

    def __init__(self, sensors: int, room: int = BLOCK) -> None:
        self.sensors, self.room = sensors, 0
        self.heads: NDArray[Any] = np.zeros(0, HEAD)
        self.values = np.zeros((0, sensors))
        self.rolling = _rolling(0, sensors + 1)
        self._words = np.empty(0, np.uint32)
        self.grow(room)

    def grow(self, assets: int) -> None:
        """Make room for so many assets, at least twice as much as there was."""
        if assets <= self.room:
            return
        room = max(assets, 2 * self.room)
        self.heads = _longer(self.heads, room)
        self.heads["slot"] = np.arange(room)
        self.values = _longer(self.values, room)
        self.rolling = Rolling(*(_longer(array, room) for array in self.rolling))
        self.room = room

    def pack(self, level: int, slots: NDArray[np.int64]) -> list[bytes]:
        """Return the records of some assets: what is fixed, then their digests."""
        rolling, fixed = self.rolling, np.empty(len(slots), fixed_type(level, self.sensors))
        fixed["rows"], fixed["moments"] = rolling.rows[slots, level], rolling.moments[slots, level]
        fixed["sizes"] = rolling.sizes[slots, level]
        for which in {1: (0,), 2: (1, 2)}.get(level, ()):
            fixed[f"lasts{which}"] = rolling.lasts[slots, which]
            fixed[f"summaries{which}"] = rolling.summaries[slots, which]
        if level == 0:
            fixed["head"], fixed["values"] = self.heads[slots], self.values[slots]
            fixed["minute"], fixed["fills"] = rolling.minutes[slots], rolling.fills[slots]
        width = fixed.itemsize // 4
        places = self._places(level, slots) + width * np.arange(len(slots) + 1)
        if len(self._words) < places[-1]:
            self._words = np.empty(int(2 * places[-1]), np.uint32)
        write_records(rolling, slots, level, fixed.view(np.uint32).reshape(-1, width), self._words, places)
        view, cuts = self._words.data.cast("B"), (4 * places).tolist()
        return [view[a:b].tobytes() for a, b in pairwise(cuts)]

    def unpack(self, level: int, slots: NDArray[np.int64], values: Sequence[bytes]) -> None:
        """Put records back into the places of their assets."""
        if not len(slots):
            return
        kind, rolling = fixed_type(level, self.sensors), self.rolling
        fixed = np.frombuffer(b"".join(value[: kind.itemsize] for value in values), kind)
        rolling.rows[slots, level], rolling.moments[slots, level] = fixed["rows"], fixed["moments"]
        rolling.sizes[slots, level] = fixed["sizes"]
        for which in {1: (0,), 2: (1, 2)}.get(level, ()):
            rolling.lasts[slots, which] = fixed[f"lasts{which}"]
            rolling.summaries[slots, which] = fixed[f"summaries{which}"]
        if level == 0:
            self.heads[slots], self.values[slots] = fixed["head"], fixed["values"]
            self.heads["slot"][slots] = slots
            rolling.minutes[slots], rolling.fills[slots] = fixed["minute"], fixed["fills"]
        words = np.frombuffer(bytearray().join(value[kind.itemsize :] for value in values), np.uint32)
        read_digests(rolling, slots, level, words, self._places(level, slots))

    def now(self, slot: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows and alerts, and figures, of an asset's windows as they are; shapes (3, 2), (3, C, 8)."""
        rows, figures = np.empty((LEVELS, 2), np.int64), np.empty((LEVELS, self.sensors + 1, FIGURES))
        current(Rolling(*(_copied(array, slot) for array in self.rolling)), 0, rows, figures)
        return rows, figures

    def _places(self, level: int, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the digests of each asset begin, in words of four bytes, and where the last ends."""
        sizes = np.empty(len(slots), np.int64)
        tail_sizes(self.rolling, slots, level, sizes)
        return np.concatenate([[0], np.cumsum(sizes // 4)])


def _rolling(assets: int, channels: int) -> Rolling:
    levels = (assets, LEVELS, channels)
    return Rolling(
        minutes=np.zeros(assets, np.int64),
        rows=np.zeros((assets, LEVELS, 2), np.int64),
        moments=np.zeros((*levels, 5)),
        sizes=np.zeros(levels, np.int32),
        means=np.zeros((*levels, CLUSTERS), np.float32),
        weights=np.zeros((*levels, CLUSTERS), np.uint32),
        fills=np.zeros((assets, channels), np.int32),
        buffers=np.zeros((assets, channels, BUFFER), np.float32),
        lasts=np.zeros((assets, LEVELS, 3), np.int64),
        summaries=np.zeros((*levels, FIGURES)),
    )


def _copied(array: NDArray[Any], slot: int) -> NDArray[Any]:
    return array[slot : slot + 1].copy()


def _longer(array: NDArray[Any], room: int) -> NDArray[Any]:
    longer = np.zeros((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer

"""A table played again, all its assets in the order of time, as fast or as slowly as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from time import monotonic, sleep
from typing import ClassVar

import numpy as np
import polars as pl

from tocsin.errors import DataError
from tocsin.stream.decoding.base import Gathering
from tocsin.stream.decoding.readings import as_json
from tocsin.stream.sources.base import DeadLetter, Fetched, Positions, Shape, Source
from tocsin.stream.sources.local import fetched, local_name, number
from tocsin.stream.sources.timetable import Timetable
from tocsin.urls import Address


class Replay(Source):
    """Any table that Tocsin can read, row by row in the order of time.

    ``replay://readings.parquet?speed=60``. Rows of one time come in the order of the table. Without a time the order is
    that of the table, as fast as can be. Whole numbers as times are read by their size as in messages, or, where they
    are small, as seconds from 1970 on; no time is too old. Rows without a key are dead letters, and so are, counted in
    one, those without a time.

    Options: ``speed`` is how many times faster than they happened, ``max`` by default; ``repeat=10`` plays the table
    ten times, each time later by how long it lasts; ``separator=;`` of CSV.

    Positions are the number of rows that were played. Memory: while it opens, the times, 8 bytes a row; then at most
    two million rows. A table that is not in the order of time is read once for each two million rows.
    """

    schemes: ClassVar[tuple[str, ...]] = ("replay",)

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Source:
        """Open a table and look at its times."""
        return cls(address, shape)

    def __init__(self, address: Address, shape: Shape) -> None:
        address.check_options({"speed", "repeat", "separator"})
        fast = address.options.get("speed", "max") == "max"
        self._speed = inf if fast or shape.time is None else number(address, "speed", inf, least=1e-6)
        self._repeat = int(number(address, "repeat", 1, least=1))
        self._name, self._shape = local_name(address), shape
        self._table = Timetable(self._name, shape, address.options.get("separator"))
        self._row = 0
        self._pieces: Iterator[pl.DataFrame] | None = None
        self._piece = pl.DataFrame()
        self._times = np.zeros(0, np.int64)
        self._began: tuple[float, int] | None = None
        self._closed = False

    @property
    def _total(self) -> int:
        return self._table.n_rows * self._repeat

    def seek(self, positions: Positions) -> None:
        """Go on after so many rows."""
        self._row = int(positions.get("row", 0))
        if positions and positions["of"] != self._table.n_rows:
            raise DataError(
                f"{self._name} has {self._table.n_rows:,} rows, but had {positions['of']:,} when the replay began; "
                "start with a new store"
            )

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return the rows whose time has come."""
        deadline = monotonic() + wait
        while not (self.ended or self._closed):
            if not self._piece.height:
                self._next_piece()
            count, left = self._due(most)
            if count:
                return self._take(count)
            left = min(left, deadline - monotonic())
            if left <= 0:
                break
            sleep(left)
        return None

    def _next_piece(self) -> None:
        """Take up the rows that come next, in this round or the next one."""
        done = self._row % self._table.n_rows
        self._pieces = self._table.pieces(done) if self._pieces is None or not done else self._pieces
        piece = next(self._pieces, None)
        if piece is None:
            raise DataError(f"{self._name} changed while it was replayed; replay it when nothing writes to it")
        if self._shape.time is not None:
            late = self._row // self._table.n_rows * self._table.period
            piece = piece.with_columns((pl.col(self._shape.time).to_physical() + late).cast(pl.Datetime("ns")))
            self._times = piece[self._shape.time].to_physical().to_numpy()
        self._piece = piece

    def _due(self, most: int) -> tuple[int, float]:
        """Return how many rows are due, and if none, the seconds until the next one is."""
        if self._speed == inf:
            return min(most, self._piece.height), 0.0
        times, now = self._times, monotonic()
        if not len(times):
            return 0, 0.001
        start, first = self._began = self._began or (now, int(times[0]))
        reached = first + (now - start) * self._speed * 1e9
        count = int(np.searchsorted(times, reached, side="right"))
        return min(most, count), float(max((times[0] - reached) / 1e9 / self._speed, 0.0))

    def _take(self, count: int) -> Fetched:
        table, self._piece = self._piece.head(count), self._piece.slice(count)
        self._times = self._times[count:]
        gathering = Gathering(self._shape, any_time=True)
        gathering.add(table, np.zeros(count, np.int64), lambda row: as_json(table, row))
        gathering.count(dict.fromkeys(self._table.strange, count))
        dead: tuple[DeadLetter, ...] = ()
        if self._table.lost and self._row == 0:
            dead = (DeadLetter(f"{self._table.lost:,} rows of {self._name} have no time", b""),)
        self._row += count
        positions = {"row": self._row, "of": self._table.n_rows}
        return fetched(gathering.result(), positions, int(table.estimated_size()), dead=dead)

    @property
    def ended(self) -> bool:
        """Whether all rows were played."""
        return self._row >= self._total

    def close(self) -> None:
        """Let go of the table."""
        self._closed = True
        self._pieces = None

"""The contract of every format of messages, and how what was read of them is put together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from tocsin.errors import ParameterError
from tocsin.stream.decoding.readings import KEPT, Fault, Rows, as_readings, fault_of, nothing
from tocsin.stream.sources.base import DeadLetter, Shape


@dataclass(frozen=True, slots=True)
class Decoded:
    """What messages held.

    Parameters
    ----------
    frame : polars.DataFrame
        The readings, in the order of the messages, in the columns that `Fetched` tells.
    origins : ndarray of shape (n_readings,), int64
        Which message each is of, counted from 0; of several lines given as one, all 0.
    dead : sequence of DeadLetter
        What could not be decoded.
    strange : mapping of str to int
        Sensors that are not the fleet's, and about how many values they had.
    mended : int
        How many values were no finite number (NaN, infinity) and are missing now.
    """

    frame: pl.DataFrame
    origins: Rows
    dead: Sequence[DeadLetter] = ()
    strange: Mapping[str, int] = field(default_factory=dict)
    mended: int = 0


class Form(ABC):
    """One way in which messages are written. A subclass in a file of its own in this room is found by `Decoder`.

    Parameters
    ----------
    shape : Shape
        What readings look like.
    schema : Path, optional
        A file that says how messages are written, for formats that need one.
    """

    name: ClassVar[str]
    """How it is called in addresses: ``?format=json``."""

    def __init__(self, shape: Shape, schema: Path | None = None) -> None:
        if schema is not None:
            raise ParameterError(f"format {self.name} needs no schema; leave it out")
        self.shape = shape

    @abstractmethod
    def decode(self, payloads: Sequence[bytes] | bytes) -> Decoded:
        """Return the readings of messages, or of one stretch of a file that holds whole ones; never fails for them."""


PayloadOf = Callable[[int], bytes]
FaultOf = Callable[[int], Fault]


class Gathering:
    """Readings from tables that come one after the other, with what was refused of them."""

    def __init__(self, shape: Shape, *, any_time: bool = False) -> None:
        self.dead: list[DeadLetter] = []
        self.strange: dict[str, int] = {}
        self.mended = 0
        self._shape, self._any_time = shape, any_time
        self._frames: list[pl.DataFrame] = []
        self._origins: list[Rows] = []

    def add(self, table: pl.DataFrame, origins: Rows, payload_of: PayloadOf, fault_at: FaultOf | None = None) -> None:
        """Take over a table; `payload_of` and `fault_at` tell the bytes of a row and what is wrong with it."""
        checked = as_readings(table, self._shape, any_time=self._any_time)
        self._frames.append(checked.frame)
        self._origins.append(origins if checked.kept is None else origins[checked.kept])
        self.mended += checked.mended
        self.count(checked.strange)
        for row in checked.refused.tolist():
            fault = fault_at(row) if fault_at else self._fault(table, row)
            self.dead.append(fault.letter(payload_of(row)))

    def _fault(self, table: pl.DataFrame, row: int) -> Fault:
        return fault_of(table.row(row, named=True), self._shape, text_numbers=True)

    def count(self, strange: Mapping[str, int]) -> None:
        """Add to the counts of sensors that are not the fleet's."""
        for name, count in strange.items():
            self.strange[name] = self.strange.get(name, 0) + count

    def refuse(self, reason: str, payload: bytes) -> None:
        """Set a message aside."""
        self.dead.append(DeadLetter(reason, payload[:KEPT]))

    def result(self) -> Decoded:
        """Return all of it, as one."""
        frame = pl.concat(self._frames, rechunk=True) if self._frames else nothing(self._shape)
        origins = np.concatenate(self._origins) if self._origins else np.zeros(0, np.int64)
        return Decoded(frame, origins, tuple(self.dead), self.strange, self.mended)


FEW = 64
"""So many messages are looked at one by one rather than cut further."""
_PIECES = 16


def divide(count: int, at_once: Callable[[int, int], bool], singly: Callable[[int, int], None]) -> None:
    """Take messages of which some are broken: sixteen pieces at a time, and a piece that fails likewise.

    Parameters
    ----------
    count : int
        How many there are.
    at_once : callable
        Takes those from one number up to another, in order; false, and nothing taken, if it cannot.
    singly : callable
        Takes them one by one; it cannot fail.

    Cost: a broken message among n costs 15 calls for each of log16(n / 64) levels, and 64 messages taken one by one.
    """
    _divide(0, count, at_once, singly)


def _divide(start: int, end: int, at_once: Callable[[int, int], bool], singly: Callable[[int, int], None]) -> None:
    if end - start <= FEW:
        singly(start, end)
        return
    bounds = np.linspace(start, end, _PIECES + 1).astype(int).tolist()
    for first, last in pairwise(bounds):
        if not at_once(first, last):
            _divide(first, last, at_once, singly)

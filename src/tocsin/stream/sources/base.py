"""The contract of every source: what it gives, where it goes on, and who calls it when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import polars as pl

from tocsin.urls import Address

Positions = Mapping[str, Any]
"""Where each part of a source goes on, in plain JSON values; only the source knows what they mean."""

KEY, TIME, SENSOR, VALUE = "key", "time", "sensor", "value"
"""The columns of fetched readings, whatever they are called where they come from."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What readings look like to those who send them, and which features are wanted.

    Parameters
    ----------
    features : tuple of str
        The fleet's, in its order; others are left aside.
    key, time : str, optional
        The fields that say which asset a reading is of, and when it was. Without `key` all are of one asset ``""``;
        without `time` readings are in the order in which they come, and their time is when they came.
    sensor, value : str, optional
        The two fields of long readings, one sensor a message.
    """

    features: tuple[str, ...]
    key: str | None = None
    time: str | None = None
    sensor: str | None = None
    value: str | None = None

    @property
    def long(self) -> bool:
        """Whether a message holds one sensor's value."""
        return self.sensor is not None


class DeadLetter(NamedTuple):
    """What could not be decoded: why, in one line, and the bytes (at most some thousand) as they came."""

    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Fetched:
    """Readings that came together, in the order in which they came.

    Parameters
    ----------
    frame : polars.DataFrame
        Wide: ``key`` (String), ``time`` (Int64, nanoseconds since 1970 UTC), then the features as Float64 in the order
        of `Shape.features`, null or NaN where there is none. Long: ``key``, ``time``, ``sensor`` (String), ``value``
        (Float64). No key or time is null.
    positions : mapping
        Where the source goes on after these.
    size : int
        How many bytes these took on their way.
    dead : sequence of DeadLetter
        What could not be decoded; it is passed, and counted.
    newest : float, optional
        When the newest of these was sent, in seconds since 1970, if the source knows; delays are counted from it.
    strange : mapping of str to int
        Sensors that are not the fleet's, and how many of their values were left aside; may be estimated from some.
    mended : int
        How many values were no finite number (NaN or infinity in JSON) and count as missing.
    """

    frame: pl.DataFrame
    positions: Positions
    size: int
    dead: Sequence[DeadLetter] = ()
    newest: float | None = None
    strange: Mapping[str, int] = field(default_factory=dict)
    mended: int = 0


def joined(parts: Sequence[Fetched]) -> Fetched:
    """Return what was fetched in several calls of one source as one; the last call says where the source goes on."""
    if len(parts) == 1:
        return parts[0]
    strange: dict[str, int] = {}
    for part in parts:
        for name, count in part.strange.items():
            strange[name] = strange.get(name, 0) + count
    stamps = [part.newest for part in parts if part.newest is not None]
    return Fetched(
        pl.concat([part.frame for part in parts]),
        parts[-1].positions,
        sum(part.size for part in parts),
        [letter for part in parts for letter in part.dead],
        max(stamps, default=None),
        strange,
        sum(part.mended for part in parts),
    )


class Source(ABC):
    """Readings as they come. The runner opens it, seeks once, then polls; it commits what it is told is safe.

    A subclass in a file of its own in this room is found by the catalog, and runs the tests of all sources.
    """

    schemes: ClassVar[tuple[str, ...]]
    """The schemes of the addresses that it serves."""
    lag_unit: ClassVar[str] = "bytes"
    """In what `lag` is counted: ``"bytes"`` or ``"messages"``."""

    @classmethod
    @abstractmethod
    def open(cls, address: Address, shape: Shape) -> Source:
        """Open the source; a path that turns out to be of another kind is opened as that.

        Raises
        ------
        ParameterError
            If the address has an option that is not known, or a value that makes no sense.
        DataError
            If there is nothing at the address, or no right to read it.
        UnavailableError
            If a server does not answer (yet).
        """

    @abstractmethod
    def seek(self, positions: Positions) -> None:
        """Go on at positions that were committed; called once before the first poll, empty on a first start.

        Raises
        ------
        DataError
            If the source no longer holds what would come next, such as a file that was cut short.
        """

    @abstractmethod
    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return what has come: at most about `most` readings, at once if there are any.

        Waits at most `wait` seconds for a first one; None if none came. Never drops what it has not returned: what is
        not fetched waits where it is.

        Raises
        ------
        UnavailableError
            If the server has gone. The runner says so, waits, and polls again.
        """

    def committed(self, positions: Positions) -> None:  # noqa: B027 - most sources need not know
        """Hear that all up to `positions` is safe, and will not be asked for again."""

    @property
    def ended(self) -> bool:
        """Whether nothing will ever come any more."""
        return False

    @property
    def lag(self) -> int | None:
        """How much waits to be fetched, in `lag_unit`; None if the source cannot tell."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; may be called twice."""

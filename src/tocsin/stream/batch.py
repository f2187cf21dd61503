"""What is told of a micro-batch once it is safe, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tocsin.stream.sources.base import DeadLetter


@dataclass(slots=True)
class Batch:
    """What became of one micro-batch.

    Attributes
    ----------
    rows, size : int
        How many readings were fetched, and their bytes.
    alerts, late : int
        How many of them alert, and how many came too late.
    dead : sequence of DeadLetter
        What could not be decoded.
    strange : mapping of str to int
        Sensors that are not the fleet's, and how many of their values were left aside.
    mended : int
        How many values were no finite number and count as missing.
    newest : float or None
        When the newest reading was sent, in seconds since 1970, if the source knows.
    fetched, judged, committed : float
        When this was done, in seconds since 1970.
    lag : int or None
        What waits to be fetched, in the source's own unit; None if it cannot tell.
    """

    rows: int = 0
    size: int = 0
    alerts: int = 0
    late: int = 0
    dead: Sequence[DeadLetter] = ()
    strange: Mapping[str, int] = field(default_factory=dict)
    mended: int = 0
    newest: float | None = None
    fetched: float = 0.0
    judged: float = 0.0
    committed: float = 0.0
    lag: int | None = None


class Watcher(Protocol):
    """Who is told of each micro-batch once it is safe."""

    def seen(self, batch: Batch) -> None:
        """Hear of a micro-batch."""

    def changes(self) -> Sequence[tuple[bytes, bytes]]:
        """Return what is to be written with the next commit, such as the operation's own figures.

        It is asked for several times a second where no readings come, too; what is then returned makes a commit.
        """
        ...

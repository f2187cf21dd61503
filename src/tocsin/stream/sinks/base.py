"""The contract of every sink: how alerts are handed over, and what is known of those that have arrived."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import pyarrow as pa

from tocsin.insights.alerts import ALERTS, EXPLANATION
from tocsin.urls import Address

__all__ = ["ALERTS", "EXPLANATION", "Sink"]


class Sink(ABC):
    """Where alerts go. They are in the store before a sink gets them, so one that is slow or away loses none.

    A subclass in a file of its own in this room is found by the catalog, and runs the tests of all sinks.
    """

    schemes: ClassVar[tuple[str, ...]]
    """The schemes of the addresses that it serves."""
    gathers: ClassVar[bool] = False
    """Whether what waits may be handed over together, as one table under its last sequence; else call by call."""

    @classmethod
    def takes(cls, address: Address) -> bool:
        """Return whether it serves an address, where several sinks share a scheme."""
        return address.scheme in cls.schemes

    @classmethod
    def shown(cls, address: Address) -> str:
        """Return an address as messages may show it, without what is secret in it."""
        return str(address)

    @classmethod
    @abstractmethod
    def open(cls, address: Address) -> Self:
        """Open the sink.

        Raises
        ------
        ParameterError
            If the address has an option that is not known, or a value that makes no sense.
        OutputError
            If nothing can be written there.
        UnavailableError
            If a server does not answer (yet).
        """

    @abstractmethod
    def write(self, alerts: pa.Table, sequence: int) -> None:
        """Hand over one or more alerts, of the schema `ALERTS`; returns once they are safe there.

        `sequence` rises from call to call. After a crash the last calls may be made again, with the same alerts and
        numbers; a sink that can tell then writes nothing.

        Raises
        ------
        UnavailableError
            If they could not be handed over now; none is known to have arrived, and the call will be made again.
        OutputError
            If they never can be.
        """

    @property
    def delivered(self) -> int | None:
        """The last sequence that is known to have arrived, also by an earlier process; None if the sink cannot tell."""
        return None

    @property
    def pause(self) -> float:
        """How many seconds it wants to be left alone before the next call; what waits until then is not lost."""
        return 0.0

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; may be called twice."""

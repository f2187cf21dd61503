"""Alerts to standard output: JSON lines for the next program, one plain line each for a person at a terminal."""

from __future__ import annotations

import os
import sys
from typing import ClassVar, Protocol, Self

import pyarrow as pa

from tocsin.errors import OutputError, UnavailableError
from tocsin.stream.alerts import headline, json_lines, records
from tocsin.stream.sinks.base import Sink
from tocsin.urls import PLAIN, Address


class _Raw(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...


class StandardOutput(Sink):
    """Lines on standard output. What was written before a full disk is not written again."""

    schemes: ClassVar[tuple[str, ...]] = (PLAIN,)

    def __init__(self) -> None:
        self._plain = sys.stdout.isatty()
        self._begun = (-1, 0)
        """The call that was not finished, and how many of its bytes are out."""

    @classmethod
    def open(cls, address: Address) -> Self:
        """See `Sink.open`."""
        return cls()

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """See `Sink.write`."""
        lines = [headline(alert).encode() for alert in records(alerts)] if self._plain else json_lines(alerts)
        text = memoryview(b"".join(line + b"\n" for line in lines))
        done = self._begun[1] if self._begun[0] == sequence else 0
        try:
            sys.stdout.flush()
            raw: _Raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            while done < len(text):
                done += raw.write(text[done:]) or 0
        except BrokenPipeError:
            raise OutputError("standard output: whoever read it has left") from None
        except OSError as error:
            self._begun = sequence, done
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise UnavailableError(f"standard output: {reason.lower()}") from None

    def close(self) -> None:
        """See `Sink.close`."""

"""Standard input: what another program writes into the pipe."""

from __future__ import annotations

import os
import select
import sys
from time import monotonic
from typing import ClassVar

from tocsin.errors import DataError
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.sources.base import Fetched, Positions, Shape, Source
from tocsin.stream.sources.local import LineBlocks, fetched
from tocsin.urls import Address


class StandardInput(Source):
    """Lines of NDJSON from standard input, until it ends.

    A pipe cannot be wound back: after a restart it goes on with what comes then. What is not fetched waits in the pipe,
    and so does whoever writes into it.
    """

    schemes: ClassVar[tuple[str, ...]] = ("-",)

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Source:
        """Take over standard input."""
        return cls(shape)

    def __init__(self, shape: Shape) -> None:
        try:
            self._descriptor = sys.stdin.fileno()
            os.fstat(self._descriptor)
        except (AttributeError, ValueError, OSError):
            raise DataError("there is no standard input; write readings into a pipe, or give another source") from None
        self._decoder = Decoder(shape)
        self._blocks = LineBlocks(self._read)
        self._at_end = self._ended = self._closed = False

    def seek(self, positions: Positions) -> None:
        """Go on with what comes."""

    def _ready(self, wait: float) -> bool:
        return bool(select.select([self._descriptor], [], [], max(wait, 0.0))[0])

    def _read(self, count: int) -> bytes:
        """Return what is there, without waiting."""
        parts, size = [], 0
        while not self._at_end and size < count and self._ready(0):
            part = os.read(self._descriptor, count - size)
            self._at_end = not part
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return the lines that are there."""
        deadline = monotonic() + wait
        while not (self._ended or self._closed):
            start = self._blocks.offset
            block = self._blocks.next(most, final=self._at_end)
            if block is not None:
                end = self._blocks.offset
                return fetched(self._decoder.decode(block.data), {"bytes": end}, end - start, dead=block.dead)
            if self._at_end:
                self._ended = self._blocks.reached == self._blocks.offset
                continue
            left = deadline - monotonic()
            if left <= 0 or not self._ready(left):
                break
        return None

    @property
    def ended(self) -> bool:
        """Whether it was closed at the other end, and all is fetched."""
        return self._ended

    def close(self) -> None:
        """Leave it alone; it is not ours to close."""
        self._closed = True

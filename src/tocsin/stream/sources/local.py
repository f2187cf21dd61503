"""What sources of files and pipes share: paths and options in addresses, and whole lines out of growing text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from tocsin.errors import ParameterError
from tocsin.stream.decoding.base import Decoded
from tocsin.stream.decoding.decoder import MOST_BYTES, oversized
from tocsin.stream.decoding.readings import KEPT
from tocsin.stream.sources.base import KEY, DeadLetter, Fetched, Positions
from tocsin.urls import Address

FILE_KEY = "@file"
"""The key of readings of which each file is an asset, called by the file's name without suffixes."""

PAUSE = 0.02
"""Seconds between two looks at what may have grown."""

_STEP = 1 << 16
_MOST = 8 << 20


def local_path(address: Address) -> Path:
    """Return the path in an address: ``file://a/b`` is relative, ``file:///a/b`` absolute.

    >>> local_path(Address.of("file://logs/pump.ndjson?follow=no")).as_posix()
    'logs/pump.ndjson'
    """
    return Path(local_name(address)).expanduser()


def local_name(address: Address) -> str:
    """Return the path in an address as it is written."""
    name = f"{address.host}/{address.path}" if address.host and address.path else address.host or address.path
    if address.user:
        name = f"{address.user}@{name}"
    if not name:
        raise ParameterError(f"{address.scheme}:// names no path; write {address.scheme}://folder/name")
    return name


def number(address: Address, name: str, default: float, *, least: float = 0.0) -> float:
    """Return an option that is a number."""
    text = address.options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ParameterError(f"{name}={text} is no number") from None
    if not value >= least:
        raise ParameterError(f"{name}={text} makes no sense; it must be at least {least:g}")
    return value


def largest(address: Address) -> int:
    """Return the option that says how many bytes a message may have."""
    return int(number(address, "largest", MOST_BYTES, least=1))


class Block(NamedTuple):
    """Whole lines; or none, and a line that was too long."""

    data: bytes
    dead: tuple[DeadLetter, ...] = ()


class LineBlocks:
    """Whole lines out of bytes that come as they like; half a line waits for its other half.

    Parameters
    ----------
    read : callable
        Gives at most so many bytes, none where there are none now.
    offset : int
        Where the next byte stands in the whole.
    most_bytes : int
        A longer line is passed without being kept.

    Memory: at most `most_bytes` and a few megabytes.
    """

    def __init__(self, read: Callable[[int], bytes], offset: int = 0, most_bytes: int = MOST_BYTES) -> None:
        self.offset = offset
        """The end of what was given out."""
        self._read, self._most_bytes = read, most_bytes
        self._rest = b""
        self._line_bytes = 200.0
        self._dropped = 0
        self._dropped_start = b""

    @property
    def reached(self) -> int:
        """The end of what was read."""
        return self.offset + self._dropped + len(self._rest)

    def next(self, most: int, *, final: bool = False) -> Block | None:
        """Return at most so many lines, None if no line is whole; with `final` what is there is the last line's end."""
        wanted = int(min(max(most * self._line_bytes * 1.05, _STEP), _MOST))
        if len(self._rest) < wanted:
            self._rest += self._read(wanted - len(self._rest))
        cut = self._rest.rfind(b"\n") + 1
        while cut == 0:
            if len(self._rest) > self._most_bytes or self._dropped:
                self._drop(len(self._rest))
            more = self._read(max(_STEP, len(self._rest)))
            if not more:
                return self._end() if final and self.reached > self.offset else None
            start = len(self._rest)
            self._rest += more
            cut = self._rest.rfind(b"\n", start) + 1
        if self._dropped:
            self._drop(self._rest.index(b"\n") + 1)
            return self._give_dropped()
        return self._give(cut, most)

    def _give(self, cut: int, most: int) -> Block:
        lines = self._rest.count(b"\n", 0, cut)
        if lines > most:
            ends = np.flatnonzero(np.frombuffer(self._rest, np.uint8, cut) == ord("\n"))
            lines, cut = most, int(ends[most - 1]) + 1
        data, self._rest = self._rest[:cut], self._rest[cut:]
        self.offset += cut
        self._line_bytes = max(cut / max(lines, 1), 1.0)
        return Block(data)

    def _end(self) -> Block:
        if self._dropped:
            self._drop(len(self._rest))
            return self._give_dropped()
        return self._give(len(self._rest), 1)

    def _drop(self, count: int) -> None:
        self._dropped_start = (self._dropped_start + self._rest[:KEPT])[:KEPT]
        self._dropped += count
        self._rest = self._rest[count:]

    def _give_dropped(self) -> Block:
        dead = oversized(self._dropped, self._most_bytes, self._dropped_start)
        self.offset += self._dropped
        self._dropped, self._dropped_start = 0, b""
        return Block(b"", (dead,))


def fetched(
    decoded: Decoded, positions: Positions, size: int, *, key: str | None = None, dead: Sequence[DeadLetter] = ()
) -> Fetched:
    """Return what was decoded, with where to go on and what else is dead; all of one asset where a `key` is given."""
    frame = decoded.frame
    if key is not None:
        frame = frame.with_columns(pl.lit(key).alias(KEY))
    return Fetched(frame, positions, size, (*decoded.dead, *dead), None, decoded.strange, decoded.mended)

"""Alerts as lines of a growing file, each alert once, whatever happens to the process."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from tocsin.errors import OutputError, UnavailableError
from tocsin.stream.alerts import json_lines
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address

SUFFIXES = (".ndjson", ".jsonl")
TAIL = 16 << 20
"""So many bytes at the file's end are looked at for alerts that an earlier process wrote."""
_BEGIN = b'{"id":"'


class NDJSON(Sink):
    """A file ending in .ndjson or .jsonl, to which a line an alert is added.

    Each call is on disk when it returns. A line that a crash cut short is taken away when the file is opened, and
    alerts that are handed over once more are known by their ids and order, so that none is there twice. A file that is
    moved away, as when logs are rotated, is begun anew.
    """

    schemes: ClassVar[tuple[str, ...]] = ("", "file")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._there: list[str] = []
        """Ids at the end of the file, as long as calls may repeat them."""
        self._following = False
        """Whether a call has repeated some, so that the next one would repeat those that follow."""

    @classmethod
    def takes(cls, address: Address) -> bool:
        """See `Sink.takes`."""
        return super().takes(address) and address.place.suffix.lower() in SUFFIXES

    @classmethod
    def open(cls, address: Address) -> Self:
        """See `Sink.open`."""
        address.check_options(())
        sink = cls(address.place)
        try:
            with sink._opened() as file:
                sink._there = _mended(file)
        except OSError as error:
            raise OutputError(f"cannot write {sink._path}: {_reason(error)}") from None
        except ValueError:
            raise OutputError(f"cannot add to {sink._path}: it does not end in a line of JSON; name another") from None
        return sink

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """See `Sink.write`."""
        lines = json_lines(alerts)[self._repeated(alerts["id"].to_pylist()) :]
        if not lines:
            return
        try:
            with self._opened() as file:
                _append(file, b"".join(line + b"\n" for line in lines))
        except OSError as error:  # it could be written once, so it may be again
            raise UnavailableError(f"cannot write {self._path}: {_reason(error)}") from None
        self._there = []

    def _repeated(self, ids: list[str]) -> int:
        """Return how many of the first alerts of a call are in the file already."""
        starts = [0] if self._following else [place for place, each in enumerate(self._there) if each in ids[:1]]
        for start in starts:
            overlap = min(len(ids), len(self._there) - start)
            if self._there[start : start + overlap] == ids[:overlap]:
                self._there, self._following = self._there[start + overlap :], True
                return overlap
        return 0

    def _opened(self) -> FileIO:
        """Open the file to read and to append, and make it if it is not there; errors are the operating system's."""
        return FileIO(os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666), "r+")

    def close(self) -> None:
        """See `Sink.close`; nothing is open between calls."""


def _append(file: FileIO, data: bytes) -> None:
    """Append bytes and have them on disk, or leave the file as it was."""
    before = file.seek(0, os.SEEK_END)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            file.truncate(before)
        raise


def _mended(file: FileIO) -> list[str]:
    """End the file in a whole line, and return the ids of its last lines; "" for a line that has none.

    Raises
    ------
    ValueError
        If it ends in something else than a part of an alert.
    """
    length = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, length - TAIL))
    lines = _read(file, length - start).split(b"\n")
    if cut := lines.pop():
        if _id(cut):
            _append(file, b"\n")
            lines.append(cut)
        elif cut.startswith(_BEGIN[: len(cut)]):
            file.truncate(length - len(cut))
        else:
            raise ValueError
    return [_id(line) for line in (lines[1:] if start else lines)]


def _read(file: FileIO, many: int) -> bytes:
    parts: list[bytes] = []
    while many > 0 and (part := file.read(many)):
        parts.append(part)
        many -= len(part)
    return b"".join(parts)


def _id(line: bytes) -> str:
    """Return the id of an alert, "" if the line is none."""
    try:
        return str(json.loads(line)["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such folder; make it first"
    return os.strerror(error.errno).lower() if error.errno else str(error)

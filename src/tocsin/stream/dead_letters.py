"""What could not be decoded: set aside in a file of bounded size, counted, and told of by the first of each kind."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tocsin.errors import OutputError
from tocsin.stream.sources.base import DeadLetter

MOST_KINDS = 50
"""So many kinds of reasons are told apart; what comes after is counted under `OTHER`."""
OTHER = "other reasons"
_VARYING = re.compile(r"""'[^']*'|"[^"]*"|\d+(?:[.,:]\d+)*""")


class First(NamedTuple):
    """Of one kind of dead letters: how many there were, the first reason in full, and when it came."""

    many: int
    reason: str
    time: datetime


class DeadLetters:
    """A file of lines of JSON: time, reason, and the payload as text, or base64 where it is none.

    Nothing rests on this file: if it cannot be written while the stream runs, letters are counted all the same. After a
    crash, letters that came since the last commit come again, and are there twice.

    Parameters
    ----------
    path : Path, optional
        Without one, letters are counted only.
    most : int
        So many bytes are kept at most: when half of them are written the file is renamed to ``<name>.1``, in place of
        an earlier one, and begun anew.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """

    def __init__(self, path: Path | None = None, most: int = 100_000_000) -> None:
        self.path, self._half = path, max(most // 2, 1)
        self.count = 0
        """How many letters have come since the start."""
        self.unwritten = 0
        """How many of them could not be written."""
        self._kinds: dict[str, First] = {}
        if path is not None:
            try:
                path.open("ab").close()
            except OSError as error:
                reason = os.strerror(error.errno or 0).lower()
                raise OutputError(f"cannot write dead letters to {path}: {reason}; name a file in a folder") from None

    @property
    def kinds(self) -> list[First]:
        """The kinds of letters there were, the most frequent first; reasons that differ in numbers or names are one."""
        return sorted(self._kinds.values(), key=lambda kind: -kind.many)

    def add(self, letters: Iterable[DeadLetter], now: datetime | None = None) -> None:
        """Set letters aside, and count them."""
        now = now or datetime.now(UTC)
        lines = []
        for letter in letters:
            self.count += 1
            self._note(letter.reason, now)
            if self.path is not None:
                lines.append(_line(letter, now))
        if lines and self.path is not None:
            try:
                self._write(self.path, lines)
            except OSError:
                self.unwritten += len(lines)

    def _note(self, reason: str, now: datetime) -> None:
        kind = _VARYING.sub("*", reason)
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            kind = OTHER
        found = self._kinds.get(kind)
        self._kinds[kind] = First(1, reason, now) if found is None else found._replace(many=found.many + 1)

    def _write(self, path: Path, lines: list[bytes]) -> None:
        size = path.stat().st_size if path.exists() else 0
        file = path.open("ab")
        try:
            for line in lines:
                if size and size + len(line) > self._half:
                    file.close()
                    path.replace(path.with_name(f"{path.name}.1"))
                    file, size = path.open("ab"), 0
                file.write(line)
                size += len(line)
        finally:
            file.close()


def _line(letter: DeadLetter, now: datetime) -> bytes:
    try:
        payload = {"payload": letter.payload.decode()}
    except UnicodeDecodeError:
        payload = {"base64": base64.b64encode(letter.payload).decode()}
    told = {"time": now.isoformat().replace("+00:00", "Z"), "reason": letter.reason} | payload
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

"""A folder in which files arrive."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep, time
from typing import ClassVar

from tocsin.errors import DataError, TocsinError
from tocsin.stream.decoding.readings import KEPT, nothing
from tocsin.stream.sources.arrived import Arrived, open_arrived
from tocsin.stream.sources.base import DeadLetter, Fetched, Positions, Shape, Source
from tocsin.stream.sources.local import largest, local_path, number
from tocsin.tables.files import nothing_there
from tocsin.urls import Address

_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the folder was left.

    Files are taken in rounds, those of a round in the order of their names. Done are all that were last changed at
    `before` or earlier, and of the round, those changed at `until` or earlier, all up to the name `after`.
    """

    before: int = -1
    until: int = -1
    after: str = ""
    file: str | None = None
    at: int = 0
    size: int = 0

    def is_done(self, name: str, changed: int) -> bool:
        return changed <= self.before or (changed <= self.until and name <= self.after)


class Folder(Source):
    """Files of Parquet, Arrow IPC, NDJSON or CSV that arrive in a folder, each taken once, in the order of their names.

    ``folder://inbox``, or just the path of a folder. Folders inside it are looked into; names that begin with a dot or
    an underscore are left alone. A file is taken when nothing changed it for a moment, as after a renaming into place;
    write it under a hidden name and rename it, and it is never seen half. Text may be packed with gzip or Zstandard.
    A file that is damaged or no table is a dead letter, and the next is taken.

    Positions are the time of the last change (``ctime``) up to which all is done, and a name and a place within the
    present round: they do not grow. So a file that is touched after it was taken is taken again after a restart only.

    Options: after ``settle=1`` second without a change a file is complete; ``follow=no`` ends when the files that are
    there are read; ``separator=;`` of CSV; ``largest`` bytes of a line.

    Memory: one batch of a file (of Parquet, a row group's columns that are needed), and the names in the folder.
    """

    schemes: ClassVar[tuple[str, ...]] = ("folder",)

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Source:
        """Open a folder, which must be there."""
        return cls(address, shape)

    def __init__(self, address: Address, shape: Shape) -> None:
        address.check_options({"settle", "follow", "separator", "largest"})
        self._settle = number(address, "settle", 1.0)
        self._follow = address.choice("follow", "yes", "no") == "yes"
        self._separator, self._largest = address.options.get("separator"), largest(address)
        self._path, self._shape = local_path(address), shape
        if not self._path.exists():
            raise nothing_there(str(self._path), self._path)
        if not self._path.is_dir():
            raise DataError(f"{self._path} is no folder; write file://{self._path} to follow a file")
        self._names()  # says so where it may not be read
        self._mark = _Mark()
        self._known: set[str] | None = None
        self._round: list[str] = []
        self._file: Arrived | None = None
        self._next_look = 0.0
        self._ended = self._closed = False

    def seek(self, positions: Positions) -> None:
        """Go on in the middle of a round."""
        if positions:
            self._mark = _Mark(**positions)

    def _names(self) -> dict[str, os.stat_result]:
        """Return the files that are there, without those that hide or vanish meanwhile."""
        found: dict[str, os.stat_result] = {}
        folders = [self._path]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(folder))
            except PermissionError:
                raise DataError(f"cannot read {folder}: permission denied; ask for read access") from None
            except OSError as error:
                if folder != self._path:
                    continue
                raise DataError(f"cannot read {folder}: {error.strerror or error}") from None
            for entry in entries:
                if entry.name.startswith((".", "_")):
                    continue
                try:
                    if entry.is_dir():
                        folders.append(Path(entry.path))
                    elif entry.is_file():
                        found[Path(entry.path).relative_to(self._path).as_posix()] = entry.stat()
                except OSError:
                    continue
        return found

    def _look(self) -> None:
        """Look for files that are new and complete; they are the next round."""
        found, settled = self._names(), time() - self._settle
        if self._known is None:
            self._known = {name for name, stat in found.items() if self._mark.is_done(name, stat.st_ctime_ns)}
        self._known &= found.keys()
        fresh = {
            name: stat
            for name, stat in found.items()
            if name not in self._known and stat.st_size and stat.st_ctime <= settled
        }
        if not fresh:
            return
        half_read = self._mark.file
        going_on = {name for name, stat in fresh.items() if stat.st_ctime_ns <= self._mark.until or name == half_read}
        if going_on:
            self._round = sorted(going_on)
            return
        self._round = sorted(fresh)
        until = max(self._mark.until, *(stat.st_ctime_ns for stat in fresh.values()))
        self._mark = _Mark(before=self._mark.until, until=until)

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return what a file holds, as soon as there is a new one."""
        deadline = monotonic() + wait
        while not (self._ended or self._closed):
            if self._file is not None or self._round:
                if (found := self._read(most)) is not None:
                    return found
                continue
            now = monotonic()
            if now >= self._next_look:
                self._look()
                self._next_look = now + _LOOK_EVERY + 10 * (monotonic() - now)
                if self._round:
                    continue
                self._ended = not self._follow and not self._unsettled()
            left = deadline - monotonic()
            if left <= 0:
                break
            sleep(max(min(self._next_look - monotonic(), left), 0.001))
        return None

    def _unsettled(self) -> bool:
        known = self._known or set()
        return any(stat.st_size and name not in known for name, stat in self._names().items())

    def _read(self, most: int) -> Fetched | None:
        """Return what comes next in the round, None where a file is at its end."""
        try:
            file = self._file or self._open_next()
            found = file.read(most)
        except (TocsinError, OSError) as error:
            return self._damaged(str(error).splitlines()[0] if str(error) else type(error).__name__)
        if found is None:
            self._finish()
            return None
        self._mark = replace(self._mark, at=file.at)
        return replace(found, positions=self._positions())

    def _open_next(self) -> Arrived:
        """Open the first file of the round, at the place where an earlier process left it."""
        name = self._round[0]
        path = self._path / name
        size = path.stat().st_size
        at = 0
        if self._mark.file == name:
            at = self._mark.at
            if at and self._mark.size != size:
                raise DataError(f"{path} was changed while it was read; what came after place {at:,} is left out")
        self._mark = replace(self._mark, file=name, at=at, size=size)
        self._file = open_arrived(path, self._shape, at, self._separator, self._largest)
        return self._file

    def _damaged(self, reason: str) -> Fetched:
        """Set a file aside, and go on with the next."""
        path = self._path / self._round[0]
        try:
            with path.open("rb") as file:
                start = file.read(KEPT)
        except OSError:
            start = b""
        self._finish()
        letter = DeadLetter(reason if str(path) in reason else f"{path}: {reason}", start)
        return Fetched(nothing(self._shape), self._positions(), 0, (letter,))

    def _finish(self) -> None:
        """Be done with the first file of the round."""
        if self._file is not None:
            self._file.close()
            self._file = None
        name = self._round.pop(0)
        if self._known is not None:
            self._known.add(name)
        self._mark = replace(self._mark, after=name, file=None, at=0, size=0)

    def _positions(self) -> Positions:
        mark = self._mark
        return {name: getattr(mark, name) for name in ("before", "until", "after", "file", "at", "size")}

    @property
    def ended(self) -> bool:
        """Whether all that was there is read, and nobody waits for more."""
        return self._ended

    @property
    def lag(self) -> int | None:
        """How many bytes are in files that were found and not read to their end."""
        sizes = []
        for name in self._round:
            try:
                sizes.append((self._path / name).stat().st_size)
            except OSError:
                continue
        return sum(sizes)

    def close(self) -> None:
        """Close the file that is open."""
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None

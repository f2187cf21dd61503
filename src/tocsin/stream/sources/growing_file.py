"""A file that others append to, followed as ``tail -F`` does."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from io import FileIO
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from tocsin.errors import DataError
from tocsin.stream.decoding.csv_lines import CsvLines
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.decoding.readings import nothing
from tocsin.stream.sources.base import DeadLetter, Fetched, Positions, Shape, Source
from tocsin.stream.sources.local import FILE_KEY, PAUSE, LineBlocks, fetched, largest, local_path
from tocsin.tables.files import format_of_suffix, nothing_there, stem
from tocsin.urls import Address

_HEAD = 1_024
"""So many bytes at its start tell a file from another one."""


class GrowingFile(Source):
    """Lines of NDJSON, or of CSV with a header, as they are appended.

    ``file://readings.ndjson``, or just the path. The end of a file is where more will come: half a line waits. If the
    file is renamed and a new one takes its name, the old one is read to its end first; if it is cut short, reading
    begins anew. Positions are the byte, and what tells the file: its inode, and a digest of its first kilobyte. After a
    restart a file that was renamed meanwhile is looked for in the same folder.

    Options: ``follow=no`` ends at the file's end; ``separator=;`` of CSV; ``largest`` bytes of a line;
    ``gone=begin`` begins with what is there if a restart does not find what it read before.

    Memory: a few megabytes. It looks for more every 20 ms while it waits.
    """

    schemes: ClassVar[tuple[str, ...]] = ("file", "")

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Source:
        """Open a file, or a folder whose path is given without a scheme."""
        path = local_path(address)
        if path.is_dir():
            if address.scheme == "":
                from tocsin.stream.sources.folder import Folder

                return Folder.open(Address("folder", path=address.path), shape)
            raise DataError(f"{path} is a folder; write folder://{path} to take the files that arrive in it")
        return cls(address, path, shape)

    def __init__(self, address: Address, path: Path, shape: Shape) -> None:
        address.check_options({"follow", "separator", "largest", "gone"})
        self._follow = address.choice("follow", "yes", "no") == "yes"
        self._begin_if_gone = address.choice("gone", "error", "begin") == "begin"
        self._separator = address.options.get("separator")
        self._largest = largest(address)
        self._path = path
        self._key: str | None = None
        if shape.key == FILE_KEY:
            shape, self._key = replace(shape, key=None), stem(path.name)
        self._shape = shape
        form = format_of_suffix(path.name)
        if form in ("parquet", "ipc") or path.suffix in (".gz", ".zst", ".zstd"):
            raise DataError(f"{path} cannot grow line by line; write replay://{path} to read it in the order of time")
        self._csv = form == "csv"
        self._file: FileIO | None = _opened(path)
        self._ended = False
        self._begin(0)

    def _begin(self, offset: int) -> None:
        """Stand at a byte of the open file."""
        file = self._opened_file()
        self._decoder: Decoder | CsvLines | None = None
        if not self._csv:
            self._decoder = Decoder(self._shape, most_bytes=self._largest)
        elif offset:
            file.seek(0)
            self._decoder = self._csv_decoder(file.readline(self._largest))
        file.seek(offset)
        self._blocks = LineBlocks(file.read, offset, self._largest)
        self._head = b""

    def _csv_decoder(self, header: bytes) -> CsvLines:
        return CsvLines(self._shape, header, self._separator, str(self._path))

    def _opened_file(self) -> FileIO:
        if self._file is None:
            raise DataError(f"{self._path} is closed")
        return self._file

    def seek(self, positions: Positions) -> None:
        """Go on at a byte of the same file, wherever it is now."""
        if not positions:
            return
        offset = int(positions["offset"])
        found = next((file for file in self._candidates() if _is_same(file, positions)), None)
        if found is None:
            if self._begin_if_gone:
                return
            raise DataError(
                f"{self._path} was cut short or replaced, and what came after byte {offset:,} is gone; "
                f"write file://{self._path}?gone=begin to begin with what is there now"
            )
        if found != self._path:
            self._opened_file().close()
            self._file = _opened(found)
        self._begin(offset)

    def _candidates(self) -> list[Path]:
        """Return the file, and those beside it whose names begin like it."""
        beside = self._path.parent.glob(f"{_escaped(self._path.name)}*")
        return [self._path, *sorted(each for each in beside if each != self._path and each.is_file())]

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return the lines that were appended."""
        deadline = monotonic() + wait
        while not self._ended:
            if (found := self._look(most)) is not None:
                return found
            left = deadline - monotonic()
            if left <= 0:
                break
            sleep(min(PAUSE, left))
        return None

    def _look(self, most: int) -> Fetched | None:
        file = self._opened_file()
        if (lost := self._cut_short(file)) is not None:
            self._begin(0)
            return Fetched(nothing(self._shape), self._positions(), 0, (DeadLetter(lost, b""),))
        replaced = self._replaced(file)
        start = self._blocks.offset
        block = self._blocks.next(most, final=replaced or not self._follow)
        if block is None:
            if replaced:
                file.close()
                self._file = _opened(self._path)
                self._begin(0)
                return self._look(most)
            self._ended = not self._follow
            return None
        if self._decoder is None:
            header, _, data = block.data.partition(b"\n")
            self._decoder = self._csv_decoder(header)
        else:
            data = block.data
        size = self._blocks.offset - start
        return fetched(self._decoder.decode(data), self._positions(), size, key=self._key, dead=block.dead)

    def _cut_short(self, file: FileIO) -> str | None:
        """Say how the file lost what was read of it; None if it did not."""
        size = os.fstat(file.fileno()).st_size
        if size < self._blocks.reached:
            return f"{self._path} was cut short from {self._blocks.reached:,} to {size:,} bytes; it is read anew"
        if self._head and os.pread(file.fileno(), len(self._head), 0) != self._head:
            return f"{self._path} was written anew; it is read from its beginning"
        return None

    def _replaced(self, file: FileIO) -> bool:
        """Tell whether another file has the name now."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        held = os.fstat(file.fileno())
        return (now.st_ino, now.st_dev) != (held.st_ino, held.st_dev)

    def _positions(self) -> Positions:
        file, offset = self._opened_file(), self._blocks.offset
        if len(self._head) < min(_HEAD, offset):
            self._head = os.pread(file.fileno(), min(_HEAD, offset), 0)
        inode = os.fstat(file.fileno()).st_ino
        return {"offset": offset, "inode": inode, "length": len(self._head), "head": _digest(self._head)}

    @property
    def ended(self) -> bool:
        """Whether the end was reached and nobody waits for more."""
        return self._ended

    @property
    def lag(self) -> int | None:
        """How many bytes are there that were not fetched."""
        if self._file is None:
            return None
        return max(os.fstat(self._file.fileno()).st_size - self._blocks.offset, 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise nothing_there(str(path), path) from None
    except PermissionError:
        raise DataError(f"cannot read {path}: permission denied; ask for read access or copy it") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _is_same(path: Path, positions: Positions) -> bool:
    """Tell whether a file begins as the one that was read, and is at least as long as what was read of it."""
    try:
        with path.open("rb") as file:
            head = file.read(int(positions["length"]))
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    return size >= int(positions["offset"]) and _digest(head) == positions["head"]


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=8).hexdigest()


def _escaped(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)

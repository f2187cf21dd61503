"""Where rows wait for the rest of their asset: in memory, or in a file where they are too many."""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import OutputError

Bytes = NDArray[np.uint8]


class Store(Protocol):
    """Bytes that are written from end to end, then read in any order."""

    def buffer(self, size: int) -> Bytes:
        """Return memory to fill and write."""

    def write(self, data: Bytes) -> int:
        """Append a buffer's data; return where it starts."""

    def wait(self) -> None:
        """Wait until all is written."""

    def read(self, start: int, data: Bytes) -> Bytes:
        """Return as many bytes as `data` has from `start` on, in `data` or elsewhere."""


class MemoryStore:
    """Memory that is kept until all has been read."""

    def __init__(self) -> None:
        self._parts: list[Bytes] = []
        self._starts: list[int] = []
        self._written = 0

    def buffer(self, size: int) -> Bytes:
        """Return fresh memory."""
        return np.empty(size, np.uint8)

    def write(self, data: Bytes) -> int:
        """Keep the buffer itself."""
        self._parts.append(data)
        self._starts.append(self._written)
        self._written += len(data)
        return self._starts[-1]

    def wait(self) -> None:
        """Do nothing: it is there."""

    def read(self, start: int, data: Bytes) -> Bytes:
        """Return a view of what was written, which must lie in one buffer."""
        part = bisect_right(self._starts, start) - 1
        start -= self._starts[part]
        return self._parts[part][start : start + len(data)]


class FileStore:
    """A file that is written from end to end in the background, then read in pieces.

    What has been written and read is dropped from the system's cache: it would push out files that are needed again,
    and filling gigabytes of fresh memory costs more than the disk does.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._pool = ThreadPoolExecutor(1, "tocsin-spill")
        self._pending: Future[None] | None = None
        self._written = 0
        self._buffers = [np.empty(0, np.uint8), np.empty(0, np.uint8)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        self._file.close()

    def buffer(self, size: int) -> Bytes:
        """Return memory to fill and write; there are two in turn."""
        self._buffers.reverse()
        if len(self._buffers[0]) < size:
            self._buffers[0] = np.empty(size, np.uint8)
        return self._buffers[0][:size]

    def write(self, data: Bytes) -> int:
        """Append a buffer's data; return where it starts."""
        self.wait()
        start = self._written
        self._written += len(data)
        self._pending = self._pool.submit(self._append, data, start)
        return start

    def wait(self) -> None:
        """Wait until all is written.

        Raises
        ------
        OSError
            If the disk is full.
        """
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _append(self, data: Bytes, start: int) -> None:
        view = memoryview(data.data)
        while view:
            view = view[self._file.write(view) :]
        if hasattr(os, "posix_fadvise"):
            os.fdatasync(self._file.fileno())
            self._forget(start, len(data))

    def read(self, start: int, data: Bytes) -> Bytes:
        """Fill `data` with what lies behind `start`."""
        self._file.seek(start)
        view = memoryview(data.data)
        while view:
            count = self._file.readinto(view)
            if not count:
                raise OSError("the file of readings set aside was cut short")
            view = view[count:]
        self._forget(start, len(data))
        return data

    def _forget(self, start: int, size: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), start, size, os.POSIX_FADV_DONTNEED)


@contextmanager
def scratch_folder(tmp: Path | None) -> Iterator[Path]:
    """Give a folder that is gone afterwards, and say so in plain words where it cannot be made or filled."""
    try:
        with tempfile.TemporaryDirectory(prefix="tocsin-", dir=tmp, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        place = tmp or tempfile.gettempdir()
        reason = os.strerror(error.errno) if error.errno else error
        raise OutputError(f"cannot set readings aside in {place}: {reason}; give tmp a folder with room") from None

"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from uuid import uuid4

from tocsin.errors import OutputError

STRETCH = 64 << 20
"""After so many bytes the disk is asked to begin."""


class WholeFile:
    """A file that is written under a hidden name beside its target, and given its name at the end.

    On an error, Ctrl-C included, the hidden file is removed and what the target held before stays as it was.

    Parameters
    ----------
    path : str or Path
        The target.

    Raises
    ------
    OutputError
        If it is a folder, its folder is missing or may not be written, or the disk is full.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with WholeFile(f"{folder}/x.bin") as file:
    ...         file.write(b"abc")
    ...     Path(folder, "x.bin").read_bytes()
    b'abc'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if self.path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        if not self.path.parent.is_dir():
            raise OutputError(f"cannot write {path}: there is no folder {str(self.path.parent)!r}; make it first")
        self._beside = self.path.with_name(f".{self.path.name}.{uuid4().hex[:8]}.part")
        self._opened: IO[bytes] | None = None
        self._settled = 0
        self.complete = False
        """Whether nothing but the name is missing."""

    def __enter__(self) -> Self:
        try:
            self._opened = self._beside.open("xb")
        except OSError as error:
            raise self.failure(error) from None
        return self

    @property
    def file(self) -> IO[bytes]:
        """The open file, whose errors are the operating system's."""
        if self._opened is None:
            raise OutputError(f"cannot write {self.path}: it is not open; use the writer in a with statement")
        return self._opened

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        try:
            self.file.write(data)
        except OSError as error:
            raise self.failure(error) from None

    def settle(self) -> None:
        """Have the disk begin with what was written since the last time, so that less is left for the end."""
        written = self.file.tell()
        if hasattr(os, "posix_fadvise") and written - self._settled >= STRETCH:
            with suppress(OSError):
                os.posix_fadvise(self.file.fileno(), self._settled, written - self._settled, os.POSIX_FADV_DONTNEED)
            self._settled = written

    def end(self) -> None:
        """Have all on disk, so that nothing but the name is missing; leaving does it, too.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        except OSError as error:
            raise self.failure(error) from None
        self.complete = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None:
                if not self.complete:
                    self.end()
                self._beside.replace(self.path)
                whole = True
        except OSError as failure:
            raise self.failure(failure) from None
        finally:
            if not whole:
                with suppress(OSError):
                    self.file.close()
                with suppress(OSError):
                    self._beside.unlink()

    def failure(self, error: OSError) -> OutputError:
        """Return what went wrong, in words."""
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        return OutputError(f"cannot write {self.path}: {reason}; nothing was left behind")

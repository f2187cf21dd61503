"""Numbers that come one after the other and are then read as a series: in memory, or set aside in a file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tocsin.tables.stores import scratch_folder

IN_MEMORY = 64 << 20
"""Up to so many bytes stay in memory."""


class Draft:
    """A series in the making; what it uses is gone when `stack` is closed.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    stack : ExitStack
        What cleans up.
    tmp : Path, optional
        Where to set numbers aside if they are many; by default the system's folder for temporary files.

    Raises
    ------
    OutputError
        As `stack` is closed, if there was no room.
    """

    def __init__(self, dtype: np.dtype[Any], stack: ExitStack, tmp: Path | None) -> None:
        self.dtype, self.length = dtype, 0
        self.descriptor = -1
        self.remark: str | None = None
        self._stack, self._tmp = stack, tmp
        self._kept: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None

    def append(self, values: NDArray[Any]) -> None:
        """Add numbers at the end."""
        self.length += len(values)
        self._kept.append(np.ascontiguousarray(values, self.dtype))
        if self._file is None and self.length * self.dtype.itemsize > IN_MEMORY:
            self._file = self._open()
        if self._file is not None:
            for part in self._kept:
                self._file.write(part.data)
            self._kept.clear()

    def _open(self) -> IO[bytes]:
        path = self._stack.enter_context(scratch_folder(self._tmp)) / "series"
        file = self._stack.enter_context(path.open("wb"))
        self.descriptor = os.open(path, os.O_RDONLY)
        self._stack.callback(os.close, self.descriptor)
        return file

    def finish(self) -> NDArray[Any] | None:
        """Return what was kept in memory; None if it is in the file behind `descriptor`."""
        if self._file is None:
            return np.concatenate(self._kept) if self._kept else np.empty(0, self.dtype)
        self._file.flush()
        where = Path(self._file.name).parent.parent
        size = self.length * self.dtype.itemsize / 1e9
        self.remark = f"{size:,.1f} GB of numbers were set aside in {where} while this ran"
        return None

"""Alerts as Parquet files in a folder, for tables that grow for months and are asked by date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tocsin.errors import OutputError, ParameterError, UnavailableError
from tocsin.stream.sinks.base import Sink
from tocsin.tables.whole import WholeFile
from tocsin.urls import Address

SUFFIXES = ("", ".parquet")
LINES = (".ndjson", ".jsonl")


class ParquetFolder(Sink):
    """A folder, in which each call makes one file in the folder of its day: ``day=2026-01-05/alerts-17-<id>.parquet``.

    A file appears when it is whole. Its name is that of the call and its first alert, so that a call that is repeated
    replaces it, and a new stream into an old folder replaces nothing. Polars, pyarrow and others read the whole folder
    as one table. The day is that of the first alert.
    """

    schemes: ClassVar[tuple[str, ...]] = ("", "file", "parquet")

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def takes(cls, address: Address) -> bool:
        """See `Sink.takes`: paths that no other kind of file has."""
        return super().takes(address) and address.place.suffix.lower() not in LINES

    @classmethod
    def open(cls, address: Address) -> Self:
        """See `Sink.open`."""
        address.check_options(())
        folder = address.place
        if folder.suffix.lower() not in SUFFIXES and not (address.text.endswith("/") or folder.is_dir()):
            raise ParameterError(
                f"no sink writes {folder.name}: a file of alerts ends in .ndjson or .jsonl, and a folder of Parquet "
                f"files has no suffix, or a / at its end"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"cannot write into {folder}: it is a file; name a folder") from None
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {os.strerror(error.errno or 0).lower()}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write into {folder}: permission denied; ask for rights or name another")
        for stale in folder.glob("day=*/.*.part"):  # what a process that was killed left behind
            stale.unlink(missing_ok=True)
        return cls(folder)

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """See `Sink.write`."""
        day = pc.strftime(alerts["time"][0], format="%Y-%m-%d").as_py()
        folder = self._folder / f"day={day}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with WholeFile(folder / f"alerts-{sequence}-{alerts['id'][0].as_py()}.parquet") as whole:
                pq.write_table(alerts, whole.file, compression="zstd")
        except OSError as error:
            raise UnavailableError(f"cannot write into {folder}: {os.strerror(error.errno or 0).lower()}") from None
        except OutputError as error:  # it could be written once, so it may be again
            raise UnavailableError(str(error)) from None

    def close(self) -> None:
        """See `Sink.close`; nothing is open between calls."""

"""Readings that arrive in a folder, file by file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import polars as pl
import pytest

from tests.stream.sources.harness import Publisher, Row, as_lines
from tests.stream.sources.publishers.lines import as_csv


def as_table(rows: Sequence[Row]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in names}, strict=False)


class FolderPublisher(Publisher):
    schemes = ("folder",)
    suffix: ClassVar[str] = "ndjson"

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder / "inbox", 0
        self.folder.mkdir()

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("tmp_path"))

    @property
    def address(self) -> str:
        return f"folder://{self.folder}?settle=0.01"

    def nowhere(self) -> str:
        return f"folder://{self.folder}-nowhere"

    def publish(self, rows: Sequence[Row]) -> None:
        self.publish_bytes(as_lines(rows))

    def publish_bytes(self, payload: bytes) -> None:
        hidden = self.folder / ".writing"
        hidden.write_bytes(payload)
        self.arrive(hidden)

    def arrive(self, hidden: Path) -> None:
        self.count += 1
        hidden.rename(self.folder / f"{self.count:04}.{self.suffix}")


class EndingFolderPublisher(FolderPublisher):
    live = False
    ends = True

    @property
    def address(self) -> str:
        return f"folder://{self.folder}?settle=0&follow=no"


class CsvFolderPublisher(FolderPublisher):
    suffix = "csv"

    def publish(self, rows: Sequence[Row]) -> None:
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        self.publish_bytes(",".join(names).encode() + b"\n" + as_csv(rows, names))


class ParquetFolderPublisher(FolderPublisher):
    suffix = "parquet"

    def publish(self, rows: Sequence[Row]) -> None:
        as_table(rows).write_parquet(self.folder / ".writing", row_group_size=64)
        self.arrive(self.folder / ".writing")


class ArrowFolderPublisher(FolderPublisher):
    suffix = "arrow"

    def publish(self, rows: Sequence[Row]) -> None:
        as_table(rows).write_ipc(self.folder / ".writing", record_batch_size=64)
        self.arrive(self.folder / ".writing")

"""Readings of a table that is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.stream.sources.harness import Publisher, Row
from tests.stream.sources.publishers.files import as_table


class ReplayPublisher(Publisher):
    schemes = ("replay",)
    live = False
    ends = True
    dead_letters = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "readings.parquet"
        self.rows: list[Row] = []

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("tmp_path"))

    @property
    def address(self) -> str:
        return f"replay://{self.path}"

    def nowhere(self) -> str:
        return f"replay://{self.path.parent}/nothing.parquet"

    def publish(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)
        self.write(as_table(self.rows))

    def write(self, table: Any) -> None:
        table.write_parquet(self.path)


class UnsortedReplayPublisher(ReplayPublisher):
    """The rows of each asset together, as tables are kept."""

    @property
    def address(self) -> str:
        return f"replay://{self.path}?speed=1000000"

    def write(self, table: Any) -> None:
        table.sort("asset", maintain_order=True).write_parquet(self.path)


class CsvReplayPublisher(ReplayPublisher):
    @property
    def address(self) -> str:
        return f"replay://{self.path.with_suffix('.csv')}"

    def write(self, table: Any) -> None:
        table.write_csv(self.path.with_suffix(".csv"))

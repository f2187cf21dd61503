"""Readings that are appended to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.stream.sources.harness import Publisher, Row, as_lines


class GrowingFilePublisher(Publisher):
    schemes = ("file", "")

    def __init__(self, folder: Path) -> None:
        self.path = folder / "readings.ndjson"
        self.path.touch()

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("tmp_path"))

    @property
    def address(self) -> str:
        return f"file://{self.path}"

    def nowhere(self) -> str:
        return f"file://{self.path.parent}/nothing.ndjson"

    def publish(self, rows: Sequence[Row]) -> None:
        self.publish_bytes(as_lines(rows))

    def publish_bytes(self, payload: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(payload if payload.endswith(b"\n") else payload + b"\n")

"""Readings that are appended to a file, or written into a pipe."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.stream.sources.harness import Publisher, Row, as_lines


class GrowingFilePublisher(Publisher):
    schemes = ("file",)
    name = "readings.ndjson"

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.name
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


class EndingFilePublisher(GrowingFilePublisher):
    live = False
    ends = True

    @property
    def address(self) -> str:
        return f"file://{self.path}?follow=no"


class PlainPathPublisher(GrowingFilePublisher):
    schemes = ("",)
    has_options = False

    @property
    def address(self) -> str:
        return str(self.path)

    def nowhere(self) -> str:
        return f"{self.path}.gone"


class GrowingCsvPublisher(GrowingFilePublisher):
    name = "readings.csv"
    header: tuple[str, ...] = ()

    def publish(self, rows: Sequence[Row]) -> None:
        if not self.header:
            self.header = tuple(dict.fromkeys(name for row in rows for name in row))
            self.publish_bytes(",".join(self.header).encode())
        self.publish_bytes(as_csv(rows, self.header))


class StandardInputPublisher(Publisher):
    schemes = ("-",)
    ends = True
    resumes = "never"
    has_options = False
    address = "-"

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.reader, self.writer = os.fdopen(read), os.fdopen(write, "wb", buffering=0)
        patch.setattr(sys, "stdin", self.reader)

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("monkeypatch"))

    def nowhere(self) -> str:
        self.patch.setattr(sys, "stdin", None)
        return "-"

    def publish(self, rows: Sequence[Row]) -> None:
        self.writer.write(as_lines(rows))

    def publish_bytes(self, payload: bytes) -> None:
        self.writer.write(payload + b"\n")

    def finish(self) -> None:
        self.writer.close()

    def close(self) -> None:
        self.writer.close()
        self.reader.close()


def as_csv(rows: Sequence[Row], header: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, header, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

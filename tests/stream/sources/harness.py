"""What the tests of all sources need: someone who sends readings to a source, and a way to read all that it gives.

A new source needs one more file in `publishers/`, with one subclass of `Publisher`. Nothing else.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
import pytest

import tests.stream.sources.publishers as room
from tocsin.discovery import members_of
from tocsin.stream.sources.base import DeadLetter, Fetched, Positions, Shape, Source
from tocsin.stream.sources.catalog import open_source, sources

Row = Mapping[str, Any]
"""A reading as it is sent: the fields of `SHAPE`, `at` in milliseconds since 1970; a sensor may be missing or None."""

SHAPE = Shape(("x", "y"), key="asset", time="at")
START = 1_700_000_000_000
BROKEN = b'{"asset": "a", "at": 17000'
PATIENCE = 30.0
"""After so many seconds without what is expected a test gives up."""


class Publisher(ABC):
    """Someone who sends readings to where one kind of source takes them from; made anew for each test."""

    schemes: ClassVar[tuple[str, ...]]
    """The schemes of the source that it sends to."""
    live: ClassVar[bool] = True
    """Whether what is sent after opening arrives, too."""
    ends: ClassVar[bool] = False
    """Whether the source ends once `finish` has been called and all has been fetched."""
    resumes: ClassVar[Literal["anywhere", "committed", "never"]] = "anywhere"
    """Where a source that is opened anew can go on: at any positions, at those last committed only, or nowhere."""
    dead_letters: ClassVar[bool] = True
    """Whether what cannot be decoded can be sent at all."""
    has_options: ClassVar[bool] = True
    """Whether addresses may have options."""

    @classmethod
    @abstractmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        """Make one with a place of its own; fixtures are had by `request.getfixturevalue`, which also cleans up."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the source finds what is sent."""

    @abstractmethod
    def nowhere(self) -> str:
        """Return an address at which there is nothing."""

    @abstractmethod
    def publish(self, rows: Sequence[Row]) -> None:
        """Send readings, in order; returns when they are there."""

    def publish_bytes(self, payload: bytes) -> None:
        """Send one message as it is."""
        raise NotImplementedError

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Say that nothing more will come."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Let go of everything; called after each test."""


def publishers() -> list[type[Publisher]]:
    """Return all publishers; fails if a source of the catalog has none."""
    found = members_of(room, Publisher)
    without = set(sources()) - {scheme for member in found for scheme in member.schemes}
    assert not without, f"nobody publishes to {without}; add a file to tests/stream/sources/publishers"
    return sorted(found, key=lambda member: member.__name__)


@dataclass
class Got:
    """All that was fetched."""

    parts: list[Fetched] = field(default_factory=list)

    @property
    def frame(self) -> pl.DataFrame:
        return pl.concat([part.frame for part in self.parts]) if self.parts else expected([])

    @property
    def dead(self) -> list[DeadLetter]:
        return [letter for part in self.parts for letter in part.dead]

    @property
    def positions(self) -> Positions:
        return self.parts[-1].positions

    @property
    def strange(self) -> dict[str, int]:
        names = {name for part in self.parts for name in part.strange}
        return {name: sum(part.strange.get(name, 0) for part in self.parts) for name in names}


def made_up(count: int, *, seed: int = 7, assets: int = 5, start: int = START) -> list[dict[str, Any]]:
    """Make readings, an asset's in the order of their times."""
    draw = np.random.default_rng(seed)
    rows = []
    for i, asset in enumerate(draw.integers(0, assets, count)):
        row: dict[str, Any] = {"asset": f"pump-{asset}", "at": start + 100 * i, "x": float(draw.normal())}
        if draw.random() < 0.9:
            row["y"] = None if draw.random() < 0.1 else float(draw.normal())
        rows.append(row)
    return rows


def expected(rows: Iterable[Row]) -> pl.DataFrame:
    """Return readings as a source must give them."""
    rows = list(rows)
    return pl.DataFrame(
        {
            "key": [str(row["asset"]) for row in rows],
            "time": [row["at"] * 1_000_000 for row in rows],
            **{name: [row.get(name) for row in rows] for name in SHAPE.features},
        },
        schema={"key": pl.String, "time": pl.Int64, **dict.fromkeys(SHAPE.features, pl.Float64)},
    )


def by_asset(frame: pl.DataFrame) -> pl.DataFrame:
    """Bring the rows of an asset together, in their order; NaN is null, as it may be either."""
    return frame.sort("key", maintain_order=True).fill_nan(None)


def as_lines(rows: Iterable[Row]) -> bytes:
    """Return NDJSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def opened(publisher: Publisher, positions: Positions | None = None, shape: Shape = SHAPE) -> Source:
    """Open the source and seek as the runner does, with positions that have been through JSON."""
    source = open_source(publisher.address, shape)
    source.seek(json.loads(json.dumps(dict(positions or {}))))
    return source


def drain(source: Source, count: int, *, dead: int = 0, most: int = 1_000) -> Got:
    """Fetch until so many rows and dead letters are there and nothing more comes.

    Fails if there are more of them, or if they are not there in time.
    """
    got, deadline = Got(), monotonic() + PATIENCE
    while monotonic() < deadline:
        there = got.frame.height >= count and len(got.dead) >= dead
        if source.ended:
            break
        fetched = source.poll(most, 0.2)
        if fetched is not None:
            got.parts.append(fetched)
        elif there:
            break
    assert got.frame.height == count
    assert len(got.dead) == dead
    return got

"""Made-up pumps with a day of 144 rows, and what befalls them; streams that do at once what they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.stream.adapting.changing import learned
from tocsin.fleet.fleet import Fleet
from tocsin.insights.base import Store
from tocsin.insights.catalog import open_store
from tocsin.stream.adapting import adaptation
from tocsin.synth import pumps

DAY = 144
TIMES = pa.timestamp("ns", "UTC")


class Pumps:
    """Readings of some pumps over some days, from which any days can be had."""

    def __init__(self, assets, days, seed=1):
        self.panel = pumps(assets, 3, days * DAY, seed).panel()

    def days(self, first, stop):
        """Return the readings of some days."""
        places = np.arange(self.panel.n_rows) - np.repeat(self.panel.offsets[:-1], np.diff(self.panel.offsets))
        return self.panel.take_rows(np.flatnonzero((places >= first * DAY) & (places < stop * DAY)))

    def shifted(self, first, size, assets=(0,), features=(0,)):
        """Let features of some assets be at another level from a day on, by so many deviations."""
        values = self.panel.values.copy()
        for asset in assets:
            start, stop = self.panel.offsets[asset : asset + 2]
            for feature in features:
                values[feature, start + first * DAY : stop] += size * values[feature, start:stop].std()
        other = Pumps.__new__(Pumps)
        other.panel = replace(self.panel, values=values)
        return other


@pytest.fixture(scope="session")
def fleet():
    return Pumps(6, 24)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let streams look for requests between any two batches."""
    monkeypatch.setattr(adaptation, "LOOK", 0.0)


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Return a fleet of a few pumps, for streams of these."""
    return learned(tmp_path_factory.mktemp("fleet") / "pumps")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store"), write=True)
    yield opened
    opened.close()

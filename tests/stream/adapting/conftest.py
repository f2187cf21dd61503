"""Made-up pumps with a day of 144 rows, and what befalls them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

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

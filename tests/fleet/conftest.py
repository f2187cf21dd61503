"""A small fleet's readings, and two fleets that learned from them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin import ECOD, Fleet


def make_readings(assets=5, rows=400, seed=0, start=0):
    """Return readings in time order: all assets at each tick."""
    rng = np.random.default_rng(seed)
    ticks = np.repeat(np.arange(start, start + rows), assets)
    times = pl.Series(ticks * 60_000, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))
    return pl.DataFrame(
        {
            "pump": [f"pump {i}" for i in range(assets)] * rows,
            "at": times,
            "flow": rng.normal(10, 1, assets * rows),
            "heat": rng.normal(60, 5, assets * rows),
            "hum": rng.gamma(2, 1, assets * rows),
            "site": ["north"] * (assets * rows),
        }
    )


@pytest.fixture(scope="session")
def readings():
    return make_readings()


@pytest.fixture
def fleet(readings):
    return Fleet(ECOD(), key="pump", time="at").fit(readings)

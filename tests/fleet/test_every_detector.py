"""A fleet of any detector is what the detector is of each asset, and is the same when it is opened again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin import Fleet, Recipe, catalog
from tocsin.features import Window
from tocsin.fleet.models import COLUMNS

DETECTORS = pytest.mark.parametrize("make", catalog().values(), ids=catalog())


def made(rows=120, assets=2, seed=0):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "pump": [f"p{i}" for i in range(assets) for _ in range(rows)],
            "at": list(range(rows)) * assets,
            "flow": rng.normal(5.0, 1.0, assets * rows),
            "heat": rng.normal(40.0, 3.0, assets * rows),
        }
    )
    return frame.with_columns(fault=((pl.col("flow") > 6.0) & (pl.col("at") % 3 == 0)).cast(pl.Int8))


@DETECTORS
def test_a_fleet_is_its_detector(make, tmp_path):
    readings, later = made(), made(seed=1).with_columns(pl.col("at") + 120)
    fleet = Fleet(make(), key="pump", time="at", label="fault").fit(readings)
    fleet.save(tmp_path / "fleet")
    opened = Fleet.load(tmp_path / "fleet")
    scores = opened.score(later, explain=2, threads=1)
    assert scores.equals(fleet.score(later, explain=2, threads=2))
    assert not set(fleet.models.column_names[len(COLUMNS) :]) & set(COLUMNS)
    for pump in ("p0", "p1"):
        own, rows = readings.filter(pump=pump), later.filter(pump=pump)
        detector = make().fit(own.select("flow", "heat"), own["fault"])
        mine = scores.filter(key=pump)
        np.testing.assert_array_equal(mine["score"], detector.decision_function(rows.select("flow", "heat")))
        np.testing.assert_array_equal(mine["alert"], detector.predict(rows.select("flow", "heat")) == 1)
        assert (mine["threshold"] == detector.threshold_).all()


@DETECTORS
def test_a_fleet_learns_on_where_its_detector_does(make, tmp_path):
    fleet = Fleet(make(), key="pump", time="at", label="fault", recipe=Recipe([Window(3, ["mean"])])).fit(made())
    later = made(assets=3, seed=1).with_columns(pl.col("at") + 120)
    if make().incremental:
        fleet.update(later)
        assert fleet.keys == ["p0", "p1", "p2"]
    fleet.save(tmp_path / "fleet")
    scores = Fleet.load(tmp_path / "fleet").score(later, explain=1)
    assert scores.filter("alert")["explanations"].list.len().min() in (None, 1)
    begun = 2 if make().incremental else 0  # the last rows that were learned are then these themselves
    assert scores["score"].null_count() == begun * scores["key"].n_unique()

"""A fleet of detectors that learn from labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin import Fleet, LightGBM
from tocsin.errors import ColumnError, DataError, ParameterError


def made(assets=2, rows=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "pump": [f"p{i}" for i in range(assets) for _ in range(rows)],
            "at": list(range(rows)) * assets,
            "flow": rng.normal(5.0, 1.0, assets * rows),
            "heat": rng.normal(40.0, 3.0, assets * rows),
        }
    )
    # Each pump fails in its own way: a label says what no score of rarity could.
    strange = pl.when(pl.col("pump") == "p0").then(pl.col("flow") > 5.8).otherwise(pl.col("heat") < 38)
    return frame.with_columns(fault=strange.cast(pl.Int8))


def fleet(**more):
    return Fleet(LightGBM(), key="pump", time="at", label="fault", **more)


def test_each_asset_learns_from_its_own_labels(tmp_path):
    learned = fleet().fit(made())
    learned.save(tmp_path / "fleet")
    later = made(seed=1)
    scores = Fleet.load(tmp_path / "fleet").score(later.drop("fault"), explain=1)
    truth = later["fault"].cast(pl.Boolean)
    assert ((scores["alert"] == truth).mean()) > 0.97
    for pump, cause in (("p0", "flow"), ("p1", "heat")):
        named = scores.filter(pl.col("key") == pump, "alert")["explanations"].list.first().struct.field("feature")
        assert (named == cause).mean() > 0.95


def test_labels_are_needed_and_checked():
    with pytest.raises(ParameterError, match=r"labels are needed .* say which column"):
        Fleet(LightGBM(), key="pump", time="at").fit(made())
    with pytest.raises(ColumnError, match="no column 'fault' for the label"):
        fleet().fit(made().drop("fault"))
    with pytest.raises(DataError, match="labels must be 0"):
        fleet().fit(made().with_columns(fault=pl.col("fault") * 3))


def test_an_asset_that_cannot_be_learned_is_left_out_with_the_reason():
    calm = pl.col("fault") * (pl.col("pump") != "p1")
    learned = fleet().fit(made(assets=5).with_columns(fault=calm))
    assert learned.keys == ["p0", "p2", "p3", "p4"]
    assert any("1 asset left out: asset 'p1'" in note for note in learned.report.notes)
    with pytest.raises(DataError, match=r"'p0'.*; none of the other 1 can be learned, either"):
        fleet().fit(made().with_columns(fault=0))

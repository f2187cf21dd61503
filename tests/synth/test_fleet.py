"""Made-up fleets: repeatable, believable, and with faults where the truth says."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tocsin import synth
from tocsin.errors import ParameterError
from tocsin.synth.faults import KINDS


def test_readings_are_float32_in_time_order():
    readings, truth = synth.fleet(assets=3, features=5, rows=50)
    assert readings.columns[:2] == ["asset", "time"]
    assert readings["asset"].unique(maintain_order=True).to_list() == ["pump-01", "pump-02", "pump-03"]
    assert set(readings.dtypes[2:]) == {pl.Float32}
    assert readings["time"].is_sorted()
    assert readings.select(pl.struct("asset", "time").n_unique()).item() == len(readings) == 150
    assert truth.columns == ["asset", "feature", "kind", "onset", "end", "size"]
    assert readings.select(pl.selectors.float().is_finite().all()).row(0) == (True,) * 5


@given(seed=st.integers(0, 2**40), features=st.integers(1, 20))
def test_the_seed_alone_decides(seed, features):
    one, two = synth.fleet(2, features, 40, seed), synth.fleet(2, features, 40, seed)
    assert_frame_equal(one[0], two[0])
    assert_frame_equal(one[1], two[1])
    assert not one[0].equals(synth.fleet(2, features, 40, seed + 1)[0])


def test_an_asset_does_not_depend_on_the_others():
    few, few_faults = synth.fleet(assets=3, rows=200, seed=4)
    many, many_faults = synth.fleet(assets=9, rows=200, seed=4)
    kept = few["asset"].unique().implode()
    assert_frame_equal(few, many.filter(pl.col("asset").is_in(kept)))
    assert_frame_equal(few_faults, many_faults.filter(pl.col("asset").is_in(kept)))


@pytest.mark.parametrize("kind", KINDS)
def test_readings_differ_from_clean_ones_exactly_where_the_truth_says(kind):
    readings, truth = synth.fleet(assets=12, rows=600, seed=2, faulty=1.0, kinds=[kind])
    clean, none = synth.fleet(assets=12, rows=600, seed=2, faulty=0.0)
    assert len(none) == 0
    assert none.schema == truth.schema
    assert truth["asset"].n_unique() == 12
    assert set(truth["kind"]) == {kind}
    for fault in truth.iter_rows(named=True):
        mine, other = (frame.filter(asset=fault["asset"]) for frame in (readings, clean))
        inside = mine["time"].is_between(fault["onset"], fault["end"]).to_numpy()
        for feature in readings.columns[2:]:
            change = mine[feature].to_numpy() - other[feature].to_numpy()
            assert not change[~inside].any()
            assert change[inside].any() == (feature == fault["feature"])
        spread = other[fault["feature"]].head(420).std()
        end = (mine[fault["feature"]] - other[fault["feature"]]).filter(inside)[-1] / spread
        if kind == "stuck":
            assert fault["size"] is None
            assert mine[fault["feature"]].filter(inside).n_unique() == 1
        else:
            assert end == pytest.approx(fault["size"], rel=0.02)
            assert abs(fault["size"]) >= 6


def test_no_fault_begins_before_the_clean_rows_are_over():
    readings, truth = synth.fleet(assets=40, rows=120, seed=1, clean_rows=80, faulty=1.0)
    training, later = synth.split(readings, 80)
    assert training["time"].max() < truth["onset"].min()
    assert truth["end"].max() <= later["time"].max()
    assert training.group_by("asset").len()["len"].unique().to_list() == [80]


def test_sensors_follow_the_day_and_each_other():
    readings, _ = synth.fleet(assets=1, rows=144 * 20, seed=3, faulty=0.0)
    flow = readings["flow"].to_numpy()
    assert np.corrcoef(flow[:-144], flow[144:])[0, 1] > np.corrcoef(flow[:-72], flow[72:])[0, 1] + 0.2
    assert np.corrcoef(flow, readings["motor_current"])[0, 1] > 0.2
    hourly, _ = synth.fleet(assets=1, rows=24 * 20, seed=3, faulty=0.0, every=timedelta(hours=1))
    flow = hourly["flow"].to_numpy()
    assert np.corrcoef(flow[:-24], flow[24:])[0, 1] > np.corrcoef(flow[:-12], flow[12:])[0, 1] + 0.2


def test_split_takes_a_share_of_each_asset():
    frame = pl.DataFrame({"asset": ["a", "b", "a", "a", "b"], "x": [0, 1, 2, 3, 4]})
    training, later = synth.split(frame, 0.5)
    assert training["x"].to_list() == [0, 1]
    assert later["x"].to_list() == [2, 3, 4]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"assets": 0}, "assets must be at least 1, not 0"),
        ({"features": 0}, "features must be at least 1"),
        ({"rows": 3}, "rows must be at least 4"),
        ({"rows": 10, "clean_rows": 9}, "at most 8, not 9"),
        ({"faulty": 1.5}, "faulty must be a probability"),
        ({"kinds": []}, "faulty=0"),
        ({"kinds": ["spikes"]}, "did you mean 'spike'"),
    ],
)
def test_numbers_without_sense_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        synth.fleet(**wrong)

"""Made-up fleets: repeatable, believable, and with faults where the truth says."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
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


@settings(max_examples=10)
@given(seed=st.integers(0, 2**64 - 2), features=st.integers(1, 20))
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
    pumps = synth.pumps(assets=12, features=4, rows=600, seed=2, faulty=1.0, kinds=[kind])
    readings, truth = pumps.frame(), pumps.truth
    clean, none = synth.fleet(assets=12, features=4, rows=600, seed=2, faulty=0.0)
    assert len(none) == 0
    assert none.schema == truth.schema
    assert truth["asset"].n_unique() == 12
    assert set(truth["kind"]) == {kind}
    deviations = {sensor.name: sensor.deviation for sensor in pumps.sensors}
    for fault in truth.iter_rows(named=True):
        mine, other = (frame.filter(asset=fault["asset"]) for frame in (readings, clean))
        inside = mine["time"].is_between(fault["onset"], fault["end"]).to_numpy()
        for feature in pumps.features:
            change = mine[feature].to_numpy() - other[feature].to_numpy()
            assert not change[~inside].any()
            assert change[inside].any() == (feature == fault["feature"])
        change = (mine[fault["feature"]] - other[fault["feature"]]).to_numpy()[inside] / deviations[fault["feature"]]
        _looks_like(kind, fault["size"], change, mine[fault["feature"]].to_numpy()[inside])


def _looks_like(kind, size, change, values):
    if kind in ("spike", "shift"):
        np.testing.assert_allclose(change, size, atol=0.02)
    elif kind == "drift":
        np.testing.assert_allclose(change, size * np.arange(1, len(change) + 1) / len(change), atol=0.02)
    elif kind == "variance":
        assert change.std() == pytest.approx(size, rel=0.35)
        assert abs(change.mean()) < 4 * size / np.sqrt(len(change))
    elif kind == "season":
        assert abs(change).max() == pytest.approx(abs(size), rel=0.05)
        assert abs(np.fft.rfft(change[: len(change) // 72 * 72])).argmax() == len(change) // 72
    elif kind == "correlation":
        assert 0.2 < change.std() < 3
    elif kind == "stuck":
        assert len(set(values)) == 1
        assert change[0] == 0
    elif kind == "contact":
        assert 0.2 < (values == 0).mean() < 0.8
    assert (size is None) == (kind in ("correlation", "stuck", "contact"))


def test_faults_may_overlap_and_each_keeps_its_label():
    pumps = synth.pumps(assets=30, features=1, rows=400, seed=1, faults=4, faulty=0.9)
    truth = pumps.truth.with_columns(before=pl.col("end").shift().over("asset"))
    assert truth.group_by("asset").len()["len"].max() == 4
    assert truth.filter(pl.col("onset") <= pl.col("before")).height > 20
    fewer = synth.pumps(assets=30, features=1, rows=400, seed=1, faults=4, faulty=0.3).truth
    assert fewer.join(truth, on=fewer.columns, nulls_equal=True).height == len(fewer) < len(truth)


def test_a_stuck_sensor_holds_what_it_would_have_shown():
    pumps = synth.pumps(assets=60, features=1, rows=400, seed=3, faults=3, faulty=0.9, kinds=["stuck", "shift"])
    values, faults = pumps.frame("asset"), pumps.truth
    unstuck = synth.pumps(assets=60, features=1, rows=400, seed=3, faulty=0.0).frame("asset")
    held = 0
    for fault in faults.filter(kind="stuck").iter_rows(named=True):
        shifts = faults.filter(
            pl.col("onset") <= fault["onset"], pl.col("end") >= fault["onset"], asset=fault["asset"], kind="shift"
        )
        others = faults.filter(asset=fault["asset"], kind="stuck").filter(
            pl.col("onset").is_between(fault["onset"], fault["end"])
            | pl.col("end").is_between(fault["onset"], fault["end"])
        )
        at = (pl.col("asset") == fault["asset"]) & (pl.col("time") == fault["onset"])
        usual = unstuck.filter(at)["bearing_temp"].item() + (shifts["size"].sum() * pumps.sensors[0].deviation)
        if len(others) == 1:
            held += len(shifts)
            assert values.filter(at)["bearing_temp"].item() == pytest.approx(usual, abs=0.02)
    assert held > 3


def test_no_fault_begins_before_the_clean_rows_are_over():
    readings, truth = synth.fleet(assets=40, features=3, rows=120, seed=1, clean_rows=80, faulty=1.0)
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


def test_a_broken_correlation_leaves_the_sensor_as_it_is_by_itself():
    pumps = synth.pumps(assets=200, features=5, rows=1000, faulty=1.0, kinds=["correlation"], seed=5)
    readings = pumps.frame("asset").with_columns(pl.col("time").cast(pl.Int64))
    inside = readings.join(pumps.truth.filter(feature="flow"), on="asset").filter(
        pl.col("time").is_between(pl.col("onset").cast(pl.Int64), pl.col("end").cast(pl.Int64))
    )
    centred = [
        (pl.col(name) - pl.col(name).mean().over("asset")) / pumps.sensors[pumps.features.index(name)].deviation
        for name in ("flow", "motor_current")
    ]
    flow, current = inside.select(centred)
    whole = readings.select(centred)
    assert np.corrcoef(*whole)[0, 1] > 0.25
    assert abs(np.corrcoef(flow, current)[0, 1]) < 0.15
    assert flow.std() == pytest.approx(whole["flow"].std(), rel=0.2)


def test_split_takes_a_share_of_each_asset():
    frame = pl.DataFrame({"asset": ["a", "b", "a", "a", "b"], "x": [0, 1, 2, 3, 4]})
    training, later = synth.split(frame, 0.5)
    assert training["x"].to_list() == [0, 1]
    assert later["x"].to_list() == [2, 3, 4]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"assets": 0}, "assets must be at least 1, not 0"),
        ({"assets": 2**40}, "assets must be at most 4,294,967,296"),
        ({"features": 0}, "features must be at least 1"),
        ({"features": -3}, "features must be at least 1"),
        ({"rows": 3}, "rows must be at least 4"),
        ({"rows": 10**15}, "rows must be at most"),
        ({"rows": 10, "clean_rows": 9}, "at most 8, not 9"),
        ({"seed": -1}, "seed must be from 0"),
        ({"faulty": 1.5}, "faulty must be a probability"),
        ({"faults": -1}, "faults must be from 0 to 200"),
        ({"kinds": []}, "faulty=0"),
        ({"kinds": ["spikes"]}, "did you mean 'spike'"),
        ({"every": timedelta()}, "every must be a time"),
    ],
)
def test_numbers_without_sense_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        synth.fleet(**wrong)

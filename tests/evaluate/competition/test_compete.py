"""The whole competition, small: by labels, by faults, with a budget, and what is wrong with what it is given."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin import Fleet, Recipe, Rules, compete, synth
from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.competition import trials
from tocsin.evaluate.truth import at_fault
from tocsin.features import Window

FEW = ["mad", "seasonalnaive", "isolationforest(trees=5)"]


@pytest.fixture(scope="module")
def readings() -> pl.DataFrame:
    """Return eight pumps; a label says where a shift is, which is in the second half."""
    made, truth = synth.fleet(8, 3, 400, seed=2, clean_rows=220, faulty=1.0, kinds=["shift"])
    made = made.sort("asset", "time")
    return made.with_columns(label=at_fault(made.rename({"asset": "key"}), truth))


def held(frame, label=None, **rules):
    rules = {"detectors": FEW, "seeds": 2, **rules}
    source = frame if label else frame.drop("label")
    return compete(source, key="asset", time="time", label=label, rules=Rules(**rules))


@pytest.fixture(scope="module")
def by_faults(readings):
    return held(readings)


def test_a_leaderboard_by_faults(by_faults):
    board = by_faults.leaderboard
    assert sorted(board["detector"]) == [
        "isolationforest(trees=5)", "isolationforest(trees=5) on windows", "mad", "mad on windows", "seasonalnaive",
    ]  # fmt: skip
    assert board["rank"].to_list() == [1, 2, 3, 4, 5]
    assert board["score"].is_sorted(descending=True)
    assert board["winner"].sum() == 1
    assert str(by_faults.winner) in board["detector"].to_list()
    assert board.select((pl.col("low") <= pl.col("score")) & (pl.col("score") <= pl.col("high"))).to_series().all()
    assert (board["behind"][0], board["level"][0], board["assets"].unique().to_list()) == (0.0, True, [8])
    assert board.select(pl.col("cause_1") <= pl.col("cause_3")).to_series().all()
    assert (by_faults.mode, by_faults.faults, by_faults.rows) == ("faults", 64, 2 * 8 * 200)
    assert by_faults.standings.units == 8


def test_it_comes_out_the_same_again(readings, by_faults):
    timed = ["fit_seconds", "score_seconds", "winner"]
    again = held(readings.sample(fraction=1.0, shuffle=True, seed=1))
    assert again.leaderboard.drop(timed).equals(by_faults.leaderboard.drop(timed))
    assert not held(readings, seed=1).leaderboard.drop(timed).equals(by_faults.leaderboard.drop(timed))


def test_what_each_sees_is_by_kind(by_faults):
    kinds = by_faults.by_kind
    assert kinds["faults"].sum() == 5 * 64
    weighed = kinds.group_by("detector").agg(score=(pl.col("score") * pl.col("faults")).sum() / pl.col("faults").sum())
    both = weighed.join(by_faults.leaderboard, on="detector")
    np.testing.assert_allclose(both["score"], both["score_right"])


def test_by_labels(readings):
    found = held(readings, "label")
    assert (found.mode, found.faults) == ("labels", 8)
    assert found.leaderboard["detector"][0] in ("mad", "mad on windows")
    assert found.leaderboard["cause_1"].null_count() == 5
    assert found.leaderboard.filter(pl.col("detector") == "mad")["score"][0] > 0.8
    assert found.standings.honest > 0.7


def test_supervised_detectors_take_part_with_labels_and_those_that_cannot_stand_last(readings):
    pytest.importorskip("lightgbm")
    early = readings.with_columns(
        label=pl.when((pl.int_range(pl.len()).over("asset") == 5) & (pl.col("asset") < "pump-05"))
        .then(1)
        .otherwise("label")
    )
    found = held(early, "label", detectors=["mad", "lightgbm"], seeds=1)
    board = found.leaderboard
    last = board.row(-1, named=True)
    assert last["detector"] == "lightgbm"
    assert 0 < last["assets"] < 8
    assert "left out: asset" in found.incomplete["lightgbm"]
    assert found.winner.detector == "mad"
    none = held(readings, "label", detectors=["mad", "lightgbm"], seeds=1)
    assert none.leaderboard.row(-1, named=True)["failure"].startswith("asset 'pump-")
    assert none.winner.detector == "mad"


def test_the_winner_is_a_fleet(readings, by_faults):
    fleet = by_faults.fleet().fit(readings.drop("label"))
    assert isinstance(fleet, Fleet)
    assert len(fleet) == 8
    assert fleet.detector.get_params() == by_faults.winner.make().get_params()


def test_a_recipe_of_ones_own_stands_before_all(readings):
    own = Recipe([Window(6, ["mean"])])
    found = held(readings, recipe=own, detectors=["mad"], seeds=1)
    assert found.leaderboard["detector"].to_list() == ["mad"]
    assert found.fleet().recipe == own


def test_a_sample_of_assets_is_told(readings):
    found = held(readings, detectors=["mad"], assets=3, seeds=1)
    assert (found.assets, found.of_assets) == (3, 8)
    assert found.standings.drawn == "faults"


def test_one_asset_without_times():
    values = np.random.default_rng(0).normal(10.0, 1.0, 600)
    found = compete(pl.DataFrame({"flow": values}), rules=Rules(["mad", "zscore"], seeds=2))
    assert (found.assets, found.faults, found.standings.drawn) == (1, 16, "faults")
    assert found.leaderboard["false_incidents_a_day"].null_count() == 4
    assert not np.isnan(found.standings.honest)


def test_assets_too_short_to_have_a_fault_are_noted(readings):
    few = readings.filter((pl.col("asset") > "pump-01") | (pl.int_range(pl.len()).over("asset") < 20))
    found = held(few, detectors=["mad"], seeds=1)
    assert any("without a fault, such as 'pump-0" in note for note in found.notes)


def test_thresholds_that_do_not_hold_are_told(readings):
    moved = readings.with_columns(
        pl.selectors.float() + 50.0 * (pl.int_range(pl.len()).over("asset") >= 200).cast(pl.Float32)
    )
    assert any(
        "100% of the normal readings are alerts" in line for line in held(moved, seeds=1, detectors=["mad"]).outlook
    )


def test_a_budget_is_told_of_and_leaves_a_winner(readings):
    told = []
    rules = Rules(["mad", "zscore", "ecod"], seeds=2, budget=300.0)
    found = compete(readings.drop("label"), key="asset", time="time", rules=rules, tell=lambda *how: told.append(how))
    assert {what.partition(":")[0] for what, _, _ in told} > {"Getting ready", "Heat 1 of 3", "Heat 3 of 3"}
    board = found.leaderboard
    assert board["heat"].max() == 3
    assert board["heat"].is_sorted(descending=True)
    assert found.standings.units == 8
    with pytest.raises(ParameterError, match=r"a budget of 1e-06 s is too small for one fit: .* took .* s"):
        held(readings, budget=1e-6)


def test_the_first_heat_is_on_assets_that_have_something_to_find(readings):
    keys = readings["asset"].unique().sort().to_list()
    for key in keys:  # wherever it is among those that are drawn
        one = readings.with_columns(label=pl.when(pl.col("asset") == key).then("label").otherwise(0))
        found = held(one, "label", detectors=["mad", "zscore"], budget=300.0)
        assert found.leaderboard["heat"].max() > 1
        assert (found.faults, found.assets) == (1, 8)
    flat = pl.when(pl.col("asset").is_in(keys[:6])).then(1.0).otherwise(pl.selectors.float()).name.keep()
    assert held(readings.with_columns(flat), detectors=["mad"], budget=300.0, seeds=1).leaderboard["assets"][0] == 2


def test_a_bug_in_a_detector_is_no_failure_of_it(readings, monkeypatch):
    monkeypatch.setattr(trials, "common_alerts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        held(readings, detectors=["mad"], seeds=1)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"metric": "f1"}, "metric 'f1' takes alerts"),
        ({"metric": "vus"}, "no metric 'vus'; did you mean 'vus_pr'"),
        ({"train": 1.0}, "train must be a share"),
        ({"seeds": 0}, "seeds must be"),
        ({"assets": 0}, "assets must be"),
        ({"prefer": "cheap"}, "prefer must be"),
        ({"budget": 0.0}, "budget must be"),
        ({"kinds": ["shfit"]}, "no fault 'shfit'; did you mean 'shift'"),
        ({"contamination": 0.9}, "contamination must be"),
    ],
)
def test_mistakes_in_the_rules(readings, rules, told):
    with pytest.raises(ParameterError, match=told):
        held(readings, **rules)


def test_readings_that_cannot_be_judged(readings):
    with pytest.raises(DataError, match="calls no reading anomalous"):
        held(readings.with_columns(label=0), "label")
    with pytest.raises(DataError, match="calls no reading normal"):
        held(readings.with_columns(label=1), "label")
    with pytest.raises(DataError, match="labels must be 0"):
        held(readings.with_columns(label=3), "label")
    flat = readings.with_columns(pl.selectors.float() * 0.0)
    with pytest.raises(DataError, match="no feature varies enough"):
        held(flat)
    late = pl.int_range(pl.len()).over("asset") >= 200
    with pytest.raises(DataError, match=r"no fault can be put into asset '.*': faults would change no reading"):
        held(readings.with_columns(pl.when(~late).then(pl.selectors.float()).name.keep()))
    with pytest.raises(DataError, match="can judge nothing: asset"):
        held(readings, recipe=Recipe([Window(300, ["mean"])]))

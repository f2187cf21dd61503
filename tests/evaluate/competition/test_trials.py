"""One contestant on the sample: figures that can be worked out by hand, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from tocsin import ZScore, catalog
from tocsin.errors import ParameterError
from tocsin.evaluate.competition.contestants import Contestant, contestants
from tocsin.evaluate.competition.trials import Arena, Round, check_metric, common_alerts, hold
from tocsin.evaluate.injection import inject
from tocsin.evaluate.metrics.catalog import metric, metrics
from tocsin.features import Window
from tocsin.features.recipe import Recipe
from tocsin.panel import Panel

ROWS = 120


def panel(seed: int, assets: int = 3, rows: int = ROWS) -> Panel:
    values = np.random.default_rng(seed).normal(20.0, 1.0, (2, assets * rows))
    times = np.tile(np.arange(rows), assets) * 3_600 * 10**9
    offsets = np.arange(assets + 1, dtype=np.int64) * rows
    return Panel(values, offsets, pa.array([f"p{i}" for i in range(assets)]), ("flow", "heat"), times)


def arena(rounds: int = 2, name: str = "average_precision", training: Panel | None = None) -> Arena:
    usual = panel(0)
    found = []
    for number in range(rounds):
        done = inject(panel(1), usual, number, faults=3, kinds=["shift", "spike"])
        asset = done.truth["first_row"].to_numpy() // ROWS
        faults = done.truth.select("first_row", "last_row", "kind", "feature", asset=pl.Series(asset))
        found.append(Round(done.panel, faults))
    return Arena(usual if training is None else training, found, pa.timestamp("ns"), metric(name), 0.05)


def test_outcomes_are_those_of_the_detector_itself():
    held = arena()
    trial = hold(Contestant("zscore", {}), held, 2)
    assert trial.failure is None
    assert len(trial.outcomes) == 18
    for number, each in enumerate(held.rounds):
        for place, fault in enumerate(each.faults.iter_rows(named=True)):
            own = slice(fault["asset"] * ROWS, (fault["asset"] + 1) * ROWS)
            score = ZScore().fit(held.training.values[:, own].T).decision_function(each.panel.values[:, own].T)
            rows = np.arange(own.start, own.stop)
            inside = (rows >= fault["first_row"]) & (rows <= fault["last_row"])
            normal = each.panel.labels[own] == 0
            outcome = trial.outcomes.filter(round=number, fault=place).row(0, named=True)
            kept = inside | normal
            assert outcome["value"] == pytest.approx(average_precision_score(inside[kept], score[kept]))
            above = score > np.sort(score[normal])[-1 - int(0.05 * normal.sum())]
            assert outcome["found"] == above[inside].any()
            assert outcome["delay"] == (int(above[inside].argmax()) if above[inside].any() else None)
            assert (outcome["kind"], outcome["asset"]) == (fault["kind"], fault["asset"])


def test_the_right_cause_ranks_first_where_the_fault_is_plain():
    held = arena()
    trial = hold(Contestant("zscore", {}), held, 2)
    plain = trial.outcomes.filter(pl.col("value") > 0.95)
    assert len(plain) > 4
    assert (plain["cause_rank"] == 1).all()
    assert trial.outcomes["cause_rank"].is_in([1, 2]).all()


def test_causes_behind_a_recipe_are_sensors_and_rows_without_features_are_not_found():
    held = arena()
    behind = Contestant("zscore", {}, Recipe([Window(50, ["mean"])]))
    trial = hold(behind, held, 2)
    early = pl.concat([each.faults for each in held.rounds])["last_row"].to_numpy() % ROWS < 49
    outcomes = trial.outcomes.sort("round", "fault")
    assert early.any()
    assert outcomes.filter(pl.Series(early)).select("value", "found").unique().rows() == [(0.0, False)]
    assert set(outcomes.filter(pl.Series(~early))["cause_rank"].drop_nulls()) <= {1, 2}


def test_a_row_without_a_score_ranks_last():
    held = arena(rounds=1)
    (given,) = held.rounds
    fault = given.faults.row(0, named=True) | {"last_row": given.faults["first_row"][0] + 5}
    faults = pl.DataFrame([fault], schema=given.faults.schema)
    values, labels = given.panel.values.copy(), np.zeros_like(given.panel.labels)
    labels[fault["first_row"] : fault["last_row"] + 1] = 1
    values[:, fault["first_row"]] += 50.0
    values[:, fault["first_row"] + 1 : fault["last_row"] + 1] = np.nan
    quiet = Round(Panel(values, given.panel.offsets, given.panel.keys, given.panel.features, None, labels), faults)
    found = hold(Contestant("zscore", {}), replace(held, rounds=[quiet]), 1).outcomes
    assert found["value"].item() == pytest.approx(1 / 6 + 5 / ROWS)  # one of six is first, and five are last


def test_where_only_assets_without_a_fault_can_be_learned():
    usual = panel(0)
    short = usual.take_rows(np.flatnonzero((usual.asset_of_row != 1) | (np.arange(3 * ROWS) % ROWS < 5)))
    (given,) = arena(rounds=1).rounds
    only = Round(given.panel, given.faults.filter(pl.col("asset") == 1))
    behind = Contestant("mad", {}, Recipe([Window(12, ["mean"])]))
    trial = hold(behind, replace(arena(training=short), rounds=[only]), 1)
    assert "no asset with anything to find; asset 'p1': fewer than the 12 rows" in trial.failure


def test_rounds_of_some_assets_in_another_order():
    (given,) = arena(rounds=1).rounds
    some = given.take_assets(np.array([2, 0]))
    assert some.panel.keys.to_pylist() == ["p2", "p0"]
    assert some.faults["first_row"].is_sorted()
    assert some.faults["asset"].to_list() == [0, 0, 0, 1, 1, 1]
    for fault in some.faults.iter_rows(named=True):
        assert (some.panel.labels[fault["first_row"] : fault["last_row"] + 1] == 1).all()
    assert some.panel.labels.sum() == (some.faults["last_row"] - some.faults["first_row"] + 1).sum()


def test_own_thresholds_are_counted_on_normal_rows():
    held = arena(rounds=1)
    trial = hold(Contestant("zscore", {"contamination": 0.1}), held, 1)
    alerts = []
    for asset in range(3):
        own = slice(asset * ROWS, (asset + 1) * ROWS)
        one = ZScore(contamination=0.1).fit(held.training.values[:, own].T)
        alerts.append(one.predict(held.rounds[0].panel.values[:, own].T))
    normal = held.rounds[0].panel.labels == 0
    assert trial.normal_rows == normal.sum()
    assert trial.false_alarms == np.concatenate(alerts)[normal].sum()
    assert 0 < trial.false_incidents <= trial.false_alarms
    assert trial.asset_days == pytest.approx(3 * (ROWS - 1) / 24)
    assert (trial.fit_rows, trial.score_rows) == (3 * ROWS, 3 * ROWS)
    assert trial.fit_seconds > 0.0


def test_chance_has_its_turns():
    held = arena(rounds=1)
    fixed = hold(Contestant("zscore", {}), held, 3)
    random = hold(Contestant("isolationforest", {"trees": 5}), held, 3)
    assert len(fixed.outcomes) == 9
    assert len(random.outcomes) == 27
    assert random.outcomes.group_by("fault").agg(pl.col("value").n_unique())["value"].max() > 1
    assert random.outcomes.equals(hold(Contestant("isolationforest", {"trees": 5}), held, 3).outcomes)


def test_an_asset_that_cannot_be_learned_is_left_out_and_the_others_go_on():
    usual = panel(0)
    short = usual.take_rows(np.flatnonzero((usual.asset_of_row != 1) | (np.arange(3 * ROWS) % ROWS < 5)))
    behind = Contestant("mad", {}, Recipe([Window(12, ["mean"])]))
    trial = hold(behind, arena(training=short), 2)
    assert set(trial.left_out) == {"p1"}
    assert "fewer than the 12 rows" in trial.left_out["p1"]
    assert set(trial.outcomes["asset"]) == {0, 2}
    none = hold(behind, arena(training=usual.take_rows(np.flatnonzero(np.arange(3 * ROWS) % ROWS < 5))), 2)
    assert "asset 'p0': fewer than the 12 rows" in none.failure
    assert not len(none.outcomes)


@pytest.mark.parametrize("each", contestants(labelled=True)[0], ids=str)
def test_every_contestant_can_be_held(each):
    if each.detector == "autoencoder":
        pytest.importorskip("jax")
    if each.detector == "lightgbm":
        pytest.importorskip("lightgbm")
    usual = panel(0)
    labels = (usual.values[0] > 21.0).astype(np.int8)
    usual = Panel(usual.values, usual.offsets, usual.keys, usual.features, usual.times, labels)
    trial = hold(each, arena(rounds=1, training=usual), 1)
    assert trial.failure is None
    assert len(trial.outcomes) == 9
    assert trial.outcomes["value"].is_between(0.0, 1.0).all()
    assert each.detector in catalog()


def test_a_common_share_of_false_alarms_whatever_the_scores():
    labels = np.zeros(200, np.int8)
    labels[::20] = 1
    scores = np.random.default_rng(0).normal(size=200)
    offsets = np.array([0, 100, 200])
    for share in (0.0, 0.05, 0.2):
        alerts = common_alerts(labels, scores, offsets, share)
        assert [alerts[own][labels[own] == 0].sum() for own in (slice(0, 100), slice(100, 200))] == [
            int(share * 95)
        ] * 2
    # Where many normal rows tie at the top, none of them is an alert.
    assert not common_alerts(labels, np.minimum(scores, 0.0), offsets, 0.05).any()


@pytest.mark.parametrize("name", metrics())
def test_metrics_that_rank_scores_are_taken_and_others_are_refused(name):
    if metric(name).needs == "scores" and metric(name).better == "high":
        assert check_metric(metric(name)).name == name
    else:
        with pytest.raises(ParameterError, match="ranked by one of scores"):
            check_metric(metric(name))

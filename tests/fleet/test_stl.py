"""A temporal detector with parts in a fleet: learned, kept, updated and explained like any other."""

from __future__ import annotations

import polars as pl
import pytest

from tocsin import STL, Fleet, synth

DAY = 144


@pytest.fixture(scope="module")
def readings():
    return synth.split(synth.fleet(assets=5, features=3, rows=12 * DAY, seed=3, faulty=0.0)[0], 10 * DAY)


@pytest.fixture(scope="module")
def fleet(readings):
    return Fleet(STL(period=DAY), key="asset", time="time").fit(readings[0])


def test_a_saved_fleet_scores_the_same(fleet, readings, tmp_path):
    fleet.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet")
    assert again.detector.get_params() == fleet.detector.get_params()
    assert again.score(readings[1], explain=2).equals(fleet.score(readings[1], explain=2))


def test_neither_threads_nor_order_matter(fleet, readings):
    scores = fleet.score(readings[1], explain=3, threads=1)
    shuffled = fleet.score(readings[1].sample(fraction=1.0, shuffle=True, seed=0), explain=3)
    assert shuffled.sort("key", "time").equals(scores.sort("key", "time"))


def test_updating_is_scoring_on(readings, fleet):
    first, rest = synth.split(readings[1], DAY)
    whole = fleet.score(readings[1]).sort("key", "time")
    grown = Fleet(STL(period=DAY), key="asset", time="time").fit(readings[0]).update(first)
    after = grown.score(rest).sort("key", "time")
    last = whole.join(after.select("key", "time"), on=["key", "time"], how="semi")
    assert after["score"].to_list() == last["score"].to_list()


def test_explanations_are_of_the_row_among_its_neighbours(fleet, readings):
    later = (
        readings[1]
        .with_row_index()
        .with_columns(
            pl.when(pl.col("index") == 300).then(pl.nth(3) * 3).otherwise(pl.nth(3)).alias(readings[1].columns[2])
        )
    )
    later = later.drop("index")
    feature, key, when = later.columns[2], later["asset"][300], later["time"][300]
    alerts = fleet.score(later, explain=3, only_alerts=True)
    every = fleet.score(later, explain=3, explain_all=True)
    joined = every.join(alerts.select("key", "time"), on=["key", "time"], how="semi")
    assert joined.sort("key", "time").equals(alerts.sort("key", "time"))
    hit = alerts.filter(key=key, time=when)["explanations"][0].struct.unnest()
    assert (hit["feature"][0], hit["part"][0], hit["direction"][0]) == (feature, "residual", "above")
    assert f"{feature} was " in hit["sentence"][0]
    assert "above what is usual at this hour (" in hit["sentence"][0]
    told = fleet.explain_at(later, asset=key, at=when, top=3)
    assert told["sentence"].to_list() == hit["sentence"].to_list()
    assert told.columns.index("part") == told.columns.index("feature") + 1
    total = every["explanations"].list.eval(pl.element().struct.field("contribution")).list.sum()
    assert (total <= every["score"] + 1e-9).all()


def test_assets_without_a_season_are_counted_and_watched(readings):
    young = pl.concat([readings[0].filter(asset="pump-01"), synth.split(readings[0].filter(asset="pump-02"), 200)[0]])
    fleet = Fleet(STL(period=DAY), key="asset", time="time").fit(young)
    assert [note for note in fleet.report.notes if note.startswith("1 asset: too few readings for two cycles of 144")]
    assert fleet.score(readings[1].filter(pl.col("asset").is_in(["pump-01", "pump-02"])))["score"].is_finite().all()
    fleet.update(synth.split(readings[0].filter(asset="pump-03"), 100)[0])
    assert [note for note in fleet.report.notes if note.startswith("1 asset: too few")]

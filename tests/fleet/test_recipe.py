"""A fleet with a recipe: the same features wherever rows are learned or scored, and causes named by their sensor."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from tocsin import ECOD, EWMA, MAD, Fleet, Recipe, ZScore
from tocsin.errors import ColumnError, DataError, FleetError, ParameterError
from tocsin.evaluate.truth import match
from tocsin.features import Calendar, Difference, Select, Smooth, Standardise, Window

SIZE = 10
MEANS = Recipe([Window(size=SIZE, statistics=("mean", "max"))])


def made(assets=3, rows=200, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "pump": [f"p{i}" for i in range(assets) for _ in range(rows)],
            "at": list(range(rows)) * assets,
            "flow": rng.normal(5.0, 1.0, assets * rows),
            "heat": rng.normal(40.0, 3.0, assets * rows),
        }
    )


def fleet(recipe=MEANS, detector=None, **more):
    return Fleet(detector or ZScore(), key="pump", time="at", recipe=recipe, **more)


def windows(frame):
    """Return the means and maxima of each pump's last rows, by another library."""
    found = frame.sort("pump", "at", maintain_order=True).with_columns(
        **{
            f"{name}, {what} of the last {SIZE}": getattr(pl.col(name), f"rolling_{what}")(SIZE).over("pump")
            for name in ("flow", "heat")
            for what in ("mean", "max")
        }
    )
    return found.filter(pl.col("at") >= SIZE - 1)


def test_features_are_those_of_each_asset_alone():
    readings = made()
    features = fleet().fit(readings).transform(readings)
    wanted = windows(readings)
    assert features.columns[:2] == ["key", "time"]
    assert features["key"].to_list() == wanted["pump"].to_list()
    for name in features.columns[2:]:
        np.testing.assert_allclose(features[name], wanted[name], rtol=1e-12)


def test_scores_are_the_detectors_own_of_the_features():
    readings = made()
    learned = fleet().fit(readings)
    scores = learned.score(readings)
    assert scores.height == readings.height
    wanted = windows(readings)
    for (pump,), part in scores.group_by("key"):
        assert part["score"].is_null().to_list() == [True] * (SIZE - 1) + [False] * (200 - SIZE + 1)
        assert part["p_value"].null_count() == SIZE - 1
        assert not part["alert"].head(SIZE - 1).any()
        X = wanted.filter(pump=pump).select(learned.made)
        alone = ZScore().fit(X)
        np.testing.assert_allclose(part["score"].drop_nulls(), alone.decision_scores_, rtol=1e-12)
        assert part["alert"].sum() == alone.labels_.sum()
    assert any(f"{3 * (SIZE - 1)} rows have no features" in note for note in learned.report.notes)


def test_alerts_name_the_sensor_behind_a_feature():
    readings = made()
    later = made(seed=1).with_columns(
        heat=pl.when((pl.col("pump") == "p1") & pl.col("at").is_between(100, 130)).then(90.0).otherwise("heat")
    )
    learned = fleet().fit(readings)
    for scores in (
        learned.score(later, explain=2, only_alerts=True),
        learned.score(later, explain=2),
    ):
        worst = scores.filter("alert").sort("score", descending=True, nulls_last=True).row(0, named=True)
        first = worst["explanations"][0]
        assert (first["sensor"], first["feature"]) == ("heat", "heat, mean of the last 10")
        assert first["sentence"].startswith("heat, mean of the last 10 was")
        truth = pl.DataFrame({"asset": ["p1"], "feature": ["heat"], "onset": [100], "end": [130]})
        assert match(scores, truth).faults["cause_rank"].to_list() == [1]
    told = learned.explain_at(later, "p1", 115, top=1).row(0, named=True)
    assert told["sensor"] == "heat"
    assert learned.explain_at(later, "p1", 0)["time"][0] == SIZE - 1  # the nearest that has features


def test_a_saved_fleet_keeps_its_recipe(tmp_path):
    readings = made()
    recipe = Recipe([Standardise(), Window(size=3, statistics=("min",)), Select(top=1)])
    learned = fleet(recipe).fit(readings)
    learned.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet")
    assert again.recipe.to_dict() == recipe.to_dict()
    assert again.score(made(seed=3)).equals(learned.score(made(seed=3)))
    file = tmp_path / "fleet" / "fleet.json"
    text = file.read_text()
    for changed in (None, recipe.to_dict() | {"steps": recipe.to_dict()["steps"][:2]}):
        file.write_text(json.dumps(json.loads(text) | {"recipe": changed}))
        with pytest.raises(FleetError, match=r"damaged: fleet\.json does not say how models-\w+\.arrow was learned"):
            Fleet.load(tmp_path / "fleet")
    with pytest.raises(ParameterError, match="newer Tocsin"):
        Recipe.of_dict(recipe.to_dict() | {"format_version": 99})


def test_standardising_is_learned_of_each_asset_once():
    readings = made().with_columns(heat=pl.col("heat") + 100.0 * (pl.col("pump") == "p2"))
    learned = fleet(Recipe([Standardise()])).fit(readings)
    features = learned.transform(readings)
    for _, part in features.group_by("key"):
        np.testing.assert_allclose(part["heat, standardised"].mean(), 0.0, atol=1e-9)
        np.testing.assert_allclose(part["heat, standardised"].std(ddof=0), 1.0, rtol=1e-9)
    moved = learned.transform(readings.with_columns(heat=pl.col("heat") + 3.0))
    assert moved["heat, standardised"].mean() > 0.5
    learned.update(readings.with_columns(heat=pl.col("heat") + 3.0))
    assert learned.transform(readings).equals(features)


def test_assets_with_too_few_rows_are_left_out_and_told_of():
    readings = made()
    short = pl.concat([readings, readings.filter(pl.col("pump") == "p0").head(4).with_columns(pump=pl.lit("new"))])
    learned = fleet().fit(short)
    assert learned.keys == ["p0", "p1", "p2"]
    assert any("1 asset left out: asset 'new': fewer than the 10 rows" in note for note in learned.report.notes)
    assert list(learned.report.unlearned) == ["new"]
    with pytest.raises(DataError, match=r"asset 'new': fewer than the 10 rows that the recipe needs"):
        fleet().fit(short.filter(pump="new"))
    scores = learned.score(readings.filter(pl.col("at") < 5))
    assert scores["score"].null_count() == scores.height == 15
    with pytest.raises(DataError, match="fewer than the 10 rows"):
        learned.explain_at(readings.filter(pl.col("at") < 5), "p1")


@pytest.mark.parametrize("detector", [ECOD(), MAD(), ZScore()], ids=str)
def test_updates_learn_features(detector):
    readings = made()
    learned = fleet(detector=detector).fit(readings)
    more = made(assets=4, seed=5)
    learned.update(more)
    assert learned.keys == ["p0", "p1", "p2", "p3"]
    rows = dict(zip(learned.keys, learned.models["rows"].to_pylist(), strict=True))
    assert rows["p0"] == 2 * (200 - SIZE + 1)
    assert rows["p3"] == 200 - SIZE + 1
    assert learned.score(more)["score"].null_count() == 4 * (SIZE - 1)


def test_a_recipe_that_does_not_fit_the_readings_is_refused_before_reading():
    with pytest.raises(ColumnError, match="hotness"):
        fleet(Recipe([Window(size=3, columns=("hotness",))])).fit(made())
    with pytest.raises(ColumnError, match="needs dates and times, but column 'at' holds whole numbers"):
        fleet(Recipe([Calendar()])).fit(made())
    with pytest.raises(ColumnError, match="there is no time column"):
        Fleet(key="pump", recipe=Recipe([Calendar()])).fit(made())
    with pytest.raises(ParameterError, match="label"):
        fleet(Recipe([Select(top=1, by="mutual_information")])).fit(made())


def test_a_calendar_is_not_read_off_whole_numbers():
    dated = made().with_columns(at=pl.datetime(2026, 1, 1) + pl.duration(hours=pl.col("at")))
    learned = fleet(Recipe([Calendar()])).fit(dated)
    assert learned.explain_at(dated, "p1", top=1).height == 1
    for call in (learned.score, learned.transform, lambda source: learned.explain_at(source, "p1")):
        with pytest.raises(ColumnError, match="needs dates and times"):
            call(made())


def test_labels_rank_features():
    readings = made().with_columns(bad=(pl.col("heat") > 42).cast(pl.Int8))
    learned = fleet(Recipe([Select(top=1, by="mutual_information")]), label="bad").fit(readings)
    assert learned.features == ("flow", "heat")
    assert learned.transform(readings)["flow"].is_nan().all()


CARRYING = [
    Recipe([Window(SIZE, ["mean"])]),
    Recipe([Smooth("ewma", alpha=0.1)]),
    Recipe([Smooth("ewma"), Difference(2), Standardise(), Window(3, ["max", "std"])]),
]


@pytest.mark.parametrize("recipe", CARRYING, ids=repr)
def test_later_rows_go_on_where_the_learned_ones_end(recipe, tmp_path):
    whole = made(rows=260)
    learned = fleet(recipe).fit(whole.filter(pl.col("at") < 200))
    learned.save(tmp_path / "fleet")
    learned = Fleet.load(tmp_path / "fleet")
    later = whole.filter(pl.col("at") >= 200)
    features = learned.transform(later)
    assert len(features) == len(later)
    assert not learned.report.notes
    alone = [recipe.fit(own.head(200)).transform(own) for own in _pumps(whole)]
    for name in features.columns[2:]:
        wanted = np.concatenate([each[name][-60:] for each in alone])
        np.testing.assert_array_equal(features[name], wanted)


@pytest.mark.parametrize("detector", [ZScore(), EWMA()], ids=str)
@pytest.mark.parametrize("recipe", CARRYING, ids=repr)
def test_scoring_updating_and_scoring_on_is_as_scoring_at_once(recipe, detector):
    whole = made(rows=260)
    learned = fleet(recipe, detector).fit(whole.filter(pl.col("at") < 200))
    later = whole.filter(pl.col("at") >= 200)
    at_once = learned.transform(later)
    first, rest = later.filter(pl.col("at") < 203), later.filter(pl.col("at") >= 203)
    begun = learned.transform(first)
    rows = learned.models["rows"].to_pylist()
    learned.update(first)
    assert [after - before for before, after in zip(rows, learned.models["rows"].to_pylist(), strict=True)] == [3] * 3
    both = pl.concat([begun, learned.transform(rest)]).sort("key", "time", maintain_order=True)
    assert both.equals(at_once.sort("key", "time", maintain_order=True))
    learned.update(made(rows=50))  # older readings are learned, but what comes last stays what it was
    assert learned.transform(rest).equals(at_once.filter(pl.col("time") >= 203))


def test_without_times_each_call_begins_anew():
    readings = made().drop("at")
    learned = Fleet(ZScore(), key="pump", recipe=MEANS).fit(readings)
    assert learned.score(readings)["score"].null_count() == 3 * (SIZE - 1)


def _pumps(readings):
    return [part.select("flow", "heat") for part in readings.partition_by("pump", maintain_order=True)]

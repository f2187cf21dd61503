"""A night makes challengers that have learned what is normal of it, and leaves the champion as it was."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from tocsin import ECOD, KNN, Recipe
from tocsin.errors import EmptyDataError, ParameterError
from tocsin.features import Window
from tocsin.fleet.pipeline import Asked, Pipeline
from tocsin.stream.adapting.nightly import integrate, recent

DAY = 144
TIMES = pa.timestamp("ns", "UTC")
DETECTOR = ECOD(half_life=7 * DAY)
WINDOWS = Recipe([Window(6, ["mean"], keep=True)])


def champion(fleet, recipe=None, detector=DETECTOR, assets=range(6)):
    panel = fleet.days(0, 14).take_assets(np.array(assets))
    return Pipeline(detector, recipe).learn(panel, TIMES).models


def names(panel):
    return [str(key) for key in panel.keys.to_pylist()]


@pytest.mark.parametrize("recipe", [None, WINDOWS], ids=["plain", "windows"])
def test_a_normal_day_is_learned_as_an_update_would(fleet, recipe):
    before, day = champion(fleet, recipe), fleet.days(16, 17)
    night = integrate(DETECTOR, recipe, before, [day], TIMES)
    learned = [place for place, name in enumerate(names(day)) if name not in night.held_assets]
    assert len(learned) >= 4
    expected = Pipeline(DETECTOR, recipe).update(before, day, TIMES).models
    for column in before.table.column_names:
        got, wanted = (table.table.column(column).take(pa.array(learned)) for table in (night.models, expected))
        assert got.to_pylist() == wanted.to_pylist(), column
    assert night.models.scalars("version") == [2] * 6
    assert night.learned + night.held == 6 * DAY


@pytest.mark.parametrize("how", ["update", "refit"])
@pytest.mark.parametrize("recipe", [None, WINDOWS], ids=["plain", "windows"])
def test_a_fault_of_the_day_is_not_learned(fleet, recipe, how):
    at_fault = fleet.shifted(15, 6.0, assets=(2,))
    before, first = champion(fleet, recipe), 15 if how == "update" else 8
    night = integrate(DETECTOR, recipe, before, [at_fault.days(first, 18)], TIMES, how=how)
    assert night.held_assets[names(fleet.panel)[2]] >= 3 * DAY - 5
    pipeline, asset = Pipeline(DETECTOR, recipe), np.array([2])
    learned = at_fault.days(first, 18)
    blind = pipeline.learn(learned, TIMES) if how == "refit" else pipeline.update(before, learned, TIMES)
    last = at_fault.days(18, 20).take_assets(asset)
    alerts = [
        pipeline.judge(table.take(table.index_of(last.keys)), last, TIMES, Asked()).alerts
        for table in (before, night.models, blind.models)
    ]
    assert alerts[0] > 100
    assert alerts[1] > (0.8 * alerts[0] if how == "update" else 3 * alerts[2])


def test_learning_anew_takes_a_window(fleet):
    before = champion(fleet)
    night = integrate(
        DETECTOR, None, before, [fleet.days(0, 20)], TIMES, how="refit", window=timedelta(days=10), block=DAY
    )
    rows = np.array(night.models.scalars("rows"))
    assert (rows <= 10 * DAY).all()
    assert rows.sum() == night.learned
    assert night.models.scalars("version") == [2] * 6
    assert night.models.scalars("first_time") == before.scalars("first_time")
    assert night.models.scalars("last_time") > before.scalars("last_time")


def test_who_has_nothing_normal_keeps_its_model(fleet):
    before, name = champion(fleet), names(fleet.panel)[0]
    at_fault = fleet.shifted(14, 9.0)
    night = integrate(DETECTOR, None, before, [at_fault.days(14, 17)], TIMES, how="refit")
    assert night.left_out[name].startswith("no block of its readings is normal")
    assert night.models.scalars("version")[0] == 1
    assert (
        night.models.table.select(before.table.column_names).slice(0, 1).to_pylist()
        == before.table.slice(0, 1).to_pylist()
    )


def test_new_assets_get_a_model_and_others_are_left_alone(fleet):
    before = champion(fleet, assets=range(4))
    night = integrate(DETECTOR, None, before, [fleet.days(14, 17).take_assets(np.array([1, 5]))], TIMES)
    assert night.models.scalars("key") == [*before.scalars("key"), names(fleet.panel)[5]]
    assert night.models.scalars("version") == [1, 2, 1, 1, 1]


def test_nothing_depends_on_how_assets_lie_in_panels(fleet):
    before, days = champion(fleet), fleet.days(14, 16)
    one = integrate(DETECTOR, None, before, [days], TIMES, threads=1)
    parts = [days.take_assets(np.array(assets)) for assets in ([4, 0], [1], [5, 3, 2])]
    other = integrate(DETECTOR, None, before, parts, TIMES, threads=2)
    assert one.models.table.equals(other.models.table)
    assert (one.learned, one.held, one.held_assets) == (other.learned, other.held, other.held_assets)


def test_nights_add_up_what_is_usual(fleet):
    models = champion(fleet)
    for day in range(14, 23):
        models = integrate(DETECTOR, None, models, [fleet.days(day, day + 1)], TIMES).models
    blocks = models.to_models().state["anchor_blocks"].values
    assert (blocks >= 7).any()
    assert models.scalars("version") == [10] * 6


def test_a_window_holds_the_last_rows(fleet):
    panel = fleet.days(0, 3)
    assert np.diff(recent(panel, 10, TIMES).offsets).tolist() == [10] * 6
    assert np.diff(recent(panel, timedelta(hours=5), TIMES).offsets).tolist() == [30] * 6
    assert recent(panel, None, TIMES) is panel
    for window, why in ((0, "1 row or more"), (timedelta(0), "above 0")):
        with pytest.raises(ParameterError, match=why):
            recent(panel, window, TIMES)
    with pytest.raises(ParameterError, match="needs a time column"):
        recent(panel, timedelta(days=1), pa.int64())


@pytest.mark.parametrize(
    ("given", "why"),
    [({"how": "anew"}, "how must be"), ({"block": 0}, "block must be"), ({"window": 0}, "window must be")],
)
def test_what_makes_no_sense_is_refused(fleet, given, why):
    with pytest.raises(ParameterError, match=why):
        integrate(DETECTOR, None, champion(fleet), [fleet.days(14, 15)], TIMES, **given)


def test_who_cannot_learn_on_is_learned_anew(fleet):
    detector = KNN()
    before = champion(fleet, detector=detector)
    with pytest.raises(ParameterError, match="take how='refit'"):
        integrate(detector, None, before, [fleet.days(14, 15)], TIMES)
    night = integrate(detector, None, before, [fleet.days(7, 20)], TIMES, how="refit")
    assert night.models.scalars("version") == [2] * 6


def test_no_readings_are_an_error(fleet):
    with pytest.raises(EmptyDataError, match="no readings to learn from"):
        integrate(DETECTOR, None, champion(fleet), [], TIMES)

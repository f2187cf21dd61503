"""New models take over only where they lose nothing that matters, and say in plain words why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tocsin import ECOD, Recipe
from tocsin.cli import trials
from tocsin.cli.view import stdout
from tocsin.errors import DataError, ParameterError
from tocsin.features import Window
from tocsin.fleet.pipeline import Pipeline
from tocsin.report.trial import draw_trial
from tocsin.stream.adapting.trial import trial
from tocsin.stream.adapting.verdict import Bounds, Trial

DAY = 144
TIMES = pa.timestamp("ns", "UTC")
DETECTOR = ECOD(half_life=7 * DAY)
WINDOWS = Recipe([Window(6, ["mean"])])


@pytest.fixture(scope="module", params=[None, WINDOWS], ids=["plain", "windows"])
def recipe(request):
    return request.param


@pytest.fixture(scope="module")
def at_fault(fleet):
    return fleet.shifted(19, 8.0, assets=(2,), features=(0, 1))


@pytest.fixture(scope="module")
def champion(fleet, recipe):
    return Pipeline(DETECTOR, recipe).learn(fleet.days(0, 14), TIMES).models


@pytest.fixture(scope="module")
def blind(fleet, at_fault, recipe, champion):
    """Return models that have learned the fault."""
    return Pipeline(DETECTOR, recipe).update(champion, at_fault.days(19, 22), TIMES).models


def test_the_same_models_change_nothing_and_take_over(fleet, at_fault, recipe, champion):
    found = trial(DETECTOR, recipe, champion, champion, [at_fault.days(15, 22)], TIMES)
    assert found.promoted, found.reasons
    assert (found.appeared, found.vanished, found.changed, found.alarms) == (0, 0, 0, ())
    assert found.champion_alarms == found.challenger_alarms > 0
    assert found.asset_days == pytest.approx(6 * 7, rel=0.01)
    whole, *kinds = found.drills
    assert whole.faults == sum(drill.faults for drill in kinds) > 200
    assert whole.champion == whole.challenger == sum(drill.champion for drill in kinds) > 50
    assert whole.champion_delay == whole.challenger_delay


def test_an_alarm_that_lasts_must_not_vanish(fleet, at_fault, recipe, champion, blind):
    found = trial(DETECTOR, recipe, champion, blind, [at_fault.days(15, 22)], TIMES)
    assert not found.promoted
    assert any("alerts would vanish: asset 'pump-03'" in why for why in found.reasons), found.reasons
    first = found.alarms[0]
    assert (first.what, first.asset, first.start[:13]) == ("vanished", "pump-03", "2026-01-24 00")
    assert first.cause in ("bearing_temp", "vibration")
    assert found.by_asset["pump-03"][1] >= 1


def test_alarms_of_normal_rows_must_not_appear(fleet, recipe, champion):
    nervous = replace(
        champion,
        table=champion.table.set_column(4, "threshold", pa.array(np.array(champion.scalars("threshold")) * 0.7)),
    )
    found = trial(DETECTOR, recipe, champion, nervous, [fleet.days(15, 22)], TIMES)
    assert not found.promoted
    assert found.appeared > 40
    assert any("new alarms in 42.0 asset-days" in why for why in found.reasons), found.reasons
    assert all(alarm.what != "vanished" for alarm in found.alarms)


def test_blind_models_fail_the_fire_drill(fleet, recipe, champion):
    deaf = replace(
        champion,
        table=champion.table.set_column(4, "threshold", pa.array(np.array(champion.scalars("threshold")) * 1.5)),
    )
    found = trial(DETECTOR, recipe, champion, deaf, [fleet.days(15, 16)], TIMES, held=[fleet.days(22, 24)])
    assert not found.promoted
    assert any(why.startswith("in the fire drill it finds") for why in found.reasons), found.reasons
    assert found.drills[0].challenger < found.drills[0].champion


def test_another_cause_is_told(fleet, at_fault):
    detector = ECOD()
    panel = fleet.days(0, 14)
    champion = Pipeline(detector).learn(panel, TIMES).models
    wide = replace(panel, values=panel.values.copy())
    wide.values[0] *= np.random.default_rng(0).uniform(0.2, 1.8, panel.n_rows).astype(np.float32)
    challenger = Pipeline(detector).learn(wide, TIMES).models
    last = fleet.shifted(19, 8.0, assets=(2,), features=(0, 1)).days(19, 22)
    found = trial(detector, None, champion, challenger, [last], TIMES, bounds=Bounds(changed=0.0))
    told = [alarm for alarm in found.alarms if alarm.what == "changed"]
    assert len(told) == found.changed
    assert all(alarm.cause != alarm.before for alarm in told)


def test_nothing_depends_on_how_assets_lie_in_panels(fleet, at_fault, champion, blind, recipe):
    days = at_fault.days(15, 22)
    one = trial(DETECTOR, recipe, champion, blind, [days], TIMES, held=[days], threads=1)
    parts = [days.take_assets(np.array(assets)) for assets in ([0, 1], [2, 3, 4, 5])]
    other = trial(DETECTOR, recipe, champion, blind, parts, TIMES, held=[days], threads=2)
    assert one == other


def test_it_comes_back_from_json(fleet, at_fault, recipe, champion, blind):
    found = trial(DETECTOR, recipe, champion, blind, [at_fault.days(15, 22)], TIMES)
    assert Trial.of_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no trial that Tocsin has kept"),
        ("[]", "no trial"),
        ('{"format_version": 1}', "promoted: Field required"),
        ('{"format_version": 9}', "has format 9, and this Tocsin reads 1"),
    ],
)
def test_what_is_no_trial_is_refused_in_one_line(text, why):
    with pytest.raises(DataError, match=why) as error:
        Trial.of_json(text)
    assert "\n" not in str(error.value)


def test_assets_that_nobody_knows_are_an_error(fleet, recipe, champion):
    panel = fleet.days(15, 16)
    others = replace(panel, keys=pa.array([f"x{i}" for i in range(6)]))
    with pytest.raises(DataError, match="has a model in both"):
        trial(DETECTOR, recipe, champion, champion, [others], TIMES)


def test_without_room_for_faults_it_waits(fleet, recipe, champion):
    panel = fleet.days(15, 16)
    few = panel.take_rows(np.flatnonzero(np.arange(panel.n_rows) % DAY < 20))
    found = trial(DETECTOR, recipe, champion, champion, [few], TIMES)
    assert found.drills == ()
    assert found.reasons == ("no fire drill was possible; give more readings",)


def test_bounds_that_make_no_sense_are_refused():
    with pytest.raises(ParameterError, match="recall must be 0 or more"):
        Bounds(recall=-0.1)


def test_people_see_it(fleet, at_fault, recipe, champion, blind, tmp_path, capsys):
    found = trial(DETECTOR, recipe, champion, blind, [at_fault.days(15, 22)], TIMES)
    trials.show(stdout(), found, "waits")
    seen = capsys.readouterr().out
    assert "The new models wait" in seen
    assert "pump-03" in seen
    assert "Fire drill" in seen
    assert "6 assets, 42.0 asset-days" in seen
    for days, told in ((0.1, "2.4 asset-hours"), (0.01, "14 asset-minutes"), (1500.0, "1,500 asset-days")):
        trials.show(stdout(), replace(found, asset_days=days), "waits")
        assert f"6 assets, {told}" in " ".join(capsys.readouterr().out.split())
    trials.show(stdout(), replace(found, promoted=True, reasons=(), alarms=(), drills=()), "rolled back")
    assert "The new models were rolled back" in capsys.readouterr().out
    for name, each in (("one.png", found), ("two.svg", replace(found, drills=()))):
        draw_trial(each, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5_000

"""A fused run finds what the same fleet finds when it is stored, scored and matched."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tocsin import ECOD, STL, Fleet, ZScore, synth
from tocsin.errors import ParameterError
from tocsin.evaluate.fused import fused
from tocsin.evaluate.truth import match
from tocsin.synth import MadeUp, Sensor
from tocsin.synth.parts import Level, Noise, Season

SENSORS = [Sensor(f"x{i}", (Level(20.0), Noise(), Season(0.5, 50))) for i in range(6)]
MADE = MadeUp(SENSORS, assets=15, rows=1200, seed=3, faults=3, faulty=0.7)


@pytest.mark.parametrize(
    "detector", [ZScore(contamination=0.001), ECOD(contamination=0.001), STL(contamination=0.001, period=50)]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_grades_are_those_of_the_stored_fleet(detector, threads):
    found = fused(MADE, detector, threads=threads)
    readings = MADE.frame("asset")
    training, later = synth.split(readings, MADE.clean_rows)
    fleet = Fleet(detector, key="asset", time="time").fit(training)
    expected = match(fleet.score(later, explain=3), MADE.truth)
    assert found.findings.asset_days == pytest.approx(expected.asset_days)
    assert replace(found.findings, asset_days=1.0).to_dict() == replace(expected, asset_days=1.0).to_dict()
    assert found.findings.found > 5
    columns = ["asset", "feature", "kind", "onset", "end", "found", "alerts", "first_alert", "cause", "cause_rank"]
    order = ["asset", "onset", "feature", "kind"]
    ours, theirs = (each.faults.select(columns).sort(order) for each in (found.findings, expected))
    assert ours.equals(theirs.with_columns(pl.col("cause_rank").cast(pl.Int64)))
    assert found.cells == 15 * 1200 * 6
    assert found.threads == threads
    assert found.rate > 0


def test_a_part_of_the_assets():
    seen = []
    found = fused(MADE, ZScore(), assets=4, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4800, 4800)
    assert set(found.findings.faults["asset"]) <= {"asset-01", "asset-02", "asset-03", "asset-04"}
    assert found.findings.rows == 4 * (1200 - MADE.clean_rows)


def test_a_fleet_without_faults():
    found = fused(MadeUp(SENSORS, assets=3, rows=400), ZScore(contamination=0.01)).findings
    assert (len(found.faults), found.found) == (0, 0)
    assert found.clean_rows == 3 * 120
    assert 0 < found.false_alarm_rate < 0.1


@pytest.mark.parametrize("assets", [0, 16])
def test_more_assets_than_there_are(assets):
    with pytest.raises(ParameterError, match=f"assets must be from 1 to 15, not {assets}"):
        fused(MADE, ZScore(), assets=assets)


def test_nothing_to_learn_from():
    with pytest.raises(ParameterError, match="no clean row to learn from"):
        fused(MadeUp(SENSORS, rows=1), ZScore())

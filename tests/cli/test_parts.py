"""A detector with parts on the command line: made by name and settings, and explained part by part."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tocsin import synth
from tocsin.cli.view import contribution_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts")
    readings, _ = synth.fleet(
        assets=3, features=2, rows=8 * 144, seed=2, faulty=1.0, kinds=["shift"], clean_rows=6 * 144
    )
    for name, frame in zip(("training", "later"), synth.split(readings, 6 * 144), strict=True):
        frame.write_parquet(path / f"{name}.parquet")
    return path


def test_fit_score_explain_and_update(run, folder):
    names = ["--key", "asset", "--time", "time", "--detector", "stl"]
    fitted = run("fit", folder / "training.parquet", *names, "--set", "period=144", "--out", folder / "fleet")
    assert fitted.code == 0, fitted.err
    assert "Learned STL(period=144)" in fitted.out
    scored = run("score", folder / "fleet", folder / "later.parquet", "--json")
    worst = json.loads(scored.out)["worst"][0]
    reading = [folder / "fleet", folder / "later.parquet", "--asset", worst["key"]]
    told = json.loads(run("explain", *reading, "--json").out)["explanations"]
    assert list(told[0])[:4] == ["rank", "feature", "part", "value"]
    assert {line["part"] for line in told} <= {"residual", "trend", "season"}
    shown = run("explain", *reading, "--at", worst["end"]).out
    assert " Part " in shown
    assert told[0]["feature"] in shown
    assert run("update", folder / "fleet", folder / "later.parquet").code == 0


def test_a_level_is_not_held_against_the_range_of_readings():
    row = {"feature": "flow", "value": 51.39, "low": 45.25, "high": 48.66, "contribution": 3.0, "share": 0.5}
    for width in (80, 120):
        console = Console(width=width)
        rows = [row | {"part": part} for part in ("trend", "season", "residual")]
        with console.capture() as capture:
            console.print(contribution_table(rows, width))
        trend, season, residual = (line for line in capture.get().splitlines() if "flow" in line)
        for text in ("51.39", "45.25", "●"):
            assert text in residual
            assert text not in trend + season
        assert "█" in trend


def test_a_period_that_no_asset_has_is_said(run, folder):
    names = ["--key", "asset", "--time", "time", "--detector", "stl", "--set", "period=600"]
    fitted = run("fit", folder / "training.parquet", *names, "--out", folder / "long")
    assert fitted.code == 0
    assert "3 assets: too few readings for two cycles of 600" in " ".join(fitted.out.split())
    wrong = run("fit", folder / "training.parquet", *names[:-1], "period=1", "--out", folder / "wrong")
    assert wrong.code == 2
    assert "at least 2, not 1" in wrong.err

"""`tocsin compete` and `tocsin fit --detector auto`, as a person uses them."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest

from tocsin import Fleet, catalog, synth
from tocsin.errors import OutputError
from tocsin.evaluate.competition import contestants
from tocsin.evaluate.truth import at_fault
from tocsin.fleet import store

FLAGS = ["--key", "asset", "--time", "time"]
SMALL = ["--detectors", "mad,pca(components=2)", "--seeds", 1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with readings with and without labels, and labels as windows."""
    path = tmp_path_factory.mktemp("compete")
    made, truth = synth.fleet(6, 3, 400, seed=2, clean_rows=220, faulty=1.0, kinds=["shift"])
    made = made.sort("asset", "time")
    made.write_parquet(path / "readings.parquet")
    label = pl.Series(at_fault(made.rename({"asset": "key"}), truth))
    made.with_columns(fault=label).write_parquet(path / "labelled.parquet")
    truth.select("asset", "onset", "end").write_csv(path / "windows.csv")
    return path


def test_a_person_reads_who_is_ahead_and_what_to_do_next(run, data, tmp_path):
    picture = tmp_path / "board.svg"
    ran = run("compete", data / "readings.parquet", *FLAGS, *SMALL, "--picture", picture)
    assert ran.code == 0, ran.err
    for told in ("Held 4 contestants", "faults on 6 assets", "Cause", "★", "What each sees", "wins", "Expect 0."):
        assert told in ran.out
    assert "tocsin fit" in ran.out or "tocsin compete" in ran.out
    assert "</svg>" in picture.read_text()


def test_a_program_reads_the_same(run, data, tmp_path):
    out = tmp_path / "fleet"
    told = json.loads(run("compete", data / "readings.parquet", *FLAGS, *SMALL, "--json", "--out", out).out)
    assert told["mode"] == "faults"
    assert [row["rank"] for row in told["leaderboard"]] == [1, 2, 3, 4]
    winner = next(row["detector"] for row in told["leaderboard"] if row["winner"])
    assert told["winner"] == winner
    fleet = Fleet.load(out)
    assert len(fleet) == 6
    assert winner.startswith(type(fleet.detector).__name__.lower())
    assert (fleet.recipe is not None) == ("on windows" in winner)
    assert run("score", out, data / "readings.parquet").code == 0


def test_labels_are_a_column_or_a_file(run, data):
    flags = [*FLAGS, "--detectors", "mad", "--json"]
    by_column = json.loads(run("compete", data / "labelled.parquet", *flags, "--labels", "fault").out)
    by_file = json.loads(run("compete", data / "readings.parquet", *flags, "--labels", data / "windows.csv").out)
    assert by_column["mode"] == by_file["mode"] == "labels"
    timed = ("fit_seconds", "score_seconds", "winner")
    for one, other in zip(by_column["leaderboard"], by_file["leaderboard"], strict=True):
        assert {name: value for name, value in one.items() if name not in timed} == {
            name: value for name, value in other.items() if name not in timed
        }
    shown = run("compete", data / "labelled.parquet", *FLAGS, "--detectors", "mad", "--labels", "fault").out
    assert "labelled anomalies on 6 assets" in shown
    assert "--labels fault" in shown
    assert "Cause" not in shown


def test_fit_takes_the_winner(run, data, tmp_path, monkeypatch):
    few = {name: kind for name, kind in catalog().items() if name in ("mad", "zscore")}
    monkeypatch.setattr(contestants, "catalog", lambda: few)
    out = tmp_path / "auto"
    ran = run("fit", data / "labelled.parquet", *FLAGS, "--label", "fault", "--detector", "auto", "--budget", 500,
              "--set", "contamination=0.02", "--out", out)  # fmt: skip
    assert ran.code == 0, ran.err
    assert " wins" in ran.out
    assert "Learned" in ran.out
    fleet = Fleet.load(out)
    assert fleet.detector.contamination == 0.02
    assert len(fleet) == 6
    told = json.loads(run("fit", data / "readings.parquet", *FLAGS, "--detector", "auto", "--json", "--out", out).out)
    assert told["competition"]["mode"] == "faults"
    assert told["competition"]["leaderboard"][0]["detector"].partition(" ")[0] in few
    assert told["assets_in_fleet"] == 6


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--labels", "fault", "--faults"], "--labels and --faults exclude each other"),
        (["--labels", "fault", "--kinds", "spike"], "--labels and --kinds exclude each other"),
        (["--labels", "falut"], "falut"),
        (["--labels", "nowhere.csv"], "nowhere.csv"),
        (["--kinds", "spkie"], "did you mean 'spike'"),
        (["--detectors", "madd"], "did you mean 'mad'"),
        (["--detectors", ""], "detectors must be names as in"),
        (["--out", "pyproject.toml"], "pyproject.toml exists and is not a fleet"),
        (["--out", "pyproject.toml/fleet"], "is not a folder"),
        (["--detectors", "lightgbm"], "LightGBM learns from labels"),
        (["--metric", "precision"], "takes alerts"),
        (["--train", "2"], "train must be a share"),
        (["--detectors", "mad", "--budget", "1e-9"], "too small for one fit"),
        (["--picture", "x.gif"], "no picture ends in '.gif'"),
    ],
)
def test_mistakes(run, data, flags, told):
    ran = run("compete", data / "readings.parquet", *FLAGS, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--detector", "mad", "--budget", "5"], "--budget is for the competition of --detector auto"),
        (["--detector", "auto", "--set", "components=3"], "only contamination and infinite can be set"),
        (["--detector", "auto", "--budget", "-1"], "budget must be"),
    ],
)
def test_mistakes_with_fit(run, data, tmp_path, flags, told):
    ran = run("fit", data / "readings.parquet", *FLAGS, "--out", tmp_path / "x", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_a_narrow_window_shows_who_they_are(run, data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ran = run("compete", data / "readings.parquet", *FLAGS, *SMALL, "--kinds", "spike,correlation,variance")
    table, _, rest = ran.out.partition("A wider window or --json shows more: ")
    for name in ("★", "mad on windows", "pca(components=2)", "Score", "95 %", "Found"):
        assert name in table
    assert "Delay" not in table
    assert "Delay" in rest.partition("What each sees")[0]
    assert max(map(len, ran.out.partition(" wins")[0].splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "140")
    assert "A wider window" not in run("compete", data / "readings.parquet", *FLAGS, *SMALL).out


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_was_found_is_told_though_the_fleet_cannot_be_saved(run, data, tmp_path, monkeypatch, flags):
    def full(*_, **__):
        raise OutputError("cannot write the fleet: no space left on device")

    monkeypatch.setattr(store, "save", full)
    ran = run("compete", data / "readings.parquet", *FLAGS, *SMALL, "--out", tmp_path / "fleet", *flags)
    assert ran.code == 2
    assert ran.err == "tocsin: cannot write the fleet: no space left on device\n"
    assert json.loads(ran.out)["fleet"] is None if flags else " wins" in ran.out


def test_without_matplotlib(run, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = run("compete", data / "readings.parquet", *FLAGS, *SMALL, "--picture", tmp_path / "x.png")
    assert ran.code == 2
    assert "pip install 'tocsin[report]'" in ran.err

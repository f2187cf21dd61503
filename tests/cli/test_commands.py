"""Every command does what it says, for people and for programs."""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from tocsin import Fleet
from tocsin.cli import view
from tocsin.tables.stores import scratch_folder


def test_fit_says_what_it_took_and_what_it_left(run, folder, tmp_path):
    ran = run("fit", folder / "training.csv", "--key", "asset", "--time", "time", "--out", tmp_path / "fleet")
    assert ran.code == 0
    assert ran.err == ""
    for told in ("2,240 rows of 4 assets", "bearing_temp, vibration, motor_current", "site: text", "rows/s"):
        assert told in ran.out
    assert "Worst training readings" in ran.out
    assert f"tocsin score {tmp_path}/fleet {folder}/training.csv" in ran.out.replace("\n", "")
    assert len(Fleet.load(tmp_path / "fleet")) == 4


def test_fit_hands_settings_and_columns_on(run, folder, tmp_path):
    settings = ["--set", "contamination=0.05", "--set", "half_life=null", "--set", "form=exact"]
    ran = run(
        "fit", folder / "training.csv", "--key", "asset", "--out", tmp_path / "fleet", "--detector", "ECOD",
        "--features", "vibration,*temp", "--features", "!motor*", *settings, "--json",
    )  # fmt: skip
    assert ran.code == 0
    assert sorted(json.loads(ran.out)["features"]) == ["bearing_temp", "vibration"]
    detector = Fleet.load(tmp_path / "fleet").detector
    assert (detector.contamination, detector.half_life, detector.form) == (0.05, None, "exact")


def test_a_feature_may_have_a_comma_in_its_name(run, tmp_path):
    (tmp_path / "odd.csv").write_text('"x, C",y,z\n' + "".join(f"{i},{i % 7},{i % 5}\n" for i in range(50)))
    ran = run("fit", tmp_path / "odd.csv", "--features", ' "x, C",z', "--out", tmp_path / "fleet", "--json")
    assert json.loads(ran.out)["features"] == ["x, C", "z"]
    ran = run("fit", tmp_path / "odd.csv", "--features", '"!x, C"', "--out", tmp_path / "fleet", "--json")
    assert json.loads(ran.out)["features"] == ["y", "z"]


@pytest.mark.parametrize("memory", [0.0001, None])
def test_memory_limits_what_is_read_at_once(run, folder, tmp_path, monkeypatch, memory):
    used = []
    monkeypatch.setattr("tocsin.tables.readings.scratch_folder", lambda tmp: used.append(tmp) or scratch_folder(tmp))
    mixed = pl.read_csv(folder / "training.csv").sample(fraction=1.0, shuffle=True, seed=0)
    mixed.write_parquet(tmp_path / "mixed.parquet")
    given = ["--memory", memory] if memory else []
    for words in (
        ["fit", tmp_path / "mixed.parquet", "--key", "asset", "--time", "time", "--out", tmp_path / "fleet"],
        ["score", tmp_path / "fleet", tmp_path / "mixed.parquet"],
        ["update", tmp_path / "fleet", tmp_path / "mixed.parquet"],
    ):
        used.clear()
        ran = run(*words, *given)
        assert ran.code == 0, ran.err
        assert bool(used) == bool(given)


def test_what_comes_next_reads_the_data_alike(run, folder, tmp_path):
    data = tmp_path / "plain.csv"
    pl.read_csv(folder / "training.csv").write_csv(data, include_header=False, separator=";", null_value="NA")
    read = ["--separator", ";", "--no-header", "--null-value", "NA"]
    roles = ["--key", "column_1", "--time", "column_2"]
    ran = run("fit", data, *roles, *read, "--out", tmp_path / "fleet")
    told = f"{data} --separator ';' --no-header --null-value NA"
    assert f"tocsin score {tmp_path}/fleet {told}" in ran.out
    assert f"tocsin explain {tmp_path}/fleet {told} --asset" in run("score", tmp_path / "fleet", data, *read).out
    demo = run("demo", "--data", data, *roles, *read, "--features", "!column_3").out
    words = shlex.split(demo.rpartition("\n  tocsin fit ")[2])
    assert words[0] == str(data)
    assert run("fit", *words[:-1], tmp_path / "again").code == 0
    again = Fleet.load(tmp_path / "again")
    assert (again.detector.contamination, again.detector.extrapolate) == (0.001, True)
    assert again.features == ("column_4", "column_5")


def test_score_shows_the_worst_assets(run, folder):
    ran = run("score", folder / "fleet", folder / "later.csv")
    assert (ran.code, ran.err) == (0, "")
    truth = pl.read_parquet(folder / "truth.parquet")
    for fault in truth.iter_rows(named=True):
        assert fault["asset"] in ran.out
        assert f"{fault['feature']} was" in ran.out
    assert "tocsin explain" in ran.out


def test_score_of_nothing_unusual_says_so(run, folder, tmp_path):
    usual = pl.read_csv(folder / "training.csv").group_by("asset").agg(pl.selectors.float().median(), time=pl.lit(1))
    usual.with_columns(time=pl.lit("2026-03-01 00:00:00")).write_csv(tmp_path / "usual.csv")
    ran = run("score", folder / "fleet", tmp_path / "usual.csv")
    assert ran.code == 0
    assert "Nothing to worry about" in ran.out


def test_score_writes_all_rows_or_the_alerts(run, folder, tmp_path):
    ran = run("score", folder / "fleet", folder / "later.csv", "--out", tmp_path / "all.parquet", "--explain", 2)
    assert ran.code == 0
    scores = pl.read_parquet(tmp_path / "all.parquet")
    assert len(scores) == 960
    assert scores["explanations"].list.len().max() == 2
    ran = run("score", folder / "fleet", folder / "later.csv", "--out", tmp_path / "some.parquet", "--alerts-only")
    alerts = pl.read_parquet(tmp_path / "some.parquet")
    assert alerts.equals(scores.drop("explanations").filter("alert"))
    assert 0 < len(alerts) < 960


def test_score_for_a_program_is_one_object(run, folder):
    ran = run("score", folder / "fleet", folder / "later.csv", "--json")
    result = json.loads(ran.out)
    assert (result["rows"], result["assets"], result["unknown_assets"]) == (960, 4, [])
    assert result["missing"] == 0
    assert len(result["worst"]) == 4
    assert result["worst"][0]["sentence"].startswith(result["worst"][0]["feature"])


def test_unknown_assets_are_counted_or_refused(run, folder, tmp_path):
    strange = pl.read_csv(folder / "later.csv").with_columns(pl.col("asset").str.replace("pump-04", "pump-99"))
    strange.write_csv(tmp_path / "strange.csv")
    ran = run("score", folder / "fleet", tmp_path / "strange.csv")
    assert ran.code == 0
    assert "1 asset without a model skipped: pump-99" in ran.out
    ran = run("score", folder / "fleet", tmp_path / "strange.csv", "--unknown", "error")
    assert ran.code == 2
    assert "pump-99" in ran.err


def test_explain_shows_sentences_ranges_and_parts(run, folder):
    fault = pl.read_parquet(folder / "truth.parquet").row(0, named=True)
    ran = run("explain", folder / "fleet", folder / "later.csv", "--asset", fault["asset"], "--at", fault["onset"])
    assert (ran.code, ran.err) == (0, "")
    assert f"{fault['asset']} at {fault['onset']:%Y-%m-%d %H:%M}  alert" in ran.out
    assert f"{fault['feature']} was" in ran.out
    first = next(line for line in ran.out.splitlines() if "█" in line)
    assert fault["feature"] in first
    assert "●" in first
    assert "━" in first


@pytest.mark.parametrize("width", [80, 120])
def test_explain_fits_the_terminal(run, folder, monkeypatch, width):
    run("info")
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run("explain", folder / "fleet", folder / "later.csv", "--asset", "pump-01").out
    header = next(line for line in shown.splitlines() if "Feature" in line)
    assert header.split() == ["Feature", "Value", "Normal", "range", "Share"]
    assert max(len(line) for line in shown.splitlines() if "●" in line) <= width


@pytest.mark.parametrize(
    ("shift", "told"),
    [("0s", ""), ("4m", " (nearest to {asked}, 4 min away)"), ("2d", " (nearest to {asked}, 2 d away)")],
)
def test_explain_says_how_far_the_nearest_reading_is(run, folder, shift, told):
    times = pl.read_csv(folder / "later.csv", try_parse_dates=True).filter(asset="pump-01")["time"]
    asked = times.dt.offset_by(shift).max()
    ran = run("explain", folder / "fleet", folder / "later.csv", "--asset", "pump-01", "--at", asked)
    expected = f"pump-01 at {times.max():%Y-%m-%d %H:%M}{told.format(asked=f'{asked:%Y-%m-%d %H:%M}')}  "
    assert ran.out.startswith(expected)


def test_explain_says_how_far_in_the_zone_of_the_readings(run, folder, tmp_path):
    readings = pl.read_csv(folder / "training.csv", try_parse_dates=True).filter(asset="pump-01")
    there = readings.with_columns(pl.col("time").dt.replace_time_zone("America/New_York"))
    there.write_parquet(tmp_path / "there.parquet")
    run("fit", tmp_path / "there.parquet", "--key", "asset", "--time", "time", "--out", tmp_path / "fleet")
    last = f"{readings['time'].max():%Y-%m-%d %H:%M}"
    shown = run("explain", tmp_path / "fleet", tmp_path / "there.parquet", "--at", last).out
    assert shown.startswith(f"pump-01 at {last}  ")


def test_explain_says_how_far_among_whole_numbers(run, tmp_path):
    (tmp_path / "steps.csv").write_text("step,flow\n" + "".join(f"{2 * i},{i % 7}\n" for i in range(50)))
    run("fit", tmp_path / "steps.csv", "--time", "step", "--out", tmp_path / "fleet")
    shown = run("explain", tmp_path / "fleet", tmp_path / "steps.csv", "--at", "101.5").out
    assert shown.startswith("The reading at 98 (nearest to 101.5, 3.5 away)  ")
    assert run("explain", tmp_path / "fleet", tmp_path / "steps.csv", "--at", "98").out.startswith(
        "The reading at 98  "
    )


@pytest.mark.parametrize(("p_value", "told"), [(1.0, False), (0.6, False), (0.5, True), (0.01, True)])
def test_how_rare_a_score_is_is_said_of_rare_ones(p_value, told):
    row = {"score": 1.0, "threshold": 2.0, "alert": False, "p_value": p_value}
    assert ("so high a score is 1 in" in view.verdict(row).plain) == told


def test_explain_for_a_program(run, folder):
    ran = run("explain", folder / "fleet", folder / "later.csv", "--asset", "pump-01", "--top", 2, "--json")
    result = json.loads(ran.out)
    assert result["key"] == "pump-01"
    assert [part["rank"] for part in result["explanations"]] == [1, 2]
    assert result["alert"] is True


def test_info_tells_of_a_fleet(run, folder):
    told = json.loads(run("info", folder / "fleet", "--json").out)
    assert (told["detector"], told["assets"], told["rows"], told["version"]) == ("ecod", 4, 2240, 1)
    assert told["settings"]["extrapolate"] is True
    shown = run("info", folder / "fleet").out
    for text in ("4: pump-01, pump-02", "2,240 rows, 560 an asset", "extrapolate=True", "kB an asset"):
        assert text in shown


def test_info_lists_the_detectors(run):
    assert "ecod" in run("info").out
    listed = json.loads(run("info", "--json").out)["detectors"]
    assert {"name", "about", "updates", "labels", "extra", "settings"} == set(listed[0])


def test_update_learns_and_knows_new_assets(run, folder, tmp_path):
    more = pl.read_csv(folder / "later.csv")
    more = pl.concat([more, more.filter(asset="pump-01").with_columns(asset=pl.lit("pump-77"))])
    more.write_csv(tmp_path / "more.csv")
    ran = run("update", folder / "fleet", tmp_path / "more.csv", "--out", tmp_path / "new", "--json")
    assert ran.code == 0
    assert {"version": 2, "new_assets": 1, "assets_in_fleet": 5}.items() <= json.loads(ran.out).items()
    assert json.loads(run("info", tmp_path / "new", "--json").out)["rows"] == 2240 + 960 + 240
    assert json.loads(run("info", folder / "fleet", "--json").out)["version"] == 1
    ran = run("update", tmp_path / "new", tmp_path / "more.csv")
    assert f"{tmp_path}/new, version 3: 5 assets" in ran.out.replace("\n", "")


def test_long_tables_and_names_for_missing_values(run, folder, tmp_path):
    wide = pl.read_csv(folder / "training.csv").drop("site")
    long = wide.unpivot(index=["asset", "time"], variable_name="sensor", value_name="value").with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("none at all")).otherwise(pl.col("value")).alias("value")
    )
    long.write_csv(tmp_path / "long.csv", separator=";")
    flags = ["--key", "asset", "--time", "time", "--sensor", "sensor", "--value", "value", "--separator", ";"]
    ran = run("fit", tmp_path / "long.csv", *flags, "--null-value", "none at all", "--out", tmp_path / "f", "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert sorted(result["features"]) == ["bearing_temp", "motor_current", "vibration"]
    assert result["missing"] == -(-len(long) // 7)


def test_no_header(run, need, tmp_path):
    flags = ["--no-header", "--key", "column_1", "--time", "column_2", "--out", tmp_path / "fleet", "--json"]
    data = need("cmapss/train_FD001.txt")
    ran = run("fit", data, *flags)
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    engines = [line.split()[0] for line in data.read_text().splitlines()]
    assert (result["rows"], result["assets"], len(result["features"])) == (len(engines), len(set(engines)), 24)


def test_files_as_assets(run, need, tmp_path):
    data = need("skab/valve1")
    flags = ["--key", "@file", "--time", "datetime", "--features", "!anomaly,!changepoint"]
    ran = run("fit", data, *flags, "--out", tmp_path / "fleet", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["assets"] == 16
    assert "Temperature" in run("explain", tmp_path / "fleet", data, "--asset", "7").out


def test_demo_finds_most_of_the_known_faults(run, tmp_path):
    ran = run("demo", "--keep", tmp_path / "demo", "--json")
    assert (ran.code, ran.err) == (0, "")
    findings = json.loads(ran.out)["findings"]
    kinds = {row["kind"]: row for row in findings["by_kind"]}
    for kind in ("shift", "drift"):
        assert kinds[kind]["found"] == kinds[kind]["faults"] > 0
        assert kinds[kind]["right_cause"] == kinds[kind]["found"]
    assert findings["false_alarm_rate"] < 0.005
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "fleet", "later.parquet", "training.parquet", "truth.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_demo_fits_the_terminal_and_its_commands_work(run, tmp_path, monkeypatch, width):
    run("info")
    monkeypatch.setenv("COLUMNS", str(width))
    kept, picture = tmp_path / "kept", tmp_path / "demo.svg"
    ran = run("demo", "--keep", kept, "--svg", picture)
    assert ran.code == 0
    body, _, following = ran.out.partition("\nNext\n")
    assert max(map(len, body.splitlines())) <= width
    for told in ("Worst assets", "✓ drift of", "Held against the truth", "False alarms"):
        assert told in body
    assert ET.parse(picture).getroot().tag.endswith("svg")
    commands = [shlex.split(line) for line in following.strip().splitlines()]
    assert [command[1] for command in commands] == ["explain", "score", "info"]
    monkeypatch.chdir(tmp_path)
    for command in commands:
        assert run(*command[1:]).code == 0


def test_demo_on_own_readings(run, need):
    ran = run("demo", "--data", need("skab/valve1"), "--key", "@file", "--time", "datetime", "--features", "!anomaly")
    assert (ran.code, ran.err) == (0, "")
    assert "anomaly (excluded)" in ran.out
    assert "Held against the truth" not in ran.out
    assert (
        "--key @file --time datetime --features '!anomaly' --set contamination=0.001 --set extrapolate=true --out fleet"
        in ran.out
    )


def test_demo_says_when_everything_has_changed(run, need):
    ran = run("demo", "--data", need("elevator/predictive-maintenance-dataset.csv"), "--time", "ID", "--json")
    result = json.loads(ran.out)
    assert result["rows"] + result["rows_learned"] == 112_001
    assert "as a whole they differ" in result["notes"][-1]


def test_brackets_in_names_are_no_markup(run, tmp_path):
    (tmp_path / "odd.csv").write_text("pump,[bold]flow\n[red]a,1\n[red]a,2\n[red]a,9\n")
    assert "1: [bold]flow" in run("fit", tmp_path / "odd.csv", "--key", "pump", "--out", tmp_path / "fleet").out
    shown = run("explain", tmp_path / "fleet", tmp_path / "odd.csv", "--asset", "[red]a").out
    assert shown.startswith("[red]a  ")
    assert "[bold]flow was" in shown


def test_a_recipe_makes_features_that_are_kept_with_the_fleet(run, folder, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[[steps]]\nstep = "window"\nsize = 5\nstatistics = ["mean", "max"]\n')
    flags = ["--key", "asset", "--time", "time", "--recipe", recipe]
    ran = run("fit", folder / "training.csv", *flags, "--out", tmp_path / "fleet")
    assert ran.code == 0
    assert "mean of the last 5; " in " ".join(ran.out.split())
    assert "16 rows have no features: the recipe looks back 4 rows" in " ".join(ran.out.split())
    about = json.loads(run("info", tmp_path / "fleet", "--json").out)
    assert about["recipe"]["steps"][0] | {"size": 5, "statistics": ["mean", "max"]} == about["recipe"]["steps"][0]
    assert len(about["made"]) == 2 * len(about["features"])
    ran = run("score", tmp_path / "fleet", folder / "later.csv", "--explain", "1", "--out", tmp_path / "scores.parquet")
    assert ran.code == 0
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    assert scores["score"].null_count() == 0  # it goes on where training ended
    reasons = scores.filter("alert")["explanations"].list.first().struct.unnest()
    assert set(reasons["sensor"]) <= set(about["features"])
    assert set(reasons["feature"]) <= set(about["made"])
    ran = run("features", tmp_path / "fleet", folder / "later.csv", "--out", tmp_path / "features.parquet", "--json")
    assert json.loads(ran.out)["made"] == about["made"]
    assert pl.read_parquet(tmp_path / "features.parquet").columns == ["key", "time", *about["made"]]


def test_log_odds_are_told_by_how_much_they_are_above_the_threshold(run, tmp_path):
    rng = np.random.default_rng(0)
    load, rows = rng.normal(size=400), np.arange(400)
    pumps = [
        pl.DataFrame({"pump": [name] * 400, "at": rows, "load": load, "fault": (load > edge).astype(int)})
        for name, edge in (("a", 1.0), ("b", 0.5))
    ]
    pl.concat(pumps).write_csv(tmp_path / "pumps.csv")
    flags = ["--key", "pump", "--time", "at", "--label", "fault", "--detector", "lightgbm", "--out", tmp_path / "fleet"]
    learned = " ".join(run("fit", tmp_path / "pumps.csv", *flags).out.split())
    assert "2 assets: F1 of 0.9 or more on the last labelled rows" in learned
    shown = run("score", tmp_path / "fleet", tmp_path / "pumps.csv").out
    assert re.search(r"Asset\s+When\s+threshold\s+What happened", shown)
    assert "×" not in shown
    worst = json.loads(run("score", tmp_path / "fleet", tmp_path / "pumps.csv", "--json").out)["worst"]
    assert [row["unit"] for row in worst] == ["above threshold"] * 2
    for row in worst:
        assert row["severity"] == pytest.approx(row["score"] - row["threshold"])
        assert f"by {row['severity']:.4g}" in shown


def test_a_label_is_said_and_no_feature(run, folder, tmp_path):
    labelled = pl.read_csv(folder / "training.csv").with_columns(fault=0)
    labelled.write_csv(tmp_path / "labelled.csv")
    flags = ["--key", "asset", "--time", "time", "--label", "fault", "--out", tmp_path / "fleet"]
    ran = run("fit", tmp_path / "labelled.csv", *flags)
    assert "label     fault" in ran.out
    assert "fault" not in json.loads(run("info", tmp_path / "fleet", "--json").out)["features"]
    assert run("score", tmp_path / "fleet", folder / "later.csv").code == 0

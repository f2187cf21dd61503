"""A person's mistake is one line on standard error that says what to do, and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tocsin.cli import main as cli


def fails(ran, *told: str) -> None:
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("tocsin: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    for text in told:
        assert text in ran.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--key", "assets"], ["'assets'", "did you mean 'asset'"]),
        (["--time", "tme"], ["'tme'", "did you mean 'time'"]),
        (["--key", "asset", "--features", "vibratoin"], ["'vibratoin'", "vibration"]),
        (["--detector", "ecodd"], ["no detector 'ecodd'", "did you mean 'ecod'"]),
        (["--set", "contamination"], ["'contamination' is not of the form name=value"]),
        (["--set", "contaminatoin=0.1"], ["no setting 'contaminatoin'", "did you mean 'contamination'"]),
        (["--set", "contamination=abc"], ["contamination=abc", "valid number", "by default it is 0.01"]),
        (["--set", "contamination=0.9"], ["at most 0.5, not 0.9"]),
        (["--set", "form=skech"], ["form=skech", "'sketch' or 'exact'"]),
        (["--sensor", "site"], ["value"]),
        (["--threads", "0"], ["--threads", "tocsin fit --help"]),
        (["--memory", "0"], ["--memory", "gigabytes above 0"]),
        (["--memory", "nan"], ["--memory", "gigabytes above 0"]),
        (["--sensor", "site", "--value", "vibration"], ["give --time"]),
        (["--nonsense"], ["--nonsense", "tocsin fit --help"]),
    ],
)
def test_wrong_options_of_fit(run, folder, tmp_path, flags, told):
    fails(run("fit", folder / "training.csv", "--out", tmp_path / "fleet", *flags), *told)
    assert not (tmp_path / "fleet").exists()


def test_no_such_file(run, tmp_path):
    (tmp_path / "readings.csv").write_text("x\n1\n")
    fails(run("fit", tmp_path / "reading.csv", "--out", tmp_path / "fleet"), "reading.csv", "readings.csv")


@pytest.mark.parametrize("content", ["", "asset,flow\n"])
def test_empty_files(run, tmp_path, content):
    (tmp_path / "empty.csv").write_text(content)
    fails(run("fit", tmp_path / "empty.csv", "--out", tmp_path / "fleet"), "empty.csv")


@pytest.mark.parametrize(
    ("content", "flags", "told"),
    [
        ("flow\n1\n2\nnot read\n", [], "give --null-value 'not read', else"),
        ("flow\n1\n2\nit's\n", [], """give --null-value 'it'"'"'s', else"""),
        ("flow\n1\n2\ninf\n", [], "fit with --set infinite=missing"),
        ("1,1,2\n3,4,5\n", [], "say --no-header"),
    ],
)
def test_what_to_do_is_said_in_options(run, tmp_path, content, flags, told):
    (tmp_path / "odd.csv").write_text(content)
    ran = run("fit", tmp_path / "odd.csv", *flags, "--out", tmp_path / "fleet")
    fails(ran, told)
    for python in ("null_values", "infinite='", "header=False"):
        assert python not in ran.err


def test_no_time_and_no_room_are_told_in_options(run, tmp_path, monkeypatch):
    data = tmp_path / "flow.csv"
    data.write_text("key,flow\n" + "".join(f"{i % 2},{i}\n" for i in range(50)))
    run("fit", data, "--key", "key", "--out", tmp_path / "fleet")
    ran = run("explain", tmp_path / "fleet", data, "--asset", "1", "--at", "2026-01-01")
    fails(ran, "no time column", "leave --at out")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    ran = run("score", tmp_path / "fleet", data, "--memory", "1e-9")
    fails(ran, "cannot set readings aside", "set TMPDIR to a folder with room")


def test_one_of_several_paths_is_not_there(run, tmp_path):
    fails(run("fit", "a.csv", "b.csv", "--out", tmp_path / "fleet"), "no such file: a.csv")


def test_no_out(run, folder):
    fails(run("fit", folder / "training.csv"), "--out")


@pytest.mark.parametrize("command", ["score", "explain", "update"])
def test_what_is_no_fleet(run, folder, tmp_path, command):
    fails(run(command, tmp_path, folder / "later.csv"), str(tmp_path), "not a fleet")
    fails(run(command, tmp_path / "nowhere", folder / "later.csv"), "nowhere")


def test_a_foreign_or_damaged_fleet(run, folder, tmp_path):
    (tmp_path / "fleet.json").write_text(json.dumps({"format": "something else"}))
    fails(run("info", tmp_path), str(tmp_path))
    (tmp_path / "fleet.json").write_text("{")
    fails(run("score", tmp_path, folder / "later.csv"), str(tmp_path))


def test_where_nothing_can_be_written(run, folder, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "fleet"
    fails(run("fit", folder / "training.csv", "--key", "asset", "--out", out), str(out))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    fails(run("fit", folder / "training.csv", "--key", "asset", "--out", tmp_path / "full"), "not a fleet")
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious"
    fails(run("score", folder / "fleet", folder / "later.csv", "--out", tmp_path / "no" / "x.parquet"), "x.parquet")
    fails(run("score", folder / "fleet", folder / "later.csv", "--out", tmp_path / "x.docx"), "x.docx")


def test_readings_that_lack_the_fleets_columns(run, folder, tmp_path):
    (tmp_path / "other.csv").write_text("asset,time,vibration\npump-01,2026-01-01,1.0\n")
    fails(run("score", folder / "fleet", tmp_path / "other.csv"), "bearing_temp")


def test_unknown_assets_and_times(run, folder):
    later = folder / "later.csv"
    fails(run("explain", folder / "fleet", later, "--asset", "pump-x"), "'pump-x'")
    fails(run("explain", folder / "fleet", later), "which asset?")
    fails(run("explain", folder / "fleet", later, "--asset", "pump-01", "--at", "yesterday"), "'yesterday'")


def test_a_choice_that_is_none(run, folder):
    ran = run("score", folder / "fleet", folder / "later.csv", "--unknown", "maybe")
    fails(ran, "'maybe' is not one of 'skip', 'error'")


def test_demo_options_that_do_not_go_together(run, folder, tmp_path):
    fails(run("demo", "--key", "asset"), "--key", "--data")
    fails(run("demo", "--data", folder / "later.csv", "--keep", tmp_path / "x"), "tocsin fit")
    fails(run("demo", "--keep", tmp_path), "exists already")
    fails(run("demo", "--data", folder / "later.csv", "--key", "pump"), "'pump'")


def test_demo_on_readings_of_which_none_is_left_to_score(run, tmp_path):
    (tmp_path / "ids.csv").write_text("id,day,flow\na,1,1.5\nb,1,2.5\n")
    ran = run("demo", "--data", tmp_path / "ids.csv", "--key", "id", "--time", "day")
    fails(ran, "no asset", "second reading", "is the key right?")


def test_no_such_command(run):
    fails(run("scor"), "'scor'", "score", "tocsin --help")


def test_a_bug_is_told_in_one_line_and_shown_on_request(run, monkeypatch):
    monkeypatch.setattr("tocsin.detectors.catalog.catalog", lambda: 1 / 0)
    ran = run("info")
    assert ran.code == 1
    assert ran.err.startswith("tocsin: this is a bug")
    assert ran.err.count("\n") == 1
    monkeypatch.setenv("TOCSIN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run("info")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "tocsin: interrupted; nothing was saved\n"),
        (PermissionError(13, "Permission denied", "there"), 2, "tocsin: there: Permission denied\n"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_what_comes_from_outside(run, monkeypatch, error, code, told):
    def stop() -> None:
        raise error

    monkeypatch.setattr("tocsin.detectors.catalog.catalog", stop)
    monkeypatch.setattr(cli, "_silence", lambda: None)
    ran = run("info")
    assert (ran.code, ran.err) == (code, told)


def test_ctrl_c_in_a_real_process(folder):
    code = "import sys, time, tocsin.cli.main as m, tocsin.fleet.fleet as f\n"
    code += "f.Fleet.load = lambda path: print('ready', flush=True) or time.sleep(60)\n"
    code += f"sys.exit(m.main(['info', {str(folder / 'fleet')!r}]))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b"tocsin: interrupted; nothing was saved\n"


def test_a_reader_that_leaves_is_no_error(folder):
    command = [sys.executable, "-m", "tocsin.cli.main", "info", str(folder / "fleet"), "--json"]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_is_quick_and_loads_nothing_heavy():
    heavy = {"numba", "numpy", "polars", "pyarrow", "scipy", "sklearn"}
    code = "import sys, tocsin.cli.main as m; m.main(['--help']); m.main(['fit', '--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert heavy.isdisjoint(loaded.stdout.rpartition("\n\n")[2].split())
    taken = []
    for _ in range(3):
        before = os.times().children_user + os.times().children_system
        subprocess.run([sys.executable, "-m", "tocsin.cli.main", "--help"], capture_output=True, check=True, timeout=60)
        taken.append(os.times().children_user + os.times().children_system - before)
    assert min(taken) < 1.0  # CPU time, which a machine that is busy hardly changes

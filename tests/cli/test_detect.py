"""`tocsin detect` as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.cli.test_mistakes import fails


@pytest.fixture
def series(tmp_path):
    """Return a series in a table, with a period of 24 and three strange samples, and a folder around it."""
    hours = np.arange(24 * 100)
    x = 20 + 3 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 0.3, len(hours))
    x[500] += 12
    x[[1_700, 1_702]] -= 9
    x[2_000] = np.nan
    pl.DataFrame({"at": [f"hour {i}" for i in hours], "heat": x}).write_csv(tmp_path / "heat.csv")
    np.save(tmp_path / "heat.npy", x)
    x.astype(">f4").tofile(tmp_path / "heat.raw")
    return tmp_path


def test_it_says_what_is_strange(run, series):
    ran = run("detect", series / "heat.csv")
    assert (ran.code, ran.err) == (0, "")
    for told in (
        "2,400 samples of heat",
        "samples/s",
        "stl, period 24 (found)",
        "of trend and season",
        "1 sample missing",
    ):
        assert told in ran.out
    worst = ran.out.partition("Worst")[2].splitlines()
    assert worst[3].split()[0] == "500"
    assert "one of 2 samples from 1,700 to 1,702" in worst[4]


@pytest.mark.parametrize(("method", "center"), [("zscore", "the mean, "), ("mad", "the median, ")])
def test_other_methods(run, series, method, center):
    ran = run("detect", series / "heat.npy", "--method", method, "--threshold", 3.5, "--threads", 1)
    assert center in ran.out
    assert "3.5 times the scale" in ran.out
    assert " 1,700 " in ran.out


def test_several_periods(run, series):
    told = json.loads(run("detect", series / "heat.npy", "--method", "mstl", "--period", "24,168", "--json").out)
    assert told["periods"] == [24, 168]
    assert not told["period_found"]
    apart = ["--period", 168, "--period", 24]
    told = json.loads(run("detect", series / "heat.npy", "--method", "mstl", *apart, "--json").out)
    assert told["periods"] == [24, 168]


def test_a_program_reads_it(run, series):
    told = json.loads(run("detect", series / "heat.raw", "--dtype", ">f4", "--period", "24", "--json").out)
    assert (told["method"], told["length"], told["missing"], told["threshold"]) == ("stl", 2400, 1, 5.0)
    assert told["worst"][0]["index"] == 500
    assert told["worst"][0]["direction"] == "above"
    assert told["scale"] == pytest.approx(0.25, abs=0.08)
    assert told["written"] is None


def test_files_of_results(run, series):
    found, parts = series / "found.parquet", series / "parts.npy"
    ran = run("detect", series / "heat.csv", "--out", found, "--decomposition", parts, "--robust")
    assert ran.code == 0
    assert str(found) in ran.out.replace("\n", "")
    assert pl.read_parquet(found)["index"].to_list() == [500, 1_700, 1_702]
    assert np.load(parts).shape == (2_400, 3)


def test_nothing_to_worry_about(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=500))
    assert "Nothing to worry about" in run("detect", tmp_path / "x.npy", "--method", "mad", "--threshold", 8).out
    np.save(tmp_path / "x.npy", np.ones(500))
    assert "the series is constant" in run("detect", tmp_path / "x.npy", "--method", "mad").out


def test_a_threshold_out_of_all_reach_is_short(run, series):
    ran = run("detect", series / "heat.npy", "--method", "mad", "--threshold", "1e308")
    assert "1e+308 times the scale" in ran.out
    assert "0,000" not in ran.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--method", "stll"], ["'stll'", "'stl'", "tocsin detect --help"]),
        (["--period", "daily"], ["--period is a whole number of samples, such as 24, not 'daily'"]),
        (["--period", "-3"], ["--period", "'-3'"]),
        (["--period", "9999999999999999999999"], ["period must be at most 2147483647"]),
        (["--period", "24,168"], ["takes one period, not 2; take --method mstl"]),
        (["--threshold", "-1"], ["threshold must be"]),
        (["--column", "heta"], ["no column 'heta'", "did you mean 'heat'"]),
        (["--method", "mad", "--period", "24"], ["knows no seasons"]),
        (["--threads", "0"], ["--threads"]),
        (["--out", "nowhere/x.parquet"], ["there is no folder 'nowhere'"]),
        (["--decomposition", "x.docx"], ["no format ends in '.docx'"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_mistakes(run, series, flags, told):
    fails(run("detect", series / "heat.csv", *flags), *told)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.csv", b"flow,heat\n1,2\n", "name one with --column"),
        ("x.csv", b"1.5\n2.5\n", "say --no-header if that is the first sample, or --column 1.5 if"),
        ("x.csv", b"a\n1\n2\n3\ninf\n", "--infinite missing takes them as missing"),
        ("x.bin", b"12345678", "give --dtype float32, or what it is"),
        ("x.f32", b"123456", "6 bytes, which is no whole number of 4-byte float32 values; is --dtype right"),
        ("x.f64", b"", "no samples"),
        ("x.npy", b"nonsense", "is called .npy but is not"),
    ],
)
def test_files_that_are_no_series(run, tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    fails(run("detect", tmp_path / name), told)
    fails(run("detect", tmp_path / f"no{name}"), f"no such file: {tmp_path}/no{name}; did you mean '{name}'")


def test_without_a_period_there_is_another_way(run, tmp_path):
    np.save(tmp_path / "one.npy", np.ones(1))
    fails(run("detect", tmp_path / "one.npy"), "constant at 1; say --period N, ", "or take --method mad or zscore,")


def test_dtype_and_column_are_told_in_options(run, series):
    fails(run("detect", series / "heat.npy", "--dtype", "float32"), "leave --dtype out")
    fails(run("detect", series / "heat.npy", "--column", "heat"), "leave --column out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_disk_that_is_full(series):
    command = [sys.executable, "-m", "tocsin.cli.main", "detect", str(series / "heat.npy"), "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, f"tocsin: {os.strerror(28)}\n")

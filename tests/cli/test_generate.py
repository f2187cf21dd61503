"""`tocsin generate` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from tocsin import synth


def test_a_fleet_and_its_truth(run, tmp_path):
    ran = run("generate", "--out", tmp_path / "r.parquet", "--assets", 5, "--features", 3, "--rows", 200, "--seed", 4)
    assert ran.code == 0
    assert ran.err == ""
    for told in ("5 assets of 200 readings", "bearing_temp", "values and", "tocsin demo --data"):
        assert told in ran.out
    readings, truth = synth.fleet(5, 3, 200, 4)
    assert pl.read_parquet(tmp_path / "r.parquet").equals(readings.sort("asset", "time"))
    assert pl.read_parquet(tmp_path / "r-truth.parquet").equals(truth)


@pytest.mark.parametrize("suffix", ["csv", "arrow", "ndjson"])
def test_other_tables_in_time_order(run, tmp_path, suffix):
    out, truth = tmp_path / f"r.{suffix}", tmp_path / "t.csv"
    ran = run("generate", "--out", out, "--order", "time", "--rows", 20, "--assets", 3, "--truth", truth, "--json")
    told = json.loads(ran.out)
    assert (told["rows"], told["values"], told["bytes"]) == (60, 480, out.stat().st_size)
    read = {"csv": pl.read_csv, "arrow": pl.read_ipc, "ndjson": pl.read_ndjson}[suffix]
    readings, faults = synth.fleet(3, rows=20)
    np.testing.assert_allclose(read(out)[readings.columns[2:]].to_numpy(), readings[:, 2:].to_numpy(), rtol=1e-6)
    assert told["faults"] == len(faults) == len(pl.read_csv(truth))


def test_one_long_series(run, tmp_path):
    out = tmp_path / "x.npy"
    season = "amplitude=0.1,period=200"
    flags = ["--kind", "normal", "--features", 1, "--rows", 300_000, "--seasonality", season, "--threads", 2]
    ran = run("generate", *flags, "--out", out)
    assert "tocsin detect" in ran.out
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    x = np.load(out)
    assert x.shape == (300_000,)
    assert x.dtype == np.float32
    wave = np.sin(2 * np.pi * np.arange(x.size) / 200)
    assert 2 * (x * wave).mean() == pytest.approx(0.1, abs=0.015)
    run("generate", *flags, "--out", tmp_path / "x.f32")
    assert np.fromfile(tmp_path / "x.f32", "<f4").tobytes() == x.tobytes()


def test_signals_are_made_of_parts(run, tmp_path):
    out = tmp_path / "x.npy"
    parts = ["--level", "value=50", "--trend", "slope=0.001", "--gaps", "probability=1,rows=100,longest=5"]
    more = ["--regimes", "size=2,rows=500", "--duty", "size=3,period=144", "--noise", "scale=0.1,memory=5"]
    ran = run(
        "generate", "--kind", "heavy", "--features", 2, "--assets", 3, "--rows", 1000, *parts, *more, "--out", out
    )
    assert ran.code == 0
    x = np.load(out)
    assert x.shape == (3000, 2)
    assert 0.02 < np.isnan(x).mean() < 0.05
    assert 48 < np.nanmin(x) < np.nanmedian(x) < np.nanmax(x) < 60


def test_pumps_with_more_parts(run, tmp_path):
    for name, more in (("plain", []), ("gaps", ["--gaps", "probability=1,rows=100,longest=5"])):
        run("generate", "--rows", 300, "--assets", 2, "--features", 2, *more, "--out", tmp_path / f"{name}.parquet")
    plain, gaps = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("plain", "gaps"))
    missing = gaps["flow" if "flow" in gaps.columns else "vibration"].is_nan()
    assert 0 < missing.sum() < 60
    assert gaps.filter(~missing)["vibration"].equals(plain.filter(~missing)["vibration"])


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--rows", "-4"], "rows must be at least 1, not -4"),
        (["--rows", "1" + "0" * 17], "rows must be at most"),
        (["--assets", "0"], "assets must be at least 1"),
        (["--features", "1" + "0" * 12], "features must be at most 1,048,576"),
        (["--kind", "normal", "--features", "1" + "0" * 12], "features must be at most 1,048,576"),
        (["--seed", "-1"], "seed must be from 0"),
        (["--faulty", "2"], "faulty must be a probability"),
        (["--kinds", "spikes"], "did you mean 'spike'"),
        (["--every", "0"], "every must be a time"),
        (["--every", "inf"], "--every is a number of seconds"),
        (["--kind", "norml"], "norml"),
        (["--seasonality", "amplitude"], "not of the form name=value"),
        (["--seasonality", "amplitude=1"], "--seasonality needs period"),
        (["--seasonality", "ampl=1,period=9"], "did you mean 'amplitude'"),
        (["--seasonality", "amplitude=x,period=9"], "--seasonality amplitude=x: input should be a valid number"),
        (["--seasonality", "amplitude=1,period=1"], "period must be at least 2"),
        (["--noise", "scale=2"], "give --kind"),
        (["--kind", "normal", "--noise", "shape=heavy"], "--noise has no 'shape'"),
        (["--level", "value=1,value=2"], "gives value twice"),
        (["--regimes", "size=1,rows=1000000000000000000000"], "rows must be a finite number"),
        (["--every", "1e7"], "go beyond the year 2262"),
        (["--every", "1e12"], "go beyond the year 9999"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_mistakes_are_told_in_one_line(run, tmp_path, flags, told):
    ran = run("generate", "--out", tmp_path / "x.parquet", *flags)
    assert ran.code == 2
    assert ran.err.startswith("tocsin: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err
    assert not list(tmp_path.iterdir())


def test_what_comes_next_can_be_done(run, tmp_path):
    ran = run("generate", "--kind", "normal", "--rows", 300, "--out", tmp_path / "a.raw")
    assert f"tocsin detect {tmp_path / 'a.raw'} --dtype float32" in ran.out
    assert run("detect", tmp_path / "a.raw", "--dtype", "float32", "--method", "mad").code == 0
    assert "Next" not in run("generate", "--assets", 3, "--rows", 100, "--out", tmp_path / "b.npy").out


def test_nothing_is_left_out_silently(run, tmp_path):
    flags = ["--kind", "normal", "--rows", 400, "--assets", 9]
    run("generate", *flags, "--out", tmp_path / "a.parquet", "--truth", tmp_path / "t.csv")
    assert pl.read_csv(tmp_path / "t.csv").columns == ["asset", "feature", "kind", "onset", "end", "size"]
    ran = run("generate", *flags, "--faulty", 1, "--kinds", "contact,spike", "--out", tmp_path / "b.parquet")
    assert "contact: no sensor can have it" in ran.out


def test_where_nothing_can_be_written(run, tmp_path):
    for out, told in (("no/x.npy", "there is no folder"), ("x.docx", "no format ends in"), ("", "it is a folder")):
        ran = run("generate", "--rows", 10, "--out", tmp_path / out if out else tmp_path.with_suffix(".npy") / "..")
        assert ran.code == 2
        assert told in ran.err or "no format" in ran.err
    same = tmp_path / "x.parquet"
    assert "name another file" in run("generate", "--out", same, "--truth", same, "--faulty", 1).err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["npy", "parquet", "csv"])
def test_a_disk_that_is_full_half_way_leaves_nothing_behind(tmp_path, suffix):
    (tmp_path / f"x.{suffix}").write_text("precious")
    code = (
        "import resource, signal, sys, tocsin.cli.main as m; from tocsin import synth; synth.fleet(rows=10);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "sys.exit(m.main(['generate', '--kind', 'normal', '--rows', '100000', '--out', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / f"x.{suffix}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: cannot write")
    assert done.stderr.count("\n") == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]

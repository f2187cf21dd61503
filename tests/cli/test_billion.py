"""`tocsin billion`, on a thousandth of it."""

from __future__ import annotations

import json
import sys

import pytest

SMALL = ["--cells", "1e6", "--rows", "1000", "--features", "20"]


def test_one_table_at_the_end_and_a_picture(run, tmp_path):
    picture = tmp_path / "threads.png"
    ran = run("billion", *SMALL, "--threads", 2, "--picture", picture)
    assert ran.code == 0, ran.err
    for told in (
        "1,000,000 values",
        "a core",
        "clean readings",
        "cause was named first",
        "1 thread",
        "2 threads",
        "drift",
    ):
        assert told in ran.out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 10_000


def test_for_programs(run):
    told = json.loads(run("billion", *SMALL, "--threads", 3, "--json", "--detector", "ecod").out)
    assert told["cells"] == 1_000_000
    assert list(told["cells_a_second_by_threads"]) == ["1", "2", "3"]
    assert told["peak_memory"] > 1e7
    assert told["findings"]["faults"] > 10
    assert told["findings"]["found"] >= told["findings"]["right_cause"] > 0
    again = json.loads(run("billion", *SMALL, "--threads", 1, "--json", "--detector", "ecod").out)
    assert again["findings"] == told["findings"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--cells", "0"], "--cells is a number of values"),
        (["--cells", "nan"], "--cells is a number of values"),
        (["--rows", "0"], "rows must be at least 1"),
        (["--rows", "9"], "--rows must be at least 20"),
        (["--features", "-1"], "features must be at least 1"),
        (["--faulty", "7"], "faulty must be a probability"),
        (["--detector", "zsore"], "did you mean 'zscore'"),
        (["--picture", "x.gif"], "no picture ends in '.gif'"),
        (["--picture", "nowhere/x.png"], "no folder 'nowhere'"),
    ],
)
def test_mistakes_are_told_before_any_work(run, flags, told):
    ran = run("billion", *flags)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_without_matplotlib(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = run("billion", "--picture", tmp_path / "x.png")
    assert ran.code == 2
    assert "pip install 'tocsin[report]'" in ran.err

"""The command line as a person runs it: exit code, output, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from tocsin import synth
from tocsin.cli.main import main


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process."""
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with training.csv, later.csv and a fleet that knows the pumps in them."""
    path = tmp_path_factory.mktemp("cli")
    readings, truth = synth.fleet(assets=4, features=3, rows=800, seed=1, faulty=1.0, kinds=["shift"])
    for name, frame in zip(("training", "later"), synth.split(readings), strict=True):
        frame.with_columns(pl.col("time").dt.to_string("iso"), site=pl.lit("north")).write_csv(path / f"{name}.csv")
    truth.write_parquet(path / "truth.parquet")
    flags = ["--key", "asset", "--time", "time", "--set", "extrapolate=true", "--json"]
    assert main(["fit", str(path / "training.csv"), *flags, "--out", str(path / "fleet")]) == 0
    return path

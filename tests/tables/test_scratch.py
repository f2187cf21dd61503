"""What is set aside on disk is gone afterwards, however reading ends."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tocsin.errors import DataError, OutputError
from tocsin.tables import Columns, open_readings, stores

KEYED = Columns(key="key", time="at")


@pytest.fixture(params=["parquet", "csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows = 5_000
    frame = pl.DataFrame({"key": np.arange(rows) % 7, "at": np.arange(rows) // 7, "x": np.arange(rows) / 2})
    where = tmp_path / f"readings.{request.param}"
    frame.write_csv(where) if request.param == "csv" else frame.write_parquet(where)
    return where


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_gone_at_the_end_and_when_dropped(path: Path, scratch: Path) -> None:
    readings = open_readings(path, KEYED, memory_limit=1, tmp=scratch)
    panels = readings.panels(1)
    next(panels)
    assert list(scratch.iterdir())
    panels.close()
    assert not list(scratch.iterdir())
    assert sum(panel.n_rows for panel in readings.panels(1)) == 5_000
    assert not list(scratch.iterdir())


def test_gone_after_close(path: Path, scratch: Path) -> None:
    readings = open_readings(path, KEYED, memory_limit=1, tmp=scratch)
    assert str(readings.key_type) == "int64"
    readings.close()
    gc.collect()
    assert not list(scratch.iterdir())


def test_gone_after_an_error(path: Path, scratch: Path) -> None:
    pl.read_csv(path).with_columns(x=pl.lit(float("inf"))).write_csv(
        path
    ) if path.suffix == ".csv" else pl.read_parquet(path).with_columns(x=pl.lit(float("inf"))).write_parquet(path)
    with pytest.raises(DataError, match="5,000 infinite values"):
        list(open_readings(path, KEYED, memory_limit=1, tmp=scratch).panels())
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("when", ["write", "read"])
def test_gone_after_ctrl_c(path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def interrupted(*_: object) -> None:
        assert list(scratch.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(stores.FileStore, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(open_readings(path, KEYED, memory_limit=1, tmp=scratch).panels())
    assert not list(scratch.iterdir())


def test_no_scratch_folder(path: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot set readings aside in .*gone: No such file"):
        list(open_readings(path, KEYED, memory_limit=1, tmp=tmp_path / "gone").panels())


FULL = """
import resource, signal, sys
from pathlib import Path
from tocsin.errors import OutputError
from tocsin.tables import Columns, open_readings
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
readings = open_readings(sys.argv[1], Columns(key="key", time="at"), memory_limit=1, tmp=Path(sys.argv[2]))
try:
    list(readings.panels())
except OutputError as error:
    print(error)
"""


def test_a_full_disk(path: Path, scratch: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(scratch)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"cannot set readings aside in {scratch}: File too large; give tmp a folder with room\n"
    assert done.stderr == ""
    assert not list(scratch.iterdir())

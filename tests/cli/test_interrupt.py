"""Ctrl-C in the middle of long work leaves nothing half written, and says so in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

COMMAND = [sys.executable, "-c", "import sys; from tocsin.cli.main import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def readings(tmp_path_factory):
    """Return a file that takes seconds to score if half of its rows are explained."""
    path = tmp_path_factory.mktemp("long") / "readings.parquet"
    rng = np.random.default_rng(0)
    keys = np.repeat(np.arange(2000), 500)
    pl.DataFrame({"key": keys, **{f"s{i}": rng.normal(size=len(keys)) for i in range(6)}}).write_parquet(path)
    return path


@pytest.mark.parametrize("shell", [[], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]], ids=["terminal", "background"])
def test_interrupted_score_leaves_the_old_result(readings, tmp_path, shell):
    """Also where Ctrl-C is ignored in the beginning, as it is in the background of a script."""
    fleet, out = tmp_path / "fleet", tmp_path / "scores.parquet"
    often = ["--set", "contamination=0.5"]
    subprocess.run([*COMMAND, "fit", str(readings), "--key", "key", *often, "--out", str(fleet)], check=True)
    out.write_bytes(b"an older result")
    run = subprocess.Popen(
        [*shell, *COMMAND, "score", str(fleet), str(readings), "--explain", "6", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".scores*")) and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 130, told
    assert told == "tocsin: interrupted; nothing was saved\n"
    assert out.read_bytes() == b"an older result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fleet", "scores.parquet"]

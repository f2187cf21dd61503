"""Models that are changed while their stream is killed end as if it never was.

What "as if" means: the same requests, made when the same rows have come, since what is asked of a stream takes effect
between two batches. Then insights, models, alerts and versions are those of a stream without kills, byte for byte.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.stream.running import contents
from tocsin.fleet.fleet import Fleet
from tocsin.insights.base import Store
from tocsin.insights.catalog import open_store
from tocsin.insights.records import DRIFT
from tocsin.stream.adapting.versions import Versions, trials
from tocsin.stream.identity import models_in

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which each stream ran twice, once with kills; and how many there were around each change."""
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.stream.adapting.killing", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    acts, night = ([*map(int, line.split())] for line in done.stdout.splitlines())
    print("kills around each change:", acts, night)
    assert len(acts) >= 4
    assert sum(acts) >= 16
    assert sum(night) >= 3
    return folder


def same(folder: Path) -> None:
    """Check that both runs have left the same behind."""
    straight, killed = folder / "straight", folder / "killed"
    assert insights(killed) == insights(straight)
    sent = [set((path / "ids").read_text().split()) for path in (straight, killed)]
    assert sent[0] == sent[1]
    assert len(sent[0]) > 3
    tables = [pa.ipc.open_file(path / "models.arrow").read_all() for path in (straight, killed)]
    assert tables[0].num_rows > 3
    assert tables[0].equals(tables[1])


def insights(folder: Path) -> dict[bytes, Any]:
    """Return what must be the same; how far assets had drifted before a night is measured when there is time for it."""
    found = contents(folder / "store")
    drift = [key for key in found if key.startswith(DRIFT)]
    assert len(drift) >= 4
    return {key: value for key, value in found.items() if folder.parent.name != "night" or key not in drift}


def known(store: Store) -> Versions:
    found = Versions.load(store)
    assert found is not None
    return found


def test_requests_and_another_fleet_survive_kills(place: Path) -> None:
    folder = place / "acts"
    same(folder)
    said = []
    for name in ("straight", "killed"):
        store = open_store(str(folder / name / "store"))
        now = known(store)
        said.append((now.at, now.last, now.past, now.waiting, now.learned))
        assert now.source == models_in(folder / name / "fleet")
        store.close()
        folders = folder / name / "store-fleets"
        assert sorted(each.name for each in folders.iterdir()) == sorted(map(str, now.kept - {now.at} | {2}))
        said[-1] += tuple(Fleet.load(each).models.to_pylist() for each in sorted(folders.iterdir()))
    assert said[0] == said[1]
    assert said[0][:4] == (2, 2, [1], None)


def test_nights_survive_kills(place: Path) -> None:
    folder = place / "night"
    same(folder)
    found = []
    for name in ("straight", "killed"):
        store = open_store(str(folder / name / "store"))
        (trial,) = trials(store)
        now = known(store)
        assert (now.at, now.past, now.waiting) == (trial["version"], [1], None)
        found.append({key: value for key, value in trial.items() if key != "version"})
        store.close()
        table = Fleet.load(folder / name / "store-fleets" / "1").models
        found.append(table.to_pylist())
    assert found[:2] == found[2:]


@pytest.fixture(autouse=True)
def at_once() -> None:
    """Change nothing in this process: the streams run in others."""

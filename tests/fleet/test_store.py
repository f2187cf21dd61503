"""A fleet on disk: the same models come back, at once, and nobody ever sees half of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import polars as pl
import pyarrow as pa
import pytest

from tests.fleet.conftest import make_readings
from tocsin import ECOD, Fleet
from tocsin.errors import FleetError, OutputError


@pytest.fixture
def saved(fleet, tmp_path):
    fleet.save(tmp_path / "fleet")
    return tmp_path / "fleet"


def test_the_same_fleet_comes_back(fleet, saved, readings):
    other = Fleet.load(saved)
    assert other.models.equals(fleet.models)
    assert other.training_alerts.equals(fleet.training_alerts)
    assert other.detector.get_params() == fleet.detector.get_params()
    assert (other.columns, other.features, other.version) == (fleet.columns, fleet.features, 1)
    assert other.score(readings).equals(fleet.score(readings))


@pytest.mark.parametrize("detector", [ECOD(form="exact"), ECOD(tails="sum"), ECOD(half_life=50.0, extrapolate=True)])
def test_every_form_comes_back_and_learns_on(detector, readings, tmp_path):
    fleet = Fleet(detector, key="pump", time="at").fit(readings)
    fleet.save(tmp_path / "fleet")
    other, later = Fleet.load(tmp_path / "fleet"), make_readings(rows=60, seed=5, start=400)
    assert other.update(later).score(later).equals(fleet.update(later).score(later))
    other.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet")
    assert again.version == 2
    assert again.score(later).equals(fleet.score(later))


def test_saving_replaces_and_leaves_nothing_behind(fleet, saved, readings):
    names = {file.name for file in saved.iterdir()}
    opened = Fleet.load(saved)
    fleet.update(make_readings(rows=30, seed=6, start=400)).save(saved)
    after = {file.name for file in saved.iterdir()}
    assert len(names) == len(after) == 3
    assert names & after == {"fleet.json"}
    assert opened.score(readings).height == 2000
    assert Fleet.load(saved).version == 2
    assert [path.name for path in saved.parent.iterdir()] == ["fleet"]


def test_opening_runs_no_code_and_needs_no_pickle(saved):
    header = json.loads((saved / "fleet.json").read_text())
    assert header["format"] == "tocsin.fleet"
    assert header["detector"] == "ecod"
    for file in saved.glob("*.arrow"):
        table = pa.ipc.open_file(file).read_all()
        assert not any(isinstance(field.type, pa.ExtensionType) for field in table.schema)
        assert not pa.types.is_binary(table.schema.field(0).type)


def change(saved, **what):
    header = json.loads((saved / "fleet.json").read_text())
    (saved / "fleet.json").write_text(json.dumps({**header, **what}))


def test_damaged_foreign_and_newer_folders(saved, tmp_path):
    def says(path, text):
        with pytest.raises(FleetError, match=text) as caught:
            Fleet.load(path)
        assert "\n" not in str(caught.value)

    says(tmp_path / "nothing", "no such folder")
    (tmp_path / "other").mkdir()
    says(tmp_path / "other", "is not a fleet: it has no fleet.json")
    (tmp_path / "other" / "fleet.json").write_text('{"format": "something"}')
    says(tmp_path / "other", "of another kind")
    (tmp_path / "other" / "fleet.json").write_text("{")
    says(tmp_path / "other", "cannot be read")

    original = (saved / "fleet.json").read_text()
    change(saved, format_version=99)
    says(saved, "has format 99, this Tocsin reads up to 2; upgrade Tocsin")
    (saved / "fleet.json").write_text(original)
    for version in ("2", None, 1.5):
        change(saved, format_version=version)
        says(saved, f"damaged: format_version is {version!r}")
    (saved / "fleet.json").write_text(original)
    change(saved, assets=4)
    says(saved, "damaged: 5 models where fleet.json says 4")
    change(saved, assets=5, models="../elsewhere.arrow")
    says(saved, "names files outside its folder")
    (saved / "fleet.json").write_text(original)
    change(saved, detector="no_such")
    says(saved, "does not fit this Tocsin|no detector")
    (saved / "fleet.json").write_text(original)
    change(saved, parameters={"no_such": 1})
    says(saved, "does not fit this Tocsin")
    (saved / "fleet.json").write_text(original)
    change(saved, version="x")
    says(saved, "damaged: version")
    (saved / "fleet.json").write_text(original)
    models = saved / json.loads(original)["models"]
    whole = models.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 3):
        models.write_bytes(whole[:cut])
        says(saved, "damaged")
    table = pa.ipc.open_file(pa.BufferReader(whole)).read_all()
    for foreign in (pa.table({"x": range(5)}), table.append_column("note", pa.array(["mine"] * 5))):
        with pa.ipc.new_file(models, foreign.schema) as writer:
            writer.write_table(foreign)
        says(saved, "holds no models")
    models.unlink()
    says(saved, "is missing")


def test_saving_where_something_else_stands(fleet, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(OutputError, match="is not a fleet; choose another path"):
            fleet.save(path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="cannot write the fleet"):
        fleet.save(tmp_path / "notes.txt" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_leaves_the_old_fleet(fleet, saved, readings):
    """A limit on the size of files stands for the disk."""
    code = f"""
import resource, signal, sys
from tocsin import Fleet
from tocsin.errors import OutputError
fleet = Fleet.load({str(saved)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for path in ({str(saved)!r}, {str(saved.parent / "second")!r}):
    try:
        fleet.save(path)
    except OutputError as error:
        print(error)
"""
    before = sorted(file.name for file in saved.iterdir())
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.count("cannot write the fleet") == 2
    assert sorted(file.name for file in saved.iterdir()) == before
    assert [path.name for path in saved.parent.iterdir()] == ["fleet"]
    assert Fleet.load(saved).score(readings).height == 2000


def test_readers_never_see_half_a_fleet(fleet, saved):
    """One process saves again and again, until this one has opened the fleet often enough."""
    code = f"""
from tocsin import Fleet
fleet = Fleet.load({str(saved)!r})
print("ready", flush=True)
saves = 0
while True:
    fleet.save({str(saved)!r})
    saves += 1
    print(saves, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        for _ in range(12):
            writer.stdout.readline()
            for _ in range(5):
                assert len(Fleet.load(saved)) == 5
        assert writer.poll() is None
        writer.kill()


def test_two_processes_save_and_one_reads(saved):
    code = f"""
from tocsin import Fleet
fleet = Fleet.load({str(saved)!r})
print("ready", flush=True)
for _ in range(15):
    fleet.save({str(saved)!r})
"""
    writers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    for writer in writers:
        writer.stdout.readline()
    while any(writer.poll() is None for writer in writers):
        assert len(Fleet.load(saved)) == 5
    for writer in writers:
        writer.stdout.close()
        assert writer.returncode == 0
    assert len(Fleet.load(saved)) == 5
    assert len(list(saved.iterdir())) == 3


def test_a_save_waits_for_another(fleet, saved):
    fcntl = pytest.importorskip("fcntl")
    before = {file.name for file in saved.iterdir()}
    handle = os.open(saved, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second = threading.Thread(target=fleet.save, args=(saved,))
    second.start()
    second.join(0.3)
    assert second.is_alive()
    assert {file.name for file in saved.iterdir()} == before
    os.close(handle)
    second.join()
    assert len({file.name for file in saved.iterdir()} - before) == 2


@pytest.mark.parametrize("killed", ["at first", "later"])
def test_what_a_killed_save_left_is_swept(killed, fleet, tmp_path):
    folder = tmp_path / "fleet"
    folder.mkdir()
    if killed == "later":
        fleet.save(folder)
        (folder / "notes.txt").write_text("mine")
    for name in ("models-0123456789ab.arrow", "alerts-0123456789ab.arrow", ".fleet.json.0123456789ab"):
        (folder / name).write_text("half")
    fleet.save(folder)
    assert len(Fleet.load(folder)) == 5
    assert len(list(folder.glob("*.arrow"))) == 2
    others = {file.name for file in folder.iterdir() if file.suffix != ".arrow"}
    assert others == {"fleet.json"} | ({"notes.txt"} if killed == "later" else set())


def test_one_asset_of_many_is_scored_by_its_own_model(tmp_path):
    frame = pl.DataFrame({"key": [f"k{i // 2}" for i in range(6000)], "x": [float(i) for i in range(6000)]})
    Fleet(key="key").fit(frame).save(tmp_path / "many")
    fleet = Fleet.load(tmp_path / "many")
    assert len(fleet) == 3000
    one = fleet.score(pl.DataFrame({"key": ["k7", "k2999", "k7"], "x": [14.0, 14.0, 100.0]}))
    assert one["key"].to_list() == ["k7", "k7", "k2999"]
    alone = ECOD().fit([[14.0], [15.0]])
    assert one["score"].to_list()[:2] == alone.decision_function([[14.0], [100.0]]).tolist()
    assert (tmp_path / "many" / "fleet.json").stat().st_size < 2000

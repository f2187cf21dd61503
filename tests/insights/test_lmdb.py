"""A store in a folder: its bounds, its mistakes, and sharing it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lmdb
import pytest

from tocsin.errors import ParameterError, StoreBusyError, StoreError, StoreFullError
from tocsin.insights.base import FORMAT_VERSION, Span, Store

Open = Callable[..., Store]
ALL = Span(b"\x00", b"\xff")


def test_a_full_store_takes_nothing_and_takes_deletes(tmp_path: Path, opened: Open):
    store = opened(f"lmdb://{tmp_path / 'tiny'}?size=1MB&sync=never")
    store.commit([(b"first", b"1"), (b"gone", b"2")])
    taken = 0
    for number in range(10_000):
        puts = [(b"%06d/%02d" % (number, part), bytes(1000)) for part in range(10)]
        with suppress(StoreFullError):
            store.commit(puts, [b"gone"] if number else [])
            taken += len(puts)
            continue
        break
    assert 500 < taken < 1000
    assert len(list(store.scan(Span(b"0", b"9")))) == taken
    assert store.get(b"first") == b"1"
    with pytest.raises(StoreFullError, match="is full: 1 MB; keep less"):
        store.commit([(b"large", bytes(10**7))], [b"first"])
    assert store.get(b"first") == b"1"
    store.commit([], [], [Span(b"0", b"9")])
    store.commit([(b"later", bytes(1000))])
    assert store.get(b"later") == bytes(1000)


def test_room_is_used_again(tmp_path: Path, opened: Open):
    store = opened(f"lmdb://{tmp_path / 'tiny'}?size=1MB&sync=never")
    for number in range(300):
        puts = [(b"%06d/%02d" % (number, part), bytes(1000)) for part in range(50)]
        store.commit(puts, [], [Span(b"0", b"%06d" % (number - 3))] if number > 3 else [])
    assert (tmp_path / "tiny" / "data.mdb").stat().st_size < 1.25 * 10**6 + 2**20 + 2**16


def test_a_larger_map_is_seen_by_who_reads(tmp_path: Path, opened: Open):
    path = tmp_path / "store"
    small = opened(f"lmdb://{path}?size=1MB")
    small.commit([(b"a", b"1")])
    small.close()
    reader = opened(str(path), write=False)
    assert reader.get(b"a") == b"1"
    grow = [sys.executable, "-m", "tests.insights.writer", "grow", f"lmdb://{path}?size=20MB"]
    subprocess.run(grow, check=True, cwd=Path(__file__).parents[2])
    assert len(reader.get(b"grown") or b"") == 8 * 10**6
    assert len(list(reader.scan(ALL))) == 2


def test_who_reads_beside_a_writer_in_one_process_cannot_write(tmp_path: Path, opened: Open):
    writer, reader = opened(str(tmp_path / "s")), opened(str(tmp_path / "s"), write=False)
    writer.commit([(b"a", b"1")])
    assert reader.get(b"a") == b"1"
    with pytest.raises(StoreError, match="open for reading only"):
        reader.commit([(b"a", b"2")])
    writer.close()
    assert reader.get(b"a") == b"1"


def test_who_reads_in_this_process_keeps_writers_out(tmp_path: Path, opened: Open):
    opened(str(tmp_path / "s")).close()
    reader = opened(str(tmp_path / "s"), write=False)
    with pytest.raises(StoreBusyError, match="open for reading in this process"):
        opened(str(tmp_path / "s"))
    reader.close()
    with pytest.raises(StoreError, match="is closed"):
        reader.get(b"a")
    opened(str(tmp_path / "s")).commit([(b"a", b"1")])


def test_a_newer_store_is_refused(tmp_path: Path, opened: Open):
    opened(str(tmp_path / "s")).close()
    env = lmdb.open(str(tmp_path / "s"), max_dbs=1)
    with env.begin(write=True) as transaction:
        transaction.put(b"format", str(FORMAT_VERSION + 1).encode())
    env.close()
    for write in (True, False):
        with pytest.raises(StoreError, match=f"is of format {FORMAT_VERSION + 1}, and this Tocsin knows"):
            opened(str(tmp_path / "s"), write=write)


def test_what_is_no_store_is_left_alone(tmp_path: Path, opened: Open):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "data.mdb").write_bytes(b"x" * 10_000)
    env = lmdb.open(str(tmp_path / "other"))
    with env.begin(write=True) as transaction:
        transaction.put(b"mine", b"1")
    env.close()
    for name, said in [
        ("file", "is a file; a store is a folder"),
        ("folder", "is a folder of something else"),
        ("garbage", "is no store of Tocsin's"),
        ("other", "holds an LMDB that is no store of Tocsin's"),
    ]:
        with pytest.raises(StoreError, match=said) as caught:
            opened(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["notes.txt"]


def test_a_place_without_rights_is_named(tmp_path: Path, opened: Open):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot open a store at .*file/s: Not a directory"):
        opened(str(tmp_path / "file" / "s"))
    with pytest.raises(StoreError, match="cannot open a store at /proc/none"):
        opened("/proc/none/s")


@pytest.mark.parametrize(("size", "said"), [("10", "holds nothing"), ("0MB", "holds nothing"), ("10GX", "is no size")])
def test_a_size_that_makes_no_sense(size: str, said: str, tmp_path: Path, opened: Open):
    with pytest.raises(ParameterError, match=said):
        opened(f"lmdb://{tmp_path / 's'}?size={size}")


def test_a_sync_that_is_not_known(tmp_path: Path, opened: Open):
    with pytest.raises(ParameterError, match="no sync=lats; did you mean 'last'"):
        opened(f"lmdb://{tmp_path / 's'}?sync=lats")


@pytest.mark.parametrize("sync", ["commit", "last", "never"])
def test_each_way_to_be_safe_keeps_what_is_put(sync: str, tmp_path: Path, opened: Open):
    store = opened(f"lmdb://{tmp_path / 's'}?sync={sync}")
    store.commit([(b"a", b"1")])
    assert store.get(b"a") == b"1"


def test_bad_keys_are_refused_whole(tmp_path: Path, opened: Open):
    store = opened(str(tmp_path / "s"))
    for key in (b"", bytes(600)):
        with pytest.raises(StoreError, match="keys of 1 to 511 bytes"):
            store.commit([(b"a", b"1"), (key, b"2")])
    assert list(store.scan(ALL)) == []

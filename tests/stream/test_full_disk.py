"""A disk that is full: a store in a folder takes nothing, says so, and a stream goes on once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event

import polars as pl
import pyarrow as pa
import pytest

from tests.stream.running import START, Drawer, Frames, contents, later, run, trained
from tocsin.errors import StoreError, StoreFullError
from tocsin.insights import lmdb
from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store

MB = 2**20
Room = Callable[[int], None]


@contextmanager
def limited() -> Iterator[Room]:
    """Let no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted(folder: Path) -> Iterator[Room]:
    """Make a folder a file system in memory, of a size; not everybody may."""
    job = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*job, "size=1m", "tmpfs", folder], capture_output=True, check=False).returncode:
        raise PermissionError

    def room(size: int) -> None:
        subprocess.run([*job, f"remount,size={size}", "tmpfs", folder], check=True)

    try:
        yield room
    finally:
        subprocess.run(["umount", folder], check=True)


def filled(store: Store) -> int:
    """Put more and more into a store until it takes no more; return how often it took something."""
    for number in range(10_000):
        try:  # of many sizes, so that the last write is cut short
            store.commit([(b"%06d" % number, os.urandom(1 + 7919 * number % 40_000)), (b"last", b"%d" % number)])
        except StoreFullError:
            return number
    raise AssertionError("the disk is never full")


def check(where: Path, room: Room) -> None:
    """Fill a store's disk, see that nothing is lost and nothing half written, and give it room."""
    room(MB)
    address = f"lmdb://{where}?sync=never"
    store = open_store(address, write=True)
    taken = filled(store)
    assert 10 < taken < 100
    for _ in range(20):
        with pytest.raises(StoreFullError, match="no space is left on the disk of the store"):
            store.commit([(b"large", os.urandom(100_000)), (b"last", b"nothing")])
    assert store.get(b"last") == b"%d" % (taken - 1)
    room(2 * MB)
    store.commit([(b"large", bytes(100_000))], [b"last"])
    store.close()
    store = open_store(address, write=True)
    assert [key for key, _ in store.scan(Span(b"0", b"z"))] == [*(b"%06d" % i for i in range(taken)), b"large"]
    store.close()


def test_a_full_disk_takes_nothing_and_takes_more_once_it_has_room(tmp_path: Path) -> None:
    """A file that must not grow is to the store what a full disk is; a disk is tried, too, where we may mount one."""
    with limited() as room:
        check(tmp_path / "limited", room)
    disk = tmp_path / "disk"
    disk.mkdir()
    with suppress(PermissionError), mounted(disk) as room:
        check(disk / "store", room)


def test_a_disk_that_fails_is_no_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path / "store"), write=True)
    with limited() as room:
        room(MB)
        monkeypatch.setattr(lmdb, "_has_room", lambda path: True)
        with pytest.raises(StoreError, match=r"cannot write to the store .*: Input/output error"):
            store.commit([(b"large", bytes(2 * MB))])
    store.close()


def test_a_stream_waits_for_room(tmp_path: Path) -> None:
    fleet, frame, said = trained(), later(), list[str]()
    whole, drawer = Drawer(), Drawer()
    run(fleet, Frames(frame, [300]), tmp_path / "whole", whole)
    with limited() as room:

        def say(line: str) -> None:
            said.append(line)
            if "no space is left" in line:
                room(64 * MB)

        store = open_store(str(tmp_path / "store"), write=True)
        room((tmp_path / "whole" / "data.mdb").stat().st_size // 2)
        run(fleet, Frames(frame, [300]), store, drawer, say=say)
        store.close()
    assert [line.split(" the store ")[0] for line in said] == [
        "no space is left on the disk of",
        "the store is back; going on",
    ]
    assert sorted(drawer.ids) == sorted(whole.ids)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def everything(store: Store) -> list[tuple[bytes, bytes]]:
    return list(store.scan(Span(b"\0", b"\xff")))


def sized(where: Path, size: int) -> Store:
    return open_store(f"lmdb://{where}?size={size}&sync=never", write=True)


def test_a_micro_batch_that_never_fits_ends_the_stream(tmp_path: Path) -> None:
    """Whether it is larger than the store, or than what can be let go; what was committed stays, and goes on."""
    fleet, frame, said = trained(), later(), list[str]()
    whole, drawer = Drawer(), Drawer()
    run(fleet, Frames(frame, [300, 3000]), tmp_path / "whole", whole)
    place = tmp_path / "store"
    run(fleet, Frames(frame[:300], [300]), place, drawer)
    with closing(sized(place, MB)) as store:
        used, before = store.size, everything(store)
    for size in (2**16, used + 2**14):
        with closing(sized(place, size)) as store:
            with pytest.raises(StoreError, match=r"a micro-batch of .* MB never fits: the store .* \?size= .* --rows$"):
                run(fleet, Frames(frame, [3000]), store, drawer, say=said.append)
            assert everything(store) == before
    assert said == []
    run(fleet, Frames(frame, [3000]), place, drawer)
    assert set(drawer.ids) == set(whole.ids)  # what had gone out before the end may come again
    assert contents(place) == contents(tmp_path / "whole")


def test_a_store_without_room_for_the_beginning_says_so(tmp_path: Path) -> None:
    with closing(sized(tmp_path / "store", 2**16)) as store, pytest.raises(StoreError, match="never fits"):
        run(trained(), Frames(later(), [300]), store, Drawer())


def test_a_small_store_lets_the_oldest_go_and_waits_for_nothing(tmp_path: Path) -> None:
    fleet, said = trained(), list[str]()
    frame = later().with_columns(time=START + (pl.col("time") - START) * 120)  # two minutes from reading to reading
    run(fleet, Frames(frame, [50]), tmp_path / "whole", Drawer())
    with closing(open_store(str(tmp_path / "whole"))) as store:
        size = store.size
    with closing(sized(tmp_path / "store", size * 3 // 4)) as store:
        run(fleet, Frames(frame, [50]), store, Drawer(), say=said.append)
    assert said == []
    kept, every = contents(tmp_path / "store"), contents(tmp_path / "whole")
    assert 0 < len(every) - len(kept)
    assert {key for key in every if key not in kept} <= {key for key in every if key.startswith(b"i/s/m")}
    assert all(every[key] == value for key, value in kept.items())


class Held(Drawer):
    """Takes nothing before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = Event()

    def write(self, alerts: pa.Table, sequence: int) -> None:
        assert self.let.wait(60.0)
        super().write(alerts, sequence)


def test_alerts_that_wait_make_room_once_they_have_gone_out(tmp_path: Path) -> None:
    fleet, frame, said = trained(), later(), list[str]()
    whole, held = Drawer(), Held()
    run(fleet, Frames(frame, [50]), tmp_path / "whole", whole)
    with closing(open_store(str(tmp_path / "whole"))) as store:
        size = store.size

    def say(line: str) -> None:
        said.append(line)
        held.let.set()

    with closing(sized(tmp_path / "store", size + 2**15)) as store:
        run(fleet, Frames(frame, [50]), store, held, say=say)
    assert said[0].endswith("?size=...); waiting")
    assert said[-1] == "the store is back; going on"
    assert sorted(held.ids) == sorted(whole.ids)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")

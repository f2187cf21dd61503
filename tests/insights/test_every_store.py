"""What every store promises, the same tests for each: order, transactions, locks, and clear mistakes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.insights.writer import KEYS, value
from tocsin.errors import ParameterError, StoreBusyError, StoreError
from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store, stores

Open = Callable[..., Store]
ALL = Span(b"\x00", b"\xff")


def started(what: str, address: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.insights.writer", what, address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def killed(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def filled(store: Store) -> Store:
    store.commit([(b"b", b"2"), (b"a", b"1"), (b"ab", b""), (b"c\x00", bytes(range(256))), (b"\xfe", b"5")])
    return store


def keys(items: Iterator[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in items]


def test_what_was_put_is_there(filled: Store):
    assert filled.get(b"c\x00") == bytes(range(256))
    assert filled.get(b"ab") == b""
    assert filled.get(b"x") is None
    assert filled.get_many([b"b", b"x", b"a"]) == [b"2", None, b"1"]
    assert filled.get_many([]) == []
    filled.commit([(b"a", b"other")])
    assert filled.get(b"a") == b"other"


def test_scan_gives_keys_in_order(filled: Store):
    assert keys(filled.scan(ALL)) == [b"a", b"ab", b"b", b"c\x00", b"\xfe"]
    assert dict(filled.scan(Span(b"a", b"b"))) == {b"a": b"1", b"ab": b""}
    assert keys(filled.scan(Span.of_prefix(b"a"))) == [b"a", b"ab"]
    assert keys(filled.scan(Span(b"aa", b"c\x00"))) == [b"ab", b"b"]
    assert keys(filled.scan(Span(b"x", b"a"))) == []


def test_scan_goes_backwards(filled: Store):
    assert keys(filled.scan(ALL, backwards=True)) == [b"\xfe", b"c\x00", b"b", b"ab", b"a"]
    assert keys(filled.scan(Span(b"ab", b"c"), backwards=True)) == [b"b", b"ab"]
    assert keys(filled.scan(Span(b"a", b"b"), backwards=True, most=1)) == [b"ab"]
    assert keys(filled.scan(Span(b"0", b"a"), backwards=True)) == []


def test_scan_stops_after_so_many(filled: Store):
    assert keys(filled.scan(ALL, most=2)) == [b"a", b"ab"]
    assert keys(filled.scan(ALL, most=0)) == []
    assert keys(filled.scan(ALL, most=99)) == keys(filled.scan(ALL))


def test_scan_of_many_is_whole(store: Store):
    store.commit([(b"n/%05d" % number, b"%d" % number) for number in range(2500)])
    found = list(store.scan(Span.of_prefix(b"n/")))
    assert found == [(b"n/%05d" % number, b"%d" % number) for number in range(2500)]
    assert list(store.scan(Span.of_prefix(b"n/"), backwards=True)) == found[::-1]


def test_several_spans_are_read_at_once(filled: Store):
    spans = [Span(b"a", b"b"), Span(b"x", b"y"), Span(b"b", b"c"), Span(b"a", b"ab")]
    assert filled.scan_all(spans) == [list(filled.scan(span)) for span in spans]
    assert filled.scan_all([]) == []


def test_deletes_come_before_puts(filled: Store):
    filled.commit([(b"b", b"new"), (b"ac", b"3")], [b"b", b"none"], [Span(b"a", b"b"), Span(b"y", b"z")])
    assert dict(filled.scan(ALL)) == {b"ac": b"3", b"b": b"new", b"c\x00": bytes(range(256)), b"\xfe": b"5"}
    filled.commit([], [b"c\x00"])
    filled.commit([], [], [ALL])
    assert list(filled.scan(ALL)) == []
    filled.commit([])


small = st.binary(min_size=1, max_size=3)


@given(
    commits=st.lists(
        st.tuples(
            st.lists(st.tuples(small, st.binary(max_size=5)), max_size=5),
            st.lists(small, max_size=3),
            st.lists(st.tuples(small, small), max_size=2),
        ),
        max_size=6,
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_a_sorted_map(store: Store, commits):
    store.commit([], [], [ALL, Span(b"\xff", b"\xff\xff\xff\xff\xff")])
    known: dict[bytes, bytes] = {}
    for puts, deletes, pairs in commits:
        spans = [Span(*pair) for pair in pairs]
        store.commit(puts, deletes, spans)
        known = {k: v for k, v in known.items() if k not in deletes and not any(a <= k < b for a, b in spans)}
        known.update(puts)
    assert list(store.scan(Span(b"\x00", b"\xff\xff\xff\xff"))) == sorted(known.items())


def test_a_large_value_comes_back(store: Store):
    large = bytes(range(256)) * 40_000
    store.commit([(b"large", large)])
    assert store.get(b"large") == large
    assert store.size > len(large) / 2


def test_size_grows_and_shrinks(store: Store):
    before = store.size
    store.commit([(b"%06d" % number, bytes(100)) for number in range(5000)])
    full = store.size
    assert full > before + 400_000
    store.commit([], [], [ALL])
    assert store.size < full / 4


def test_it_is_there_when_opened_again(address: str, opened: Open):
    first = opened(address)
    first.commit([(b"a", b"1")])
    first.close()
    first.close()
    assert opened(address, write=False).get(b"a") == b"1"


def test_none_is_made_by_reading(address: str, opened: Open):
    with pytest.raises(StoreError, match="there is no store at"):
        opened(address, write=False)
    with pytest.raises(StoreError, match="there is no store at"):
        opened(address, write=False)


def test_an_unknown_option_is_refused(address: str, opened: Open):
    with pytest.raises(ParameterError, match="no option 'colour'"):
        opened(f"{address}&colour=red")


def test_a_lock_has_one_holder(address: str, store: Store, opened: Open):
    other = opened(address)
    with store.alone("stream"), other.alone("else"):
        store.commit([(b"a", b"1")])
        with pytest.raises(StoreBusyError, match="in use by process"), other.alone("stream"):
            pass
    with other.alone("stream"):
        other.commit([(b"a", b"2")])
    assert store.get(b"a") == b"2"


def test_the_lock_of_the_dead_is_free(address: str, store: Store):
    process = started("hold", address)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StoreBusyError, match=rf"process {process.pid}\b"), store.alone("stream"):
        pass
    killed(process)
    with store.alone("stream"):
        store.commit([(b"a", b"1")])


def test_a_killed_writer_leaves_all_or_nothing(address: str, store: Store):
    newest = 0
    for _ in range(12):
        process = started("write", address)
        assert process.stdout is not None
        process.stdout.readline()
        killed(process)
        found = set(store.get_many([b"k/%03d" % number for number in range(KEYS)]))
        assert len(found) == 1
        generation = int.from_bytes((found.pop() or b"")[:8], "big")
        assert generation > newest
        newest = generation
        assert list(store.scan(Span.of_prefix(b"s/"))) == [(b"s/%08d" % newest, value(newest))]


def test_many_read_beside_a_writer(address: str, store: Store):
    store.commit([(b"k/%03d" % number, value(0)) for number in range(KEYS)])
    writer = started("write", address)
    readers = [started("read", address) for _ in range(3)]
    looked = []
    for reader in readers:
        out, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        looked.append(int(out))
    assert writer.poll() is None
    killed(writer)
    assert min(looked) > 0


def test_the_catalog_knows_their_schemes():
    assert {"", "lmdb", "redis", "rediss", "unix", "valkey"} <= set(stores())
    with pytest.raises(ParameterError, match="no store reddis://; did you mean 'redis'"):
        open_store("reddis://localhost")
    with pytest.raises(ParameterError, match=r"takes no options; write lmdb://store\?size="):
        open_store("store?size=9GB", write=True)

"""A store in a server: what is said when the server is full, gone, closed to us, or used for something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis as client

from tests.services import redis
from tests.services.servers import certify
from tocsin.errors import ParameterError, StoreBusyError, StoreError, StoreFullError, UnavailableError
from tocsin.insights.base import FORMAT_VERSION, Span, Store

Open = Callable[..., Store]


def test_a_full_server_takes_nothing_and_takes_deletes(tmp_path: Path, opened: Open):
    with redis.running(tmp_path, "--maxmemory", "4mb", "--maxmemory-policy", "noeviction") as server:
        store = opened(server.address)
        taken, kept = 0, b"kept"
        for number in range(10_000):
            puts = [(b"%06d/%02d" % (number, part), bytes(1000)) for part in range(10)]
            with suppress(StoreFullError):
                store.commit([(b"kept%d" % number, b"1"), *puts], [kept])
                taken, kept = taken + 10, b"kept%d" % number
                continue
            break
        assert [key for key, _ in store.scan(Span.of_prefix(b"kept"))] == [kept]
        assert len(list(store.scan(Span(b"0", b"9")))) == taken
        with pytest.raises(StoreFullError, match="is full: raise its maxmemory, or keep less"):
            store.commit([(b"large", bytes(1000))] * 2000)
        store.commit([], [], [Span(b"0", b"9")])
        store.commit([(b"x", b"1")])
        assert store.get(b"x") == b"1"


def test_a_server_that_goes_and_comes_back(tmp_path: Path, opened: Open):
    port = redis.free_port()
    with redis.running(tmp_path, "--appendonly", "yes", "--appendfsync", "always", port=port) as server:
        store = opened(server.address)
        store.commit([(b"a", b"1")])
    with pytest.raises(UnavailableError, match=rf"redis://127.0.0.1:{port}/0 does not answer: .*refused"):
        store.commit([(b"a", b"2")])
    for act in (lambda: store.get(b"a"), lambda: list(store.scan(Span(b"a", b"b"))), lambda: store.size):
        with pytest.raises(UnavailableError, match="does not answer"):
            act()
    with pytest.raises(UnavailableError, match="does not answer"):
        opened(server.address)
    with redis.running(tmp_path, "--appendonly", "yes", port=port):
        assert store.get(b"a") == b"1"
        store.commit([(b"a", b"2")])
        assert store.get(b"a") == b"2"


def test_passwords_are_asked_for_and_never_shown(tmp_path: Path, opened: Open):
    users = ["--requirepass", "s3cret", "--user", "reader", "on", ">w0rd", "~*", "+get", "+type", "+hget"]
    with redis.running(tmp_path, *users) as server:
        place = f"{server.host}:{server.port}/0"
        opened(f"redis://:s3cret@{place}").commit([(b"a", b"1")])
        for login in ("", ":wr0ng@", "nobody:wr0ng@"):
            with pytest.raises(StoreError, match="refuses the user or password") as caught:
                opened(f"redis://{login}{place}")
            assert "wr0ng" not in str(caught.value)
        limited = opened(f"redis://reader:w0rd@{place}", write=False)
        assert limited.get(b"a") == b"1"
        assert limited.size == 0
        with pytest.raises(StoreError, match="no right to what a store needs") as caught:
            limited.commit([(b"a", b"hidden")])
        assert "hidden" not in str(caught.value)
        assert "w0rd" not in str(caught.value)


def test_a_server_that_forgets_is_refused(tmp_path: Path, opened: Open):
    settings = ("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    said = "maxmemory-policy to noeviction, not allkeys-lru"
    with redis.running(tmp_path, *settings) as server, pytest.raises(StoreError, match=said):
        opened(server.address)


def test_a_newer_store_and_something_else_are_refused(server: redis.Server, opened: Open):
    with client.Redis(port=server.port) as direct:
        direct.set("newer:format", str(FORMAT_VERSION + 1))
        direct.set("other:values", "x")
        direct.hset("third:format", "x", "y")
    for write in (True, False):
        with pytest.raises(StoreError, match=f"is of format {FORMAT_VERSION + 1}"):
            opened(f"{server.address}?prefix=newer", write=write)
        with pytest.raises(StoreError, match="holds something else under other:"):
            opened(f"{server.address}?prefix=other", write=write)
        with pytest.raises(StoreError, match="is no store of Tocsin's"):
            opened(f"{server.address}?prefix=third", write=write)


def test_who_has_lost_the_lease_writes_no_more(server: redis.Server, opened: Open):
    address = f"{server.address}?prefix=lost&lease=3s"
    store = opened(address)
    with client.Redis(port=server.port) as direct, store.alone("stream"):
        store.commit([(b"a", b"1")])
        direct.set("lost:lock:stream", "token process 7 on elsewhere")
        with pytest.raises(StoreBusyError, match="was taken over by process 7 on elsewhere"):
            store.commit([(b"a", b"2")])
        assert store.get(b"a") == b"1"
        with pytest.raises(StoreBusyError, match="in use by process 7 on elsewhere"), opened(address).alone("stream"):
            pass
        direct.delete("lost:lock:stream")
        store.commit([(b"a", b"3")])
        assert direct.pttl("lost:lock:stream") > 0
        direct.pexpire("lost:lock:stream", 60_000)
        deadline = time.monotonic() + 30
        while (left := direct.pttl("lost:lock:stream")) > 3_000:
            assert time.monotonic() < deadline, "the lease is renewed while nothing is written"
            time.sleep(0.05)
        assert left > 0
    assert store.get(b"a") == b"3"


def test_by_socket_and_by_valkey(server: redis.Server, opened: Open):
    opened(f"unix://{server.socket}?prefix=socket").commit([(b"a", b"1")])
    assert opened(f"valkey://127.0.0.1:{server.port}?prefix=socket", write=False).get(b"a") == b"1"
    with pytest.raises(UnavailableError, match=r"unix:///none\.sock does not answer"):
        opened("unix:///none.sock")


def test_by_tls_only_whoever_is_trusted(tmp_path: Path, opened: Open):
    certificate, key = certify(tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = certify(tmp_path / "other")
    port = redis.free_port()
    files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
    with redis.running(tmp_path, "--tls-port", str(port), *map(str, files), "--tls-auth-clients", "no"):
        address = f"rediss://127.0.0.1:{port}/0"
        store = opened(f"{address}?ca={certificate}")
        with store.alone("stream"):
            store.commit([(b"a", b"1")])
        assert opened(f"{address}?ca={certificate}", write=False).get(b"a") == b"1"
        for other in (address, f"{address}?ca={stranger}"):
            with pytest.raises(StoreError, match=r"certificate that is not trusted; name who is with \?ca=") as caught:
                opened(other)
            assert not isinstance(caught.value, UnavailableError), "it would be waited for in vain"
        with pytest.raises(UnavailableError, match="does not answer"):
            opened(f"redis://127.0.0.1:{port}/0")
    (tmp_path / "empty.pem").write_text("")
    for name, why in (("none.pem", "No such file"), ("empty.pem", "it holds no certificate")):
        with pytest.raises(ParameterError, match=rf"cannot read who is trusted from \?ca=.*{name}: {why}"):
            opened(f"{address}?ca={tmp_path / name}")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("redis://localhost:port/0", "'port' is no port"),
        ("redis://localhost/name", "the number of a database"),
        ("redis://localhost/0?lease=soon", "is no duration"),
        ("redis://localhost/0?lease=2h", "a lease lasts from 100ms to 1h"),
        ("redis://localhost/0?db=1", "no option 'db'"),
        ("redis://localhost/0?ca=file.pem", "no option 'ca'"),
    ],
)
def test_addresses_that_make_no_sense(address: str, said: str, opened: Open):
    with pytest.raises(ParameterError, match=said):
        opened(address)

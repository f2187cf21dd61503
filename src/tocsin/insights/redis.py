"""A store in a server: Redis or Valkey, for those who run one anyway or read from other machines."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Self

from tocsin import quantities
from tocsin.errors import ParameterError, StoreBusyError, StoreError, StoreFullError, TocsinError, UnavailableError
from tocsin.extras import need
from tocsin.insights.base import FORMAT_VERSION, Span, Store, check_format
from tocsin.urls import Address

PART = 1000
"""How many keys of a span are fetched at once."""
ATTEMPTS = 10
LEASE = "6s"


class Redis(Store):
    """Keys in a sorted set and values in a hash of a Redis or Valkey server, under names that begin with a prefix.

    ``redis://user:password@localhost:6379/0?prefix=tocsin``; ``rediss://`` speaks TLS (``?ca=file.pem`` names who is
    trusted), ``unix:///run/redis.sock?db=0`` uses a socket. A commit is one ``MULTI`` and ``EXEC``. It outlives this
    process; whether it outlives the server's is up to the server (``appendonly yes``). A server that evicts keys when
    it is full is refused for writing. `lease` is how long a lock outlives a holder that dies, 6 seconds by default.
    """

    schemes = ("redis", "rediss", "unix", "valkey")

    def __init__(self, client: Any, where: str, prefix: str, lease: float) -> None:
        self._client, self._where, self._prefix, self._lease = client, where, prefix, lease
        self._keys, self._values, self._format = (f"{prefix}:{name}" for name in ("keys", "values", "format"))
        self._held: dict[str, bytes] = {}

    @classmethod
    def open(cls, address: Address, *, write: bool = False) -> Self:
        """Connect, and see that what is there is a store or, to be written, nothing; see `Store.open`."""
        socketed = address.scheme == "unix"
        secure = address.scheme == "rediss"
        address.check_options(["lease", "prefix", *(["db"] if socketed else []), *(["ca"] if secure else [])])
        number = address.options.get("db", "0") if socketed else address.path or "0"
        if not number.isdigit():
            raise ParameterError(f"{address}: the number of a database, such as /0, not {number!r}, follows the host")
        lease = _seconds(address.options.get("lease", LEASE))
        how: dict[str, Any] = {"db": int(number), "username": address.user, "password": address.password}
        if socketed:
            how["unix_socket_path"] = address.path
        else:
            host, port = _host(address)
            how |= {"host": host, "port": port}
        if secure:
            how |= {"ssl": True, "ssl_ca_certs": _trusted(address)}
        backoff, retry = need("redis.backoff", "stream", "Redis"), need("redis.retry", "stream", "Redis")
        client = _redis().Redis(**how, retry=retry.Retry(backoff.NoBackoff(), 0), socket_timeout=30)
        store = cls(client, str(address), address.options.get("prefix", "tocsin"), lease)
        try:
            store._check(write=write)
        except BaseException:
            store.close()
            raise
        return store

    def get(self, key: bytes) -> bytes | None:
        """Return a value, None if there is none."""
        with self._asking():
            found: bytes | None = self._client.hget(self._values, key)
            return found

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys as they were at one moment."""
        if not keys:
            return []
        with self._asking():
            found: list[bytes | None] = self._client.hmget(self._values, keys)
            return found

    def scan(self, span: Span, *, most: int | None = None, backwards: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values of a span in order, some at a time; what goes meanwhile is left out."""
        low, high, given = b"[" + span.first, b"(" + span.end, 0
        while most is None or given < most:
            many = PART if most is None else min(PART, most - given)
            with self._asking():
                if backwards:
                    keys = self._client.zrevrangebylex(self._keys, high, low, 0, many)
                else:
                    keys = self._client.zrangebylex(self._keys, low, high, 0, many)
                values = self._client.hmget(self._values, keys) if keys else []
            found = [(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
            yield from found
            given += len(found)
            if len(keys) < many:
                return
            low, high = (low, b"(" + keys[-1]) if backwards else (b"(" + keys[-1], high)

    def scan_all(self, spans: Sequence[Span]) -> list[list[tuple[bytes, bytes]]]:
        """Return all that several spans hold, with two questions in all."""
        with self._asking(), self._client.pipeline(transaction=False) as pipe:
            for span in spans:
                pipe.zrangebylex(self._keys, b"[" + span.first, b"(" + span.end)
            keys = pipe.execute() if spans else []
            whole = [key for part in keys for key in part]
            known = dict(zip(whole, self._client.hmget(self._values, whole) if whole else [], strict=True))
        return [[(key, value) for key in part if (value := known[key]) is not None] for part in keys]

    def commit(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        spans: Sequence[Span] = (),
    ) -> None:
        """Delete, then write, all of it or nothing; see `Store.commit`.

        Raises
        ------
        StoreBusyError
            If a lock that this process held has run out, and another holds it now.
        """
        redis, gone = _redis(), list(deletes)
        for _ in range(ATTEMPTS):
            with self._asking(), self._client.pipeline(transaction=True) as pipe:
                try:
                    gone = [*deletes, *self._looked_up(pipe, spans)]
                    self._change(pipe, puts, gone)
                    return
                except redis.WatchError:  # a lock was renewed meanwhile, or keys of a span came
                    continue
                except (redis.exceptions.OutOfMemoryError, redis.exceptions.ExecAbortError):
                    if puts or not gone:
                        raise
                    break
        else:
            raise UnavailableError(f"{self._where}: others write there all the time; try again")
        with self._asking():  # a full server takes no transaction at all, but one command that deletes is one, too
            self._client.hdel(self._values, *gone)
            self._client.zrem(self._keys, *gone)

    def _looked_up(self, pipe: Any, spans: Sequence[Span]) -> list[bytes]:
        """Watch what a transaction rests on: that the locks are ours still, and which keys the spans hold."""
        watched = [*map(self._lock, self._held), *([self._keys] if spans else [])]
        if not watched:
            return []
        pipe.watch(*watched)
        lapsed = []
        for name, mine in self._held.items():
            holder = pipe.get(self._lock(name))
            if holder is None:
                lapsed.append(name)
            elif holder != mine:
                raise StoreBusyError(f"{self._where} was taken over by {_whose(holder)} while nothing was written")
        found = [pipe.zrangebylex(self._keys, b"[" + span.first, b"(" + span.end) for span in spans]
        pipe.multi()
        for name in lapsed:
            pipe.set(self._lock(name), self._held[name], px=self._milliseconds)
        return [key for keys in found for key in keys]

    def _change(self, pipe: Any, puts: Sequence[tuple[bytes, bytes]], gone: Sequence[bytes]) -> None:
        if gone:
            pipe.zrem(self._keys, *gone)
            pipe.hdel(self._values, *gone)
        if puts:
            values = dict(puts)
            pipe.zadd(self._keys, dict.fromkeys(values, 0))
            pipe.hset(self._values, mapping=values)
        pipe.execute()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a key that runs out unless it is renewed, which a thread does; a dead holder's is waited for."""
        mine = f"{secrets.token_hex(8)} process {os.getpid()} on {socket.gethostname()}".encode()
        self._take(name, mine)
        self._held[name] = mine
        done = Event()
        keeper = Thread(target=self._renew, args=(name, mine, done), name="tocsin-lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()
            self._held.pop(name, None)
            with suppress(TocsinError):
                self._if_mine(name, mine, lambda pipe: pipe.delete(self._lock(name)))

    def _take(self, name: str, mine: bytes) -> None:
        """Set the lock, once nobody renews it any more."""
        left_before: int | None = None
        while True:
            with self._asking():
                if self._client.set(self._lock(name), mine, nx=True, px=self._milliseconds):
                    return
                holder, left = self._client.get(self._lock(name)), self._client.pttl(self._lock(name))
            if holder is not None and (left == -1 or (left_before is not None and left > left_before)):
                raise StoreBusyError(
                    f"{self._where} is in use by {_whose(holder)}; stop it first, or take another ?prefix="
                )
            left_before = left if holder is not None else None
            time.sleep(0.05)

    def _renew(self, name: str, mine: bytes, done: Event) -> None:
        while not done.wait(self._lease / 3):
            with suppress(TocsinError):  # the next commit finds out
                self._if_mine(name, mine, lambda pipe: pipe.pexpire(self._lock(name), self._milliseconds))

    def _if_mine(self, name: str, mine: bytes, act: Any) -> None:
        with self._asking(), self._client.pipeline(transaction=True) as pipe:
            pipe.watch(self._lock(name))
            if pipe.get(self._lock(name)) == mine:
                pipe.multi()
                act(pipe)
                with suppress(_redis().WatchError):
                    pipe.execute()

    @property
    def size(self) -> int:
        """How many bytes are in use, as the server estimates it from some of the values; 0 if we may not ask."""
        sizes: list[int | None] = []
        with self._asking(), suppress(_redis().ResponseError):
            sizes += [self._client.memory_usage(name, samples=64) for name in (self._keys, self._values)]
        return sum(size or 0 for size in sizes)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @property
    def _milliseconds(self) -> int:
        return int(1000 * self._lease)

    def _lock(self, name: str) -> str:
        return f"{self._prefix}:lock:{name}"

    def _check(self, *, write: bool) -> None:
        """See that what is there is a store of a known version, or make one."""
        with self._asking():
            said = self._client.get(self._format) if self._kind(self._format) in ("string", "none") else b"?"
            kinds = {self._kind(self._keys), self._kind(self._values)}
        if said is None:
            if kinds != {"none"}:
                raise StoreError(f"{self._where} holds something else under {self._prefix}:; take another ?prefix=")
            if not write:
                raise StoreError(f"there is no store at {self._where}; tocsin stream makes one")
        else:
            check_format(said, self._where)
        if not write:
            return
        with self._asking():
            policy = ""
            with suppress(_redis().ResponseError):  # not everybody may ask
                policy = str(self._client.info("memory").get("maxmemory_policy", ""))
            if policy.startswith("allkeys"):
                raise StoreError(
                    f"{self._where} throws keys away when it is full; set its maxmemory-policy to noeviction, "
                    f"not {policy}"
                )
            if said is None:
                self._client.set(self._format, str(FORMAT_VERSION), nx=True)

    def _kind(self, name: str) -> str:
        return str(self._client.type(name).decode())

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Say what went wrong in one line, without what was asked."""
        redis = _redis()
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.AuthorizationError):
            raise StoreError(f"{self._where} refuses the user or password") from None
        except redis.exceptions.NoPermissionError:
            raise StoreError(f"{self._where}: this user has no right to what a store needs") from None
        except redis.WatchError:
            raise
        except (redis.exceptions.OutOfMemoryError, redis.exceptions.ExecAbortError):
            raise StoreFullError(f"{self._where} is full: raise its maxmemory, or keep less") from None
        except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, OSError) as error:
            if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
                raise StoreError(
                    f"{self._where} has a certificate that is not trusted; name who is with ?ca=file.pem"
                ) from None
            raise UnavailableError(f"{self._where} does not answer: {_cause(error)}") from None
        except redis.RedisError as error:
            said = str(error).split(":")[-1].strip() if "Command #" in str(error) else str(error)
            if said.startswith("MISCONF"):
                raise StoreFullError(f"{self._where} cannot save what it holds: see the disk of the server") from None
            raise StoreError(f"{self._where}: {' '.join(said.split())[:200]}") from None


def _redis() -> Any:
    return need("redis", "stream", "Redis")


def _whose(holder: bytes) -> str:
    return holder.decode("utf-8", "replace").partition(" ")[2] or "another process"


def _cause(error: BaseException) -> str:
    """Return what the operating system said, else what the client says."""
    inner = error.__cause__ or error.__context__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return " ".join(str(error).split())[:200]


def _host(address: Address) -> tuple[str, int]:
    host, colon, port = address.host.rpartition(":")
    if not colon or address.host.endswith("]"):
        host, port = address.host, "6379"
    if not port.isdigit():
        raise ParameterError(f"{address}: {port!r} is no port")
    return host.strip("[]") or "localhost", int(port)


def _trusted(address: Address) -> str | None:
    """Return the file of certificates that a server's must come from, None for those of the system."""
    path = address.options.get("ca")
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ParameterError(f"cannot read who is trusted from ?ca={path}: {why}") from None
    return path


def _seconds(text: str) -> float:
    seconds = quantities.seconds(text)
    if not 0.1 <= seconds <= 3600:
        raise ParameterError(f"a lease lasts from 100ms to 1h, not {text}")
    return seconds

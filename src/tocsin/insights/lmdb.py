"""A store in a folder: LMDB, which many processes read beside the one that writes, without any server."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, Self

from tocsin import quantities
from tocsin.errors import ParameterError, StoreBusyError, StoreError, StoreFullError, did_you_mean
from tocsin.extras import need
from tocsin.insights.base import FORMAT_VERSION, Span, Store, check_format
from tocsin.urls import Address

SIZE, LEAST = 32 * 10**9, 2**16
"""How many bytes a store may hold if its address does not say, and how many it must."""
SYNC = {
    "commit": {},
    "last": {"metasync": False},
    "never": {"metasync": False, "sync": False},
}
"""What LMDB is told for each way to be safe from a loss of power."""
READERS, CHECK_EVERY = 512, 256
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says if a file cannot grow."""
AT_ONCE = 2**18
"""The most bytes that LMDB writes in one call."""
_FORMAT, _DATA = b"format", b"data"


class _Opened:
    """An environment of this process, which LMDB allows one of for each folder, and those who use it."""

    by_files: dict[tuple[int, int], _Opened] = {}  # noqa: RUF012 - one for the process is the point
    lock = Lock()

    def __init__(self, env: Any, data: Any, files: tuple[int, int], *, write: bool) -> None:
        self.env, self.data, self.files, self.write, self.users = env, data, files, write, 1

    def leave(self) -> None:
        """Close the environment if nobody else uses it, with all of it on the disk."""
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.by_files.pop(self.files, None)
                if self.write:
                    self.env.sync(True)
                self.env.close()


class LMDB(Store):
    """Keys and values in a folder, mapped into memory.

    ``lmdb:///var/lib/store?size=10GB&sync=last``, or a plain path. `size` bounds what is in it; the file grows as it is
    filled, to a quarter more at most, since what is deleted needs a little room, too. Reading takes no lock that a
    writer would wait for, and costs a few microseconds.

    A commit always outlives its process, kill -9 included. What outlives a loss of power is said by `sync`: ``last``,
    as by default, flushes all but the pointer to the last commit, so that this one may be undone and the store is
    whole in any case; ``commit`` flushes that, too; ``never`` leaves it to the operating system, and then a loss of
    power may harm the whole store.
    """

    schemes = ("", "lmdb")

    def __init__(self, path: Path, opened: _Opened, limit: int, *, write: bool) -> None:
        self._path, self._opened, self._limit, self._write = path, opened, limit, write
        self._commits, self._closed = 0, False

    @classmethod
    def open(cls, address: Address, *, write: bool = False) -> Self:
        """Open the store in a folder; see `Store.open`."""
        address.check_options(["size", "sync"])
        limit = _size(address.options["size"]) if "size" in address.options else SIZE
        sync = address.options.get("sync", "last")
        if sync not in SYNC:
            raise ParameterError(f"no sync={sync}{did_you_mean(sync, SYNC)}")
        path = Path(address.host) / address.path if address.host else Path(address.path)
        _check_folder(path, write=write)
        with _Opened.lock:
            known = _Opened.by_files.get(_files(path)) if (path / "data.mdb").exists() else None
            if known is not None:
                if write and not known.write:
                    raise StoreBusyError(f"{path} is open for reading in this process; close that first")
                known.users += 1
                return cls(path, known, limit, write=write)
            opened = _open(path, limit + limit // 4 + 2**20, SYNC[sync], write=write)
            _Opened.by_files[opened.files] = opened
            return cls(path, opened, limit, write=write)

    def get(self, key: bytes) -> bytes | None:
        """Return a value, None if there is none."""
        with self._begin() as transaction:
            found: bytes | None = transaction.get(key)
            return found

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys as they were at one moment."""
        with self._begin() as transaction:
            return list(map(transaction.get, keys))

    def scan(self, span: Span, *, most: int | None = None, backwards: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values of a span in order, as they were when the first was asked for."""
        with self._begin() as transaction:
            yield from _walk(transaction, span, most, backwards=backwards)

    def scan_all(self, spans: Sequence[Span]) -> list[list[tuple[bytes, bytes]]]:
        """Return all that several spans hold, as it was at one moment."""
        found: list[list[tuple[bytes, bytes]]] = []
        with self._begin() as transaction, transaction.cursor() as cursor:
            for first, end in spans:
                part: list[tuple[bytes, bytes]] = []
                found.append(part)
                if cursor.set_range(first):
                    for item in cursor.iternext():
                        if item[0] >= end:
                            break
                        part.append(item)
        return found

    def commit(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        spans: Sequence[Span] = (),
    ) -> None:
        """Delete, then write, all of it or nothing; see `Store.commit`."""
        lmdb = _lmdb()
        try:
            with self._begin(write=True) as transaction:
                _change(transaction, puts, deletes, spans)
                if puts and _used(transaction.stat(self._opened.data)) > self._limit:
                    raise self._full(self._limit)
        except lmdb.MapFullError:  # pages that somebody still reads come back, what is too much never fits
            needs = self.size + 2 * sum(len(key) + len(value) for key, value in puts)
            raise self._full(self._limit if needs > self._limit else None) from None
        except lmdb.BadValsizeError:
            raise StoreError(f"the store {self._path} takes keys of 1 to 511 bytes") from None
        except lmdb.Error as error:
            if _code(error) in FULL or (_code(error) == errno.EIO and not _has_room(self._path)):
                raise StoreFullError(f"no space is left on the disk of the store {self._path}") from None
            raise StoreError(f"cannot write to the store {self._path}: {_said(error)}") from None
        self._commits += 1
        if self._commits % CHECK_EVERY == 0:
            self._opened.env.reader_check()  # readers that died hold pages

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a lock of the operating system's on a file in the folder, which says who holds it."""
        import fcntl

        path = self._path / f"{name}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(file, 32, 0).decode("ascii", "replace").strip()
                raise StoreBusyError(
                    f"the store {self._path} is in use by process {holder or 'unknown'}; stop it first, or take "
                    "another store"
                ) from None
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(file)

    @property
    def size(self) -> int:
        """How many bytes are in use, pages that are partly filled counted whole."""
        with self._begin() as transaction:
            return _used(transaction.stat(self._opened.data))

    def close(self) -> None:
        """Let go of the folder."""
        if not self._closed:
            self._closed = True
            self._opened.leave()

    def _full(self, limit: int | None) -> StoreFullError:
        self._opened.env.reader_check()
        return StoreFullError(
            f"the store {self._path} is full: {self._limit / 1e6:,.4g} MB; keep less, or open it with a larger ?size= "
            f"(lmdb://{self._path}?size=...)",
            limit,
        )

    def _begin(self, *, write: bool = False) -> Any:
        """Return a transaction, also after another process has let the map grow."""
        if self._closed:
            raise StoreError(f"the store {self._path} is closed")
        if write and not self._write:
            raise StoreError(f"the store {self._path} is open for reading only")
        env, data, lmdb = self._opened.env, self._opened.data, _lmdb()
        try:
            try:
                return env.begin(db=data, write=write)
            except lmdb.MapResizedError:
                env.set_mapsize(0)
                return env.begin(db=data, write=write)
        except lmdb.Error as error:
            raise StoreError(f"cannot use the store {self._path}: {_said(error)}") from None


def _lmdb() -> Any:
    return need("lmdb", "stream", "A store in a folder")


def _files(path: Path) -> tuple[int, int]:
    found = (path / "data.mdb").stat()
    return found.st_dev, found.st_ino


def _check_folder(path: Path, *, write: bool) -> None:
    """See to it that the folder is there, and is either a store or may become one."""
    try:
        if (path / "data.mdb").is_file():
            return
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file; a store is a folder")
        if not write:
            raise StoreError(f"there is no store at {path}; tocsin stream makes one")
        path.mkdir(parents=True, exist_ok=True)
        if any(each.suffix not in (".lock", ".mdb") for each in path.iterdir()):
            raise StoreError(f"{path} is a folder of something else; give a store one of its own")
    except OSError as error:
        raise StoreError(f"cannot open a store at {path}: {error.strerror or error}") from None


def _open(path: Path, room: int, sync: dict[str, bool], *, write: bool) -> _Opened:
    lmdb = _lmdb()
    how = {"map_size": room, **sync} if write else {"map_size": 0, "readonly": True, "create": False}
    try:
        env = lmdb.open(str(path), max_dbs=1, max_readers=READERS, **how)
    except lmdb.Error as error:
        if isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.VersionMismatchError):
            raise StoreError(f"{path} is no store of Tocsin's: {_said(error)}") from None
        hint = "" if write else "; reading needs the right to write its lock.mdb, too"
        raise StoreError(f"cannot open the store {path}: {_said(error)}{hint}") from None
    try:
        return _Opened(env, _checked(lmdb, env, path, write=write), _files(path), write=write)
    except lmdb.Error as error:
        env.close()
        raise StoreError(f"cannot open the store {path}: {_said(error)}") from None
    except BaseException:
        env.close()
        raise


def _checked(lmdb: Any, env: Any, path: Path, *, write: bool) -> Any:
    """Return the database of an environment that is a store of ours, or new."""
    if write:
        env.reader_check()
    with env.begin() as transaction:
        said, empty = transaction.get(_FORMAT), transaction.stat(env.open_db(None, transaction))["entries"] == 0
    if said is None and not (write and empty):
        raise StoreError(f"{path} holds an LMDB that is no store of Tocsin's; give a store a folder of its own")
    if said is not None:
        check_format(said, str(path))
    if said is None:
        with env.begin(write=True) as transaction:
            data = env.open_db(_DATA, transaction)
            transaction.put(_FORMAT, str(FORMAT_VERSION).encode())
        env.sync(True)
        return data
    try:
        return env.open_db(_DATA, create=False)
    except lmdb.NotFoundError:
        raise StoreError(f"{path} is no whole store") from None


def _change(
    transaction: Any, puts: Sequence[tuple[bytes, bytes]], deletes: Sequence[bytes], spans: Sequence[Span]
) -> None:
    with transaction.cursor() as cursor:
        for first, end in spans:
            there = cursor.set_range(first)
            while there and (key := cursor.key()) < end and key:
                there = cursor.delete()
        for key in deletes:
            transaction.delete(key)
        cursor.putmulti(sorted(puts, key=itemgetter(0)) if len(puts) > 1 else puts)  # in order, pages are touched once


def _walk(transaction: Any, span: Span, most: int | None, *, backwards: bool) -> Iterator[tuple[bytes, bytes]]:
    with transaction.cursor() as cursor:
        if backwards:
            there = cursor.prev() if cursor.set_range(span.end) else cursor.last()
            items = cursor.iterprev()
        else:
            there = cursor.set_range(span.first)
            items = cursor.iternext()
        if not there:
            return
        for count, (key, value) in enumerate(items):
            if count == most or not span.first <= key < span.end:
                return
            yield key, value


def _used(stat: dict[str, int]) -> int:
    return (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]


def _has_room(path: Path) -> bool:
    """Return whether a store's file could grow: a write that ends early for want of room is to LMDB a broken disk."""
    end = (path / "data.mdb").stat().st_size
    try:
        with TemporaryFile(dir=path) as probe:
            return os.pwrite(probe.fileno(), bytes(AT_ONCE), end) == AT_ONCE
    except OSError as error:
        return error.errno not in FULL


def _code(error: Exception) -> int:
    return int(getattr(error, "code", 0) or 0)


def _said(error: Exception) -> str:
    """Return what LMDB says of an error, without the paths and calls it puts before it."""
    with suppress(ValueError):
        if (code := _code(error)) > 0:
            return os.strerror(code)
    return " ".join(str(error).split())


def _size(text: str) -> int:
    wanted = quantities.size(text)
    if wanted < LEAST:
        raise ParameterError(f"a store of {text} holds nothing; give it some ?size= such as 500MB or 10GB")
    return wanted

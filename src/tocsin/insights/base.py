"""The contract of every store: a sorted key-value map, written in transactions by one stream and read by many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, NamedTuple, Self

from tocsin.errors import StoreError
from tocsin.urls import Address

FORMAT_VERSION = 1
"""What a store written by this version says it is; one that says more is refused."""


class Span(NamedTuple):
    """All keys from `first` on and before `end`, in the order of their bytes."""

    first: bytes
    end: bytes

    @classmethod
    def of_prefix(cls, prefix: bytes) -> Self:
        """Return the span of all keys that begin with `prefix`, whose last byte is not 255."""
        return cls(prefix, prefix[:-1] + bytes([prefix[-1] + 1]))


class Store(ABC):
    """Keys and values of bytes, in the order of the keys.

    A subclass in a file of its own in this room is found by the catalog, and runs the tests of all stores. Keys have at
    most 200 bytes, values at most 100 MB.
    """

    schemes: ClassVar[tuple[str, ...]]
    """The schemes of the addresses that it serves."""

    @classmethod
    @abstractmethod
    def open(cls, address: Address, *, write: bool = False) -> Self:
        """Open a store, and make it if it is to be written and is not there.

        Raises
        ------
        StoreError
            If there is none, it is no store of ours, or a newer version wrote it.
        UnavailableError
            If a server does not answer.
        """

    @abstractmethod
    def get(self, key: bytes) -> bytes | None:
        """Return a value, None if there is none."""

    @abstractmethod
    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys as they were at one moment."""

    @abstractmethod
    def scan(self, span: Span, *, most: int | None = None, backwards: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values of a span in order, the last ones first if `backwards`, at most `most`."""

    def scan_all(self, spans: Sequence[Span]) -> list[list[tuple[bytes, bytes]]]:
        """Return all that several spans hold, each as `scan` gives it, with as few questions as can be."""
        return [list(self.scan(span)) for span in spans]

    @abstractmethod
    def commit(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        spans: Sequence[Span] = (),
    ) -> None:
        """Delete `spans` and `deletes`, then write `puts`, all of it or nothing, whatever happens to the process.

        Raises
        ------
        StoreFullError
            If there is no room. Nothing has changed.
        UnavailableError
            If the server has gone. Whether the transaction was made is found out by asking for what it would have put.
        """

    @abstractmethod
    def alone(self, name: str) -> AbstractContextManager[None]:
        """Be the one that holds the lock `name` for as long as the context lasts; a dead holder's lock is free.

        Raises
        ------
        StoreBusyError
            If another process holds it; the message says which.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes are in use."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; may be called twice."""


def check_format(said: bytes, where: str) -> None:
    """Raise a `StoreError` if a store says that it is of a version that is not known here."""
    if not said.isdigit():
        raise StoreError(f"{where} is no store of Tocsin's")
    if int(said) > FORMAT_VERSION:
        raise StoreError(
            f"the store {where} is of format {int(said)}, and this Tocsin knows {FORMAT_VERSION}: update it"
        )

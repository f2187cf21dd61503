"""What other processes ask of a stream, through its store: it finds out between two batches, or at its next start."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Literal

from tocsin.errors import StoreBusyError, StoreError
from tocsin.insights.base import Span, Store

REQUESTS, ANSWERS = b"s/requests/", b"s/answers/"
EVERY = 0.2
"""Seconds between two looks for an answer."""
UNREAD = 100
"""How many answers that nobody has fetched are kept."""

Kind = Literal["confirm-normal", "confirm-fault", "promote", "rollback"]
KINDS: tuple[Kind, ...] = ("confirm-normal", "confirm-fault", "promote", "rollback")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: its name, what to do, and for a confirmation the asset, and a time in its alarm if there is one.

    Times are nanoseconds since 1970 UTC.
    """

    name: str
    kind: Kind
    asset: str | None = None
    at: int | None = None


def ask(store: Store, kind: Kind, asset: str | None = None, at: int | None = None) -> Request:
    """Put a request into a store that is open to be written, for its stream to find; names sort as they are asked."""
    request = Request(f"{time.time_ns():020d}-{secrets.token_hex(4)}", kind, asset, at)
    said = {name: value for name, value in asdict(request).items() if name != "name"}
    store.commit([(REQUESTS + request.name.encode(), json.dumps(said).encode())])
    return request


def asked(store: Store) -> tuple[list[Request], list[bytes]]:
    """Return what is asked of a stream, the oldest first, and the keys of all that is to be deleted with it."""
    found, keys = [], []
    for key, value in store.scan(Span.of_prefix(REQUESTS)):
        keys.append(key)
        try:
            said = json.loads(value)
            request = Request(key.removeprefix(REQUESTS).decode(), said["kind"], said["asset"], said["at"])
        except (ValueError, KeyError, TypeError):
            continue
        if request.kind in KINDS:
            found.append(request)
    return found, keys


def answer(request: Request, text: str) -> tuple[bytes, bytes]:
    """Return the put that says what came of a request, in a sentence."""
    return ANSWERS + request.name.encode(), text.encode()


def stale(store: Store) -> list[bytes]:
    """Return the keys of answers that nobody has fetched, but for the newest."""
    return [key for key, _ in store.scan(Span.of_prefix(ANSWERS), backwards=True)][UNREAD:]


def runs(store: Store) -> bool:
    """Return whether a stream is at work on a store."""
    try:
        with store.alone("stream"):
            return False
    except StoreBusyError:
        return True


def wait(store: Store, request: Request, seconds: float) -> str | None:
    """Return the answer to a request, None if there is none in time; an answer is given once.

    Raises
    ------
    StoreError
        If the request has gone without an answer: the stream is of a version that does not know it.
    """
    end, key = time.monotonic() + seconds, request.name.encode()
    while True:
        there, found = store.get_many([REQUESTS + key, ANSWERS + key])
        if found is not None:
            store.commit([], [ANSWERS + key])
            return found.decode()
        if there is None:
            raise StoreError(f"the stream does not know how to {request.kind}; it is of another version of Tocsin")
        if time.monotonic() >= end:
            return None
        time.sleep(EVERY)

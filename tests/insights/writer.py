"""Processes of their own that the tests of stores start: ``python writer.py WHAT ADDRESS ...``."""

from __future__ import annotations

import sys
import time

from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store

KEYS = 200


def value(generation: int) -> bytes:
    return generation.to_bytes(8, "big") * 20


def write(store: Store) -> None:
    """Replace all values again and again, and some keys with them, saying so once it is going on."""
    known = store.get(b"k/000")
    generation = int.from_bytes(known[:8], "big") if known else 0
    while True:
        generation += 1
        puts = [(b"k/%03d" % number, value(generation)) for number in range(KEYS)]
        puts.append((b"s/%08d" % generation, value(generation)))
        store.commit(puts, [b"d/%08d" % (generation - 1)], [Span(b"s/", b"s/%08d" % generation)])
        if generation % 3 == 0:
            print(generation, flush=True)


def hold(store: Store) -> None:
    with store.alone("stream"):
        print("held", flush=True)
        time.sleep(60)


def grow(store: Store) -> None:
    store.commit([(b"grown", bytes(8 * 10**6))])


def read(store: Store) -> None:
    """Look for a mixture of two commits for a while, and print how many times all was of one."""
    looked, ends = 0, time.monotonic() + 1.0
    while time.monotonic() < ends:
        found = store.get_many([b"k/%03d" % number for number in range(KEYS)])
        assert len(set(found)) == 1, "values of different commits"
        looked += found[0] is not None
    print(looked, flush=True)


if __name__ == "__main__":
    what, address = sys.argv[1:3]
    opened = open_store(address, write=what != "read")
    {"write": write, "hold": hold, "grow": grow, "read": read}[what](opened)

"""Stores to test with: every kind there is, empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.services import redis
from tocsin.insights.base import Store
from tocsin.insights.catalog import open_store

_NUMBERS = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Server]:
    with redis.running(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(params=["lmdb", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where a store may be made."""
    if request.param == "lmdb":
        return f"lmdb://{tmp_path / 'store'}?size=64MB&sync=never"
    found: redis.Server = request.getfixturevalue("server")
    return f"{found.address}?prefix=test{next(_NUMBERS)}&lease=2s"


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Return a function that opens stores, which are closed after the test."""
    stores: list[Store] = []

    def open_one(text: str, *, write: bool = True) -> Store:
        stores.append(open_store(text, write=write))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(address: str, opened: Callable[..., Store]) -> Store:
    """Return an empty store that may be written."""
    return opened(address)

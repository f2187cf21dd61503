"""All stores there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.insights as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.insights.base import Store
from tocsin.urls import Address


@cache
def stores() -> dict[str, type[Store]]:
    """Return every store by the schemes that it serves; a plain path, which has none, is a folder of LMDB's."""
    return dict(sorted((scheme, member) for member in members_of(room, Store) for scheme in member.schemes))


def store_of(address: Address) -> type[Store]:
    """Return the store that serves an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme, or a plain path has options.
    """
    known = stores()
    address.check_path("lmdb")
    if address.scheme not in known:
        raise ParameterError(f"no store {address.scheme}://{did_you_mean(address.scheme, filter(str.isalpha, known))}")
    return known[address.scheme]


def open_store(text: str, *, write: bool = False) -> Store:
    """Open the store at an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme, or a plain path has options; see `Store.open` for what else may be wrong.
    """
    address = Address.of(text)
    return store_of(address).open(address, write=write)

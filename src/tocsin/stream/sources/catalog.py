"""All sources there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.stream.sources as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.stream.sources.base import Shape, Source
from tocsin.urls import Address


@cache
def sources() -> dict[str, type[Source]]:
    """Return every source by the schemes that it serves."""
    return dict(sorted((scheme, member) for member in members_of(room, Source) for scheme in member.schemes))


def source_of(address: Address) -> type[Source]:
    """Return the source that serves an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme, or a plain path has options.
    """
    known = sources()
    address.check_path()
    if address.scheme not in known:
        raise ParameterError(f"no source {address.scheme}://{did_you_mean(address.scheme, filter(str.isalpha, known))}")
    return known[address.scheme]


def open_source(text: str, shape: Shape) -> Source:
    """Open the source at an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme, or a plain path has options; see `Source.open` for what else may be wrong.
    """
    address = Address.of(text)
    return source_of(address).open(address, shape)

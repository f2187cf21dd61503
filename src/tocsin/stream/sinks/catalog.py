"""All sinks there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.stream.sinks as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address


@cache
def sinks() -> dict[str, type[Sink]]:
    """Return every sink by the schemes that it serves."""
    return dict(sorted((scheme, member) for member in members_of(room, Sink) for scheme in member.schemes))


def open_sink(text: str) -> Sink:
    """Open the sink at an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme; see `Sink.open` for what else may be wrong.
    """
    address, known = Address.of(text), sinks()
    if address.scheme not in known:
        raise ParameterError(f"no sink {address.scheme}://{did_you_mean(address.scheme, filter(str.isalpha, known))}")
    return known[address.scheme].open(address)

"""All sinks there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.stream.sinks as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.notify import schemes
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address


@cache
def sinks() -> tuple[type[Sink], ...]:
    """Return every sink, in the order of their names."""
    return tuple(sorted(members_of(room, Sink), key=lambda member: member.__name__))


def sink_of(address: Address) -> type[Sink]:
    """Return the sink that serves an address: one that names the scheme, else one that takes it all the same.

    Raises
    ------
    ParameterError
        If there is none, or a plain path has options.
    """
    address.check_path()
    for named in (True, False):
        for member in sinks():
            if (address.scheme in member.schemes) is named and member.takes(address):
                return member
    known = {scheme for member in sinks() for scheme in member.schemes if scheme.isalpha()}
    more = "" if schemes() else '; mail, Slack and others come with pip install "tocsin[notify]"'
    hint = did_you_mean(address.scheme, known | schemes())
    if schemes() and hint.startswith("; there are"):  # ours drown in all that Apprise knows
        hint = f"{did_you_mean(address.scheme, known)}, and what Apprise knows"
    raise ParameterError(f"no sink {address.scheme}://{hint}{more}")


def open_sink(text: str) -> Sink:
    """Open the sink at an address.

    Raises
    ------
    ParameterError
        If nothing serves its scheme; see `Sink.open` for what else may be wrong.
    """
    address = Address.of(text)
    return sink_of(address).open(address)

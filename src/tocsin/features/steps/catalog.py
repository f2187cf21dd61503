"""All steps there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.features.steps as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.features.steps.base import Step


@cache
def step_catalog() -> dict[str, type[Step]]:
    """Return every step by the lower-case name of its class.

    >>> step_catalog()["window"].__name__
    'Window'
    """
    found = {member.__name__.lower(): member for member in members_of(room, Step)}
    return dict(sorted(found.items()))


def step_class(name: str) -> type[Step]:
    """Return the step of that name, in any case."""
    known = step_catalog()
    if name.lower() not in known:
        raise ParameterError(f"no step {name!r}{did_you_mean(name.lower(), known)}")
    return known[name.lower()]

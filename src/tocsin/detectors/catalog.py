"""All detectors there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

from functools import cache

import tocsin.detectors as room
from tocsin.detectors.base import Detector
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean


@cache
def catalog() -> dict[str, type[Detector]]:
    """Return every detector by the lower-case name of its class.

    >>> catalog()["ecod"].__name__
    'ECOD'
    """
    found = {member.__name__.lower(): member for member in members_of(room, Detector)}
    return dict(sorted(found.items()))


def detector_class(name: str) -> type[Detector]:
    """Return the detector of that name, in any case."""
    known = catalog()
    if name.lower() not in known:
        raise ParameterError(f"no detector {name!r}{did_you_mean(name.lower(), known)}")
    return known[name.lower()]

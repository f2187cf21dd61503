"""All protocols there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import tocsin.evaluate.protocols as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.evaluate.protocols.base import Protocol


@cache
def protocols() -> dict[str, type[Protocol]]:
    """Return every protocol by its name.

    >>> list(protocols())
    ['adbench', 'msl', 'nab', 'skab', 'tep', 'ucr']
    """
    found = {member.name: member for member in members_of(room, Protocol)}
    return dict(sorted(found.items()))


def protocol(name: str, path: str | Path | None = None, **settings: Any) -> Protocol:
    """Return the protocol of that name.

    Parameters
    ----------
    name : str
        One of `protocols`.
    path : path, optional
        The benchmark's folder; by default the one of its name in the folder that TOCSIN_DATA names.
    **settings
        The protocol's own.

    Raises
    ------
    ParameterError
        If there is none, or it has no such setting.

    Examples
    --------
    >>> protocol("skab", "data/skab")
    SKAB(path='data/skab')
    """
    known = protocols()
    if name not in known:
        raise ParameterError(f"no protocol {name!r}{did_you_mean(name, known)}")
    own = inspect.signature(known[name]).parameters
    for setting in settings:
        if setting not in own:
            raise ParameterError(f"protocol {name!r} has no setting {setting!r}{did_you_mean(setting, own)}")
    return known[name](path, **settings)

"""All detectors there are, by discovery: a new one is one new file in this room."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import tocsin.detectors as room
from tocsin.detectors.base import Detector
from tocsin.errors import ParameterError, did_you_mean


@cache
def catalog() -> dict[str, type[Detector]]:
    """Return every detector by the lower-case name of its class.

    >>> catalog()["ecod"].__name__
    'ECOD'
    """
    found: dict[str, type[Detector]] = {}
    for module in pkgutil.iter_modules(room.__path__):
        loaded = importlib.import_module(f"{room.__name__}.{module.name}")
        for name, member in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(member, Detector) and not inspect.isabstract(member) and member.__module__ == loaded.__name__:
                found[name.lower()] = member
    return dict(sorted(found.items()))


def detector_class(name: str) -> type[Detector]:
    """Return the detector of that name, in any case."""
    known = catalog()
    if name.lower() not in known:
        raise ParameterError(f"no detector {name!r}{did_you_mean(name.lower(), known)}")
    return known[name.lower()]

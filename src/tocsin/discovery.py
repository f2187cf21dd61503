"""The one way in which a room finds what is in it: a new detector, step, metric, source or sink is one new file."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def members_of(room: ModuleType, kind: type[T]) -> list[type[T]]:
    """Return the classes of a kind that a room's own files define; those that are abstract or begin with ``_`` are not.

    >>> import tocsin.features.steps as room
    >>> from tocsin.features.steps.base import Step
    >>> "Window" in [member.__name__ for member in members_of(room, Step)]
    True
    """
    found: list[type[T]] = []
    for module in pkgutil.iter_modules(room.__path__):
        loaded = importlib.import_module(f"{room.__name__}.{module.name}")
        for name, member in inspect.getmembers(loaded, inspect.isclass):
            own = member.__module__ == loaded.__name__ and not name.startswith("_")
            if own and issubclass(member, kind) and not inspect.isabstract(member):
                found.append(member)
    return found

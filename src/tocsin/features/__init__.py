"""What is made of raw readings before a detector sees them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.features.recipe import Feature, Recipe
    from tocsin.features.steps.bands import Bands
    from tocsin.features.steps.base import Step
    from tocsin.features.steps.calendar import Calendar
    from tocsin.features.steps.catalog import step_catalog
    from tocsin.features.steps.differences import Difference
    from tocsin.features.steps.lags import Lags, Subsequence
    from tocsin.features.steps.logarithm import Log
    from tocsin.features.steps.scaling import Standardise
    from tocsin.features.steps.selection import Select
    from tocsin.features.steps.smoothing import Smooth
    from tocsin.features.steps.windows import Window

_HOMES = {
    "Bands": "tocsin.features.steps.bands",
    "Calendar": "tocsin.features.steps.calendar",
    "Difference": "tocsin.features.steps.differences",
    "Feature": "tocsin.features.recipe",
    "Lags": "tocsin.features.steps.lags",
    "Log": "tocsin.features.steps.logarithm",
    "Recipe": "tocsin.features.recipe",
    "Select": "tocsin.features.steps.selection",
    "Smooth": "tocsin.features.steps.smoothing",
    "Standardise": "tocsin.features.steps.scaling",
    "Step": "tocsin.features.steps.base",
    "Subsequence": "tocsin.features.steps.lags",
    "Window": "tocsin.features.steps.windows",
    "step_catalog": "tocsin.features.steps.catalog",
}

__all__ = [
    "Bands", "Calendar", "Difference", "Feature", "Lags", "Log", "Recipe", "Select", "Smooth", "Standardise",
    "Step", "Subsequence", "Window", "step_catalog",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tocsin.features' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

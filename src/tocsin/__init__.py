"""Tocsin: anomaly detectors for fleets of assets, one small, explainable model each.

The public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.detectors.base import Detector
    from tocsin.detectors.catalog import catalog
    from tocsin.detectors.ecod import ECOD
    from tocsin.detectors.mad import MAD
    from tocsin.detectors.stl import STL
    from tocsin.detectors.zscore import ZScore
    from tocsin.errors import TocsinError
    from tocsin.evaluate.metrics.card import score_card
    from tocsin.features.decomposition import Decomposition, mstl, stl
    from tocsin.features.multispans import SpanMSTL
    from tocsin.features.online import OnlineSTL
    from tocsin.features.periods import find_period
    from tocsin.features.spans import SpanSTL
    from tocsin.fleet.detect import detect
    from tocsin.fleet.detection import Detection
    from tocsin.fleet.fleet import Fleet
    from tocsin.panel import Panel

_HOMES = {
    "Decomposition": "tocsin.features.decomposition",
    "Detection": "tocsin.fleet.detection",
    "Detector": "tocsin.detectors.base",
    "ECOD": "tocsin.detectors.ecod",
    "Fleet": "tocsin.fleet.fleet",
    "MAD": "tocsin.detectors.mad",
    "OnlineSTL": "tocsin.features.online",
    "Panel": "tocsin.panel",
    "STL": "tocsin.detectors.stl",
    "SpanMSTL": "tocsin.features.multispans",
    "SpanSTL": "tocsin.features.spans",
    "TocsinError": "tocsin.errors",
    "ZScore": "tocsin.detectors.zscore",
    "catalog": "tocsin.detectors.catalog",
    "detect": "tocsin.fleet.detect",
    "find_period": "tocsin.features.periods",
    "mstl": "tocsin.features.decomposition",
    "score_card": "tocsin.evaluate.metrics.card",
    "stl": "tocsin.features.decomposition",
}

__all__ = [
    "Decomposition", "Detection", "Detector", "ECOD", "Fleet", "MAD", "OnlineSTL", "Panel", "STL", "SpanMSTL",
    "SpanSTL", "TocsinError", "ZScore", "catalog", "detect", "find_period", "mstl", "score_card", "stl",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tocsin")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tocsin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])

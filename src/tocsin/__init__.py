"""Tocsin: anomaly detectors for fleets of assets, one small, explainable model each.

The public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.detectors.adjusted_chart import AdjustedChart
    from tocsin.detectors.autoencoder import Autoencoder
    from tocsin.detectors.base import Detector
    from tocsin.detectors.boosting import LightGBM
    from tocsin.detectors.catalog import catalog
    from tocsin.detectors.cusum import CUSUM
    from tocsin.detectors.discord import Discord
    from tocsin.detectors.ecod import ECOD
    from tocsin.detectors.ensemble import Ensemble
    from tocsin.detectors.ewma import EWMA
    from tocsin.detectors.hbos import HBOS
    from tocsin.detectors.isolation_forest import IsolationForest
    from tocsin.detectors.knn import KNN
    from tocsin.detectors.lesinn import LeSiNN
    from tocsin.detectors.mad import MAD
    from tocsin.detectors.nearest_window import NearestWindow
    from tocsin.detectors.novelty import Novelty
    from tocsin.detectors.online_isolation_forest import OnlineIsolationForest
    from tocsin.detectors.pca import PCA
    from tocsin.detectors.seasonal_naive import SeasonalNaive
    from tocsin.detectors.stl import STL
    from tocsin.detectors.zscore import ZScore
    from tocsin.errors import TocsinError
    from tocsin.evaluate.competition.compete import Competition, Rules, compete
    from tocsin.evaluate.metrics.card import score_card
    from tocsin.evaluate.protocols.catalog import protocol, protocols
    from tocsin.features.decomposition import Decomposition, mstl, stl
    from tocsin.features.multispans import SpanMSTL
    from tocsin.features.online import OnlineSTL
    from tocsin.features.periods import find_period, find_periods
    from tocsin.features.recipe import Recipe
    from tocsin.features.spans import SpanSTL
    from tocsin.fleet.detect import detect
    from tocsin.fleet.detection import Detection
    from tocsin.fleet.fleet import Fleet
    from tocsin.panel import Panel

_HOMES = {
    "AdjustedChart": "tocsin.detectors.adjusted_chart",
    "Autoencoder": "tocsin.detectors.autoencoder",
    "CUSUM": "tocsin.detectors.cusum",
    "Competition": "tocsin.evaluate.competition.compete",
    "Decomposition": "tocsin.features.decomposition",
    "Detection": "tocsin.fleet.detection",
    "Detector": "tocsin.detectors.base",
    "Discord": "tocsin.detectors.discord",
    "ECOD": "tocsin.detectors.ecod",
    "EWMA": "tocsin.detectors.ewma",
    "Ensemble": "tocsin.detectors.ensemble",
    "Fleet": "tocsin.fleet.fleet",
    "HBOS": "tocsin.detectors.hbos",
    "IsolationForest": "tocsin.detectors.isolation_forest",
    "KNN": "tocsin.detectors.knn",
    "LeSiNN": "tocsin.detectors.lesinn",
    "LightGBM": "tocsin.detectors.boosting",
    "MAD": "tocsin.detectors.mad",
    "NearestWindow": "tocsin.detectors.nearest_window",
    "Novelty": "tocsin.detectors.novelty",
    "OnlineIsolationForest": "tocsin.detectors.online_isolation_forest",
    "OnlineSTL": "tocsin.features.online",
    "PCA": "tocsin.detectors.pca",
    "Panel": "tocsin.panel",
    "Recipe": "tocsin.features.recipe",
    "Rules": "tocsin.evaluate.competition.compete",
    "STL": "tocsin.detectors.stl",
    "SeasonalNaive": "tocsin.detectors.seasonal_naive",
    "SpanMSTL": "tocsin.features.multispans",
    "SpanSTL": "tocsin.features.spans",
    "TocsinError": "tocsin.errors",
    "ZScore": "tocsin.detectors.zscore",
    "catalog": "tocsin.detectors.catalog",
    "compete": "tocsin.evaluate.competition.compete",
    "detect": "tocsin.fleet.detect",
    "find_period": "tocsin.features.periods",
    "find_periods": "tocsin.features.periods",
    "mstl": "tocsin.features.decomposition",
    "protocol": "tocsin.evaluate.protocols.catalog",
    "protocols": "tocsin.evaluate.protocols.catalog",
    "score_card": "tocsin.evaluate.metrics.card",
    "stl": "tocsin.features.decomposition",
}

__all__ = [
    "AdjustedChart", "Autoencoder", "CUSUM", "Competition", "Decomposition", "Detection", "Detector", "Discord",
    "ECOD", "EWMA", "Ensemble", "Fleet", "HBOS", "IsolationForest", "KNN", "LeSiNN", "LightGBM", "MAD",
    "NearestWindow", "Novelty", "OnlineIsolationForest", "OnlineSTL", "PCA", "Panel", "Recipe", "Rules", "STL",
    "SeasonalNaive", "SpanMSTL", "SpanSTL", "TocsinError", "ZScore", "catalog", "compete", "detect", "find_period",
    "find_periods", "mstl", "protocol", "protocols", "score_card", "stl",
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

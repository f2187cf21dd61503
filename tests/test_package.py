"""The package as a whole: its public names, its modules, and what importing it costs."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import tocsin

PUBLIC = [
    "AdjustedChart", "Autoencoder", "CUSUM", "Competition", "Decomposition", "Detection", "Detector", "Discord",
    "ECOD", "EWMA", "Ensemble", "Fleet", "HBOS", "IsolationForest", "KNN", "LeSiNN", "LightGBM", "MAD",
    "NearestWindow", "Novelty", "OnlineIsolationForest", "OnlineSTL", "PCA", "Panel", "Recipe", "Rules", "STL",
    "SeasonalNaive", "SpanMSTL", "SpanSTL", "TocsinError", "ZScore", "catalog", "compete", "detect", "find_period",
    "find_periods", "mstl", "protocol", "protocols", "score_card", "stl",
]  # fmt: skip

HEAVY = {
    "apprise", "confluent_kafka", "equinox", "fastavro", "jax", "lightgbm", "lmdb", "matplotlib",
    "mlflow", "optax", "paho", "pandas", "prometheus_client", "pyspark", "redis", "sqlalchemy",
}  # fmt: skip

MODULES = sorted(module.name for module in pkgutil.walk_packages(tocsin.__path__, "tocsin."))


def test_public_names_are_sorted_and_known():
    assert list(tocsin.__all__) == PUBLIC == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(tocsin))
    assert all(hasattr(tocsin, name) for name in PUBLIC)


@pytest.mark.parametrize("name", MODULES)
def test_module_imports(name):
    importlib.import_module(name)


def test_import_is_quick_and_light():
    code = (
        "import json, sys, time; start = time.perf_counter(); import tocsin; "
        "print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))"
    )
    # The first run may compile bytecode.
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(3)]
    times, modules = zip(*(json.loads(run.stdout) for run in runs), strict=True)
    assert not HEAVY & {name.partition(".")[0] for name in modules[0]}
    assert min(times) < 0.8

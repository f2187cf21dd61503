"""Isolation forests of a fleet against scikit-learn in a loop, and online ones against River's half-space trees."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa

from benchmarks.measure import Line, compare, paired
from tocsin import IsolationForest, Panel

ASSETS, ROWS, FEATURES = 8, 1440, 100


def panel(rows: int, seed: int, width: int = FEATURES, assets: int = ASSETS) -> Panel:
    """Return normal readings of a fleet."""
    values = np.random.default_rng(seed).standard_normal((width, assets * rows), dtype=np.float32)
    names = tuple(f"s{i}" for i in range(width))
    return Panel(values, np.arange(assets + 1) * rows, pa.array(range(assets)), names)


def matrices(of: Panel) -> list[np.ndarray]:
    """Return each asset's readings as scikit-learn takes them."""
    return [np.ascontiguousarray(of.values[:, a:b].T) for a, b in zip(of.offsets, of.offsets[1:], strict=False)]


def lines() -> list[Line]:
    """Measure everything."""
    warnings.simplefilter("ignore")
    return [*batch()]


def batch() -> list[Line]:
    """Measure fit and score against scikit-learn: the same rows, trees and sub-samples, on one thread."""
    from sklearn.ensemble import IsolationForest as ScikitLearn

    ours, training, new = IsolationForest(), panel(ROWS, 0), panel(ROWS, 1)
    theirs_training, theirs_new = matrices(training), matrices(new)
    models, _ = ours.fit_panel(training)
    loop: list = []

    def fit_loop() -> None:
        loop[:] = [ScikitLearn(contamination=0.01, random_state=0).fit(X) for X in theirs_training]

    def score_loop() -> None:
        for model, X in zip(loop, theirs_new, strict=True):
            model.score_samples(X)

    cpu, other = paired(lambda: ours.fit_panel(training), fit_loop)
    found = [
        compare(
            f"isolation forest, fit: {ASSETS} x {ROWS:,} x {FEATURES} float32, scikit-learn in a loop",
            other / cpu, 50, 100, ours=f"{cpu * 1e3:.1f} ms", other=f"{other * 1e3:.0f} ms",
        )
    ]  # fmt: skip
    cpu, other = paired(lambda: ours.score_panel(models, new, p_values=False), score_loop)
    found.append(
        compare(
            "isolation forest, score as many new rows, scikit-learn in a loop",
            other / cpu, 3, 10, ours=f"{cpu * 1e3:.1f} ms", other=f"{other * 1e3:.0f} ms",
        )
    )  # fmt: skip
    return found

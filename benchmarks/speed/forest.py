"""Isolation forests of a fleet against scikit-learn in a loop, and online ones against River's half-space trees."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa

from benchmarks.measure import Line, compare, paired
from tocsin import IsolationForest, OnlineIsolationForest, Panel

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
    return [*batch(), *extended(), *online()]


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


def extended() -> list[Line]:
    """Measure the extended forest, which scikit-learn does not have, against its forest along the axes."""
    from sklearn.ensemble import IsolationForest as ScikitLearn

    ours, training, new = IsolationForest(extended=True), panel(ROWS, 0), panel(ROWS, 1)
    theirs_training, theirs_new = matrices(training), matrices(new)
    models, _ = ours.fit_panel(training)
    loop = [ScikitLearn(contamination=0.01, random_state=0).fit(X) for X in theirs_training]
    cpu, other = paired(
        lambda: ours.fit_panel(training),
        lambda: [ScikitLearn(contamination=0.01, random_state=0).fit(X) for X in theirs_training],
    )
    fit, ours_fit, theirs_fit = other / cpu, cpu, other
    cpu, other = paired(
        lambda: ours.score_panel(models, new, p_values=False),
        lambda: [model.score_samples(X) for model, X in zip(loop, theirs_new, strict=True)],
    )
    return [
        Line(f"extended isolation forest, {what}, scikit-learn's along the axes in a loop", mine, yours, got, *"---")
        for what, mine, yours, got in (
            ("fit: the same rows", f"{ours_fit * 1e3:.1f} ms", f"{theirs_fit * 1e3:.0f} ms", f"{fit:.3g} x"),
            ("score", f"{cpu * 1e3:.1f} ms", f"{other * 1e3:.0f} ms", f"{other / cpu:.3g} x"),
        )
    ]


def online() -> list[Line]:
    """Measure rows a second, learned and scored, against River, which takes rows one by one as it is made to.

    Each has its own defaults, 32 trees and a window of 2048 against 10 trees and one of 250; then both have 32 trees.
    """
    from river.anomaly import HalfSpaceTrees

    rows, few, width = 5000, 1000, 10
    start, new = panel(1000, 0, width, 1), panel(rows, 1, width, 1)
    ours = OnlineIsolationForest()
    models, _ = ours.fit_panel(start)
    readings = [dict(enumerate(row)) for row in new.values.T[:few].tolist()]
    limits = dict.fromkeys(range(width), (-5.0, 5.0))

    def ours_learn() -> None:
        ours.score_panel(ours.update_panel(models, new), new, p_values=False)

    found = []
    for trees in (10, 32):
        half_spaces = HalfSpaceTrees(n_trees=trees, seed=0, limits=limits)

        def theirs_learn(half_spaces: HalfSpaceTrees = half_spaces) -> None:
            for row in readings:
                half_spaces.learn_one(row)
                half_spaces.score_one(row)

        cpu, other = paired(ours_learn, theirs_learn)
        mine, yours = rows / cpu, few / other
        found.append(
            compare(
                f"online isolation forest, rows of {width} learned and scored, River's {trees} half-space trees",
                mine / yours, 20, 100, ours=f"{mine:,.0f} /s", other=f"{yours:,.0f} /s",
            )
        )  # fmt: skip
    return found

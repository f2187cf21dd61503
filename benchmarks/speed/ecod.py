"""ECOD on fleets against a loop of PyOD, and against reading and sorting alone."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.measure import Line, compare, paired
from tocsin import ECOD, Fleet, Panel

ASSETS, ROWS, FEATURES, NEW = 200, 1440, 100, 60


def arrays(rows: int, seed: int) -> np.ndarray:
    """Return readings of shape (features, assets, rows), each asset and feature with its own level and spread."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((FEATURES, ASSETS, rows), dtype=np.float32)
    own = np.random.default_rng(1)
    level, spread = own.normal(0, 100, (2, FEATURES, ASSETS, 1)).astype(np.float32)
    return values * np.abs(spread) + level


def panel(values: np.ndarray) -> Panel:
    """Return the same readings as a panel."""
    features, assets, rows = values.shape
    names = tuple(f"s{i}" for i in range(features))
    return Panel(values.reshape(features, -1), np.arange(assets + 1) * rows, pa.array(range(assets)), names)


def lines() -> list[Line]:
    """Measure everything."""
    warnings.simplefilter("ignore")
    from pyod.models.ecod import ECOD as PyOD

    detector = ECOD()
    training, new = arrays(ROWS, 0), arrays(NEW, 2)
    theirs_training = [np.ascontiguousarray(training[:, i].T) for i in range(ASSETS)]
    theirs_new = [np.ascontiguousarray(new[:, i].T) for i in range(ASSETS)]
    ours_training, ours_new = panel(training), panel(new)
    models, _ = detector.fit_panel(ours_training)
    loop: list = []

    def fit_loop() -> None:
        loop[:] = [PyOD(contamination=0.01).fit(X) for X in theirs_training]

    def score_loop() -> None:
        for model, X in zip(loop, theirs_new, strict=True):
            fitted = model.X_train
            model.decision_function(X)
            for row in model.O[len(fitted) :]:
                np.argsort(row)[:-6:-1]

    cpu, other = paired(lambda: detector.fit_panel(ours_training), fit_loop, repeats=3)
    found = [
        compare(
            f"fit, training scores, threshold, sketch: {ASSETS} x {ROWS:,} x {FEATURES} float32, PyOD in a loop",
            other / cpu, 8, 12, ours=f"{cpu:.3f} s", other=f"{other:.2f} s",
        )
    ]  # fmt: skip
    cpu, other = paired(lambda: detector.score_panel(models, ours_new, 5), score_loop, repeats=3)
    found.append(
        compare(
            f"score {NEW} new rows an asset, five heaviest features each, PyOD and ranking in a loop",
            other / cpu, 200, 1000, ours=f"{cpu:.4f} s", other=f"{other:.2f} s",
        )
    )  # fmt: skip
    size, pickled = models.nbytes / ASSETS, len(pickle.dumps(loop[0]))
    found.append(
        compare("bytes a model, PyOD pickled", pickled / size, 50, 100, ours=f"{size:,.0f}", other=f"{pickled:,}")
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.parquet"
        write(training, path)

        def read_and_sort() -> None:
            frame = pl.read_parquet(path)
            for name in frame.columns[2:]:
                np.sort(frame[name].to_numpy().reshape(ASSETS, ROWS), axis=1)

        cpu, other = paired(lambda: Fleet(key="asset", time="time").fit(path), read_and_sort)
    found.append(
        compare(
            "fit a fleet from Parquet, merely reading it and np.sort of each asset's columns",
            cpu / other, 2.5, 1.5, ours=f"{cpu:.3f} s", other=f"{other:.3f} s",
        )
    )  # fmt: skip
    return found


def write(values: np.ndarray, path: Path) -> None:
    """Write readings in key order."""
    _, assets, rows = values.shape
    columns = {f"s{i}": feature.reshape(-1) for i, feature in enumerate(values)}
    keys = pl.Series([f"asset-{i:05}" for i in range(assets)]).gather(np.repeat(np.arange(assets), rows))
    times = pl.Series(np.tile(np.arange(rows) * 60_000, assets)).cast(pl.Datetime("ms"))
    pl.DataFrame({"asset": keys, "time": times, **columns}).write_parquet(path, compression="uncompressed")

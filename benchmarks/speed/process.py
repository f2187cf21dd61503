"""Principal components of fleets against a loop of scikit-learn, and nearest neighbours against PyOD."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from benchmarks.measure import Line, compare, paired
from tocsin import HBOS, KNN, PCA, Panel

ASSETS, ROWS, FEATURES, FACTORS = 40, 1440, 100, 10


def readings() -> np.ndarray:
    """Return readings of shape (features, assets, rows), each asset's features driven by a few factors of its own."""
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((ASSETS, ROWS, FACTORS), np.float32)
    driven = factors @ rng.standard_normal((ASSETS, FACTORS, FEATURES), np.float32)
    noisy = driven + rng.standard_normal(driven.shape, np.float32)
    return np.ascontiguousarray(noisy.transpose(2, 0, 1))


def panel(values: np.ndarray) -> Panel:
    """Return the same readings as a panel."""
    features, assets, rows = values.shape
    names = tuple(f"s{i}" for i in range(features))
    return Panel(values.reshape(features, -1), np.arange(assets + 1) * rows, pa.array(range(assets)), names)


def charts(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return T2 and Q of the training rows as one computes them with scikit-learn."""
    from sklearn.decomposition import PCA as Sklearn
    from sklearn.preprocessing import StandardScaler

    scores = StandardScaler().fit_transform(X)
    fitted = Sklearn(0.9).fit(scores)
    t = fitted.transform(scores)
    rest = scores - fitted.inverse_transform(t)
    return (t**2 / fitted.explained_variance_).sum(1), (rest**2).sum(1)


def lines() -> list[Line]:
    """Measure everything."""
    warnings.simplefilter("ignore")
    from pyod.models.hbos import HBOS as PyODHistograms
    from pyod.models.knn import KNN as PyODNeighbours

    values = readings()
    ours, theirs = panel(values), [np.ascontiguousarray(values[:, i].T) for i in range(ASSETS)]
    found = []
    what = f"PCA fit, T2, Q and training scores: {ASSETS} x {ROWS:,} x {FEATURES} float32, scikit-learn in a loop"
    cpu, other = paired(lambda: PCA().fit_panel(ours), lambda: [charts(X) for X in theirs], repeats=9)
    found.append(compare(what, other / cpu, 5, 20, ours=f"{cpu:.3f} s", other=f"{other:.2f} s"))
    with threadpool_limits(1):
        cpu, other = paired(lambda: PCA().fit_panel(ours), lambda: [charts(X) for X in theirs], repeats=9)
    found.append(
        compare(f"{what}, its threads held at 1", other / cpu, 5, 20, ours=f"{cpu:.3f} s", other=f"{other:.2f} s")
    )
    for name, detector, make in (
        ("HBOS", HBOS(), PyODHistograms),
        ("KNN", KNN(), PyODNeighbours),
    ):
        few = slice(0, 4)
        part = ours.take_assets(np.arange(4))
        cpu, other = paired(
            lambda d=detector, p=part: d.fit_panel(p), lambda m=make, s=few: [m().fit(X) for X in theirs[s]], repeats=3
        )
        shown = f"{name} fit and training scores: 4 x {ROWS:,} x {FEATURES} float32, PyOD in a loop (no floor is set)"
        found.append(compare(shown, other / cpu, 1, 5, ours=f"{cpu:.3f} s", other=f"{other:.2f} s"))
    return found

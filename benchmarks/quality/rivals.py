"""Ours beside PyOD's on the sets of ADBench, all by default, learned from all rows, scored on the same: AUROC."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.measure import cpu_seconds
from benchmarks.quality.data import find
from tocsin import ECOD, HBOS, KNN, MAD, PCA, Ensemble, IsolationForest, LeSiNN, ZScore

OURS: dict[str, Callable[[int], Any]] = {
    "LeSiNN": lambda seed: LeSiNN(seed=seed),
    "IsolationForest": lambda seed: IsolationForest(seed=seed),
    "IsolationForest, extended": lambda seed: IsolationForest(seed=seed, extended=True),
    "Ensemble": lambda seed: Ensemble(detectors=f"isolationforest(seed={seed}),lesinn(seed={seed})"),
    "HBOS": lambda seed: HBOS(),
    "KNN": lambda seed: KNN(seed=seed),
    "PCA": lambda seed: PCA(),
    "MAD": lambda seed: MAD(),
    "ZScore": lambda seed: ZScore(),
    "ECOD": lambda seed: ECOD(),
}
SEEDED = ("LeSiNN", "IsolationForest", "IsolationForest, extended", "Ensemble", "KNN", "IForest of PyOD")
SEEDS = 3
DRAWS = 10_000


def theirs() -> dict[str, Callable[[int], Any]]:
    """Return PyOD's six."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD as TheirECOD
    from pyod.models.hbos import HBOS as TheirHBOS
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN as TheirKNN
    from pyod.models.pca import PCA as TheirPCA

    return {
        "IForest of PyOD": lambda seed: IForest(random_state=seed),
        "HBOS of PyOD": lambda seed: TheirHBOS(),
        "COPOD of PyOD": lambda seed: COPOD(),
        "KNN of PyOD": lambda seed: TheirKNN(),
        "ECOD of PyOD": lambda seed: TheirECOD(),
        "PCA of PyOD": lambda seed: TheirPCA(),
    }


def areas(make: Callable[[int], Any], X: NDArray[np.float64], y: NDArray[Any], seeds: int) -> tuple[float, float]:
    """Return the mean over the seeds of the area under the ROC curve, and of the CPU-seconds."""
    found = []
    for seed in range(seeds):
        before = cpu_seconds()
        scores = np.nan_to_num(make(seed).fit(X).decision_scores_)  # PCA of PyOD gives infinite ones in two sets
        found.append((roc_auc_score(y, scores), cpu_seconds() - before))
    area, seconds = np.mean(found, axis=0)
    return float(area), float(seconds)


def main() -> None:
    """Print the means, and where the best of ours wins and loses against the best of theirs."""
    warnings.simplefilter("ignore")
    makers = OURS | theirs()
    warm = np.random.default_rng(0).normal(size=(100, 3))
    for make in makers.values():
        make(0).fit(warm)
    sets: list[str] = []
    rows: list[list[tuple[float, float]]] = []
    for path in sorted(find("adbench").glob("*.npz")):
        with np.load(path) as content:
            X, y = content["X"].astype(np.float64), content["y"].ravel()
        sets.append(path.stem)
        rows.append([areas(make, X, y, SEEDS if name in SEEDED else 1) for name, make in makers.items()])
    area, seconds = np.moveaxis(np.array(rows), 2, 0)
    print(f"\nADBench, {len(sets)} sets, all rows, settings by default; of what is drawn at random {SEEDS} seeds\n")
    print("| detector | mean AUROC | CPU-seconds of all sets |\n| --- | --- | --- |")
    for at in np.argsort(-area.mean(0)):
        print(f"| {list(makers)[at]} | {area[:, at].mean():.4f} | {seconds[:, at].sum():.1f} |")
    best, rival = int(area[:, : len(OURS)].mean(0).argmax()), len(OURS) + int(area[:, len(OURS) :].mean(0).argmax())
    _compare(sets, area[:, best], area[:, rival], list(makers)[best], list(makers)[rival])


def _compare(sets: list[str], ours: NDArray[Any], other: NDArray[Any], name: str, rival: str) -> None:
    gain = ours - other
    draws = np.random.default_rng(0).integers(0, len(gain), (DRAWS, len(gain)))
    low, high = np.quantile(gain[draws].mean(1), [0.025, 0.975])
    print(f"\n{name} less {rival}: {gain.mean():+.4f}, of sets drawn anew 95 % within {low:+.4f} and {high:+.4f}\n")
    print(f"| set | {name} | {rival} | gain |\n| --- | --- | --- | --- |")
    for at in np.argsort(-gain):
        print(f"| {sets[at]} | {ours[at]:.4f} | {other[at]:.4f} | {gain[at]:+.4f} |")


if __name__ == "__main__":
    main()

"""HBOS, KNN and PCA on the 22 sets of ADBench beside PyOD's: AUROC of all rows, learned from all rows."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.quality.data import find
from tocsin import HBOS, KNN, PCA

MOST = 5000
"""Rows of a set that are taken; PyOD's neighbours take minutes for the largest otherwise."""


def main() -> None:
    """Print the mean AUROC of each."""
    warnings.simplefilter("ignore")
    from pyod.models.hbos import HBOS as PyODHistograms
    from pyod.models.knn import KNN as PyODNeighbours
    from pyod.models.pca import PCA as PyODComponents

    detectors = {
        "HBOS": HBOS,
        "HBOS of PyOD": PyODHistograms,
        "KNN, scaled": lambda: KNN(sample=None),
        "KNN, not scaled": lambda: KNN(sample=None, scale=False),
        "KNN, scaled, 2,000 rows kept": KNN,
        "KNN of PyOD, not scaled": PyODNeighbours,
        "PCA": PCA,
        "PCA of PyOD": PyODComponents,
    }
    areas: dict[str, list[float]] = {name: [] for name in detectors}
    for path in sorted(find("adbench").glob("*.npz")):
        with np.load(path) as content:
            X, y = content["X"].astype(np.float64), content["y"].ravel()
        rows = np.sort(np.random.default_rng(0).permutation(len(X))[:MOST])
        for name, make in detectors.items():
            scores = np.nan_to_num(make().fit(X[rows]).decision_scores_)  # PCA of PyOD gives infinite ones in two sets
            areas[name].append(roc_auc_score(y[rows], scores))
    print(f"\nADBench, {len(areas['HBOS'])} sets, at most {MOST:,} rows of each, training scores\n")
    print("| detector | mean AUROC |")
    print("| --- | --- |")
    for name, found in areas.items():
        print(f"| {name} | {np.mean(found):.4f} |")


if __name__ == "__main__":
    main()

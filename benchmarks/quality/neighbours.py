"""HBOS, KNN and PCA on ADBench beside PyOD's: AUROC of all rows, learned from all rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl

from benchmarks.quality.data import find, matrix
from tocsin import HBOS, KNN, PCA, Detector, protocol

MOST = 5000
"""Rows of a set that are taken; PyOD's neighbours take minutes for the largest otherwise."""


def main() -> None:
    """Print the mean AUROC of each."""
    warnings.simplefilter("ignore")
    from pyod.models.hbos import HBOS as PyODHistograms
    from pyod.models.knn import KNN as PyODNeighbours
    from pyod.models.pca import PCA as PyODComponents

    detectors: dict[str, Any] = {
        "HBOS": HBOS(),
        "HBOS of PyOD": PyODHistograms(),
        "KNN, scaled": KNN(sample=None),
        "KNN, not scaled": KNN(sample=None, scale=False),
        "KNN, scaled, 2,000 rows kept": KNN(),
        "KNN of PyOD, not scaled": PyODNeighbours(),
        "PCA": PCA(),
        "PCA of PyOD": PyODComponents(),
    }
    sets = protocol("adbench", find("adbench"), rows=MOST)
    print(f"\nADBench, at most {MOST:,} rows of each set, training scores\n")
    print("| detector | sets | mean AUROC |")
    print("| --- | --- | --- |")
    for name, each in detectors.items():
        ours = isinstance(each, Detector)
        outcome = sets.run(each) if ours else sets.judge((case, _scores(each, case.test)) for case in sets.cases())
        print(f"| {name} | {len(outcome.cases)} | {outcome.value:.4f} |", flush=True)


def _scores(detector: Any, frame: pl.DataFrame) -> np.ndarray:
    return np.nan_to_num(detector.fit(matrix(frame)).decision_scores_)  # PCA of PyOD gives infinite ones in two sets


if __name__ == "__main__":
    main()

"""Isolation forests on the 22 sets of ADBench beside scikit-learn's, and how often they name the feature at fault."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest as ScikitLearn

from benchmarks.quality.data import find, matrix
from tocsin import IsolationForest, protocol

SEEDS = 5
FAULTS = 400


def areas(seed: int) -> np.ndarray:
    """Return the AUROC of all sets, learned from all rows: ours, extended, and scikit-learn's, shape (3, n_sets)."""
    sets = protocol("adbench", find("adbench"))
    ours = [sets.run(IsolationForest(seed=seed, extended=extended)) for extended in (False, True)]
    theirs = sets.judge((case, _of_scikit_learn(matrix(case.test), seed)) for case in sets.cases())
    return np.array([outcome.cases["auroc"] for outcome in (*ours, theirs)])


def _of_scikit_learn(X: np.ndarray, seed: int) -> np.ndarray:
    return -ScikitLearn(random_state=seed).fit(X).score_samples(X)


def hits(width: int, size: float, seed: int, extended: bool) -> tuple[float, float]:
    """Return how often the feature at fault is named first, and among three, where features are correlated.

    A fault shifts one feature of a row by `size` of its standard deviations.
    """
    rng = np.random.default_rng(seed)
    mix = 0.3 * rng.normal(size=(width, width)) + np.eye(width)
    X, rows = rng.normal(size=(1440, width)) @ mix, rng.normal(size=(FAULTS, width)) @ mix
    cause = rng.integers(0, width, FAULTS)
    rows[np.arange(FAULTS), cause] += rng.choice([-1.0, 1.0], FAULTS) * size * X.std(0)[cause]
    order = np.argsort(-IsolationForest(seed=seed, extended=extended).fit(X).contributions(rows), axis=1)
    return float((order[:, 0] == cause).mean()), float((order[:, :3] == cause[:, None]).any(1).mean())


def main() -> None:
    """Print both tables."""
    print(
        f"\nADBench, isolation forest, mean AUROC of {SEEDS} seeds\n\n"
        "| set | Tocsin | extended | scikit-learn |\n| --- | --- | --- | --- |"
    )
    means = np.mean([areas(seed) for seed in range(SEEDS)], axis=0).T
    for case, own in zip(protocol("adbench", find("adbench")).cases(), means, strict=True):
        print(f"| {case.name} | {' | '.join(f'{area:.4f}' for area in own)} |")
    print(f"| mean | {' | '.join(f'{area:.4f}' for area in np.mean(means, axis=0))} |")
    print(
        "\nA fault in one feature\n\n| features | size | splits | named first | among three |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for width in (10, 50):
        for size in (3.0, 5.0, 8.0):
            for extended in (False, True):
                first, three = np.mean([hits(width, size, seed, extended) for seed in range(SEEDS)], axis=0)
                splits = "oblique" if extended else "along the axes"
                print(f"| {width} | {size:g} sd | {splits} | {first:.3f} | {three:.3f} |")


if __name__ == "__main__":
    main()

"""Autoencoders on SKAB valve1 and ADBench, and LightGBM on labelled rows of SKAB, beside detectors that cost less."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from benchmarks.quality.data import find
from tocsin import ECOD, MAD, Autoencoder, Detector, Fleet, LightGBM

MOST_ROWS, MOST_FEATURES = 4_000, 100
"""How large a set of ADBench is taken: that many rows at random, and none with more features."""


def experiments() -> list[pl.DataFrame]:
    """Return the experiments of SKAB valve1."""
    return [
        pl.read_csv(path, separator=";", try_parse_dates=True).with_columns(experiment=pl.lit(path.stem))
        for path in sorted(find("skab/valve1").glob("*.csv"))
    ]


def counted(truth: np.ndarray, alerts: np.ndarray) -> str:
    """Return F1, false and missed alarm rate as cells of a table."""
    hit, miss, false = (truth & alerts).sum(), (truth & ~alerts).sum(), (~truth & alerts).sum()
    return f"{2 * hit / (2 * hit + miss + false):.2f} | {false / (~truth).sum():.1%} | {miss / truth.sum():.1%} |"


def unsupervised() -> None:
    """Learn from the first 400 rows of each experiment, judge the rest by the labels."""
    frames = experiments()
    training = pl.concat([frame.head(400) for frame in frames])
    rest = pl.concat([frame.slice(400) for frame in frames])
    labels = rest.select(key="experiment", time="datetime", anomaly=pl.col("anomaly") == 1)
    print("\nSKAB valve1, first 400 rows learned, contamination 1 %\n")
    print("| detector | F1 | false alarm rate | missed alarm rate |\n| --- | --- | --- | --- |")
    kinds: dict[str, Detector] = {
        "ECOD": ECOD(),
        "MAD": MAD(),
        "autoencoder, dense": Autoencoder(),
        "autoencoder, convolutional": Autoencoder(kind="convolutional"),
    }
    for name, detector in kinds.items():
        features = ["*", "!anomaly", "!changepoint"]
        fleet = Fleet(detector, key="experiment", time="datetime", features=features).fit(training)
        judged = labels.join(fleet.score(rest), on=["key", "time"])
        assert len(judged) == len(rest)
        print(f"| {name} | {counted(judged['anomaly'].to_numpy(), judged['alert'].to_numpy())}")


def supervised() -> None:
    """Take all experiments as one asset in order of time: the first 70 % train, 20 % validate, the last 10 % judge."""
    frame = pl.concat(experiments()).sort("datetime")
    X = frame.drop("datetime", "anomaly", "changepoint", "experiment").to_numpy()
    y = frame["anomaly"].to_numpy()
    cut = int(0.9 * len(X))
    detector = LightGBM(validation=2 / 9).fit(X[:cut], y[:cut])
    truth = y[cut:] == 1
    print("\nSKAB valve1, LightGBM, rows in order of time: 70 % to train, 20 % to validate, the last 10 % judged\n")
    print("| rows judged | anomalous | AUROC | F1 | false alarm rate | missed alarm rate |")
    print("| --- | --- | --- | --- | --- | --- |")
    area = roc_auc_score(truth, detector.decision_function(X[cut:]))
    cells = counted(truth, detector.predict(X[cut:]) == 1)
    print(f"| {len(truth):,} | {truth.mean():.0%} | {area:.2f} | {cells}")


def areas() -> None:
    """Print AUROC of all rows, learned from all rows."""
    kinds: dict[str, Detector] = {"ECOD": ECOD(), "MAD": MAD(), "autoencoder": Autoencoder()}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for path in sorted(find("adbench").glob("*.npz")):
        with np.load(path) as content:
            X, y = content["X"].astype(np.float64), content["y"].ravel()
        rows = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
        if X.shape[1] <= MOST_FEATURES:
            for name, detector in kinds.items():
                found[name].append(roc_auc_score(y[rows], detector.fit(X[rows]).decision_function(X[rows])))
    sets = len(found["ECOD"])
    print(f"\nADBench, {sets} sets of at most {MOST_FEATURES} features, at most {MOST_ROWS:,} rows of each\n")
    print("| detector | mean AUROC | best of these on |\n| --- | --- | --- |")
    best = np.argmax(list(found.values()), axis=0)
    for place, (name, each) in enumerate(found.items()):
        print(f"| {name} | {np.mean(each):.4f} | {(best == place).sum()} |")


def main() -> None:
    """Print all tables."""
    unsupervised()
    supervised()
    areas()


if __name__ == "__main__":
    main()

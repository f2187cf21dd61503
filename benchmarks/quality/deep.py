"""Autoencoders on SKAB and ADBench, and LightGBM on labelled rows of SKAB, beside detectors that cost less."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.quality.data import find, matrix
from tocsin import ECOD, MAD, Autoencoder, Detector, LightGBM, protocol, score_card
from tocsin.evaluate.protocols.running import answers

MOST_ROWS, MOST_FEATURES = 4_000, 100
"""How large a set of ADBench is taken: that many rows at random, and none with more features."""
RATES = ("f1", "false_alarm_rate", "missed_alarm_rate")


def unsupervised() -> None:
    """Learn from the first 400 rows of each experiment, judge the rest by the labels."""
    skab = protocol("skab", find("skab"))
    print("\nSKAB, first 400 rows learned, contamination 1 %\n")
    print("| detector | F1 | false alarm rate | missed alarm rate |\n| --- | --- | --- | --- |")
    kinds: dict[str, Detector] = {
        "ECOD": ECOD(),
        "MAD": MAD(),
        "autoencoder, dense": Autoencoder(),
        "autoencoder, convolutional": Autoencoder(kind="convolutional"),
    }
    for name, detector in kinds.items():
        outcome = skab.run(detector)
        f1, false, missed = (outcome[rate] for rate in RATES)
        print(f"| {name} | {f1:.2f} | {false:.1%} | {missed:.1%} |", flush=True)


def supervised() -> None:
    """Take all experiments as one asset in order of time: the first 70 % train, 20 % validate, the last 10 % judge."""
    frames = [
        pl.concat([case.training, case.test]).with_columns(y=np.concatenate([case.training_labels, case.labels]))
        for case in protocol("skab", find("skab")).cases()
    ]
    frame = pl.concat(frames).sort("datetime")
    X, y = matrix(frame.drop("datetime", "y")), frame["y"].to_numpy()
    cut = int(0.9 * len(X))
    detector = LightGBM(validation=2 / 9).fit(X[:cut], y[:cut])
    truth = y[cut:]
    print("\nSKAB, LightGBM, rows in order of time: 70 % to train, 20 % to validate, the last 10 % judged\n")
    print("| rows judged | anomalous | AUROC | F1 | false alarm rate | missed alarm rate |")
    print("| --- | --- | --- | --- | --- | --- |")
    scores, alerts = detector.decision_function(X[cut:]), detector.predict(X[cut:])
    area, f1, false, missed = score_card(truth, scores, alerts, only=("auroc", *RATES))["value"]
    print(f"| {len(truth):,} | {truth.mean():.0%} | {area:.2f} | {f1:.2f} | {false:.1%} | {missed:.1%} |")


def areas() -> None:
    """Print AUROC of all rows, learned from all rows."""
    kinds: dict[str, Detector] = {"ECOD": ECOD(), "MAD": MAD(), "autoencoder": Autoencoder()}
    sets = protocol("adbench", find("adbench"), rows=MOST_ROWS)
    found = {}
    for name, detector in kinds.items():
        few = (case for case in sets.cases() if len(case.features) <= MOST_FEATURES)
        found[name] = sets.judge(answers(few, detector)).cases["auroc"].to_numpy()
    count = len(found["ECOD"])
    print(f"\nADBench, {count} sets of at most {MOST_FEATURES} features, at most {MOST_ROWS:,} rows of each\n")
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

"""Every temporal baseline beside those that take each row by itself, on public data with labels."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from benchmarks.quality.data import find
from tocsin import CUSUM, EWMA, MAD, STL, Discord, SeasonalNaive, ZScore

DETECTORS = (ZScore, MAD, EWMA, CUSUM, SeasonalNaive, Discord, STL)
SERIES = ("realKnownCause", "realAdExchange", "realTraffic")
TRAINING = 0.15
"""What NAB allows to be learned from."""


def spells(flags):
    """Return the first and last row, one beyond, of each run of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def judged(detector, train, rest, truth):
    """Return what came of one series: AUROC, events and those with an alert, spells of alerts and those in an event."""
    detector.fit(train)
    alerts, score = detector.predict(rest).astype(bool), detector.decision_function(rest)
    events, alarms = spells(truth), spells(alerts)
    found = sum(alerts[first:last].any() for first, last in events)
    right = sum(truth[first:last].any() for first, last in alarms)
    area = roc_auc_score(truth, score) if truth.any() and not truth.all() else np.nan
    return [area, len(events), found, len(alarms), right, (alerts & ~truth).sum(), (~truth).sum()]


def skab():
    """Yield training rows, later rows and truth of 16 experiments with a valve."""
    for path in sorted(find("skab/valve1").glob("*.csv")):
        frame = pl.read_csv(path, separator=";")
        X = frame.drop("datetime", "anomaly", "changepoint").to_numpy()
        yield X[:400], X[400:], frame["anomaly"].to_numpy()[400:] == 1


def nab():
    """Yield the same of series whose labelled windows lie behind the part to learn from."""
    windows = json.loads((find("nab/labels") / "combined_windows.json").read_text())
    for path in sorted(path for folder in SERIES for path in find(f"nab/data/{folder}").glob("*.csv")):
        frame = pl.read_csv(path, try_parse_dates=True)
        times, X = frame["timestamp"], frame["value"].cast(pl.Float64).to_numpy()[:, None]
        truth = np.zeros(len(X), np.bool_)
        for first, last in windows[f"{path.parent.name}/{path.name}"]:
            start, end = (pl.Series([each]).str.to_datetime()[0] for each in (first, last))
            truth |= ((times >= start) & (times <= end)).to_numpy()
        cut = int(TRAINING * len(X))
        yield X[:cut], X[cut:], truth[cut:]


def main() -> None:
    """Print one table a data set."""
    for title, source in (
        ("SKAB valve1, 16 experiments", skab),
        ("NAB, 1 % of the first 15 % over the threshold", nab),
    ):
        print(f"\n{title}: each learns from the beginning of a series, and is judged by the rest\n")
        print("| detector | mean AUROC | events found | precision of alarms | rows of false alarm |")
        print("| --- | --- | --- | --- | --- |")
        cases = list(source())
        for make in DETECTORS:
            results = np.array([judged(make(), *case) for case in cases])
            areas, (events, found, alarms, right, false, quiet) = results[:, 0], results[:, 1:].sum(axis=0)
            print(
                f"| {make.__name__} | {np.nanmean(areas):.2f} | {found:.0f} of {events:.0f} "
                f"| {right / max(alarms, 1):.2f} | {false / quiet:.1%} |"
            )


if __name__ == "__main__":
    main()

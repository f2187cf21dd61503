"""Whether faults put into readings rank detectors as true faults do: what a competition without labels is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from benchmarks.quality.data import find
from tocsin import Competition, Rules, compete, synth
from tocsin.evaluate.truth import at_fault

METRICS = ("average_precision", "vus_pr")
ASSETS, SENSORS, ROWS = 16, 6, 15 * 144


@dataclass
class Case:
    """Readings with labels, of which the first rows have none: how much is learned from, and before what row."""

    name: str
    readings: pl.DataFrame
    key: str
    time: str
    train: float
    history: int


def skab() -> Case:
    """16 experiments with a valve, of which the labelled anomaly comes in the second half."""
    frames = [
        pl.read_csv(path, separator=";", try_parse_dates=True).with_columns(experiment=pl.lit(path.stem))
        for path in sorted(find("skab/valve1").glob("*.csv"))
    ]
    readings = pl.concat(frames).drop("changepoint").rename({"anomaly": "label"})
    return Case("SKAB valve1, 16 experiments", readings, "experiment", "datetime", 0.35, 560)


def made_up() -> Case:
    """Pumps with faults of eight kinds, each in the last three tenths of its rows."""
    readings, truth = synth.fleet(ASSETS, SENSORS, ROWS, seed=3, faulty=1.0, faults=2)
    readings = readings.sort("asset", "time")
    labels = at_fault(readings.rename({"asset": "key"}), truth)
    return Case("made-up pumps", readings.with_columns(label=pl.Series(labels)), "asset", "time", 0.6, int(ROWS * 0.7))


def main() -> None:
    """Print a row a data set, metric and way of putting faults in."""
    print("\n### Detectors ranked by faults put into readings, against their ranking by true labels\n")
    print("| readings | ranked by | faults in | rank correlation | its winner | by labels | best | ecod | median |")
    print("|" + " --- |" * 9)
    for case in (skab(), made_up()):
        early = case.readings.filter(pl.int_range(pl.len()).over(case.key) < case.history)
        for metric in METRICS:
            true = held(case, case.readings, metric, "label")
            for what, readings in (("all rows, labels withheld", case.readings), ("rows before any", early)):
                guess = held(case, readings, metric, None)
                print(row(case.name, metric, what, guess, true), flush=True)


def held(case: Case, readings: pl.DataFrame, metric: str, label: str | None) -> Competition:
    """Hold a competition, by labels or without them."""
    train = case.train if len(readings) == len(case.readings) else case.train * len(case.readings) / len(readings)
    rules = Rules(metric=metric, train=train, seeds=2)
    source = readings if label else readings.drop("label")
    return compete(source, key=case.key, time=case.time, label=label, rules=rules)


def row(name: str, metric: str, what: str, guess: Competition, true: Competition) -> str:
    """Return how well the one ranking stands for the other."""
    both = guess.leaderboard.join(true.leaderboard, on="detector").drop_nulls(["score", "score_right"])
    by_labels = dict(both.select("detector", "score_right").iter_rows())
    agreement = spearmanr(both["score"], both["score_right"]).statistic
    return (
        f"| {name} | {metric} | {what} | {agreement:.2f} | {guess.winner} | {by_labels[str(guess.winner)]:.2f} "
        f"| {max(by_labels.values()):.2f} | {by_labels['ecod']:.2f} | {np.median(list(by_labels.values())):.2f} |"
    )


if __name__ == "__main__":
    main()

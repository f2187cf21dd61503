"""SKAB, each experiment an asset: learn from the first 400 rows of each, judge the rest by the labels.

Each detector has one configuration for all experiments, and its own threshold, from training rows alone.
"""

from __future__ import annotations

from benchmarks.quality.data import find
from tocsin import ECOD, EWMA, PCA, AdjustedChart, IsolationForest, Recipe, protocol
from tocsin.features import Smooth

SMOOTH = Recipe([Smooth("ewma", alpha=0.1)])
DETECTORS = {
    "ECOD": (ECOD(), None),
    "IsolationForest": (IsolationForest(), None),
    "EWMA": (EWMA(), None),
    "PCA": (PCA(), None),
    "PCA of smoothed readings": (PCA(), SMOOTH),
    "AdjustedChart": (AdjustedChart(), None),
    "- lags=2": (AdjustedChart(lags=2), None),
    "- lags=8": (AdjustedChart(lags=8), None),
    "- gain=0.05": (AdjustedChart(gain=0.05), None),
    "- gain=0.2": (AdjustedChart(gain=0.2), None),
    "- ridge=0.01": (AdjustedChart(ridge=0.01), None),
    "- ridge=1, features one by one": (AdjustedChart(ridge=1.0), None),
    "- contamination=0.02": (AdjustedChart(0.02), None),
    "- contamination=0.005": (AdjustedChart(0.005), None),
}


def main() -> None:
    """Print pooled F1, false and missed alarm rates, and the experiments that cost most."""
    benchmark = protocol("skab", find("skab"))
    print("\nSKAB, each detector by its own threshold\n")
    print("| detector | F1 | false alarm rate | missed alarm rate |")
    print("| --- | --- | --- | --- |")
    for name, (detector, recipe) in DETECTORS.items():
        outcome = benchmark.run(detector, recipe)
        f1, false, missed = (outcome[figure] for figure in ("f1", "false_alarm_rate", "missed_alarm_rate"))
        print(f"| {name} | {f1:.3f} | {false:.1%} | {missed:.1%} |")
        if name == "AdjustedChart":
            worst = outcome.cases.sort("f1").head(5)
    told = worst.select("case", "f1", "false_alarm_rate", "missed_alarm_rate").rows()
    print("\nThe five experiments that AdjustedChart does worst on\n")
    print("| experiment | F1 | false alarm rate | missed alarm rate |\n| --- | --- | --- | --- |")
    for case, f1, false, missed in told:
        print(f"| {case} | {f1:.2f} | {false:.0%} | {missed:.0%} |")


if __name__ == "__main__":
    main()

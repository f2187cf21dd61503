"""Every temporal baseline beside those that take each row by itself, on public data with labels."""

from __future__ import annotations

from benchmarks.quality.data import find
from tocsin import CUSUM, EWMA, MAD, STL, Discord, SeasonalNaive, ZScore, protocol
from tocsin.evaluate.metrics.events import IncidentPrecision

DETECTORS = (ZScore, MAD, EWMA, CUSUM, SeasonalNaive, Discord, STL)
METRICS = ("auroc", "event_recall", IncidentPrecision(quiet=0), "false_alarm_rate")


def main() -> None:
    """Print one table a benchmark."""
    for name in ("skab", "nab"):
        benchmark = protocol(name, find(name))
        outcomes = {make.__name__: benchmark.run(make()) for make in DETECTORS}
        cases = len(outcomes["MAD"].cases)
        print(f"\n{benchmark.title}, {cases} series: each learns from its beginning, and is judged by the rest\n")
        print("| detector | mean AUROC | events found | runs of alerts that touch one | rows of false alarm |")
        print("| --- | --- | --- | --- | --- |")
        for detector, outcome in outcomes.items():
            area, found, right, false = outcome.card(METRICS)["value"]
            print(f"| {detector} | {area:.2f} | {found:.0%} | {right:.0%} | {false:.1%} |")


if __name__ == "__main__":
    main()

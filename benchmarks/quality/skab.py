"""SKAB: learn from the first 400 rows of each experiment, judge the rest by the labels."""

from __future__ import annotations

from benchmarks.quality.data import find
from tocsin import ECOD, protocol


def main() -> None:
    """Print pooled F1, false and missed alarm rates at a few label-free thresholds."""
    skab = protocol("skab", find("skab"))
    print("\nSKAB, ECOD a reading at a time\n")
    print("| contamination | experiments | F1 | false alarm rate | missed alarm rate |")
    print("| --- | --- | --- | --- | --- |")
    for contamination in (0.001, 0.01, 0.05):
        outcome = skab.run(ECOD(contamination))
        print(f"| {contamination:.1%} | {len(outcome.cases)} | {outcome['f1']:.2f} "
              f"| {outcome['false_alarm_rate']:.1%} | {outcome['missed_alarm_rate']:.1%} |")  # fmt: skip


if __name__ == "__main__":
    main()

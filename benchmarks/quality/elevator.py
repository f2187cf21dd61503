"""One elevator, 112,001 readings, no labels: learn from the first half, look at what stands out in the second."""

from __future__ import annotations

import polars as pl

from benchmarks.quality.data import find
from tocsin import Fleet

FEATURES = ["revolutions", "humidity", "vibration"]


def main() -> None:
    """Print how many alerts there are, what they say, and the strongest."""
    readings = pl.read_csv(find("elevator") / "predictive-maintenance-dataset.csv")
    half = len(readings) // 2
    fleet = Fleet(time="ID", features=FEATURES).fit(readings[:half])
    alerts = fleet.score(readings[half:], explain=1, only_alerts=True)
    causes = alerts["explanations"].list.first().struct.unnest()
    counts = causes.group_by("feature", "direction").len().sort("len", descending=True)
    missing = fleet.report.missing
    print("\nElevator: learned from the first half, scored the second\n")
    share = len(alerts) / (len(readings) - half)
    print(f"- {len(readings) - half:,} readings scored, {len(alerts):,} alerts ({share:.1%}; 1 % in training)")
    print(f"- {missing:,} of these values are missing, all of vibration; the rows are scored by the other sensors")
    for feature, direction, count in counts.iter_rows():
        print(f"- {count:,} alerts are mainly because {feature} is {direction} its usual range")
    best = int(alerts["score"].arg_max())
    print(f"- strongest, at reading {alerts['time'][best]:,}: {causes['sentence'][best]}")


if __name__ == "__main__":
    main()

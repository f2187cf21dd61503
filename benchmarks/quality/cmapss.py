"""C-MAPSS FD001, engines run to failure: learn from each one's first 50 cycles; does the score rise to the end?"""

from __future__ import annotations

import polars as pl
from scipy.stats import spearmanr

from benchmarks.quality.data import find
from tocsin import Fleet

HEALTHY = 50
NAMES = ["engine", "cycle", "setting_1", "setting_2", "setting_3", *(f"sensor_{i}" for i in range(1, 22))]


def main() -> None:
    """Print alerts by cycles before the end, how many engines show a rise, and the sensors that say so."""
    text = find("cmapss/train_FD001.txt").read_text()
    rows = [line.split() for line in text.splitlines()]
    readings = pl.DataFrame(rows, schema=NAMES, orient="row").cast(
        {name: pl.Int64 if name in ("engine", "cycle") else pl.Float64 for name in NAMES}
    )
    healthy, rest = readings.filter(pl.col("cycle") <= HEALTHY), readings.filter(pl.col("cycle") > HEALTHY)
    fleet = Fleet(key="engine", time="cycle", features=["sensor_*"]).fit(healthy)
    scores = fleet.score(rest, explain=1).with_columns(left=pl.col("time").max().over("key") - pl.col("time"))
    bins = scores.with_columns(
        bin=pl.when(pl.col("left") > 100)
        .then(pl.lit("over 100"))
        .when(pl.col("left") > 60)
        .then(pl.lit("61-100"))
        .when(pl.col("left") > 30)
        .then(pl.lit("31-60"))
        .when(pl.col("left") > 10)
        .then(pl.lit("11-30"))
        .otherwise(pl.lit("last 10"))
    )
    print(f"\nC-MAPSS FD001: {len(fleet)} engines, each learned from its first {HEALTHY} cycles\n")
    print("| cycles before the end | mean score / threshold | rows that alert |")
    print("| --- | --- | --- |")
    for name, group in bins.group_by("bin", maintain_order=True):
        ratio = (group["score"] / group["threshold"]).mean()
        print(f"| {name[0]} | {ratio:.2f} | {group['alert'].mean():.1%} |")
    rises = [spearmanr(group["time"], group["score"]) for _, group in scores.group_by("key")]
    rising = sum(rise.statistic > 0 and rise.pvalue < 0.01 for rise in rises)
    print(f"\n{rising} of {len(rises)} engines show a rise of the score with time (Spearman, p < 0.01).")
    late = scores.filter(pl.col("alert"), pl.col("left") < 30)
    causes = late["explanations"].list.first().struct.unnest()["feature"].value_counts(sort=True).head(3)
    print("Sensors that late alerts name most:", ", ".join(f"{name} ({n})" for name, n in causes.iter_rows()) + ".")


if __name__ == "__main__":
    main()

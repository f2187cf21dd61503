"""SKAB valve1, 16 experiments as 16 assets: learn from the first 400 rows of each, judge the rest by the labels."""

from __future__ import annotations

import polars as pl

from benchmarks.quality.data import find
from tocsin import ECOD, Fleet


def main() -> None:
    """Print pooled F1, false and missed alarm rates at a few label-free thresholds."""
    frames = [
        pl.read_csv(path, separator=";", try_parse_dates=True).with_columns(experiment=pl.lit(path.stem))
        for path in sorted(find("skab/valve1").glob("*.csv"))
    ]
    training = pl.concat([frame.head(400) for frame in frames])
    rest = pl.concat([frame.slice(400) for frame in frames])
    labels = rest.select(key="experiment", time="datetime", anomaly=pl.col("anomaly") == 1)
    print("\nSKAB valve1, 16 experiments, ECOD a reading at a time\n")
    print("| contamination | F1 | false alarm rate | missed alarm rate |")
    print("| --- | --- | --- | --- |")
    for contamination in (0.001, 0.01, 0.05):
        fleet = Fleet(
            ECOD(contamination), key="experiment", time="datetime", features=["*", "!anomaly", "!changepoint"]
        ).fit(training)
        judged = labels.join(fleet.score(rest), on=["key", "time"])
        assert len(judged) == len(rest)
        hit, miss, false, quiet = (
            judged.filter((pl.col("anomaly") == real) & (pl.col("alert") == told)).height
            for real, told in ((True, True), (True, False), (False, True), (False, False))
        )
        print(
            f"| {contamination:.1%} | {2 * hit / (2 * hit + miss + false):.2f} "
            f"| {false / (false + quiet):.1%} | {miss / (miss + hit):.1%} |"
        )


if __name__ == "__main__":
    main()

"""How often the sensor at fault is the first that is named, by kind of fault, detector, and features.

It is looked for in the explanation of the strongest row of each fault, found or not: which threshold one likes has no
part in it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tocsin import (
    ECOD,
    HBOS,
    KNN,
    MAD,
    PCA,
    Detector,
    Ensemble,
    Fleet,
    IsolationForest,
    LeSiNN,
    Recipe,
    ZScore,
    synth,
)
from tocsin.features import Log, Window
from tocsin.synth.faults import KINDS

FLEETS = (
    {"assets": 240, "features": 8, "rows": 10 * 144, "seed": 5},
    {"assets": 120, "features": 8, "rows": 30 * 144, "seed": 7},
)
SPREADS = [Window(12, ["std"], keep=True), Log(columns=["*, std of the last 12"])]
RECIPES = {
    "readings": None,
    "and log std of 12": Recipe(SPREADS),
    "mean of 24, log std of 12": Recipe([*SPREADS, Window(24, ["mean"], columns=["!*, std of the last 12*"])]),
}
EACH: dict[str, Detector] = {
    "ecod": ECOD(),
    "zscore": ZScore(),
    "mad": MAD(),
    "hbos": HBOS(),
    "knn": KNN(),
    "lesinn": LeSiNN(),
    "isolationforest": IsolationForest(),
    "isolationforest, extended": IsolationForest(extended=True),
    "ensemble": Ensemble(),
    "pca": PCA(),
    "pca, all but 0.1 %": PCA(components=0.999),
}


def ranked(detector: Detector, recipe: Recipe | None, readings: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return the faults with the rank of the sensor at fault, null if it is not among the first three, and if found."""
    training, later = synth.split(readings)
    fleet = Fleet(detector, key="asset", time="time", recipe=recipe).fit(training)
    scores = fleet.score(later, explain=6, explain_all=True)
    assert scores is not None
    named = pl.element().struct.field("feature" if recipe is None else "sensor").unique(maintain_order=True)
    faults = truth.with_row_index("fault")
    inside = (
        scores.select("key", "time", "score", "alert", named=pl.col("explanations").list.eval(named))
        .join(faults.select("fault", "onset", "end", "feature", key="asset"), on="key")
        .filter(pl.col("time").is_between("onset", "end") & pl.col("score").is_not_null())
    )
    strongest = pl.all().sort_by("score", descending=True, maintain_order=True).first()
    ranks = (
        inside.group_by("fault")
        .agg(strongest)
        .explode("named")
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("fault"))
        .filter((pl.col("named") == pl.col("feature")) & (pl.col("rank") <= 3))
        .select("fault", "rank")
    )
    found = inside.group_by("fault").agg(found=pl.col("alert").any())
    return faults.join(ranks, on="fault", how="left").join(found, on="fault", how="left")


def main() -> None:
    """Print a table for each fleet."""
    for given in FLEETS:
        readings, truth = synth.fleet(**given, faulty=1.0)
        print(f"\n### Faults of {given['assets']} made-up pumps with {given['features']} sensors and "
              f"{given['rows']:,} rows, seven tenths of them learned from: named first\n")  # fmt: skip
        print(f"| features | detector | {' | '.join(KINDS)} | all | among three | first, of those found |")
        print(f"|{' --- |' * (len(KINDS) + 5)}")
        for features, recipe in RECIPES.items():
            for name, detector in EACH.items():
                faults = ranked(detector, recipe, readings, truth)
                first = faults["rank"].eq(1).fill_null(value=False).to_numpy()
                kinds = [f"{first[(faults['kind'] == kind).to_numpy()].mean():.2f}" for kind in KINDS]
                found = first[faults["found"].to_numpy()].mean()
                print(f"| {features} | {name} | {' | '.join(kinds)} | {np.mean(first):.3f} | "
                      f"{faults['rank'].is_not_null().mean():.3f} | {found:.3f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

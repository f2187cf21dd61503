"""What came of a competition as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tocsin.evaluate.competition.heats import Held
from tocsin.evaluate.competition.standings import Standings
from tocsin.evaluate.competition.trials import Trial

LEADERBOARD = {
    "rank": pl.Int64, "detector": pl.String, "score": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "behind": pl.Float64, "behind_low": pl.Float64, "behind_high": pl.Float64, "level": pl.Boolean,
    "winner": pl.Boolean, "found": pl.Float64, "delay": pl.Float64, "cause_1": pl.Float64, "cause_3": pl.Float64,
    "false_alarms": pl.Float64, "false_incidents_a_day": pl.Float64, "fit_seconds": pl.Float64,
    "score_seconds": pl.Float64, "assets": pl.Int64, "of_assets": pl.Int64, "heat": pl.Int64, "failure": pl.String,
}  # fmt: skip


def ranked(held: Sequence[Held], final: Sequence[Held], standings: Standings) -> list[Held]:
    """Return all that were held, the best first.

    Those of the last heat come first, among them those that have judged all faults; then those of earlier heats, the
    latest first; then those that failed.
    """
    complete = {id(each): whole for each, whole in zip(final, standings.complete.tolist(), strict=True)}
    return sorted(held, key=lambda each: (not each.able, -each.heat, not complete.get(id(each), True), -each.score))


def leaderboard(order: Sequence[Held], final: Sequence[Held], standings: Standings) -> pl.DataFrame:
    """Return one row a contestant, as `tocsin.Competition` says."""
    places = {id(each): place for place, each in enumerate(final)}
    rows = []
    for rank, each in enumerate(order, 1):
        row = {"rank": rank, "detector": str(each.contestant), "heat": each.heat + 1, "failure": each.trial.failure}
        row |= {"winner": False, "of_assets": each.assets}
        if each.able:
            row |= _figures(each.trial)
        place = places.get(id(each))
        if place is not None:
            names = ("low", "high", "behind", "behind_low", "behind_high", "level")
            row |= {name: getattr(standings, name)[place].item() for name in names}
            row["winner"] = place == standings.winner
        rows.append({name: row.get(name) for name in LEADERBOARD})
    return pl.DataFrame(rows, schema=LEADERBOARD).with_columns(pl.col(pl.Float64).fill_nan(None))


def _figures(trial: Trial) -> dict[str, Any]:
    outcomes = trial.outcomes
    known = outcomes.filter(pl.col("kind") != "labelled")
    median = outcomes["delay"].median()
    return {
        "score": outcomes["value"].mean(),
        "found": outcomes["found"].mean(),
        "delay": None if median is None else float(np.asarray(median)),
        "cause_1": _share(known, 1),
        "cause_3": _share(known, 3),
        "false_alarms": trial.false_alarms / trial.normal_rows if trial.normal_rows else None,
        "false_incidents_a_day": trial.false_incidents / trial.asset_days if trial.asset_days else None,
        "fit_seconds": 1e6 * trial.fit_seconds / max(trial.fit_rows, 1),
        "score_seconds": 1e6 * trial.score_seconds / max(trial.score_rows, 1),
        "assets": outcomes["asset"].n_unique(),
    }


def _share(known: pl.DataFrame, most: int) -> float | None:
    """Return the share of faults whose sensor is among the first so many that were named."""
    return float((known["cause_rank"] <= most).fill_null(False).sum() / len(known)) if len(known) else None


def by_kind(order: Sequence[Held]) -> pl.DataFrame:
    """Return detector, kind, faults, score and found, for each contestant and kind of fault."""
    parts = [
        each.trial.outcomes.group_by("kind")
        .agg(faults=pl.len().cast(pl.Int64), score=pl.col("value").mean(), found=pl.col("found").mean())
        .sort("kind")
        .insert_column(0, pl.lit(str(each.contestant)).alias("detector"))
        for each in order
    ]
    return pl.concat(parts)

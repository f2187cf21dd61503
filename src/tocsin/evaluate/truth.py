"""Alerts held against the truth: which faults were found, with the right cause, and at what price in false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.evaluate.incidents import cause_field, explained, incidents, require


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """How alerts compare with the truth.

    A fault counts as found if an alert of its asset lies between its onset and its end, both included. Its cause
    counts as right if the feature that weighs most in the strongest of these alerts is the one at fault.

    Attributes
    ----------
    faults : polars.DataFrame
        The truth, and of each fault: found; alerts within it; first_alert; score of the strongest; cause, the feature
        that weighs most in it; cause_rank, the place of the feature at fault among those named, null if not named;
        peak_cause and peak_rank, the same of the row with the highest score in the fault, alert or not: the cause is
        null if that row is not explained.
    rows, clean_rows : int
        How many readings were scored, and how many of them lie in no fault.
    false_alarms, false_incidents : int
        How many clean readings are alerts, and in how many incidents that touch no fault.
    asset_days : float
        How long the assets were watched in all; 0 without times.
    """

    faults: pl.DataFrame
    rows: int
    clean_rows: int
    false_alarms: int
    false_incidents: int
    asset_days: float

    @property
    def found(self) -> int:
        """How many faults were found."""
        return int(self.faults["found"].sum())

    @property
    def right_cause(self) -> int:
        """How many faults were found with the right cause."""
        return int((self.faults["cause_rank"] == 1).sum())

    @property
    def cause_in_top3(self) -> int:
        """How many faults were found with the right cause among the first three that were named."""
        return int((self.faults["cause_rank"] <= 3).sum())

    @property
    def false_alarm_rate(self) -> float:
        """The share of clean readings that are alerts."""
        return self.false_alarms / self.clean_rows if self.clean_rows else 0.0

    @property
    def false_incidents_per_asset_day(self) -> float | None:
        """How many false incidents one asset has in a day; None without times."""
        return self.false_incidents / self.asset_days if self.asset_days else None

    def by_kind(self) -> pl.DataFrame:
        """Return for each kind of fault: faults, found, right_cause, cause_in_top3."""
        rank = pl.col("cause_rank")
        return self.faults.group_by("kind").agg(
            faults=pl.len(),
            found=pl.col("found").sum(),
            right_cause=(rank == 1).sum(),
            cause_in_top3=(rank <= 3).sum(),
        ).sort("kind")  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "faults": len(self.faults),
            "found": self.found,
            "right_cause": self.right_cause,
            "cause_in_top3": self.cause_in_top3,
            "by_kind": self.by_kind().to_dicts(),
            "rows": self.rows,
            "clean_rows": self.clean_rows,
            "false_alarms": self.false_alarms,
            "false_alarm_rate": self.false_alarm_rate,
            "false_incidents": self.false_incidents,
            "false_incidents_per_asset_day": self.false_incidents_per_asset_day,
        }


def match(scores: pl.DataFrame, truth: pl.DataFrame, quiet: int = 12) -> Findings:
    """Hold a scores table against the truth.

    Parameters
    ----------
    scores : polars.DataFrame
        All scored rows, not the alerts alone: key, time, score, threshold, alert, and explanations for the causes, of
        alerts or (`explain_all`) of all rows.
    truth : polars.DataFrame
        One row a fault: asset, feature, onset, end, and if known, kind.
    quiet : int, default 12
        As in `tocsin.evaluate.incidents.incidents`.

    Raises
    ------
    ColumnError
        If either table lacks a column.

    Examples
    --------
    >>> scores = pl.DataFrame({"key": ["a"] * 4, "time": [0, 1, 2, 3], "score": [1.0, 8.0, 1.0, 5.0]})
    >>> scores = scores.with_columns(threshold=4.0, alert=pl.col("score") > 4)
    >>> truth = pl.DataFrame({"asset": ["a"], "feature": ["flow"], "onset": [1], "end": [2]})
    >>> findings = match(scores, truth)
    >>> findings.found, findings.clean_rows, findings.false_alarms
    (1, 2, 1)
    """
    require(scores, "scores table", ("key", "time", "score", "threshold", "alert"))
    require(truth, "truth", ("asset", "feature", "onset", "end"))
    faults = _like(scores, truth).with_row_index("_fault")
    inside = _inside(scores, faults)
    clean = scores.with_row_index("_row").join(inside.select("_row").unique(), on="_row", how="anti")
    false = incidents(scores, quiet).lazy()
    overlap = (pl.col("start") <= pl.col("end_fault")) & (pl.col("end") >= pl.col("onset"))
    spans = faults.lazy().select(key="asset", onset="onset", end_fault="end")
    true_incidents = false.join(spans, on="key").filter(overlap).unique(["key", "start"]).select("key", "start")
    false_incidents = false.join(true_incidents, on=["key", "start"], how="anti").collect()
    return Findings(
        faults=_judged(faults, inside).drop("_fault"),
        rows=len(scores),
        clean_rows=len(clean),
        false_alarms=int(clean["alert"].sum()),
        false_incidents=len(false_incidents),
        asset_days=_asset_days(scores),
    )


def at_fault(scores: pl.DataFrame, truth: pl.DataFrame) -> NDArray[np.int8]:
    """Return for each row of a scores table 1 if it lies in a fault of its asset, else 0: labels for the metrics.

    Parameters
    ----------
    scores : polars.DataFrame
        Columns key and time.
    truth : polars.DataFrame
        As in `match`.

    Raises
    ------
    ColumnError
        If either table lacks a column.

    Examples
    --------
    >>> scores = pl.DataFrame({"key": ["a", "a", "b", "b"], "time": [0, 1, 0, 1]})
    >>> at_fault(scores, pl.DataFrame({"asset": ["b"], "feature": ["flow"], "onset": [1], "end": [5]})).tolist()
    [0, 0, 0, 1]
    """
    require(scores, "scores table", ("key", "time"))
    require(truth, "truth", ("asset", "feature", "onset", "end"))
    labels = np.zeros(len(scores), np.int8)
    labels[_inside(scores, _like(scores, truth).with_row_index("_fault"))["_row"].to_numpy()] = 1
    return labels


def _like(scores: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return the truth with keys and times of the same types as the scores."""
    time = scores.schema["time"]
    kind = pl.col("kind") if "kind" in truth.columns else pl.lit("fault").alias("kind")
    return truth.with_columns(pl.col("asset").cast(scores.schema["key"]), pl.col("onset", "end").cast(time), kind)


def _inside(scores: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that lie in a fault, once for each such fault."""
    return (
        scores.lazy()
        .with_row_index("_row")
        .join(faults.lazy().select("_fault", "onset", "end", key="asset", at_fault="feature"), on="key")
        .filter(pl.col("time").is_between("onset", "end"))
        .collect()
    )


def _judged(faults: pl.DataFrame, inside: pl.DataFrame) -> pl.DataFrame:
    if explained(inside):
        # Named again for each part that a detector looks at, and each feature that a recipe makes of a sensor.
        feature = pl.element().struct.field(cause_field(inside))
        named = pl.col("explanations").list.eval(feature.unique(maintain_order=True))
    else:
        named = pl.lit([], dtype=pl.List(pl.String))
    alerts = inside.filter("alert")
    first = alerts.group_by("_fault").agg(alerts=pl.len().cast(pl.Int64), first_alert=pl.col("time").min())
    peak = _strongest(inside.filter(pl.col("score").is_not_null()), named).drop("score")
    return (
        faults.join(first, on="_fault", how="left")
        .join(_strongest(alerts, named), on="_fault", how="left")
        .join(peak.rename({"cause": "peak_cause", "cause_rank": "peak_rank"}), on="_fault", how="left")
        .with_columns(found=pl.col("alerts").is_not_null(), alerts=pl.col("alerts").fill_null(0))
        .sort("_fault")
    )


def _strongest(rows: pl.DataFrame, named: pl.Expr) -> pl.DataFrame:
    """Return of the row with the highest score in each fault: score, cause, and cause_rank."""
    strongest = pl.all().sort_by("score", descending=True, maintain_order=True).first()
    best = rows.group_by("_fault").agg(strongest).with_columns(_named=named)
    ranks = (
        best.select("_fault", "at_fault", "_named")
        .explode("_named")
        .with_columns(cause_rank=pl.int_range(1, pl.len() + 1).over("_fault"))
        .filter(pl.col("_named") == pl.col("at_fault"))
        .select("_fault", "cause_rank")
    )
    causes = best.select("_fault", "score", cause=pl.col("_named").list.first())
    return causes.join(ranks, on="_fault", how="left")


def _asset_days(scores: pl.DataFrame) -> float:
    if not isinstance(scores.schema["time"], pl.Datetime | pl.Date):
        return 0.0
    watched = scores.group_by("key").agg(span=pl.col("time").max() - pl.col("time").min())
    return float(watched["span"].dt.total_seconds(fractional=True).sum() / 86_400)


def label(incidents: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Add to incidents the column fault, such as "drift of oil_temp"; null where an incident touches no fault.

    Parameters
    ----------
    incidents : polars.DataFrame
        Columns key, start and end.
    truth : polars.DataFrame
        As in `match`.
    """
    schema = {"key": incidents.schema["key"], "time": incidents.schema["start"]}
    faults = _like(pl.DataFrame(schema=schema), truth).select(
        "onset", "asset", _end="end", fault=pl.format("{} of {}", "kind", "feature")
    )
    touching = (
        incidents.with_row_index("_incident")
        .join(faults, left_on="key", right_on="asset")
        .filter((pl.col("start") <= pl.col("_end")) & (pl.col("end") >= pl.col("onset")))
        .group_by("_incident")
        .agg(pl.col("fault").first())
    )
    return incidents.with_row_index("_incident").join(touching, on="_incident", how="left").sort("_incident").drop(
        "_incident"
    )  # fmt: skip

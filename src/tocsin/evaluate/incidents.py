"""Alerts gathered into incidents: a fault that lasts an hour is one line for a person, not sixty."""

from __future__ import annotations

import polars as pl

from tocsin.errors import ColumnError, did_you_mean

CAUSE = ("feature", "value", "low", "high", "direction", "sentence")
"""What an incident tells of the feature that weighs most in its worst reading."""
TIMES, ABOVE = "thresholds", "above threshold"
"""What a severity may be: a ratio to the threshold, or a difference from it."""


def incidents(scores: pl.DataFrame, quiet: int | None = 12, *, signed: bool | None = None) -> pl.DataFrame:
    """Gather the alerts of each asset that lie close together.

    Parameters
    ----------
    scores : polars.DataFrame
        A scores table with all its rows, each asset's in time order: key, score, threshold, alert, and if there are
        any, time and explanations.
    quiet : int, default 12
        How many readings in a row must pass without an alert for an incident to be over. None takes all alerts of an
        asset as one incident; the table may then hold the alerts only.
    signed : bool, optional
        Whether scores may be below 0, as the detector says (`Detector.signed`); by default, whether any threshold is.

    Returns
    -------
    polars.DataFrame
        One row an incident: key; start, end and worst_time (numbers of the asset's rows if the table has no time);
        rows from start to end and the alerts among them; weight, which adds up how far each alert's score is above
        the threshold, so that what lasts weighs more, and comes first; the worst reading's score, threshold and
        severity; unit, which says of the whole table what severities are; and `CAUSE`, null without explanations.

        The unit "thresholds" says that a severity is how many times the threshold the score is, and a weight how many
        thresholds it is above it; both are null where the threshold is 0, and such incidents come last. Scores that
        may be below 0 have no such ratio: "above threshold" says that a severity is the score less the threshold.

    Raises
    ------
    ColumnError
        If the table lacks a column.

    Examples
    --------
    >>> scores = pl.DataFrame({"key": ["a"] * 20, "score": [1.0] * 8 + [9.0, 1.0, 6.0] + [1.0] * 9, "threshold": 4.0})
    >>> incidents(scores.with_columns(alert=pl.col("score") > 4)).select("start", "end", "rows", "alerts").rows()
    [(8, 10, 3, 2)]
    """
    require(scores, "scores table", ("key", "score", "threshold", "alert"))
    numbered = scores.with_columns(_row=pl.int_range(pl.len()).over("key"))
    if "time" not in scores.columns:
        numbered = numbered.with_columns(time=pl.col("_row"))
    alerts = numbered.filter("alert")
    if explained(scores):
        heaviest = pl.col("explanations").list.first()
        alerts = alerts.with_columns(heaviest.struct.field(name).alias(name) for name in CAUSE)
    else:
        alerts = alerts.with_columns(pl.lit(None).alias(name) for name in CAUSE)
    if signed is None:
        signed = bool((scores["threshold"] < 0).any())
    above = pl.col("score") - pl.col("threshold")
    ratio = pl.when(pl.col("threshold") > 0).then(pl.col("score") / pl.col("threshold"))
    severity, excess = (above, above) if signed else (ratio, ratio - 1.0)
    apart = pl.lit(value=False) if quiet is None else pl.col("_row").diff() > quiet + 1
    begins = apart.fill_null(value=False).cast(pl.Int64)
    worst = pl.col("score").arg_max()
    return (
        alerts.with_columns(_incident=begins.cum_sum().over("key"), severity=severity, excess=excess)
        .group_by("key", "_incident", maintain_order=True)
        .agg(
            pl.col("time").first().alias("start"),
            pl.col("time").last().alias("end"),
            pl.col("time").get(worst).alias("worst_time"),
            (pl.col("_row").last() - pl.col("_row").first() + 1).alias("rows"),
            pl.len().cast(pl.Int64).alias("alerts"),
            pl.when(pl.col("excess").is_not_null().any()).then(pl.col("excess").sum()).alias("weight"),
            *(pl.col(name).get(worst) for name in ("score", "threshold", "severity")),
            pl.lit(ABOVE if signed else TIMES).alias("unit"),
            *(pl.col(name).get(worst) for name in CAUSE),
        )
        .drop("_incident")
        .sort("weight", "score", descending=True, nulls_last=True, maintain_order=True)
    )


def worst_of_each(found: pl.DataFrame) -> pl.DataFrame:
    """Return the worst incident of each asset, the worst asset first, with the column more: how many others it has."""
    more = (pl.len().over("key") - 1).cast(pl.Int64)
    return found.with_columns(more=more).unique("key", keep="first", maintain_order=True)


def explained(scores: pl.DataFrame) -> bool:
    """Say whether a scores table names causes; where no row has one, its column may know no fields."""
    return isinstance(getattr(scores.schema.get("explanations"), "inner", None), pl.Struct)


def cause_field(scores: pl.DataFrame) -> str:
    """Return the field of explanations that names the sensor: its own where a recipe makes features of sensors."""
    fields = getattr(scores.schema["explanations"], "inner", pl.Struct({})).to_schema()
    return "sensor" if "sensor" in fields else "feature"


def require(frame: pl.DataFrame, what: str, columns: tuple[str, ...]) -> None:
    """Raise a `ColumnError` for the first column that a table lacks."""
    for column in columns:
        if column not in frame.columns:
            raise ColumnError(f"the {what} has no column {column!r}{did_you_mean(column, frame.columns)}")

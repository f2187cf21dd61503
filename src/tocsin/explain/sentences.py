"""An explanation as a person would say it."""

from __future__ import annotations

import polars as pl

UPPER, LOWER, HIGH, LOW, NOTHING = (pl.lit(word) for word in ("upper", "lower", "high", "low", ""))


def plain(column: str) -> pl.Expr:
    """Return numbers as text: about four significant digits, never more precise than a reader needs."""
    number = pl.col(column)
    size = number.abs()
    return (
        pl.when((size >= 1000) & (size < 1e15))
        .then(number.round(0).cast(pl.Int64, strict=False).cast(pl.String))
        .when(((size < 0.001) & (size > 0)) | (size >= 1e15))
        .then(number.round_sig_figs(3).cast(pl.String))
        .otherwise(number.round_sig_figs(4).cast(pl.String).str.strip_suffix(".0"))
    )


def sentence() -> pl.Expr:
    """Return the sentence of each row of a table of explanations.

    "vibration was 97.3, above its usual 21 to 42.6; about 1 reading in 1,441 is as high. At 55.1 there would have been
    no alert."
    """
    above = pl.col("direction") == "above"
    low, high = plain("low"), plain("high")
    place = (
        pl.when((pl.col("value") >= pl.col("low")) & (pl.col("value") <= pl.col("high")))
        .then(
            pl.format("near the {} end of its usual {} to {}", pl.when(above).then(UPPER).otherwise(LOWER), low, high)
        )
        .when(low == high)
        .then(pl.format("{} its usual {}", pl.col("direction"), low))
        .otherwise(pl.format("{} its usual {} to {}", pl.col("direction"), low, high))
    )
    odds = (1.0 / pl.col("tail_probability")).round(0).cast(pl.Int64)
    rarity = pl.format("; about 1 reading in {} is as {}", odds, pl.when(above).then(HIGH).otherwise(LOW))
    remedy = pl.format(" At {} there would have been no alert.", plain("limit"))
    return pl.format(
        "{} was {}, {}{}.{}",
        pl.col("feature"),
        plain("value"),
        place,
        pl.when(odds >= 2).then(rarity).otherwise(NOTHING),
        pl.when(pl.col("limit").is_null()).then(NOTHING).otherwise(remedy),
    )

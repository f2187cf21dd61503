"""An explanation as a person would say it."""

from __future__ import annotations

import polars as pl

UPPER, LOWER, HIGH, LOW, NOTHING = (pl.lit(word) for word in ("upper", "lower", "high", "low", ""))

DIGITS, MOST_DIGITS = 4, 15
"""How many significant digits a number has at least, if they are not zeros, and at most."""


def plain(number: pl.Expr, decimals: pl.Expr) -> pl.Expr:
    """Return numbers as text, rounded to the nearest."""
    return _text(_rounded(number, decimals))


def decimals(number: pl.Expr, gap: pl.Expr) -> pl.Expr:
    """Return how many decimals a number needs: four significant digits, and enough to tell tenths of a gap."""
    own = DIGITS - 1 - _exponent(number)
    whole = pl.when(number.abs() < 10.0**MOST_DIGITS).then(0)
    needed = pl.max_horizontal(own, 1 - _exponent(gap), whole)
    return pl.min_horizontal(needed, own + MOST_DIGITS - DIGITS, 300)


def sentence() -> pl.Expr:
    """Return the sentence of each row of a table of explanations.

    "vibration was 97.3, above its usual 21 to 42.6; about 1 reading in 1,441 is as high. At 55.1 there would have been
    no alert."

    Numbers that differ in what the sentence says of them differ as text, and with the limit as it is printed there
    would indeed have been no alert.
    """
    above = pl.col("direction") == "above"
    value, least, most = pl.col("value"), pl.col("low"), pl.col("high")
    apart = [value - most, least - value, most - least, (value - pl.col("limit")).abs()]
    gap = pl.min_horizontal(pl.when(each > 0).then(each) for each in apart)
    said, low, high = (plain(number, decimals(number, gap)) for number in (value, least, most))
    place = (
        pl.when((value >= least) & (value <= most))
        .then(
            pl.format("near the {} end of its usual {} to {}", pl.when(above).then(UPPER).otherwise(LOWER), low, high)
        )
        .when(least == most)
        .then(pl.format("{} its usual {}", pl.col("direction"), low))
        .otherwise(pl.format("{} its usual {} to {}", pl.col("direction"), low, high))
    )
    odds = (1.0 / pl.col("tail_probability")).round(0).cast(pl.Int64)
    rarity = pl.format("; about 1 reading in {} is as {}", odds, pl.when(above).then(HIGH).otherwise(LOW))
    remedy = pl.format(" At {} there would have been no alert.", _text(_limit(above, gap)))
    return pl.format(
        "{} was {}, {}{}.{}",
        pl.col("feature"),
        said,
        place,
        pl.when(odds >= 2).then(rarity).otherwise(NOTHING),
        pl.when(pl.col("limit").is_null()).then(NOTHING).otherwise(remedy),
    )


def _limit(above: pl.Expr, gap: pl.Expr) -> pl.Expr:
    """Return the limit, rounded towards normal; that of a constant feature, where each side is abnormal, as it is."""
    limit = pl.col("limit")
    places = decimals(limit, gap)
    nearest = _rounded(limit, places)
    beyond = pl.when(above).then(nearest > limit).otherwise(nearest < limit)
    towards = _rounded(limit, places, pl.when(above).then(-1.0).otherwise(1.0))
    return (
        pl.when(nearest.cast(pl.Float32, strict=False) == limit)  # in a model of float32 it reads back as the limit
        .then(nearest)
        .when(pl.col("low") == pl.col("high"))
        .then(limit)
        .when(beyond)
        .then(towards)
        .otherwise(nearest)
    )


def _rounded(number: pl.Expr, decimals: pl.Expr, units: pl.Expr | float = 0.0) -> pl.Expr:
    """Round to a number of decimals a row, and go some units of the last one further."""
    scale = pl.lit(10.0).pow(decimals)
    return ((number * scale).round() + units) / scale


def _text(number: pl.Expr) -> pl.Expr:
    return (number + 0.0).cast(pl.String).str.strip_suffix(".0")  # -0.0 + 0.0 is 0.0


def _exponent(number: pl.Expr) -> pl.Expr:
    """Return the power of ten of the first digit, null of zero."""
    return pl.when(number != 0).then(number.abs().log10().floor().cast(pl.Int64, strict=False))

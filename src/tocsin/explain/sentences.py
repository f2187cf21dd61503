"""An explanation as a person would say it."""

from __future__ import annotations

import polars as pl

DIGITS, MOST_DIGITS = 4, 15
"""How many significant digits a number has at least, if they are not zeros, and at most."""
COMMON = 0.2
"""A value within its usual range that has a larger tail probability is not near that end of it."""


def plain(number: pl.Expr, decimals: pl.Expr) -> pl.Expr:
    """Return numbers as text, rounded to the nearest."""
    return _text(_rounded(number, decimals))


def decimals(number: pl.Expr, gap: pl.Expr) -> pl.Expr:
    """Return how many decimals a number needs: four significant digits, and enough to tell tenths of a gap."""
    own = DIGITS - 1 - _exponent(number)
    whole = pl.when(number.abs() < 10.0**MOST_DIGITS).then(0)
    needed = pl.max_horizontal(own, 1 - _exponent(gap), whole)
    return pl.min_horizontal(needed, own + MOST_DIGITS - DIGITS, 300)


def sentences(explanations: pl.DataFrame) -> pl.Series:
    """Return the sentence of each row of a table of explanations.

    "vibration was 97.3, above its usual 21 to 42.6; about 1 reading in 1,441 is as high. At 55.1 there would have been
    no alert."
    "speed was 3.2, high for the other features, within its usual 1 to 5. At 2.1 there would have been no alert."

    The second is of a value that is not rare by itself; "high for the other features" is said where it has a limit.

    Numbers that differ in what the sentence says of them differ as text, and with the limit as it is printed there
    would indeed have been no alert.
    """
    value, low, high, limit = (pl.col(name) for name in ("value", "low", "high", "limit"))
    above = pl.col("direction") == "above"
    inside = (value >= low) & (value <= high)
    common = inside & (pl.col("tail_probability") > COMMON)
    apart = [value - high, low - value, high - low, (value - limit).abs()]
    numbers = explanations.with_columns(
        _above=above,
        _gap=pl.min_horizontal(pl.when(each > 0).then(each) for each in apart),
        _odds=(1.0 / pl.col("tail_probability")).round(0).cast(pl.Int64),
    ).with_columns(
        decimals(pl.col(name), pl.col("_gap")).alias(f"_{name}") for name in ("value", "low", "high", "limit")
    )
    texts = numbers.with_columns(
        _value=plain(value, pl.col("_value")),
        _low=plain(low, pl.col("_low")),
        _high=plain(high, pl.col("_high")),
        _limit=limit_text(pl.col("_above"), pl.col("_limit")),
        _end=pl.when("_above").then(pl.lit("upper")).otherwise(pl.lit("lower")),
        _far=pl.when("_above").then(pl.lit("high")).otherwise(pl.lit("low")),
    )
    nothing = pl.lit("")
    parts = texts.select(
        "feature",
        "_value",
        _place=pl.when(common & (value > limit))
        .then(pl.format("high for the other features, within its usual {} to {}", "_low", "_high"))
        .when(common & (value < limit))
        .then(pl.format("low for the other features, within its usual {} to {}", "_low", "_high"))
        .when(common)
        .then(pl.format("within its usual {} to {}", "_low", "_high"))
        .when(inside)
        .then(pl.format("near the {} end of its usual {} to {}", "_end", "_low", "_high"))
        .when(low == high)
        .then(pl.format("{} its usual {}", "direction", "_low"))
        .otherwise(pl.format("{} its usual {} to {}", "direction", "_low", "_high")),
        _rarity=pl.when((pl.col("_odds") >= 2) & ~common)
        .then(pl.format("; about 1 reading in {} is as {}", "_odds", "_far"))
        .otherwise(nothing),
        _remedy=pl.when(limit.is_null())
        .then(nothing)
        .otherwise(pl.format(" At {} there would have been no alert.", "_limit")),
    )
    said = pl.format("{} was {}, {}{}.{}", "feature", "_value", "_place", "_rarity", "_remedy")
    return parts.select(sentence=said).to_series()


def limit_text(above: pl.Expr, places: pl.Expr) -> pl.Expr:
    """Return the limit as text, rounded so that there would indeed have been no alert."""
    return _text(_towards_normal(above, places))


def _towards_normal(above: pl.Expr, places: pl.Expr) -> pl.Expr:
    """Return the limit, rounded towards normal; that of a constant feature, where each side is abnormal, as it is."""
    limit = pl.col("limit")
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

"""An explanation of a feature's trend, season or residual, as a person would say it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.explain.sentences import decimals, limit_text, plain

HOUR, DAY, WEEK = 3_600_000_000_000, 86_400_000_000_000, 604_800_000_000_000


def part_sentences(
    explanations: pl.DataFrame, change: NDArray[np.float64], readings: NDArray[np.int64], span: NDArray[np.int64]
) -> pl.Series:
    """Return the sentence of each row of a table of explanations with parts.

    "flow was 12.3, 4.1 above what is usual at this hour (7.9 to 8.5). At 8.9 there would have been no alert."
    "flow's level has risen by 3.2 against its recent past."
    "flow's daily cycle has changed its shape, by about 1.4 a reading."

    Parameters
    ----------
    explanations : polars.DataFrame
        With the columns of `tocsin.explain.explanations.FIELDS` but the sentence, and `part`.
    change : ndarray of shape (n,)
        How far the part is from what is usual of it.
    readings, span : ndarray of shape (n,), int64
        How many readings the feature's cycle has, and nanoseconds; 0 where it has none, or readings have no times.
    """
    value, low, high, limit = (pl.col(name) for name in ("value", "low", "high", "limit"))
    above = pl.col("direction") == "above"
    apart = [value - high, low - value, high - low, (value - limit).abs()]
    numbers = explanations.with_columns(
        _change=pl.Series(np.abs(change)),
        _point=_points(readings, span),
        _cycle=_cycles(readings, span),
        _above=above,
        _gap=pl.min_horizontal(pl.when(each > 0).then(each) for each in apart),
    ).with_columns(
        decimals(pl.col(name), pl.col("_gap")).alias(f"_{name}") for name in ("value", "low", "high", "limit")
    )
    texts = numbers.with_columns(
        _value=plain(value, pl.col("_value")),
        _low=plain(low, pl.col("_low")),
        _high=plain(high, pl.col("_high")),
        _limit=limit_text(pl.col("_above"), pl.col("_limit")),
        _change=plain(pl.col("_change"), _two_digits(pl.col("_change"))),
    )
    inside = (value >= low) & (value <= high)
    end = pl.when("_above").then(pl.lit("upper")).otherwise(pl.lit("lower"))
    moved = pl.when("_above").then(pl.lit("risen")).otherwise(pl.lit("fallen"))
    usual = pl.concat_str(pl.lit("what is usual"), "_point")
    place = (
        pl.when(inside).then(pl.format("near the {} end of", end)).otherwise(pl.format("{} {}", "_change", "direction"))
    )
    residual = pl.format("{} was {}, {} {} ({} to {}).", "feature", "_value", place, usual, "_low", "_high")
    remedy = pl.when(limit.is_not_null()).then(pl.format(" At {} there would have been no alert.", "_limit"))
    said = (
        pl.when(pl.col("part") == "trend")
        .then(pl.format("{}'s level has {} by {} against its recent past.", "feature", moved, "_change"))
        .when(pl.col("part") == "season")
        .then(pl.format("{}'s {} has changed its shape, by about {} a reading.", "feature", "_cycle", "_change"))
        .otherwise(pl.concat_str(residual, remedy.fill_null("")))
    )
    return texts.select(sentence=said).to_series()


def _two_digits(number: pl.Expr) -> pl.Expr:
    """Return the decimals of two or three significant digits."""
    return pl.max_horizontal(1 - number.log10().floor().cast(pl.Int64, strict=False), pl.lit(0)).fill_null(0)


def _points(readings: NDArray[np.int64], span: NDArray[np.int64]) -> pl.Series:
    """Return where in its cycle a reading is, in words that follow "what is usual"."""

    def words(count: int, nanoseconds: int) -> str:
        if count == 0:
            return " of late"
        known = {HOUR: " at this minute", DAY: " at this hour", WEEK: " at this hour of the week"}
        return known.get(_round(nanoseconds), f" at this point of its cycle of {count:,} readings")

    return _each(words, readings, span)


def _cycles(readings: NDArray[np.int64], span: NDArray[np.int64]) -> pl.Series:
    """Return what a cycle is called."""

    def words(count: int, nanoseconds: int) -> str:
        known = {HOUR: "hourly cycle", DAY: "daily cycle", WEEK: "weekly cycle"}
        return known.get(_round(nanoseconds), f"cycle of {count:,} readings")

    return _each(words, readings, span)


def _round(nanoseconds: int) -> int:
    """Return an hour, a day or a week for what is one to 1 %."""
    return next((whole for whole in (HOUR, DAY, WEEK) if abs(nanoseconds - whole) <= 0.01 * whole), nanoseconds)


def _each(words: Callable[[int, int], str], readings: NDArray[np.int64], span: NDArray[np.int64]) -> pl.Series:
    """Return the words of each cycle, which are few."""
    kinds, which = np.unique(np.column_stack([readings, span]), axis=0, return_inverse=True)
    names = pl.Series([words(int(count), int(nanoseconds)) for count, nanoseconds in kinds], dtype=pl.String)
    return names.gather(which.reshape(-1))

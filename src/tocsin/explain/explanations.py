"""Explanations as a table, whole columns at a time: one row for each named feature of each explained reading."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.explain.part_sentences import part_sentences
from tocsin.explain.sentences import sentences
from tocsin.panel import Contributions, Evidence, Panel, Scores

FIELDS = {
    "feature": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "direction": pl.String,
    "contribution": pl.Float64,
    "share": pl.Float64,
    "tail_probability": pl.Float64,
    "limit": pl.Float64,
    "sentence": pl.String,
}
"""What an explanation says of a feature, in order."""


def explain(
    panel: Panel, scores: Scores, contributions: Contributions, evidence: Evidence, parts: tuple[str, ...] = ()
) -> pl.DataFrame:
    """Return the explanations of all rows of a panel; `parts` are those of the detector.

    Returns
    -------
    polars.DataFrame
        Columns `row` (of the panel), `rank` (1 is the heaviest) and `FIELDS`: the feature's name and value, its normal
        range, whether it is "above" or "below", its part of the score and share of it, the probability of so extreme
        a value, the nearest value with which the row would not have been an alert (null where it is none, or where
        this feature alone cannot mend it), and a sentence. Features that add nothing to the score have no row, nor have
        those of which nothing can be said: no value is there, or none was in training. Of a detector with parts there
        is also the column `part`, after the feature.
    """
    told = _told(panel, contributions, evidence)
    rows, places = np.nonzero(told)
    feature = contributions.feature[rows, places]
    score = scores.score[rows]
    contribution = contributions.contribution[rows, places]
    limit = np.where(scores.alert[rows], evidence.limit[rows, places], np.nan)
    names = pl.Series(panel.features, dtype=pl.String).gather(feature)
    frame = pl.DataFrame(
        {
            "row": rows,
            "rank": told.cumsum(axis=1, dtype=np.int32)[rows, places],
            "feature": names,
            "value": panel.values[feature, rows].astype(np.float64),
            "low": evidence.low[rows, places],
            "high": evidence.high[rows, places],
            "direction": _directions(evidence.above[rows, places]),
            "contribution": contribution,
            "share": np.divide(contribution, score, out=np.zeros_like(score), where=score > 0),
            "tail_probability": evidence.tail[rows, places],
            "limit": pl.Series(limit).fill_nan(None),
        }
    )
    if contributions.part is None:
        return frame.with_columns(sentences(frame))
    assert evidence.change is not None
    assert evidence.cycle is not None
    words = pl.Series(parts, dtype=pl.String).gather(contributions.part[rows, places])
    frame.insert_column(frame.columns.index("feature") + 1, words.alias("part"))
    cycle = evidence.cycle[rows, places]
    return frame.with_columns(part_sentences(frame, evidence.change[rows, places], cycle[:, 0], cycle[:, 1]))


def nested(explanations: pl.DataFrame, n_rows: int) -> pl.Series:
    """Gather explanations into one list a row, heaviest first, for a table of `n_rows` scored rows."""
    kinds = {
        name: kind
        for name, kind in (FIELDS | {"part": pl.String, "sensor": pl.String}).items()
        if name in explanations.columns
    }
    fields = {name: kinds[name] for name in explanations.columns if name in kinds}
    lists = explanations.group_by("row", maintain_order=True).agg(explanations=pl.struct(*fields))
    every = pl.DataFrame({"row": np.arange(n_rows)})
    joined = every.join(lists, on="row", how="left", maintain_order="left")
    return joined["explanations"].fill_null([]).cast(pl.List(pl.Struct(fields)))


def _told(panel: Panel, contributions: Contributions, evidence: Evidence) -> NDArray[np.bool_]:
    """Return which of the named features have a value, and a usual range that it can be compared with."""
    named = contributions.feature >= 0
    rows, places = np.nonzero(named)
    missing = np.isnan(panel.values[contributions.feature[rows, places], rows])
    named[rows, places] = ~missing & ~np.isnan(evidence.low[rows, places])
    return named


def _directions(above: NDArray[np.bool_]) -> pl.Series:
    words = pl.Series(["below", "above"], dtype=pl.String)
    return words.gather(above.astype(np.uint32))

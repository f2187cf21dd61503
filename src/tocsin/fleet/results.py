"""Scores of panels as tables: one row a reading, with explanations where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.explain.explanations import explain, nested
from tocsin.models import Models
from tocsin.panel import Panel, Scores
from tocsin.tables.times import restore_times


def score_table(panel: Panel, models: Models, scores: Scores, time_type: pa.DataType | None) -> pa.Table:
    """Return key, time (if there is one), score, p_value, alert and threshold of each row; NaN becomes null."""
    columns = row_names(panel, time_type)
    columns["score"] = pa.array(scores.score, from_pandas=True)
    columns["p_value"] = pa.array(scores.p_value, from_pandas=True)
    columns["alert"] = pa.array(scores.alert)
    columns["threshold"] = pa.array(models.threshold[panel.asset_of_row])
    return pa.table(columns)


def row_names(panel: Panel, time_type: pa.DataType | None) -> dict[str, pa.Array]:
    """Return key and time (if there is one) of each row."""
    columns = {"key": panel.keys.take(pa.array(panel.asset_of_row))}
    if panel.times is not None and time_type is not None:
        columns["time"] = restore_times(panel.times, time_type)
    return columns


def spread(scores: Scores, rows: NDArray[np.int64], n_rows: int) -> Scores:
    """Return scores as those of the given rows among `n_rows`; the others have none, which is NaN, and are no alert."""
    score, p_value = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
    alert = np.zeros(n_rows, np.bool_)
    score[rows], p_value[rows], alert[rows] = scores.score, scores.p_value, scores.alert
    return Scores(score, p_value, alert)


def take_scores(scores: Scores, rows: NDArray[np.int64]) -> Scores:
    """Return the scores of some rows."""
    return Scores(scores.score[rows], scores.p_value[rows], scores.alert[rows])


def joined_scores(parts: Sequence[Scores]) -> Scores:
    """Put scores one after the other."""
    score, p_value, alert = ([getattr(each, name) for each in parts] for name in ("score", "p_value", "alert"))
    return Scores(np.concatenate(score), np.concatenate(p_value), np.concatenate(alert))


def explanations(
    detector: Detector, models: Models, panel: Panel, scores: Scores, rows: NDArray[np.int64], top: int
) -> pl.DataFrame:
    """Explain some rows of a panel; `row` in the result counts within them."""
    part, judged = panel.take_rows(rows), take_scores(scores, rows)
    if not detector.temporal:
        contributions = detector.attribute_panel(models, part, top)
        return explain(part, judged, contributions, detector.evidence_panel(models, part, contributions))
    found = detector.attribute_panel(models, panel, top)  # what a row says rests on the rows before it
    other = np.ones(panel.n_rows, np.bool_)
    other[rows] = False
    found.feature[other] = -1
    evidence = detector.evidence_panel(models, panel, found)
    return explain(part, judged, found.of_rows(rows), evidence.of_rows(rows), detector.parts)


def with_explanations(table: pa.Table, explained: pl.DataFrame, rows: NDArray[np.int64]) -> pa.Table:
    """Add the column `explanations`: a list of structs a row, empty where a row was not explained."""
    placed = explained.with_columns(row=pl.Series(rows, dtype=pl.Int64).gather(explained["row"]))
    column = nested(placed, table.num_rows).to_arrow()
    return table.append_column("explanations", column)

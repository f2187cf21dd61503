"""All metrics of one detector's scores and alerts in one table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from tocsin.errors import ParameterError
from tocsin.evaluate.incidents import require
from tocsin.evaluate.metrics.base import Grade, Metric, undefined
from tocsin.evaluate.metrics.catalog import metric, metrics
from tocsin.evaluate.metrics.series import Series, series_of
from tocsin.evaluate.truth import at_fault


def score_card(
    labels: ArrayLike,
    scores: ArrayLike | None = None,
    alerts: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    *,
    only: Iterable[Metric | str] | None = None,
    ordered: bool = True,
) -> pl.DataFrame:
    """Hold scores and alerts against labels, by every metric or by some.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        1 anomalous, 0 normal; -1, NaN or masked where it is not known: such rows are left out.
    scores : array-like of shape (n_rows,), optional
        Higher is more anomalous. Rows without a score, NaN, are left out, of the metrics of alerts as well.
    alerts : array-like of shape (n_rows,), optional
        1 or 0, True or False.
    offsets : array-like of shape (n_series + 1,), optional
        Series ``i`` has the rows ``offsets[i]:offsets[i + 1]``, as in a panel. By default all rows are one series.
    only : iterable of Metric or str, optional
        Metrics, or names of such with their default parameters; by default all that there are.
    ordered : bool, default True
        Whether the rows of a series are in time order. If not, metrics for which order matters are left out.

    Returns
    -------
    polars.DataFrame
        One row a metric: metric, its name; value, NaN where it is not defined; better, "high" or "low"; together,
        whether several series were "pooled" or it is their "mean"; note, why there is no value, or what it leaves out.

    Raises
    ------
    DataError
        If lengths differ, labels or alerts are neither 0 nor 1, or offsets do not rise to the number of rows.
    ParameterError
        If there is no metric of a name, or neither scores nor alerts are given.

    Notes
    -----
    About 0.4 CPU-seconds for a million rows and all metrics.

    Examples
    --------
    >>> card = score_card([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9], [0, 1, 1, 1], only=["auroc", "precision", "mean_delay"])
    >>> card.select("metric", "value", "better").rows()
    [('auroc', 1.0, 'high'), ('precision', 0.6666666666666666, 'high'), ('mean_delay', 0.0, 'low')]
    """
    if scores is None and alerts is None:
        raise ParameterError("give scores or alerts to hold against the labels")
    chosen = [metric(each) if isinstance(each, str) else each for each in (metrics() if only is None else only)]
    series = series_of(labels, scores=scores, alerts=alerts, offsets=offsets)
    given = {"scores": scores is not None, "alerts": alerts is not None}
    rows = []
    for each in chosen:
        if each.ordered and not ordered:
            continue
        grade = _grade(each, series) if given[each.needs] else undefined(f"no {each.needs} were given")
        rows.append((each.name, float(grade.value), each.better, each.together, grade.note))
    types = {"metric": pl.String, "value": pl.Float64, "better": pl.String, "together": pl.String, "note": pl.String}
    return pl.DataFrame(rows, schema=types, orient="row")


def fleet_card(
    scores: pl.DataFrame, truth: pl.DataFrame, *, only: Iterable[Metric | str] | None = None
) -> pl.DataFrame:
    """Hold a fleet's scores table against the truth: the score card of its rows, an asset a series.

    Parameters
    ----------
    scores : polars.DataFrame
        All scored rows, not the alerts alone: key, time, score, alert.
    truth : polars.DataFrame
        One row a fault: asset, feature, onset, end. Faults of one asset that overlap, or follow one another without a
        row in between, are one event.
    only : iterable of Metric or str, optional
        As in `score_card`.

    Returns
    -------
    polars.DataFrame
        As `score_card` does.

    Raises
    ------
    ColumnError
        If either table lacks a column.
    ParameterError
        If there is no metric of a name.

    Examples
    --------
    >>> scores = pl.DataFrame({"key": ["a"] * 4, "time": [0, 1, 2, 3], "score": [1.0, 2.0, 8.0, 5.0]})
    >>> truth = pl.DataFrame({"asset": ["a"], "feature": ["flow"], "onset": [1], "end": [2]})
    >>> fleet_card(scores.with_columns(alert=pl.col("score") > 4), truth, only=["mean_delay"])["value"].item()
    1.0
    """
    require(scores, "scores table", ("key", "time", "score", "alert"))
    rows = scores.sort("key", "time", maintain_order=True)
    lengths = rows["key"].rle().struct.field("len").to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return score_card(at_fault(rows, truth), rows["score"], rows["alert"], offsets, only=only)


def _grade(chosen: Metric, series: list[Series]) -> Grade:
    left_out = sum(int(np.count_nonzero(each.labels < 0)) for each in series)
    grade = chosen.of_all(series)
    return grade if not left_out else Grade(grade.value, "; ".join(filter(None, (grade.note, _without(left_out)))))


def _without(rows: int) -> str:
    return f"{rows:,} rows are not judged"

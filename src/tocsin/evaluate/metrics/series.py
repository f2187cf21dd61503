"""Labels, scores and alerts as metrics see them, so that every metric leaves out the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError
from tocsin.kernels import runs
from tocsin.panel import unmasked


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One asset's rows in order. A row is judged if its label is known and it has a score and an alert, if asked for.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), int8
        1 anomalous, 0 normal, -1 where the row is not judged.
    scores : ndarray of shape (n_rows,), float64
        NaN where the row is not judged, everywhere if there are only alerts.
    alerts : ndarray of shape (n_rows,), bool
        False where the row is not judged, everywhere if there are only scores.
    starts, stops : ndarray of shape (n_events,), int64
        The first row of each event, and the row after its last. An event is a run of anomalous rows, over rows of
        unknown label, with at least one judged row.
    first : int
        The number of the first row among those of all series.
    """

    labels: NDArray[np.int8]
    scores: NDArray[np.float64]
    alerts: NDArray[np.bool_]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    first: int = 0

    @property
    def anomalous(self) -> int:
        """How many judged rows are anomalous."""
        return int(np.count_nonzero(self.labels == 1))

    @property
    def normal(self) -> int:
        """How many judged rows are normal."""
        return int(np.count_nonzero(self.labels == 0))


def series_of(
    labels: ArrayLike,
    *,
    scores: ArrayLike | None = None,
    alerts: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
) -> list[Series]:
    """Check what a user gives and cut it into series.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        1 anomalous, 0 normal; -1, NaN or masked where it is not known.
    scores : array-like of shape (n_rows,), optional
        Higher is more anomalous; NaN where there is none. Infinity is a score.
    alerts : array-like of shape (n_rows,), optional
        1 or 0, True or False; NaN where it is not known.
    offsets : array-like of shape (n_series + 1,), optional
        Series ``i`` has the rows ``offsets[i]:offsets[i + 1]``, as in a panel. By default all rows are one series.

    Raises
    ------
    DataError
        If lengths differ, a label or an alert is neither 0 nor 1, a score is no number, or offsets do not rise from 0
        to the number of rows.
    """
    known = _marks("labels", labels)
    rows = len(known)
    judged = known >= 0
    score = np.full(rows, np.nan)
    alert = np.zeros(rows, np.bool_)
    if scores is not None:
        score = _numbers("scores", scores, rows)
        judged &= ~np.isnan(score)
    if alerts is not None:
        marks = _marks("alerts", alerts, rows)
        judged &= marks >= 0
        alert = (marks == 1) & judged
    score = np.where(judged, score, np.nan)
    seen = np.where(judged, known, np.int8(-1))
    cuts = _cuts(offsets, rows)
    parts = []
    for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        own = slice(low, high)
        parts.append(Series(seen[own], score[own], alert[own], *runs.events(known[own], judged[own]), low))
    return parts


def _marks(what: str, values: ArrayLike, rows: int | None = None) -> NDArray[np.int8]:
    """Return 1, 0 and -1 for what is not known."""
    numbers = _numbers(what, values, rows)
    unknown = np.isnan(numbers) | (numbers == -1.0)
    odd = ~unknown & (numbers != 0.0) & (numbers != 1.0)
    if odd.any():
        row = int(odd.argmax())
        raise DataError(f"{what} must be 1 or 0, or -1 where not known; row {row} has {numbers[row]:g}")
    return np.where(unknown, -1.0, numbers).astype(np.int8)


def _numbers(what: str, values: ArrayLike, rows: int | None) -> NDArray[np.float64]:
    given: NDArray[Any] = unmasked(values)
    try:
        numbers = given.astype(np.float64) if given.dtype.kind in "biufO" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise DataError(f"{what} must be real numbers, not {given.dtype}")
    if numbers.ndim != 1:
        raise DataError(f"{what} must have one dimension, not {numbers.ndim}; give one a row")
    if rows is not None and len(numbers) != rows:
        raise DataError(f"{rows:,} labels but {len(numbers):,} {what}; give one a row")
    return numbers


def _cuts(offsets: ArrayLike | None, rows: int) -> NDArray[np.int64]:
    if offsets is None:
        return np.array([0, rows], np.int64)
    cuts = np.asarray(offsets)
    whole = cuts.ndim == 1 and cuts.dtype.kind in "iu" and len(cuts) > 1
    if not whole or cuts[0] != 0 or cuts[-1] != rows or bool((cuts[1:] < cuts[:-1]).any()):
        raise DataError(f"offsets must be whole numbers that rise from 0 to the number of rows, {rows:,}")
    return cuts.astype(np.int64)

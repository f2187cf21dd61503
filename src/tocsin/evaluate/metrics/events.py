"""Events instead of rows: was a fault noticed at all, how soon, and how many of the incidents are none.

An event is a run of anomalous rows of one series. An incident is a run of alerts, gathered as
`tocsin.evaluate.incidents.incidents` does: it is over after `quiet` rows without an alert.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import NO_ALERT, NO_ANOMALY, Grade, Pooled, ratio, undefined
from tocsin.evaluate.metrics.series import Series, series_of
from tocsin.features.settings import check_whole
from tocsin.kernels import runs


def delays(
    labels: ArrayLike, alerts: ArrayLike, offsets: ArrayLike | None = None, times: ArrayLike | None = None
) -> pl.DataFrame:
    """Return one row an event: when it begins and ends, and its first alert.

    Parameters
    ----------
    labels, alerts, offsets
        As in `tocsin.evaluate.metrics.base.Metric.grade`.
    times : array-like of shape (n_rows,), optional
        When each row was read, in nanoseconds.

    Returns
    -------
    polars.DataFrame
        series; start and end, the event's first and last row; first_alert, null where it was missed; delay, in rows
        from start to first_alert; and with times, seconds, the same in seconds.

    Raises
    ------
    DataError
        As a metric does, or if there is not one time a row.

    Examples
    --------
    >>> delays([0, 1, 1, 1, 0, 1], [1, 0, 0, 1, 0, 0]).rows()
    [(0, 1, 3, 3, 2), (0, 5, 5, None, None)]
    """
    series = series_of(labels, alerts=alerts, offsets=offsets)
    found = [runs.first_alerts(each.alerts, each.starts, each.stops) for each in series]
    table = pl.concat(
        pl.DataFrame(
            {
                "series": np.full(len(first), number, np.int64),
                "start": each.starts + each.first,
                "end": each.stops - 1 + each.first,
                "first_alert": pl.Series(first + each.first).set(pl.Series(first < 0), None),
            }
        )
        for number, (each, first) in enumerate(zip(series, found, strict=True))
    ).with_columns(delay=pl.col("first_alert") - pl.col("start"))
    if times is None:
        return table
    at = np.asarray(times)
    if at.shape != (sum(len(each.labels) for each in series),) or at.dtype.kind not in "iu":
        raise DataError(f"times must be whole nanoseconds, one a row, not {at.dtype} of shape {at.shape}")
    of_row = pl.Series(at.astype(np.int64))
    since = of_row.gather(table["first_alert"]) - of_row.gather(table["start"])
    return table.with_columns(seconds=since / 1e9)


class _Delay(Pooled):
    needs = "alerts"
    better = "low"
    bounds = (0.0, np.inf)
    ordered = True

    def of_all(self, series: Sequence[Series]) -> Grade:
        parts = [runs.first_alerts(each.alerts, each.starts, each.stops) for each in series]
        late = [first[first >= 0] - each.starts[first >= 0] for first, each in zip(parts, series, strict=True)]
        rows, events = np.concatenate(late), sum(map(len, parts))
        if events == 0:
            return undefined(NO_ANOMALY)
        if len(rows) == 0:
            return undefined("no event was found")
        missed = events - len(rows)
        return Grade(self._middle(rows), f"{missed} of {events} events were missed and have no delay" if missed else "")

    @abstractmethod
    def _middle(self, rows: NDArray[np.int64]) -> float: ...


@dataclass(frozen=True)
class MeanDelay(_Delay):
    """How many rows pass from an event's beginning to its first alert, on average over the events that were found.

    Range 0 upwards, lower is better, undefined if no event was found. The note says how many were missed: read it
    beside the event recall, since a detector that misses what is hard to see is quick. `delays` has each event, and
    seconds. The events of several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> MeanDelay().grade([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0])
    Grade(value=2.0, note='1 of 2 events were missed and have no delay')
    """

    name = "mean_delay"

    def _middle(self, rows: NDArray[np.int64]) -> float:
        return float(np.mean(rows))


@dataclass(frozen=True)
class MedianDelay(_Delay):
    """The median of what `MeanDelay` is the mean of.

    Range 0 upwards, lower is better, undefined if no event was found. The note says how many were missed. The events of
    several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> MedianDelay()([1, 1, 0, 1, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0])
    0.0
    """

    name = "median_delay"

    def _middle(self, rows: NDArray[np.int64]) -> float:
        return float(np.median(rows))


@dataclass(frozen=True)
class EventRecall(Pooled):
    """The share of events with an alert in them.

    Range 0 to 1, undefined without an event. It never falls with more alerts: read it beside `IncidentPrecision`. The
    events of several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> EventRecall()([0, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 0])
    0.5
    """

    name = "event_recall"
    needs = "alerts"
    ordered = True

    def of_all(self, series: Sequence[Series]) -> Grade:
        """Return the grade of some series together."""
        found, events = _found(series)
        return ratio(found, events, NO_ANOMALY)


class _Incidents(Pooled):
    needs = "alerts"
    ordered = True
    quiet: int

    def __post_init__(self) -> None:
        check_whole("quiet", self.quiet, 0)

    def _true(self, series: Sequence[Series]) -> tuple[int, int]:
        """Return how many incidents touch an event, and how many there are."""
        true = incidents = 0
        for each in series:
            starts, stops = runs.incidents(each.alerts, self.quiet)
            true += runs.touching(starts, stops, each.starts, each.stops)
            incidents += len(starts)
        return true, incidents


@dataclass(frozen=True)
class IncidentPrecision(_Incidents):
    """The share of incidents that touch an event.

    Range 0 to 1, undefined without an alert. An incident without end is right, too: read it beside the false alarm
    rate. The incidents of several series are counted together. Cost: 20 ns a row.

    Parameters
    ----------
    quiet : int, default 12
        How many rows in a row must pass without an alert for an incident to be over.

    Raises
    ------
    ParameterError
        If `quiet` is negative.

    Examples
    --------
    >>> IncidentPrecision(quiet=1)([0, 0, 0, 0, 1, 1], [1, 0, 0, 1, 1, 0])
    0.5
    """

    name = "incident_precision"
    quiet: int = 12

    def of_all(self, series: Sequence[Series]) -> Grade:
        """Return the grade of some series together."""
        return ratio(*self._true(series), NO_ALERT)


@dataclass(frozen=True)
class EventF1(_Incidents):
    """The harmonic mean of event recall and incident precision.

    Range 0 to 1, undefined without an event; 0 if none was found. Several series are counted together. Cost: 20 ns a
    row.

    Parameters
    ----------
    quiet : int, default 12
        As in `IncidentPrecision`.

    Raises
    ------
    ParameterError
        If `quiet` is negative.

    Examples
    --------
    >>> EventF1(quiet=1)([0, 0, 0, 0, 1, 1], [1, 0, 0, 1, 1, 0])
    0.6666666666666666
    """

    name = "event_f1"
    quiet: int = 12

    def of_all(self, series: Sequence[Series]) -> Grade:
        """Return the grade of some series together."""
        found, events = _found(series)
        if events == 0:
            return undefined(NO_ANOMALY)
        true, incidents = self._true(series)
        if found == 0:
            return Grade(0.0)
        precision, recall = true / incidents, found / events
        return Grade(2.0 * precision * recall / (precision + recall))


def _found(series: Sequence[Series]) -> tuple[int, int]:
    """Return how many events have an alert, and how many there are."""
    first = [runs.first_alerts(each.alerts, each.starts, each.stops) for each in series]
    return sum(int(np.count_nonzero(each >= 0)) for each in first), sum(map(len, first))

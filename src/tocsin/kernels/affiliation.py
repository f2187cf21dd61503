"""Affiliation of alerts with events: exact integrals, a piece at a time (Huet, Navarro and Rossi, KDD 2022).

Each event has a zone: all that lies nearer to it than to another event. What alerts in the zone are worth is measured
against a place drawn from the zone by chance: by the probability that it would lie no nearer. Rows are unit intervals,
all distances are piecewise linear, and so each integral is a sum of parts of parabolas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def _worth(distance: float, left: float, right: float) -> float:
    """Return the integral from 0 to a distance of how much of the zone lies at least so far from the event.

    `left` and `right` are how far the zone reaches beyond the event.
    """
    near, far = min(distance, left), min(distance, right)
    return left * near - near * near / 2.0 + right * far - far * far / 2.0


@kernel
def _reach(low: float, high: float, pivot: float, edge: float) -> float:
    """Return the integral over the places from low to high of how far a ball around each reaches within the zone.

    The ball's radius is the distance to the pivot, which lies within the zone at or before `low`; the zone ends at
    `edge` on the other side. A mirrored case is passed with all signs turned.
    """
    if high <= low:
        return 0.0
    turn = min(max((pivot + edge) / 2.0, low), high)
    behind = ((high - pivot) ** 2 - (low - pivot) ** 2) / 2.0
    ahead = ((turn - pivot) ** 2 - (low - pivot) ** 2) / 2.0 + ((edge - turn) ** 2 - (edge - high) ** 2) / 2.0
    return behind + ahead


@kernel
def _between(low: float, high: float, before: float, after: float, left: float, right: float) -> float:
    """Return the integral of `_reach` over a stretch without alerts, between the alerts that end and begin there.

    Either may be infinitely far; a place belongs to the nearer one.
    """
    cut = (before + after) / 2.0
    if before == -np.inf:
        cut = low
    elif after == np.inf:
        cut = high
    cut = min(max(cut, low), high)
    total = 0.0
    if cut > low:
        total += _reach(low, cut, before, right)
    if high > cut:
        total += _reach(-high, -cut, -after, -left)
    return total


@kernel
def _of_event(
    start: float,
    stop: float,
    left: float,
    right: float,
    alert_starts: NDArray[np.int64],
    alert_stops: NDArray[np.int64],
    first: int,
) -> tuple[float, float]:
    """Return precision and recall of the alerts in one event's zone; (NaN, 0) without any."""
    zone = right - left
    alerted, worth, recalled = 0.0, 0.0, 0.0
    before, run = -np.inf, first
    while run < len(alert_starts) and alert_starts[run] < right:
        begin, end = max(float(alert_starts[run]), left), min(float(alert_stops[run]), right)
        run += 1
        if end <= begin:
            continue
        alerted += end - begin
        inside = max(0.0, min(end, stop) - max(begin, start))
        worth += zone * inside
        if begin < start:
            near = max(0.0, start - end)
            worth += _worth(start - begin, start - left, right - stop) - _worth(near, start - left, right - stop)
        if end > stop:
            near = max(0.0, begin - stop)
            worth += _worth(end - stop, start - left, right - stop) - _worth(near, start - left, right - stop)
        low, high = max(start, before), min(stop, begin)
        if high > low:
            recalled += zone * (high - low) - _between(low, high, before, begin, left, right)
        recalled += zone * inside
        before = end
    if alerted == 0.0:
        return np.nan, 0.0
    low = max(start, before)
    if stop > low:
        recalled += zone * (stop - low) - _between(low, stop, before, np.inf, left, right)
    return worth / (zone * alerted), recalled / (zone * (stop - start))


@kernel
def affiliations(
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    alert_starts: NDArray[np.int64],
    alert_stops: NDArray[np.int64],
    rows: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall of each event's zone; without alerts there they are NaN and 0.

    Parameters
    ----------
    starts, stops : arrays of shape (n_events,), int64
        From `tocsin.kernels.runs.events`.
    alert_starts, alert_stops : arrays of shape (n_runs,), int64
        From `tocsin.kernels.runs.incidents` with a `quiet` of 0.
    rows : int
        How long the series is. Cost: one step an event and a run.
    """
    precision, recall = np.empty(len(starts)), np.empty(len(starts))
    left, run = 0.0, 0
    for event in range(len(starts)):
        right = float(rows) if event == len(starts) - 1 else (stops[event] + starts[event + 1]) / 2.0
        while run < len(alert_starts) and alert_stops[run] <= left:
            run += 1
        precision[event], recall[event] = _of_event(
            float(starts[event]), float(stops[event]), left, right, alert_starts, alert_stops, run
        )
        left = right
    return precision, recall

"""Labelled rows gathered into events, and alerts into incidents, for the measures that count these and not rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def events(labels: NDArray[np.int8], judged: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each event of one series, and the row after its last.

    Parameters
    ----------
    labels : array of shape (n_rows,), int8
        1 anomalous, 0 normal, -1 not known. Rows that are not known neither begin an event nor end it.
    judged : array of shape (n_rows,), bool
        An event without any such row is left out.
    """
    starts, stops = np.empty(len(labels), np.int64), np.empty(len(labels), np.int64)
    found, inside, seen = 0, False, False
    for row in range(len(labels)):
        if labels[row] == 1:
            if not inside:
                starts[found], inside, seen = row, True, False
            stops[found] = row + 1
            seen = seen or judged[row]
        elif labels[row] == 0 and inside:
            inside = False
            found += np.int64(seen)
    if inside and seen:
        found += 1
    return starts[:found].copy(), stops[:found].copy()


@kernel
def incidents(alerts: NDArray[np.bool_], quiet: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each incident of one series, and the row after its last; `quiet` rows do not end it."""
    starts, stops = np.empty(len(alerts), np.int64), np.empty(len(alerts), np.int64)
    found = 0
    for row in range(len(alerts)):
        if alerts[row]:
            if found == 0 or row - stops[found - 1] > quiet:
                starts[found] = row
                found += 1
            stops[found - 1] = row + 1
    return starts[:found].copy(), stops[:found].copy()


@kernel
def touching(
    starts: NDArray[np.int64], stops: NDArray[np.int64], other_starts: NDArray[np.int64], other_stops: NDArray[np.int64]
) -> int:
    """Return how many runs share a row with any of the others; both ascend and none overlap their own kind."""
    count, other = 0, 0
    for run in range(len(starts)):
        while other < len(other_starts) and other_stops[other] <= starts[run]:
            other += 1
        count += np.int64(other < len(other_starts) and other_starts[other] < stops[run])
    return count


@kernel
def first_alerts(alerts: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row with an alert in each run, -1 where there is none."""
    first = np.full(len(starts), -1, np.int64)
    for run in range(len(starts)):
        for row in range(starts[run], stops[run]):
            if alerts[row]:
                first[run] = row
                break
    return first

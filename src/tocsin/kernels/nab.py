"""What an alert earns at each row under the Numenta Anomaly Benchmark, and the threshold that earns most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch

OUTSIDE = -1
"""The window of a row that lies in none."""
UNSCORED = -2
"""The window of a row that does not count."""


@kernel
def _scaled(position: float) -> float:
    """Return the benchmark's sigmoid, from nearly 1 at the left edge of a window over 0 at its right edge to -1."""
    return -1.0 if position >= 3.0 else 2.0 / (1.0 + np.exp(5.0 * position)) - 1.0


@kernel
def earnings(
    labels: NDArray[np.int8],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    probation: float,
    hit: float,
    false: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return what an alert at each row of a series earns, and the window that the row lies in, else `OUTSIDE`.

    Parameters
    ----------
    labels : array of shape (n_rows,), int8
        1 or 0; -1 for rows that are not judged, whose window is `UNSCORED`, as is that of the probationary rows.
    starts, stops : arrays of shape (n_windows,), int64
        From `tocsin.kernels.runs.events`.
    probation : float
        So many rows at the beginning do not count.
    hit, false : float
        The weights of a true and of a false positive.
    """
    earned, window = np.zeros(len(labels)), np.full(len(labels), UNSCORED, np.int64)
    best, now = _scaled(-1.0), 0
    for row in range(len(labels)):
        while now < len(starts) and stops[now] <= row:
            now += 1
        if labels[row] < 0 or row < probation:
            continue
        if now < len(starts) and starts[now] <= row:
            window[row] = now
            earned[row] = hit * (_scaled(-(stops[now] - row) / (stops[now] - starts[now])) / best)
        else:
            window[row] = OUTSIDE
            position = 3.0
            if now > 0 and stops[now - 1] - starts[now - 1] > 1:
                position = (row - stops[now - 1] + 1) / (stops[now - 1] - starts[now - 1] - 1)
            earned[row] = false * _scaled(position)
    return earned, window


@kernel
def raw_score(
    alerts: NDArray[np.bool_], earned: NDArray[np.float64], window: NDArray[np.int64], windows: int, missed: float
) -> tuple[float, int]:
    """Return the raw score of alerts, and how many of the windows have a row that counts.

    Of a window only the alert that earns most counts, which is its first; one without any costs `missed`.
    """
    best, counts = np.full(windows, -missed), np.zeros(windows, np.bool_)
    score = 0.0
    for row in range(len(alerts)):
        if window[row] >= 0:
            counts[window[row]] = True
            if alerts[row]:
                best[window[row]] = max(best[window[row]], earned[row])
        elif window[row] == OUTSIDE and alerts[row]:
            score += earned[row]
    counted = 0
    for which in range(windows):
        if counts[which]:
            counted += 1
            score += best[which]
    return score, counted


@kernel
def best_threshold(
    scores: NDArray[np.float64],
    earned: NDArray[np.float64],
    window: NDArray[np.int64],
    windows: int,
    missed: float,
) -> float:
    """Return the threshold with the best raw score, infinity if that is to have no alert; the highest of equal ones.

    A row is an alert if its score is at least the threshold. Cost: one sort.
    """
    rows, ordered = np.empty(len(scores), np.int32), np.empty(len(scores))
    count = argsort(scores, scratch(len(scores)), rows, ordered)
    best = np.full(windows, -missed)
    threshold, highest, score = np.inf, 0.0, 0.0
    for at in range(count - 1, -1, -1):
        row = rows[at]
        if window[row] == OUTSIDE:
            score += earned[row]
        elif window[row] >= 0 and earned[row] > best[window[row]]:
            score += earned[row] - best[window[row]]
            best[window[row]] = earned[row]
        if (at == 0 or ordered[at - 1] != ordered[at]) and score > highest:
            threshold, highest = ordered[at], score
    return threshold

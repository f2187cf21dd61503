"""Areas under range-based ROC and PR curves for all widths of the buffer at once (Paparrizos et al., VLDB 2022).

A row next to an event counts as partly anomalous: at distance d of a buffer of width w by sqrt(1 - d / w), and wholly
where two events' buffers meet. What a row adds at a threshold depends on its distance and on the first threshold that
it passes, so rows are counted by these two, and a wider buffer merely counts the rows at two more distances from each
event. The series itself is never walked again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch


@kernel
def first_passed(scores: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for each row the first threshold that its score reaches, -1 for NaN.

    Parameters
    ----------
    scores : array of shape (n_rows,), float64
    places : array of shape (n_thresholds,), int64
        Which of the scores, the highest being 0, are the thresholds: ascending, the last one the lowest score.
    """
    rows, ordered = np.empty(len(scores), np.int32), np.empty(len(scores))
    count = argsort(scores, scratch(len(scores)), rows, ordered)
    passed = np.full(len(scores), -1, np.int32)
    threshold = 0
    for at in range(count - 1, -1, -1):
        while ordered[at] < ordered[count - 1 - places[threshold]]:
            threshold += 1
        passed[rows[at]] = threshold
    return passed


@kernel
def _counted(
    labels: NDArray[np.int8], passed: NDArray[np.int32], thresholds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows, and how many anomalous ones, reach each threshold."""
    flagged, hits = np.zeros(thresholds, np.int64), np.zeros(thresholds, np.int64)
    for row in range(len(labels)):
        if passed[row] >= 0:
            flagged[passed[row]] += 1
            hits[passed[row]] += np.int64(labels[row] == 1)
    for at in range(1, thresholds):
        flagged[at] += flagged[at - 1]
        hits[at] += hits[at - 1]
    return flagged, hits


@kernel
def _earliest(
    passed: NDArray[np.int32], starts: NDArray[np.int64], stops: NDArray[np.int64], thresholds: int
) -> NDArray[np.int64]:
    """Return the first threshold that any row of each event reaches."""
    earliest = np.full(len(starts), thresholds, np.int64)
    for event in range(len(starts)):
        for row in range(starts[event], stops[event]):
            if 0 <= passed[row] < earliest[event]:
                earliest[event] = passed[row]
    return earliest


@kernel
def _widen(
    labels: NDArray[np.int8],
    passed: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    distance: int,
    near: NDArray[np.int32],
    once: NDArray[np.int64],
    whole: NDArray[np.int64],
    earliest: NDArray[np.int64],
) -> None:
    """Count the rows at one more distance from each event, and in what a second event's buffer reaches, as whole."""
    for event in range(len(starts)):
        for side in range(2):
            row = starts[event] - distance if side == 0 else stops[event] - 1 + distance
            if row < 0 or row >= len(labels) or passed[row] < 0:
                continue
            threshold = passed[row]
            earliest[event] = min(earliest[event], threshold)
            if labels[row] == 1 or near[row] < 0:
                continue
            if near[row] == 0:
                near[row] = distance
                once[distance, threshold] += 1
            else:
                once[near[row], threshold] -= 1
                whole[threshold] += 1
                near[row] = -1


@kernel
def _reached(
    earliest: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    half: int,
    share: NDArray[np.float64],
) -> None:
    """Write the share of events with an alert at each threshold; events whose buffers touch are one."""
    share[:] = 0.0
    groups, first = 0, earliest[0]
    for event in range(len(starts)):
        first = min(first, earliest[event])
        if event == len(starts) - 1 or stops[event] - 1 + half < starts[event + 1] - half:
            groups += 1
            if first < len(share):
                share[first] += 1.0
            first = len(share)
    for at in range(1, len(share)):
        share[at] += share[at - 1]
    for at in range(len(share)):
        share[at] /= groups


@kernel
def _under(
    flagged: NDArray[np.int64],
    hits: NDArray[np.int64],
    buffered: NDArray[np.float64],
    share: NDArray[np.float64],
    current: bool,
) -> tuple[float, float]:
    """Return the areas under the ROC and the PR curve for one width of the buffer."""
    last = len(flagged) - 1
    rows, anomalous = float(flagged[last]), float(hits[last])
    under_roc, under_pr, recall_before, false_before, precision_before = 0.0, 0.0, 0.0, 0.0, 1.0
    for at in range(last + 1):
        hit = hits[at] + buffered[at]
        positive = anomalous + (buffered[at] if current else buffered[last]) / 2.0
        recall = min(hit / positive, 1.0) * share[at]
        false = (flagged[at] - hit) / (rows - positive)
        precision = hit / flagged[at]
        under_roc += (false - false_before) * (recall + recall_before) / 2.0
        under_pr += (recall - recall_before) * (precision if current else (precision + precision_before) / 2.0)
        recall_before, false_before, precision_before = recall, false, precision
    return under_roc + (1.0 - false_before) * (1.0 + recall_before) / 2.0, under_pr


@kernel
def volume(
    labels: NDArray[np.int8],
    passed: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    thresholds: int,
    narrowest: int,
    widest: int,
    current: bool,
) -> tuple[float, float]:
    """Return the mean areas under the range-based ROC and PR curves over all widths of the buffer.

    Parameters
    ----------
    labels : array of shape (n_rows,), int8
        1 anomalous, 0 normal; of rows without a score it does not matter.
    passed : array of shape (n_rows,), int32
        From `first_passed`.
    starts, stops : arrays of shape (n_events,), int64
        From `tocsin.kernels.runs.events`; at least one.
    thresholds : int
        How many thresholds there are.
    narrowest, widest : int
        The widths of the buffer, both included.
    current : bool
        Count the buffer's rows as anomalous only where they reach the threshold, and take the PR curve as steps, as the
        authors' later code does; otherwise count all of them, and join the PR curve's points by lines.
    """
    flagged, hits = _counted(labels, passed, thresholds)
    earliest = _earliest(passed, starts, stops, thresholds)
    near = np.zeros(len(labels), np.int32)
    once = np.zeros((widest // 2 + 1, thresholds), np.int64)
    whole = np.zeros(thresholds, np.int64)
    buffered, share = np.empty(thresholds), np.empty(thresholds)
    total_roc, total_pr = 0.0, 0.0
    for width in range(widest + 1):
        half = width // 2
        if half > 0 and width % 2 == 0:
            _widen(labels, passed, starts, stops, half, near, once, whole, earliest)
        if width < narrowest:
            continue
        for at in range(thresholds):
            buffered[at] = whole[at]
        for distance in range(1, half + 1):
            weight = np.sqrt(1.0 - distance / width)
            for at in range(thresholds):
                buffered[at] += weight * once[distance, at]
        for at in range(1, thresholds):
            buffered[at] += buffered[at - 1]
        _reached(earliest, starts, stops, half, share)
        roc, pr = _under(flagged, hits, buffered, share, current)
        total_roc += roc
        total_pr += pr
    return total_roc / (widest - narrowest + 1), total_pr / (widest - narrowest + 1)

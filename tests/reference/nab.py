"""The score of the Numenta Anomaly Benchmark as its equations read, slowly: the twin of the kernels."""

from __future__ import annotations

import math

PROFILES = {"nab_standard": (1.0, 0.11, 1.0), "nab_low_fp": (1.0, 0.22, 1.0), "nab_low_fn": (1.0, 0.11, 2.0)}
"""The weights of a hit, a false alarm and a missed window."""


def sigmoid(position):
    """Return the scaled sigmoid: -1 well behind a window."""
    return -1.0 if position >= 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def windows_of(labels):
    """Return the first and the last row of each run of ones."""
    found, before = [], 0
    for row, label in enumerate([*labels, 0]):
        if label == 1 and before != 1:
            found.append([row, row])
        elif label == 1:
            found[-1][1] = row
        before = label
    return found


def raw_score(labels, alerts, weights, probation=0.15):
    """Return the raw score of one file, and its number of windows that reach beyond the probationary rows."""
    hit, false, missed = weights
    begin = min(math.floor(probation * len(labels)), probation * 5000)
    windows = windows_of(labels)
    total = 0.0
    for first, last in windows:
        width = last - first + 1
        found = [row for row in range(first, last + 1) if alerts[row] and row >= begin]
        if found:
            total += hit * sigmoid(-(last - found[0] + 1) / width) / sigmoid(-1.0)
        elif last >= begin:
            total -= missed
    for row, alert in enumerate(alerts):
        if not alert or row < begin or any(first <= row <= last for first, last in windows):
            continue
        past = [(first, last) for first, last in windows if last < row]
        if not past:
            total -= false
            continue
        first, last = past[-1]
        total += false * (sigmoid((row - last) / (last - first)) if last > first else -1.0)
    return total, sum(last >= begin for _, last in windows)


def score(files, weights, probation=0.15):
    """Return the score of (labels, alerts) of some files: 0 without any alert, 100 for a perfect detector."""
    parts = [raw_score(labels, alerts, weights, probation) for labels, alerts in files]
    raw, windows = sum(part[0] for part in parts), sum(part[1] for part in parts)
    null, perfect = -weights[2] * windows, weights[0] * windows
    return 100.0 * (raw - null) / (perfect - null)


def optimum(files, weights, probation=0.15):
    """Return the highest score of (labels, scores) of some files at any one threshold, and the highest of those."""
    thresholds = [math.inf, *sorted({score for _, scores in files for score in scores}, reverse=True)]
    tried = [
        (score([(labels, [one >= at for one in scores]) for labels, scores in files], weights, probation), at)
        for at in thresholds
    ]
    best = max(value for value, _ in tried)
    return best, next(at for value, at in tried if value >= best - 1e-9)

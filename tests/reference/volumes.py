"""Range-based curves as Paparrizos et al. (VLDB 2022, section 4) define them, slowly: the twin of the kernels."""

from __future__ import annotations

import numpy as np


def segments(labels):
    """Return the first and the last row of each run of ones."""
    padded = np.concatenate([[0], labels, [0]])
    return list(zip(np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1) - 1, strict=True))


def softened(labels, width):
    """Return labels with buffers: sqrt(1 - d / width) beside a segment, added up where they meet, at most 1."""
    soft = labels.astype(float)
    for first, last in segments(labels):
        for distance in range(1, width // 2 + 1):
            for row in (first - distance, last + distance):
                if 0 <= row < len(labels):
                    soft[row] += np.sqrt(1.0 - distance / width)
    return np.minimum(soft, 1.0)


def joined(pieces, half):
    """Return segments with their buffers, as one where two share a row."""
    groups = []
    for first, last in pieces:
        if groups and first - half <= groups[-1][1]:
            groups[-1] = (groups[-1][0], last + half)
        else:
            groups.append((max(first - half, 0), last + half))
    return groups


def areas(labels, scores, width, thresholds=250, *, current=True):
    """Return the areas under the ROC and the PR curve for one width of the buffer."""
    soft = softened(labels, width)
    beside = soft * (labels == 0)
    groups = joined(segments(labels), width // 2)
    descending = np.sort(scores)[::-1]
    rates = [(0.0, 0.0, 1.0)]
    for place in np.linspace(0, len(scores) - 1, thresholds).astype(int):
        alert = scores >= descending[place]
        hits = np.sum(soft[alert])
        counted = np.sum(beside[alert]) if current else np.sum(beside)
        positive = (np.sum(labels) + np.sum(labels) + counted) / 2.0
        existence = np.mean([alert[first : last + 1].any() for first, last in groups])
        recall = min(hits / positive, 1.0) * existence
        rates.append((recall, (np.sum(alert) - hits) / (len(labels) - positive), hits / np.sum(alert)))
    recall, false, precision = map(np.array, zip(*rates, strict=True))
    roc = np.trapezoid(np.append(recall, 1.0), np.append(false, 1.0))
    height = precision[1:] if current else (precision[1:] + precision[:-1]) / 2.0
    return roc, float(np.sum(np.diff(recall) * height))


def volumes(labels, scores, widest, thresholds=250, *, current=True):
    """Return the means of both areas over all widths of the buffer."""
    each = [areas(labels, scores, width, thresholds, current=current) for width in range(widest + 1)]
    return tuple(np.mean(each, axis=0))

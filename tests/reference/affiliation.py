"""Affiliation precision and recall as Huet, Navarro and Rossi (KDD 2022) define them, slowly: the twin of the kernels.

Rows are unit intervals. All that is integrated is linear in between multiples of a quarter row, so that the midpoints
of such cells give exact integrals.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

CELL = 0.25


def intervals(marks):
    """Return the runs of true rows as half-open intervals."""
    padded = np.concatenate([[0], np.asarray(marks, int), [0]])
    return list(zip(np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1), strict=True))


def cells(low, high):
    """Return the midpoints of the cells of an interval."""
    return np.arange(low + CELL / 2, high, CELL)


def distance(place, pieces):
    """Return how far a place is from the nearest piece."""
    return min(max(low - place, place - high, 0.0) for low, high in pieces)


def zones(events, rows):
    """Return the zone of each event: what lies nearer to it than to another."""
    cuts = [(before[1] + after[0]) / 2 for before, after in pairwise(events)]
    return list(zip([0.0, *cuts], [*cuts, float(rows)], strict=True))


def clipped(pieces, zone):
    """Return the parts of pieces within a zone."""
    parts = [(max(low, zone[0]), min(high, zone[1])) for low, high in pieces]
    return [(low, high) for low, high in parts if high > low]


def no_nearer_to_event(far, event, zone):
    """Return the probability that a place drawn from the zone lies at least so far from the event."""
    if far == 0.0:
        return 1.0
    return (max(event[0] - far - zone[0], 0.0) + max(zone[1] - event[1] - far, 0.0)) / (zone[1] - zone[0])


def no_nearer_to_place(far, place, zone):
    """Return the probability that a place drawn from the zone lies at least so far from another place."""
    return 1.0 - (min(zone[1], place + far) - max(zone[0], place - far)) / (zone[1] - zone[0])


def affiliation(labels, alerts):
    """Return precision, over the zones with alerts, and recall."""
    events, pieces = intervals(labels), intervals(alerts)
    precision, recall = [], []
    for event, zone in zip(events, zones(events, len(labels)), strict=True):
        own = clipped(pieces, zone)
        if not own:
            recall.append(0.0)
            continue
        alerted = np.concatenate([cells(*piece) for piece in own])
        precision.append(np.mean([no_nearer_to_event(distance(at, [event]), event, zone) for at in alerted]))
        recall.append(np.mean([no_nearer_to_place(distance(at, own), at, zone) for at in cells(*event)]))
    return float(np.mean(precision)) if precision else np.nan, float(np.mean(recall))

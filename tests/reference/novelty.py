"""Novelty of a feature, a reading at a time, with books and distances as lists."""

from __future__ import annotations

import numpy as np

FINENESS, NEAREST, FARTHEST = 8, -20, 12


def class_of(distance):
    if distance == 0:
        return 0
    return int(np.clip(np.floor((np.log2(distance) - NEAREST) * FINENESS) + 1, 0, (FARTHEST - NEAREST) * FINENESS))


def surprise_of(found, before):
    """Return how rare a class is among those before it."""
    if not before:
        return 0.0
    reached = sum(each >= found for each in before)
    beyond = max(found - max(before), 0) if reached == 0 else 0
    return np.log10((len(before) + 1) / (reached + 1)) + beyond * np.log10(2.0) / FINENESS


def things(z, block, length):
    """Return value, level and course of the last of the readings so far, with the readings each spans."""
    spans = (1, block, block * length)
    level = [
        np.mean(z[len(z) - (part + 1) * block : len(z) - part * block]) for part in range(min(length, len(z) // block))
    ]
    views = ([z[-1]], level[:1], level)
    return [(span, np.array(view)) for span, view in zip(spans, views, strict=True) if len(z) >= span]


def novelty(x, center, unit, *, block, length, keep, books=None):
    """Return the surprise of each reading, of a missing one 0, and the books, which stay as they are if given."""
    z, after, writes = [], [], books is None
    books, before = books or ([], [], []), ([], [], [])
    for reading in x:
        most = 0.0
        if not np.isnan(reading):
            z.append((reading - center) / unit)
            for (span, thing), book, past in zip(things(z, block, length), books, before, strict=False):
                others = [entry for when, entry in book[-keep:] if abs(len(z) - when) >= span]
                surprise = None
                if others:
                    found = class_of(min(np.sqrt(((thing - other) ** 2).sum()) for other in others))
                    surprise = surprise_of(found, past)
                    past.append(found)
                    most = max(most, surprise)
                if writes and (surprise is None or surprise >= 1.0):
                    book.append((len(z), thing.astype(np.float32)))
        after.append(most)
    return np.array(after), books

"""Distances from the nearest window less its mean, each window with each, as the definition reads."""

from __future__ import annotations

import numpy as np


def distances(history, recent, window, place, zone):
    """Return all distances of windows of `recent` from those of `history`, in root mean squares; infinite if not."""
    past = np.lib.stride_tricks.sliding_window_view(history, window)
    own = np.lib.stride_tricks.sliding_window_view(recent, window)
    past, own = (each - each.mean(axis=1, keepdims=True) for each in (past, own))
    apart = np.sqrt(((own[:, None] - past[None]) ** 2).mean(axis=2))
    gaps = np.abs(np.arange(len(past)) - place - np.arange(len(own))[:, None])
    return np.where(np.isnan(apart) | (gaps < zone), np.inf, apart)


def score(history, gauges, recent, window, place, zone):
    """Return what each window of `recent` counts: its nearest distance in units of the gauge there, of both looks."""
    said = []
    for size, gauge, old, new in zip((window, window - 1), gauges, history, recent, strict=True):
        apart = distances(old, new, size, place, zone)
        nearest = apart.argmin(axis=1)
        said.append(apart.min(axis=1) / gauge[nearest])
    return np.mean(said, axis=0)

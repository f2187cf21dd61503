"""Discord distances, each sub-sequence with each, as the definition reads."""

from __future__ import annotations

import numpy as np


def distances(history, recent, window, place):
    """Return the distance of each window of `recent` from the nearest of `history`, in root mean squares."""
    past = np.lib.stride_tricks.sliding_window_view(history, window)
    spreads = past.std(axis=1)
    known = spreads[~np.isnan(spreads) & (np.ptp(past, axis=1) > 0)]
    least, most = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    found = []
    for at, own in enumerate(np.lib.stride_tricks.sliding_window_view(recent, window)):
        nearest = np.inf
        for j, other in enumerate(past):
            if abs(j - place - at) <= np.ceil(window / 4) or np.isnan(other).any():
                continue
            flat = np.ptp(other) == 0
            shape = np.zeros(window) if flat else (other - other.mean()) / other.std()
            scale = np.clip(own.std(), least, most)
            mine = (own - own.mean()) / scale if np.ptp(own) > 0 else np.zeros(window)
            nearest = min(nearest, np.sqrt(np.mean((mine - shape) ** 2)))
        found.append(np.nan if np.isnan(own).any() or np.isinf(nearest) else nearest)
    return np.array(found)

"""Statistics over tumbling windows, from all values at once."""

from __future__ import annotations

import numpy as np

MINUTE = 60_000_000_000


def summary(values: np.ndarray) -> np.ndarray:
    """Count, mean, standard deviation, least, greatest, and the 5th, 50th and 95th percentile of what is finite."""
    x = values[np.isfinite(values)].astype(np.float64)
    if len(x) == 0:
        return np.array([0.0] + [np.nan] * 7)
    deviation = x.std(ddof=1) if len(x) > 1 else np.nan
    return np.array([len(x), x.mean(), deviation, x.min(), x.max(), *np.quantile(x, [0.05, 0.5, 0.95])])


def windows(times: np.ndarray, channels: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Return a summary of each channel, of every window by its level and number; a late row is in the newest minute."""
    minutes = np.maximum.accumulate(times // MINUTE)
    found = {}
    for level, each in enumerate((1, 60, 1440)):
        numbers = minutes // each
        for number in np.unique(numbers):
            found[level, int(number)] = np.array([summary(channel[numbers == number]) for channel in channels])
    return found

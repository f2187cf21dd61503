"""Slow twins of the kernels of windows, one window at a time in NumPy."""

from __future__ import annotations

import numpy as np


def windows(x, size):
    """Return the last `size` values at each row that has so many, shape (n, size)."""
    return np.lib.stride_tricks.sliding_window_view(np.asarray(x, np.float64), size) if len(x) >= size else []


def statistics(x, size):
    """Return mean, min, max, range, std and slope of the values that are not missing, shape (6, n)."""
    return np.array([_statistics(window) for window in windows(x, size)]).reshape(-1, 6).T


def _statistics(window):
    rows = np.flatnonzero(~np.isnan(window))
    found, values = np.full(6, np.nan), window[rows]
    if len(rows):
        found[:4] = values.mean(), values.min(), values.max(), np.ptp(values)
    if len(rows) > 1:
        found[4:] = values.std(ddof=1), np.polyfit(rows, values, 1)[0]
    return found


def quantiles(x, size, shares):
    """Return quantiles of the values that are not missing, shape (n_shares, n)."""
    found = [
        np.quantile(window[~np.isnan(window)], shares) if not np.isnan(window).all() else np.full(len(shares), np.nan)
        for window in windows(x, size)
    ]
    return np.array(found).reshape(-1, len(shares)).T


def bands(x, size, limits):
    """Return the energy of each band of frequencies, first and last in cycles a window, shape (n_bands, n)."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    found = []
    for window in windows(x, size):
        power = np.abs(np.fft.rfft((window - window.mean()) * hann)) ** 2 / (size * (hann**2).sum())
        power[1 : (size + 1) // 2] *= 2
        found.append([power[first : last + 1].sum() for first, last in limits])
    return np.array(found).reshape(-1, len(limits)).T

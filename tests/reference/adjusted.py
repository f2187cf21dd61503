"""Adjusted charts a row at a time, with regressions where the kernels have one inverse."""

from __future__ import annotations

import numpy as np


def learn(rows, kept, ridge, lags):
    """Return centers, spreads, correlations, coefficients and deviations from the rows that are kept, (n, d)."""
    center = np.nanmean(rows[kept], axis=0)
    spread = np.nanstd(rows[kept], axis=0)
    scores = np.nan_to_num((rows - center) / spread)
    correlations = (1 - ridge) * np.corrcoef(scores[kept].T) + ridge * np.eye(len(center))
    left = np.array([adjust(row, center, spread, correlations) for row in rows])
    own = [np.where(kept[:, None], left, 0.0)]
    for lag in range(1, lags + 1):
        behind = np.zeros_like(left)
        together = kept[lag:] & kept[:-lag] & (np.cumsum(~kept)[lag:] == np.cumsum(~kept)[:-lag])
        behind[lag:][together] = left[:-lag][together]
        own.append(behind)
    products = np.array([(own[0] * behind).sum(axis=0) for behind in own])
    coefficients, deviations = np.zeros((rows.shape[1], lags)), np.zeros(rows.shape[1])
    for feature, product in enumerate(products.T):
        toeplitz = product[np.abs(np.subtract.outer(np.arange(lags), np.arange(lags)))]
        coefficients[feature] = np.linalg.solve(toeplitz, product[1:]) if lags else 0.0
        deviations[feature] = np.sqrt((product[0] - coefficients[feature] @ product[1:]) / kept.sum())
    return center, spread, correlations, coefficients, deviations


def adjust(row, center, spread, correlations):
    """Return what is left of each feature of a row after regression on those others that are known; 0 of missing ones.

    What the others leave over has the variance ``1 / precision``, and what is told is in units of its root.
    """
    scores = (row - center) / spread
    known = np.flatnonzero(~np.isnan(scores))
    left = np.zeros(len(row))
    precision = np.linalg.inv(correlations)
    full = scores.copy()
    for feature in np.flatnonzero(np.isnan(scores)):
        full[feature] = correlations[feature, known] @ np.linalg.solve(
            correlations[np.ix_(known, known)], scores[known]
        )
    for feature in known:
        others = np.arange(len(row)) != feature
        slopes = np.linalg.solve(correlations[np.ix_(others, others)], correlations[feature, others])
        left[feature] = (full[feature] - slopes @ full[others]) * np.sqrt(precision[feature, feature])
    return left


def units(rows, learned, gain):
    """Return the moving mean squares of charts that begin before the first row, (n, d)."""
    center, spread, correlations, coefficients, deviations = learned
    lags = coefficients.shape[1]
    levels, recent, told = np.ones(rows.shape[1]), [np.zeros(rows.shape[1])] * lags, []
    for place, row in enumerate(rows):
        left, missing = adjust(row, center, spread, correlations), np.isnan(row)
        foretold = sum((coefficients[:, lag] * recent[lag] for lag in range(lags)), np.zeros(rows.shape[1]))
        surprise = np.where(missing, 0.0, (left - foretold) / deviations)
        charted = ~missing & (place >= lags)
        told.append(np.where(charted, (1 - gain) * levels + gain * surprise**2, 0.0))
        bounded = np.clip(surprise, -10, 10)
        levels = np.where(charted, (1 - gain) * levels + gain * bounded**2, levels)
        held = np.where(place >= lags, foretold + bounded * deviations, np.where(missing, foretold, left))
        recent = [held, *recent[:-1]] if lags else []
    return np.array(told)

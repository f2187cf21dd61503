"""What a budget's kernels compute, row by row and level by level."""

from __future__ import annotations

import numpy as np
from scipy.stats import genpareto

STEP, LEVELS = 0.25, 256


def tail_of(scores):
    """Return median, start, evidence there, mean excess and bend of scores without equals, at most 256."""
    ordered = np.sort(scores)[::-1]
    n = len(ordered)
    k = min(int(np.ceil(min(max(0.05 * n, 10.0), 0.5 * n))), n - 1)
    start, excess = ordered[k], ordered[:k] - ordered[k]
    if k == 0:
        return start, start, np.log(n + 1), np.nan, np.nan
    over = (np.arange(k) + 0.5) / k  # the share of the tail above each, itself counted half
    median = ordered[::-1][max(int(np.floor(n / 2)) - 1, 0)] if n % 2 == 0 else ordered[::-1][max(n // 2 - 1, 0)]
    return median, start, np.log((n + 1) / (k + 1)), excess.mean(), (excess * over).mean() / excess.mean()


def evidence_of(score, tail, shape):
    """Return -log of a score's rarity."""
    median, start, cost, scale = tail
    if np.isnan(score) or score <= median:
        return 0.0
    if score <= start:
        return float(np.interp(score, [median, start], [min(np.log(2.0), cost), cost]))
    return float(min(cost - genpareto.logsf((score - start) / scale, shape), STEP * LEVELS - STEP / 2))


def openings(evidence, times, quiet, floor=0.0):
    """Return how many alarms one asset's rows open at each level, each level watched for itself."""
    last = np.full(LEVELS + 1, -np.inf)
    counts = np.zeros(LEVELS + 1, np.int64)
    for found, time in zip(evidence, times, strict=True):
        if found < floor:
            continue
        over = np.arange(LEVELS + 1) <= int(found / STEP)
        counts += over & (last < time - quiet)
        last[over] = time
    return counts

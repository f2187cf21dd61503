"""The online decomposition as its docstring tells it: one series, lists, a sample at a time."""

from __future__ import annotations

import math


def decompose(samples, level, cycle, spread, *, trend, seasonal):
    """Return the trend and the season of each sample, of a filter that begins at a level with a cycle."""
    period = len(cycle)
    gain = 1 / (1 + 0.318 * trend)
    hurried, slow, season_gain = max(gain, min(8 * gain, 0.5)), 1 / (4 * trend), 2 / (seasonal + 1) if period > 1 else 0
    cycle = list(cycle)
    drift, drift_spread = 0.0, 2 * spread * hurried / (2 - hurried)
    trends, seasons = [], []
    for place, sample in enumerate(samples):
        point = place % period
        if not math.isnan(sample):
            told = sample - level - cycle[point]
            if spread > 1e-18 * level**2:
                told = max(-4 * math.sqrt(spread), min(4 * math.sqrt(spread), told))
            spread += slow * (told**2 - spread)
            drift += hurried * (told - drift)
            allowed = 16 * drift_spread
            excess = 1 - allowed / drift**2 if drift**2 > allowed else 0
            drift_spread += slow * (min(drift**2, allowed) - drift_spread)
            moved = (gain + (hurried - gain) * excess) * told
            level += moved
            drift -= moved
            cycle[point] += season_gain * (told - moved)
        mean = sum(cycle) / period
        trends.append(level + mean)
        seasons.append(cycle[point] - mean)
    return trends, seasons

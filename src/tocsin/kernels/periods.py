"""Which period stands out of a spectrum: its background, combs of multiples and harmonics, and the best of them.

A season that lasts puts power on lines a cycle's frequency apart, narrow against whatever memory the noise has. So
everything is told against a background: a smooth spectrum through the bulk of the bins, which lines do not move.
Frequencies are in bins of a spectrum that was padded with zeros, of which `one` are one cycle of the series.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.stl import bridge

Floats = NDArray[np.float64]

BAND, GROWTH, WIDEST = 16.0, 0.125, 1.0 / 32.0
"""A band of the background is 16 cycles wide, in which a line with its taper fills a quarter; or an eighth of its
frequency, up to which a pseudo-cycle that is forgotten within two turns is as wide; but no more than a thirty-second of
all frequencies, of which a moving average of ten values makes five lobes."""
FEW = 16.0
"""Below so many cycles, lines of a short record touch: only the lower quarter of the bins is between them."""
DIM = 1e-4
"""The background is at least so much of the mean power, as if each reading were known to 1 % of the spread."""
FENCE = 1.5
"""How far values may lie beyond the 10 % and 90 % quantiles, in their distance: 5 standard deviations of a normal."""
HARMONICS = 64
"""How many harmonics of a period are looked at."""
CLEAR = 6.0
"""A harmonic counts once it has so many times the power of the background, by chance one time in 400."""
NEARLY = 0.85
"""Of periods that explain nearly as much as the one that explains most, the shortest is taken: not a multiple."""
FIRM = 8.0
"""A period by its comb is as sure as if so many harmonics had been seen."""
LINES = 8
"""How many lines are taken for harmonics of what is looked for, and up to which number of harmonic."""
FEWEST = 2.2
"""How many cycles a hint has at least; fewer than the 2.3 of a period, which is refined."""


@kernel
def calm(series: Floats, out: Floats) -> None:
    """Write series without gaps, far values and a parabola to `out`, both of shape (n_series, n); 0 if constant."""
    for row in range(len(series)):
        y = out[row]
        y[:] = series[row]
        bridge(y)
        size = np.abs(y).max()
        # Far values would tilt the line, and a slope would widen the fence.
        _draw_in(y)
        _level(y, 1)
        if not _draw_in(y) > 1e-9 * size:
            y[:] = 0.0
            continue
        _level(y, 2)
        if not np.abs(y).max() > 1e-9 * size:
            y[:] = 0.0


@kernel
def _draw_in(y: Floats) -> float:
    """Draw in what lies beyond the fence, and return the distance of the extremes before."""
    cuts = np.quantile(y, np.array([0.0, 0.005, 0.1, 0.9, 0.995, 1.0]))
    spread, low, high = cuts[5] - cuts[0], cuts[2], cuts[3]
    reach = FENCE * (high - low)
    if reach <= 1e-9 * spread:
        low, high = cuts[1], cuts[4]
    for i in range(len(y)):
        y[i] = min(max(y[i], low - reach), high + reach)
    return spread


@kernel
def _level(y: Floats, degree: int) -> None:
    """Take away the mean, the slope and, for degree 2, the parabola that fit best."""
    n = len(y)
    mean = y.mean()
    middle = 0.5 * (n - 1)
    slope = 0.0
    for i in range(n):
        y[i] -= mean
        slope += (i - middle) * y[i]
    square = n * (n * n - 1.0) / 12.0
    slope /= max(square, 0.5)
    flat = square / n
    bend = weight = 0.0
    for i in range(n):
        y[i] -= slope * (i - middle)
        curve = (i - middle) * (i - middle) - flat
        bend += curve * y[i]
        weight += curve * curve
    if degree == 2 and weight > 0.0:
        bend /= weight
        for i in range(n):
            y[i] -= bend * ((i - middle) * (i - middle) - flat)


@kernel
def background(power: Floats, one: float, out: Floats) -> None:
    """Write the power that the noise is expected to have to `out`; both are (n_series, n_bins).

    The median of each band, in units of the mean of an exponential, at the band's middle and straight between them in
    logarithms. Where lines touch, it is the lower quartile, as of white noise or of a random walk, whichever is more.
    """
    n_bins = power.shape[1]
    last = (n_bins - 1) / one
    middles, levels = np.empty(n_bins), np.empty(n_bins)
    for row in range(len(power)):
        own = power[row]
        below, count = 1.0, 0
        flat = red = 0.0
        while below < last:
            above = below + max(BAND, min(GROWTH * below, WIDEST * last))
            if above > last:
                if count and last - below < 0.75 * (above - below):
                    break
                above = last
            first, stop = math.ceil(below * one), min(int(above * one) + 1, n_bins)
            if stop <= first:
                break
            middle = 0.5 * (below + above)
            if below <= FEW:
                cycles = np.arange(first, stop) / one
                white = np.quantile(own[first:stop], 0.25) / -math.log(0.75)
                walk = np.quantile(own[first:stop] * cycles * cycles, 0.25) / -math.log(0.75)
                if count == 0:
                    flat, red = white, walk
                level = max(white, walk / (middle * middle))
            else:
                level = np.median(own[first:stop]) / math.log(2.0)
            middles[count], levels[count] = middle, math.log(max(level, 1e-300))
            count += 1
            below = middle
        floor = max(DIM * own.mean(), 1e-300)
        band = 0
        for k in range(n_bins):
            cycles = max(k / one, 0.5)
            if count == 0 or cycles <= middles[0]:
                out[row, k] = max(flat, red / (cycles * cycles), floor)
                continue
            while band + 2 < count and cycles > middles[band + 1]:
                band += 1
            level = levels[count - 1]
            if count > 1 and cycles < middles[count - 1]:
                share = (cycles - middles[band]) / (middles[band + 1] - middles[band])
                level = levels[band] * (1.0 - share) + levels[band + 1] * share
            out[row, k] = max(math.exp(level), floor)


@kernel
def surprise(mean: float, count: float) -> float:
    """Return how many standard deviations a mean of `count` exponentials of mean 1 is off (Wilson and Hilferty)."""
    return (max(mean, 0.0) ** (1.0 / 3.0) - 1.0 + 1.0 / (9.0 * count)) * math.sqrt(9.0 * count)


@kernel
def comb(correlation: Floats, weights: Floats, units: Floats, together: int, found: Floats) -> None:
    """Find the period at whose multiples the autocorrelation is least likely to be noise.

    Parameters
    ----------
    correlation : array of shape (n_series, n_lags)
        Autocorrelations of whitened series, mean power 1, each the mean of `together` series.
    weights : array of shape (n_lags,)
        What a lag counts.
    units : array of shape (n_periods,)
        The standard deviation of the weighted sum over the multiples of each period, from 2 on.
    found : array of shape (n_series, 2)
        Filled with the period and by how many standard deviations it stands out.
    """
    lags = correlation.shape[1]
    weighted = np.empty(lags)
    for row in range(len(correlation)):
        for lag in range(lags):
            weighted[lag] = weights[lag] * correlation[row, lag]
        found[row, 0], found[row, 1] = 0.0, -np.inf
        for period in range(2, len(units)):
            total = 0.0
            for lag in range(period, lags, period):
                total += weighted[lag]
            harmonics = 0.5 * period
            mean = 1.0 + total / (units[period] * math.sqrt(harmonics))
            # A sum over few harmonics has the long tail of an exponential.
            if total > 0.0:
                off = surprise(mean, harmonics * together)
                if off > found[row, 1]:
                    found[row, 0], found[row, 1] = period, off


@kernel
def choose(
    power: Floats,
    noise: Floats,
    one: float,
    together: int,
    hints: Floats,
    least: Floats,
    clear: float,
    found: Floats,
) -> None:
    """Find the period whose harmonics explain most.

    Parameters
    ----------
    power, noise : array of shape (n_series, n_bins)
        Spectra, each the mean of those of `together` series, and their backgrounds.
    hints : array of shape (n_series, n_hints)
        Frequencies that may be looked at, in bins; NaN is none.
    least : array of shape (n_bins,)
        How many times the background each bin must have to be a line.
    clear : float
        Evidence a period must have if any has, minus the logarithm of a chance.
    found : array of shape (n_series, 2)
        Filled with the frequency, 0 if there is no hint and no line, and with the number of harmonics that stand out.
    """
    n_hints = hints.shape[1]
    most = 5 * n_hints + LINES * (LINES - 1)
    tracks = np.empty((most, 4))
    lines = np.empty(LINES)
    for row in range(len(power)):
        count = 0
        for hint in hints[row]:
            for times in (1.0, 2.0, 3.0, 1.0 / 2.0, 1.0 / 3.0):
                count = _follow(power[row], noise[row], hint * times, FIRM / times, one, together, tracks, count)
        n_lines = _lines(power[row], noise[row], math.ceil(FEWEST * one), least, lines)
        for line in range(n_lines):
            for harmonic in range(1, LINES):
                frequency = lines[line] / harmonic
                count = _follow(power[row], noise[row], frequency, harmonic, one, together, tracks, count)
        found[row, 0], found[row, 1] = _pick(tracks[:count], clear)


@kernel
def _lines(power: Floats, noise: Floats, first: int, least: Floats, lines: Floats) -> int:
    """Fill in the bins of the lines that stand out most, and return how many there are."""
    count = 0
    heights = np.empty(len(lines))
    for k in range(max(first, 1), len(power) - 1):
        height = power[k] / noise[k]
        if height <= least[k] or height <= power[k - 1] / noise[k - 1] or height < power[k + 1] / noise[k + 1]:
            continue
        place = min(count, len(lines) - 1)
        if count == len(lines) and height <= heights[place]:
            continue
        while place > 0 and heights[place - 1] < height:
            heights[place], lines[place] = heights[place - 1], lines[place - 1]
            place -= 1
        heights[place], lines[place] = height, k
        count = min(count + 1, len(lines))
    return count


@kernel
def _follow(
    power: Floats,
    noise: Floats,
    frequency: float,
    firm: float,
    one: float,
    together: int,
    tracks: Floats,
    count: int,
) -> int:
    """Follow a frequency from harmonic to harmonic and add what was found to `tracks`; return how many there are.

    It is as firm at first as if harmonic number `firm` had been seen.

    A track is the evidence, how unlikely so much power is as noise in logarithms; the frequency, better known with
    each harmonic; the power beyond the background; and the number of harmonics, each where the evidence is highest.
    """
    if not FEWEST * one <= frequency <= len(power) - 2:
        return count
    total = beyond = 0.0
    weight = CLEAR * firm * firm
    moment = weight * frequency
    best = tracks[count]
    best[0] = -1.0
    for harmonic in range(1, HARMONICS + 1):
        center = harmonic * frequency
        reach = min(0.5 * one, 0.25 * frequency)
        first, last = math.ceil(center - reach), int(center + reach)
        if last >= len(power) - 1:
            break
        k = int(center + 0.5)
        for i in range(first, last + 1):
            if power[i] > power[k]:
                k = i
        place, height = _peak(power, k)
        ratio = height / noise[k]
        total += ratio
        if ratio > CLEAR / together + 1.0:
            beyond += height - noise[k]
            moment += ratio * harmonic * place
            weight += ratio * harmonic * harmonic
            if abs(moment / weight - frequency) < 0.5 * one:
                frequency = moment / weight
        evidence = _evidence(together * total, together * harmonic)
        if evidence > best[0]:
            best[0], best[1], best[2], best[3] = evidence, frequency, beyond, harmonic
    return count + 1 if best[0] > 0.0 else count


@kernel
def _peak(power: Floats, k: int) -> tuple[float, float]:
    """Return place and height of a peak at bin `k` between the bins, by a parabola through the logarithms."""
    if k < 1 or k >= len(power) - 1 or not min(power[k - 1], power[k], power[k + 1]) > 0.0:
        return float(k), power[k]
    left, height, right = math.log(power[k - 1]), math.log(power[k]), math.log(power[k + 1])
    bend = left - 2.0 * height + right
    if left > height or right > height or not bend < 0.0:
        return float(k), power[k]
    shift = 0.5 * (left - right) / bend
    return k + shift, math.exp(height - 0.25 * (left - right) * shift)


@kernel
def _evidence(total: float, count: int) -> float:
    """Return minus the logarithm of the chance that `count` exponentials of mean 1 sum to so much, for large sums."""
    if total <= count:
        return 0.0
    rest = 1.0 - (count - 1) / total
    return total - (count - 1) * math.log(total) + math.lgamma(float(count)) + math.log(rest)


@kernel
def _pick(tracks: Floats, least: float) -> tuple[float, float]:
    """Return frequency and harmonics of the shortest period that explains nearly as much as any; 0 if there is none."""
    if len(tracks) == 0:
        return 0.0, 0.0
    least = min(least, tracks[:, 0].max())
    most = 0.0
    for track in tracks:
        if track[0] >= least:
            most = max(most, track[2])
    highest = 0.0
    for track in tracks:
        if track[0] >= least and track[2] >= NEARLY * most:
            highest = max(highest, track[1])
    best = -1.0
    frequency = harmonics = 0.0
    for track in tracks:
        near = abs(track[1] - highest) < 0.1 * highest
        if near and track[0] >= least and track[2] >= NEARLY * most and track[0] > best:
            best, frequency, harmonics = track[0], track[1], track[3]
    return frequency, harmonics


@kernel
def explained(series: Floats, cycles: float, harmonics: int) -> float:
    """Return what a season of so many cycles explains of series beside a parabola, by least squares.

    Cost: O(n * harmonics^2).
    """
    n = series.shape[1]
    terms = np.empty((3 + 2 * harmonics, n))
    for i in range(n):
        place = 2.0 * (i + 0.5) / n - 1.0
        terms[0, i], terms[1, i], terms[2, i] = 1.0, place, place * place
        for harmonic in range(1, harmonics + 1):
            angle = np.pi * cycles * harmonic * place
            terms[2 * harmonic + 1, i], terms[2 * harmonic + 2, i] = math.cos(angle), math.sin(angle)
    products = np.empty((len(terms), len(terms)))
    for a in range(len(terms)):
        for b in range(a + 1):
            products[a, b] = products[b, a] = (terms[a] * terms[b]).sum()
    sums = np.empty((len(terms), len(series)))
    for a in range(len(terms)):
        for row in range(len(series)):
            sums[a, row] = (terms[a] * series[row]).sum()
    return float((sums * np.linalg.solve(products, sums)).sum())

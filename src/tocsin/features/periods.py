"""The period of a series that nobody gave: what stands out of the spectrum of noise with a memory."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import ParameterError
from tocsin.features.series import as_series
from tocsin.kernels import periods as kernels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SERIES = 32
"""How many series of a fleet with one period are looked at."""
_SHORTEST = 20
"""Fewer values say nothing of a period."""
_BLOCK = 1 << 18
"""How many values are looked at together, so that their spectra stay in the cache."""
_CHANCE = 0.001
"""How often noise may pass each of the two tests as they are computed. That the background is itself estimated, and
only nearly smooth, makes it several times as often: about one series in a hundred in all."""
_CYCLES = 2.3
"""How many cycles there must be at least."""
_SHORT, _SHAPES, _POINTS = 8.0, 4, 256
"""Up to so many cycles the period is refined by least squares, with up to so many harmonics, on so many means."""
_CERTAIN, _CERTAIN_CYCLES = 0.85, 8.0
"""An autocorrelation at the period that needs no proof, over at least so many cycles: noise that forgets its phase
within two cycles has 0.6, a pulse that beats irregularly 0.9."""
_INDEPENDENT = 0.75
"""How many independent bins a cycle of a band is worth to its median: the taper joins bins, bands overlap."""


def find_period(x: ArrayLike | Any) -> int:
    """Find how many values a cycle has.

    A season that lasts is a comb of narrow lines in the spectrum, and a comb of equal peaks in the autocorrelation;
    noise with a memory is neither, however much it swings. The spectrum is told against a smooth background, through
    the medians of its bands, which lines do not move. Then a period is looked for in two ways: a line that stands out
    of the background, and multiples of a lag at which the whitened series correlates with itself, over all
    frequencies, the lower half of them, a quarter, and so on. Whatever passes gives hints: itself, its multiples and
    fractions. Of these, the shortest period whose harmonics explain nearly as much as those of any is taken. A
    cycle that is not regular but strong, and shorter, is taken by its autocorrelation, 0.85 at least.

    Parameters
    ----------
    x : array-like of shape (n,) or (n_series, n)
        One series, or several with one period, of which up to 32 are looked at. Missing values are bridged, and values
        far beyond the bulk are drawn in.

    Returns
    -------
    int
        Values in a cycle, from 2 to `n` / 2.3.

    Raises
    ------
    ParameterError
        If no period passes.
    DataError
        As in `tocsin.stl`.

    Notes
    -----
    Deterministic, and O(n log n): below a microsecond a value from about 1,000 values on.

    In noise without a season - white, with a memory, swinging, wandering or with heavy tails - a period is found in
    about one series in a hundred. Limits: with fewer than four cycles only strong seasons are found; of two seasons,
    one; and a weak one may be taken for half of it or double.

    A robust relative of AutoPeriod (Vlachos, Yu and Castelli, SDM 2005, doi:10.1137/1.9781611972757.40). The test
    against a red background is that of Schulz and Mudelsee (Computers & Geosciences 28, 2002,
    doi:10.1016/S0098-3004(01)00044-9), with medians in place of their AR(1); the sum over more and more harmonics that
    of the H-test (de Jager, Raubenheimer and Swanepoel, A&A 221, 1989).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(500) * 2 * np.pi / 24) + np.random.default_rng(0).normal(size=500)
    >>> find_period(x)
    24
    """
    series = np.atleast_2d(as_series(x))
    n = series.shape[1]
    series = series[np.linspace(0, len(series) - 1, min(len(series), _SERIES)).astype(int)]
    calm = _calm(series)
    lively = calm[np.abs(calm).max(axis=1) > 0.0]
    period = int(_search(lively[np.newaxis])[0]) if len(lively) else 0
    if not period:
        flat = "" if len(lively) else ", which are constant"
        raise ParameterError(f"no period was found in {n} values{flat}; give period, the number of values in a cycle")
    return period


def find_periods(x: ArrayLike | Any) -> Ints:
    """Find how many values a cycle has in each of several series.

    Parameters
    ----------
    x : array-like of shape (n,) or (n_series, n)
        Series, each with a period of its own or none.

    Returns
    -------
    array of int64, shape (n_series,)
        What `find_period` finds in each, and 0 where it finds none or all values are missing.

    Raises
    ------
    DataError
        As in `tocsin.stl`.

    Notes
    -----
    A series' period does not depend on those beside it. Cost: about 0.3 µs a value.

    Examples
    --------
    >>> import numpy as np
    >>> steps, noise = np.arange(500), np.random.default_rng(0).normal(size=(3, 500))
    >>> find_periods(noise + np.array([np.sin(steps * 2 * np.pi / 24), np.sin(steps * 2 * np.pi / 7), 0 * steps]))
    array([24,  7,  0])
    """
    series = np.atleast_2d(as_series(x, blank=True))
    periods = np.zeros(len(series), np.int64)
    step = max(1, _BLOCK // series.shape[1])
    for start in range(0, len(series), step):
        calm = _calm(series[start : start + step])
        lively = np.flatnonzero(np.abs(calm).max(axis=1) > 0.0)
        periods[start + lively] = _search(calm[lively][:, np.newaxis])
    return periods


def _calm(series: NDArray[Any]) -> Floats:
    """Return series without gaps, extremes and parabola; 0 where they are constant."""
    calm = np.empty(series.shape)
    kernels.calm(series.astype(np.float64, copy=False), calm)
    return calm


def _search(groups: Floats) -> Ints:
    """Return the period of each group of series that share one, shape (n_groups, n_series, n); 0 if there is none."""
    n_groups, together, n = groups.shape
    if n < _SHORTEST or n_groups == 0:
        return np.zeros(n_groups, np.int64)
    from scipy.fft import rfft

    size, levels = _sizes(n)
    one = size / n
    groups = np.ldexp(groups, -np.frexp(np.abs(groups).max(axis=2, keepdims=True))[1])  # exact, and squares are numbers
    power = np.abs(rfft(groups.reshape(-1, n) * _taper(n), size)) ** 2
    power /= power.mean(axis=1, keepdims=True)
    noise = np.empty_like(power)
    kernels.background(power, one, noise)
    ratio, noise = ((each.reshape(n_groups, together, -1)).mean(axis=1) for each in (power / noise, noise))
    power = ratio * noise
    ratio[:, : int(np.ceil(1.5 * one))] = 0.0
    hints = _combs(ratio, n, size, levels, together)
    found = np.empty((n_groups, 2))
    kernels.choose(power, noise, one, together, hints, _least(n, size, together), -np.log(_CHANCE / n), found)
    cycles = found[:, 0] / one
    for group in np.flatnonzero((cycles > 0.0) & (cycles < _SHORT)):
        cycles[group] = _refined(groups[group], cycles[group], int(found[group, 1]))
    cycles[cycles < _CYCLES] = np.inf
    periods = np.rint(n / cycles).astype(np.int64)
    certain = _certain(power, n, size)
    return np.where((certain > 0) & ((periods == 0) | (certain < 0.9 * periods)), certain, periods)


def _sizes(n: int) -> tuple[int, int]:
    """Return the length of spectra of `n` values, twice that at least, and how often it is halved."""
    from scipy.fft import next_fast_len

    levels = max(1, int(np.log2(n / _SHORTEST)) + 1)
    unit = 1 << min(levels, 6)
    return unit * int(next_fast_len(-(-2 * n // unit), real=True)), levels


@lru_cache(maxsize=16)
def _taper(n: int) -> Floats:
    """Return a Hann window, which keeps a line and a trend within two bins."""
    taper: Floats = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    return taper


@lru_cache(maxsize=16)
def _lags(n: int, size: int) -> tuple[Floats, Floats]:
    """Return by lag how much of an autocorrelation the taper leaves, and the variance of that of white noise."""
    from scipy.fft import irfft, rfft

    kept, fourth = (irfft(np.abs(rfft(_taper(n) ** power, size)) ** 2, size)[:n] for power in (1, 2))
    return kept / kept[0], fourth / kept[0] ** 2


@lru_cache(maxsize=128)
def _weights(n: int, size: int, level: int) -> tuple[Floats, Floats]:
    """Return what a lag counts on a level, and the standard deviation of the sum over the multiples of each period."""
    step = size // 2 / (size // 2 >> level)
    # Beyond 0.62 of the length the taper leaves nothing of an autocorrelation.
    lags = (np.arange(int(0.62 * n / step) + 1) * step).astype(int)
    kept, variance = (each[lags] for each in _lags(n, size))
    variance = variance * step
    weights = kept / variance
    squares = weights**2 * variance
    longest = int(n / step / 2.5)
    units = np.array([np.sqrt(squares[period::period].sum()) if period > 1 else 1.0 for period in range(longest + 1)])
    return weights, units


def _combs(ratio: Floats, n: int, size: int, levels: int, together: int) -> Floats:
    """Return the frequency of the strongest period on each level, in bins, and NaN where chance explains it."""
    from scipy.fft import irfft

    hints = np.full((len(ratio), levels), np.nan)
    limit = NormalDist().inv_cdf(1.0 - _CHANCE / (2 * n / 2.5))
    for level in range(levels):
        bins = size // 2 >> level
        weights, units = _weights(n, size, level)
        correlation = irfft(ratio[:, : bins + 1], 2 * bins)[:, : len(weights)]
        found = np.empty((len(ratio), 2))
        kernels.comb(correlation, weights, units, together, found)
        passed = found[:, 1] > limit
        hints[passed, level] = 2 * bins / found[passed, 0]
    return hints


@lru_cache(maxsize=16)
def _least(n: int, size: int, together: int) -> Floats:
    """Return how many times its background each bin must have to be a line, in the mean of several series."""
    chance = _CHANCE / n
    cycles = np.arange(size // 2 + 1) * n / size
    bands = np.maximum(kernels.BAND, np.minimum(kernels.GROWTH * cycles, kernels.WIDEST * cycles[-1]))
    # The ratio of an exponential to the mean of `worth` others has this tail.
    worth = _INDEPENDENT * bands
    single = worth * (chance ** (-1.0 / worth) - 1.0)
    normal = NormalDist().inv_cdf(1.0 - chance)
    one, many = ((1.0 - 1.0 / (9.0 * count) + normal / np.sqrt(9.0 * count)) ** 3 for count in (1, together))
    least: Floats = single * (many / one)
    return least


def _refined(series: Floats, cycles: float, harmonics: int) -> float:
    """Return the number of cycles that fits best near one that is roughly known, where there are few."""
    n = series.shape[1]
    step = max(1, n // _POINTS)
    means = series[:, : n // step * step].reshape(len(series), -1, step).mean(axis=2)
    share = means.shape[1] * step / n
    harmonics = max(1, min(harmonics, _SHAPES, int(means.shape[1] / (2.5 * cycles))))
    width = 0.35
    for _ in range(2):
        trials = np.linspace(max(cycles - width, kernels.FEWEST), cycles + width, 11)
        cycles = float(trials[np.argmax([kernels.explained(means, each * share, harmonics) for each in trials])])
        width /= 5.0
    return cycles


def _certain(power: Floats, n: int, size: int) -> Ints:
    """Return the period of cycles that are strong without being regular, and 0 where there is none."""
    from scipy.fft import irfft

    periods = np.zeros(len(power), np.int64)
    first = int(np.ceil(_CERTAIN_CYCLES * size / n))
    bins = np.arange(power.shape[1])
    if len(power) == 0 or first >= len(bins):
        return periods
    guesses = size / (first + (power[:, first:] * bins[first:]).argmax(axis=1))
    angles = np.pi * np.maximum(bins, 1) / size
    mean = np.sin(angles * guesses[:, np.newaxis]) / (guesses[:, np.newaxis] * np.sin(angles))
    correlation = irfft(power * (1.0 - np.where(bins > 0, mean, 1.0)) ** 2, size)
    kept, _ = _lags(n, size)
    for row, guess in enumerate(guesses):
        lags = np.arange(max(2, int(0.75 * guess)), int(min(1.25 * guess, n / _CERTAIN_CYCLES)) + 2)
        strength = correlation[row, lags] / np.maximum(kept[lags] * correlation[row, 0], 1e-300)
        if strength.max() >= _CERTAIN:
            periods[row] = lags[strength.argmax()]
    return periods

"""The period of a series that nobody gave: hints from its spectrum and autocorrelation, tested one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import ParameterError
from tocsin.features.series import as_series
from tocsin.kernels.stl import bridge

Floats = NDArray[np.float64]

_SERIES = 32
"""How many series of a fleet are looked at."""
_HINTS = 8
"""How many peaks of each kind are worth a look."""
_WEAKEST, _CERTAIN = 0.2, 0.75
"""An autocorrelation that is too weak to be of use, and one that needs no proof."""
_CYCLES, _AT_LEAST = 64, 1 << 15
"""How many cycles, or at least values, a test looks at."""


def find_period(x: ArrayLike | Any) -> int:
    """Find how many values a cycle has.

    Hints come from the peaks of the periodogram and of the autocorrelation, of the series and of its differences, as
    in AutoPeriod (Vlachos, Yu and Castelli, SDM 2005, doi:10.1137/1.9781611972757.40). Each is tested on the series
    less its moving average over that period: the autocorrelation at the period must be its highest around there, and
    at least 0.2, higher than chance and short memory explain (Bartlett's formula, four standard errors), and not owed
    to a few places. Of those that pass, the shortest that is nearly as strong as the strongest is taken, so that it is
    not a multiple.

    Parameters
    ----------
    x : array-like of shape (n,) or (n_series, n)
        One series, or several with one period, of which up to 32 are looked at. Missing values are bridged, and the
        outermost 0.5 % of the values on either side are drawn in.

    Returns
    -------
    int
        Values in a cycle, from 2 to a third of `n`.

    Raises
    ------
    ParameterError
        If no period passes.
    DataError
        As in `tocsin.stl`.

    Notes
    -----
    Deterministic, and O(n log n).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(500) * 2 * np.pi / 24) + np.random.default_rng(0).normal(size=500)
    >>> find_period(x)
    24
    """
    series = np.atleast_2d(as_series(x))
    n = series.shape[1]
    series = series[np.linspace(0, len(series) - 1, min(len(series), _SERIES)).astype(int)].astype(np.float64)
    calm = np.array([_calmed(row) for row in series])
    calm = calm[np.ptp(calm, axis=1) > 1e-9 * np.abs(series).max(axis=1)]
    tested = {p: _test(calm, p) for p in _hints(calm)} if len(calm) and n >= 8 else {}
    passed = {p: result for p, result in tested.items() if result is not None}
    if not passed:
        flat = "" if len(calm) else ", which are constant"
        raise ParameterError(f"no period was found in {n} values{flat}; give period, the number of values in a cycle")
    strongest, share = max(passed.values())
    shortest = min(p for p, result in passed.items() if result[0] >= 0.8 * strongest and result[1] >= 0.01 * share)
    clear = _autocorrelation(_without_slow(calm, shortest), 2 * (n // 3))
    return _best(clear, np.array([p for p in passed if shortest <= p <= 1.15 * shortest]))


def _calmed(x: Floats) -> Floats:
    """Return a series without gaps, extremes and slope."""
    bridge(x)
    low, high = np.quantile(x, (0.005, 0.995))
    x = np.clip(x, low, high)
    steps = np.arange(len(x)) - 0.5 * (len(x) - 1)
    calm: Floats = x - x.mean() - steps * (steps @ x / np.maximum(steps @ steps, 0.5))
    return calm


def _autocorrelation(series: Floats, lags: int) -> Floats:
    """Return the mean autocorrelation of series at the lags up to `lags`, shape (lags + 1,)."""
    from scipy.fft import irfft, next_fast_len, rfft

    n = series.shape[1]
    size = next_fast_len(n + lags, real=True)
    sums = irfft(np.abs(rfft(series, size)) ** 2, size)[:, : lags + 1]
    # Over fewer pairs at longer lags, so that a perfect cycle correlates perfectly.
    means = sums / (n - np.arange(lags + 1))
    correlation: Floats = (means / np.maximum(means[:, :1], 1e-300)).mean(axis=0)
    return correlation


def _hints(series: Floats) -> list[int]:
    """Return periods that may be worth a test, from 2 to a third of the length."""
    from scipy.fft import rfft

    longest = series.shape[1] // 3
    whole = _autocorrelation(series, 2 * longest)
    hints: set[int] = set()
    for form in (series, np.diff(series)):
        hints.update(_peaks(_autocorrelation(form, longest), 2)[:_HINTS])
        power = np.append((np.abs(rfft(form)) ** 2).mean(axis=0), 0.0)
        hints.update(round(form.shape[1] / place) for place in _peaks(power, 3)[:_HINTS])
    hints.update(round(hint / parts) for hint in tuple(hints) for parts in range(2, 8))
    for hint in [hint for hint in hints if 2 <= hint <= longest]:
        spread = max(1, hint // 10)
        hints.add(_best(whole, np.arange(max(2, hint - spread), hint + spread + 1)))
    return sorted(hint for hint in hints if 2 <= hint <= longest)


def _peaks(y: Floats, first: int) -> list[int]:
    """Return the places from `first` on that are higher than their neighbours, the highest first."""
    inner = y[1:-1]
    places = np.flatnonzero((inner > y[:-2]) & (inner >= y[2:])) + 1
    places = places[places >= first]
    return [int(place) for place in places[np.argsort(-y[places], kind="stable")]]


def _best(correlation: Floats, periods: NDArray[np.int64]) -> int:
    """Return the period at whose first few multiples the autocorrelation is highest."""
    multiples = np.arange(1, max(1, min(32, (len(correlation) - 1) // int(periods[-1]))) + 1)
    return int(periods[correlation[np.outer(periods, multiples)].mean(axis=1).argmax()])


def _test(series: Floats, period: int) -> tuple[float, float] | None:
    """Return the autocorrelation at a period of what is faster, and its share of the variance; None if it fails."""
    size = max(_CYCLES * period, _AT_LEAST)
    start = max(series.shape[1] - size, 0) // 2
    series = series[:, start : start + size]
    rest = _without_slow(series, period)
    scale = np.maximum((rest**2).mean(axis=1), 1e-300)[:, np.newaxis]
    pairs = (rest[:, period:] * rest[:, :-period] / scale).mean(axis=0)
    strength = float(pairs.mean())
    blocks = np.array_split(pairs, min(max(len(pairs) // period, 1), 8))
    if strength < _WEAKEST or np.median([block.mean() for block in blocks]) < 0.3 * strength:
        return None
    correlation = _autocorrelation(rest, min(period + period // 2, rest.shape[1] - 1))
    if strength < 0.9 * correlation[(period + 1) // 2 :].max() or strength <= correlation[period // 2]:
        return None
    memory = 1.0 + 2.0 * float((correlation[1 : period // 2 + 1] ** 2).sum())
    chance = 4.0 * float(np.sqrt(memory / (len(series) * pairs.size)))
    share = float((scale[:, 0] / np.maximum(series.var(axis=1), 1e-300)).mean())
    return (strength, share) if strength > min(chance, _CERTAIN) else None


def _without_slow(series: Floats, period: int) -> Floats:
    """Return series less their moving average over a period, where there is one."""
    return series[:, period // 2 : series.shape[1] - (period - period // 2) + 1] - _means(series, period)


def _means(series: Floats, length: int) -> Floats:
    """Return the moving averages of series, as many as fit; those over an even length are centred by a second step."""
    sums = np.cumsum(np.pad(series, ((0, 0), (1, 0))), axis=1)
    means = (sums[:, length:] - sums[:, :-length]) / length
    if length % 2 == 0:
        means = 0.5 * (np.pad(means[:, :-1], ((0, 0), (1, 0)), "edge") + means)
    return means

"""Trend, season and what is left: STL and MSTL of one series or of a fleet of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.features.periods import find_period
from tocsin.features.series import as_series, sums
from tocsin.features.settings import Settings, check_whole, refuse_unknown
from tocsin.features.spans import SpanSTL, is_long
from tocsin.kernels import stl as kernels
from tocsin.threads import cores, run

Floats = NDArray[np.float64]

_SPAN = 1 << 20
"""How many values of a long series are decomposed at a time."""
_RUN = 64
"""How many short series are."""


@dataclass(frozen=True, slots=True, eq=False)
class Decomposition:
    """A series as the sum of its trend, its seasons and what is left.

    Parameters
    ----------
    trend, resid, weights : ndarray of the shape of the series, float64
        Slow movement; what trend and season leave over, NaN where a value is missing; and how much each value counted
        in the last fit, from 0 to 1; the weights are read-only where all are 1.
    seasonal : ndarray, float64
        What repeats with the period, of the shape of the series. From `mstl` there is one axis more, before the last,
        with an entry a period.
    periods : tuple of int
        Values in each cycle.
    found : bool
        Whether the period was found in the series rather than given.
    """

    trend: Floats
    seasonal: Floats
    resid: Floats
    weights: Floats
    periods: tuple[int, ...]
    found: bool = False

    @property
    def period(self) -> int:
        """Values in a cycle, the longest where there are several."""
        return self.periods[-1]


def stl(  # noqa: PLR0913  # They are the method's own.
    x: ArrayLike | Any,
    period: int | None = None,
    *,
    seasonal: int = 7,
    trend: int | None = None,
    low_pass: int | None = None,
    seasonal_deg: int = 1,
    trend_deg: int = 1,
    low_pass_deg: int = 1,
    robust: bool = False,
    seasonal_jump: int = 1,
    trend_jump: int = 1,
    low_pass_jump: int = 1,
    inner_iter: int | None = None,
    outer_iter: int | None = None,
) -> Decomposition:
    """Split a series into trend, season and residual by loess (STL; Cleveland et al. 1990).

    Parameters
    ----------
    x : array-like of shape (n,) or (n_series, n)
        One series, or several of the same length, which are worked on by all cores. A value is missing where it is
        NaN or masked.
    period : int, optional
        Values in a cycle, at least 2 and at most half of `n`. By default it is found (see `tocsin.find_period`), for
        several series one for all.
    seasonal : int, default 7
        Cycles that a phase is smoothed over; odd and at least 3. The larger, the less the season may change.
    trend : int, optional
        Values that the trend is smoothed over; odd and longer than the period. By default the smallest odd number of
        at least ``1.5 * period / (1 - 1.5 / seasonal)``.
    low_pass : int, optional
        Values that the low-pass filter smooths over; odd and longer than the period, by default the next odd number.
    seasonal_deg, trend_deg, low_pass_deg : {0, 1}, default 1
        Whether level (0) or line (1) is fitted to the neighbours.
    robust : bool, default False
        Whether values far from the fit are given less weight.
    seasonal_jump, trend_jump, low_pass_jump : int, default 1
        Fit only each so many points and draw lines between them: faster, and less exact.
    inner_iter : int, optional
        Passes of trend and season; by default 5, and 2 if `robust`.
    outer_iter : int, optional
        Passes of weighing; by default none, and 15 if `robust`.

    Returns
    -------
    Decomposition
        Its trend, season, residual and weights are those of statsmodels' ``STL(...).fit(...)`` to 1e-8 of the scale of
        the series; with `robust` as closely as the fit is determined, see the notes.

    Raises
    ------
    ParameterError
        If a parameter makes no sense, the period is longer than half the series, or none is given and none found.
    DataError
        If there is anything but real, finite numbers up to 1e300 or NaN.
    EmptyDataError
        If there is nothing, or a series has nothing but missing values.

    Notes
    -----
    A missing value has weight 0 in every smoother. Trend and season are given there too, the residual is NaN. Where all
    values in the window of a smoother are missing, it keeps what the fit said last, which begins with lines between the
    same phase of the nearest cycles that have it. A series of one value is its own trend.

    With `robust` each weighing may amplify the rounding of the fit before it: with a short `seasonal`, long jumps and
    one inner pass over a random walk two- to threefold. After 15 weighings statsmodels then differs by 1e-9 to 1e-7
    from itself on a series that is changed in its last digit, after 60 by anything; and so does this.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 28)
    >>> x = 20 + 0.01 * hours + 3 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 0.5, 672)
    >>> x[100] += 5
    >>> parts = stl(x, 24, seasonal=15, robust=True)
    >>> int(abs(parts.resid).argmax()), float(parts.resid[100].round(1)), float(parts.weights[100])
    (100, 5.5, 0.0)
    """
    series = as_series(x)
    found = period is None
    period = find_period(series) if period is None else period
    settings = Settings(
        period, seasonal, trend, low_pass, seasonal_deg, trend_deg, low_pass_deg, robust,
        seasonal_jump, trend_jump, low_pass_jump, inner_iter, outer_iter,
    )  # fmt: skip
    settings.check_length(series.shape[-1])
    parts = _decompose(np.atleast_2d(series), settings)
    slow, season, resid, weights = parts if series.ndim == 2 else (part[0] for part in parts)
    return Decomposition(slow, season, resid, weights, (settings.period,), found)


def mstl(
    x: ArrayLike | Any,
    periods: int | Sequence[int],
    *,
    windows: int | Sequence[int] | None = None,
    iterate: int = 2,
    **parameters: Any,
) -> Decomposition:
    """Split a series with several seasons by repeated STL (MSTL; Bandara, Hyndman and Bergmeir, arXiv:2107.13462).

    Parameters
    ----------
    x : array-like of shape (n,) or (n_series, n)
        As in `stl`.
    periods : int or sequence of int
        Values in each cycle, each less than half of `n`.
    windows : int or sequence of int, optional
        Cycles that a phase is smoothed over, one for each period; odd. By default 11, 15, 19, ... from the shortest.
    iterate : int, default 2
        How often each season is estimated anew with the others taken away; once where there is one period.
    **parameters
        As in `stl`: all but `period` and `seasonal`.

    Returns
    -------
    Decomposition
        As statsmodels' ``MSTL(...).fit()`` gives it, to 1e-8 of the scale of the series, from the shortest period to
        the longest. `seasonal` has the shape (n_periods, n) or (n_series, n_periods, n).

    Raises
    ------
    ParameterError
        If a parameter makes no sense, or a period is not less than half the series (statsmodels leaves it out).
    DataError
        As in `stl`.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 7 * 10)
    >>> x = np.sin(hours * 2 * np.pi / 24) + np.cos(hours * 2 * np.pi / 168)
    >>> mstl(x, (24, 168)).seasonal.shape
    (2, 1680)
    """
    series = as_series(x)
    steps = mstl_steps(periods, windows, parameters, series.shape[-1])
    rounds = check_whole("iterate", iterate, 1)
    rest = np.atleast_2d(series).astype(np.float64)
    season = np.zeros((len(rest), len(steps), rest.shape[1]))
    for _ in range(rounds if len(steps) > 1 else 1):
        for i, settings in enumerate(steps):
            rest += season[:, i]
            slow, season[:, i], _, weights = _decompose(rest, settings)
            rest -= season[:, i]
    resid = rest - slow
    parts = (slow, season, resid, weights)
    slow, season, resid, weights = parts if series.ndim == 2 else tuple(part[0] for part in parts)
    return Decomposition(slow, season, resid, weights, tuple(settings.period for settings in steps))


def mstl_steps(
    periods: int | Sequence[int], windows: int | Sequence[int] | None, parameters: dict[str, Any], n: int
) -> list[Settings]:
    """Return the settings of each season, from the shortest period to the longest."""
    refuse_unknown("mstl", parameters, {"period": "periods", "seasonal": "windows"})
    cycles = [check_whole("period", period, 2) for period in np.atleast_1d(np.asarray(periods, dtype=object))]
    for period in cycles:
        if 2 * period >= n:
            raise ParameterError(f"period {period} is not less than half the series of {n} values; leave it out")
    if windows is None:
        cycles = sorted(cycles)
        spans = [7 + 4 * i for i in range(1, len(cycles) + 1)]
    else:
        spans = list(np.atleast_1d(np.asarray(windows, dtype=object)))
    if not cycles or len(spans) != len(cycles):
        raise ParameterError(f"there are {len(cycles)} periods and {len(spans)} windows; give one window a period")
    given = [Settings(period, span, **parameters) for period, span in zip(cycles, spans, strict=True)]
    return sorted(given, key=lambda settings: (settings.period, settings.seasonal))


def _decompose(series: NDArray[Any], settings: Settings) -> tuple[Floats, Floats, Floats, Floats]:
    """Return trend, season, residual and weights of series of shape (n_series, n), each of that shape."""
    count, n = series.shape
    gaps = np.isnan(sums(series))
    weighted = settings.outer > 0 or bool(gaps.any())
    try:
        parts = np.empty((4 if weighted else 3, count, n))
    except MemoryError:
        raise DataError(f"{count} x {n} values are too many for the memory; decompose fewer at a time") from None
    tasks: list[Callable[[], None]] = []
    whole = np.arange(count)
    if is_long(settings, n):
        tasks += _by_spans(series, np.flatnonzero(~gaps), settings, parts)
        whole = np.flatnonzero(gaps)
    tasks += _by_fits(series, whole, settings, parts)
    if len(tasks) == 1:
        tasks[0]()
    else:
        deque(run(tasks, lambda task: task()), maxlen=0)
    slow, season, resid = parts[:3]
    return slow, season, resid, parts[3] if weighted else np.broadcast_to(np.float64(1.0), slow.shape)


def _by_fits(
    series: NDArray[Any], rows: NDArray[np.int64], settings: Settings, parts: Floats
) -> list[Callable[[], None]]:
    """Return tasks that decompose the given series, each as a whole."""
    n, weighted = series.shape[1], len(parts) == 4
    if len(rows) == 0:
        return []

    def work(runs: list[NDArray[np.int64]]) -> None:
        plan, scratch = settings.plan(n, n, weighted=weighted), kernels.scratch(n, settings.period, weighted)
        for block in runs:
            some = slice(block[0], block[-1] + 1)
            values = np.require(series[some], np.float64, ["C", "W"])
            if weighted:
                kernels.decompose_weighted(plan, values, scratch, *parts[:, some])
            else:
                kernels.decompose(plan, values, scratch, *parts[:, some])

    runs = [each for block in np.array_split(rows, -(-len(rows) // _RUN)) for each in _runs(block)]
    threads = min(cores(), len(runs))
    return [partial(work, runs[i::threads]) for i in range(threads)]


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split ascending numbers where one is left out."""
    return np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)


def _by_spans(
    series: NDArray[Any], rows: NDArray[np.int64], settings: Settings, parts: Floats
) -> list[Callable[[], None]]:
    """Return tasks that decompose the given long series span by span."""
    n = series.shape[1]
    spans = SpanSTL.of(settings, n)

    def work(row: int, start: int) -> None:
        stop = min(start + _SPAN, n)
        first, last = spans.bounds(start, stop)
        spans.fill(series[row, first:last], first, start, stop, parts[:, row, start:stop])

    return [partial(work, row, start) for row in rows for start in range(0, n, _SPAN)]

"""Seasonal-trend decomposition of streams: what a new sample's trend, season and residual are, as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, NotFittedError
from tocsin.features.decomposition import stl
from tocsin.features.series import LARGEST, as_numbers
from tocsin.features.settings import check_whole
from tocsin.kernels import online_stl as kernels
from tocsin.kernels.online_stl import FILTER, gains_of

Floats = NDArray[np.float64]


class Decomposed(NamedTuple):
    """Samples in three parts that sum to them; each array has the shape of the samples."""

    trend: Floats
    seasonal: Floats
    resid: Floats


class OnlineSTL:
    """Seasonal-trend decomposition of one series or many, a sample or a block at a time.

    Parameters
    ----------
    period : int
        How many samples a cycle has, at least 2.
    seasonal : int, default 7
        Over how many cycles each point of the cycle is smoothed.
    trend : int, optional
        Over how many samples the trend is smoothed; default the period.

    Notes
    -----
    The form is that of OnlineSTL (Mishra, Sriharsha and Zhong, VLDB 2022, doi:10.14778/3523210.3523215) at a cost a
    sample that does not depend on the period: `tocsin.kernels.online_stl` says what is different and why. OneShotSTL
    (He et al., VLDB 2023, doi:10.14778/3583140.3583155) was measured against it. It follows a step of the level at
    once, and with it spikes and correlated noise; its weight has to be tuned to each series, and a sample costs about
    ten times as much.

    The state is a few plain arrays, so that a stream can be put down and taken up; any cutting of a stream into blocks
    gives the same numbers, bit for bit. A missing sample (NaN) has a trend and a season, but no residual.

    Cost: 15 to 25 ns a sample on one core; memory: one cycle a series.

    Limits: the trend of the newest sample knows nothing of what comes after it, so it lags behind that of `tocsin.stl`
    by about a third of its window.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 21)
    >>> flow = 10.0 + np.sin(2 * np.pi * hours / 24)
    >>> online = OnlineSTL(24).fit(flow[:336])
    >>> trend, seasonal, resid = online.update(flow[336:])
    >>> bool(abs(trend - 10.0).max() < 0.01), bool(abs(resid).max() < 0.01)
    (True, True)
    >>> online.forecast(3).round(2).tolist()
    [10.0, 10.26, 10.5]
    """

    def __init__(self, period: int, *, seasonal: int = 7, trend: int | None = None) -> None:
        self.period, self.seasonal = check_whole("period", period, 2), check_whole("seasonal", seasonal, 1)
        self.trend = self.period if trend is None else check_whole("trend", trend, 1)
        self._single = True
        self._place = 0
        self._numbers: Floats | None = None
        self._season: Floats = np.empty((0, self.period))

    def fit(self, history: ArrayLike) -> Self:
        """Start from a history of at least two cycles, which is decomposed as a whole.

        Parameters
        ----------
        history : array_like of shape (n,) or (n_series, n)
            The samples before those of the first `update`; NaN is a missing one.

        Raises
        ------
        DataError
            If the history is too short, not numeric, infinite, or a series of it has too few samples.
        """
        samples = _samples(history)
        if samples.ndim not in (1, 2) or samples.shape[-1] < 2 * self.period:
            raise DataError(
                f"history must have at least two periods of {self.period}, {2 * self.period} samples a series, and "
                f"the shape (n,) or (n_series, n), not {samples.shape}"
            )
        many = np.atleast_2d(samples)
        poor = np.flatnonzero(~has_cycles(many, self.period))
        if len(poor):
            raise DataError(
                f"series {poor[0]} of the history misses more than half of its samples, or a point of the cycle in all "
                f"cycles; give it a longer history or leave it out"
            )
        self._single, self._place = samples.ndim == 1, many.shape[1]
        self._numbers, self._season = begin(many, 0, self.period, self.seasonal, self.trend, forward=True)
        return self

    def update(self, x: ArrayLike) -> Decomposed:
        """Decompose the next samples and learn from them.

        Parameters
        ----------
        x : array_like
            Of one series: a sample or a block of shape (n,). Of many: one sample of each, (n_series,), or a block of
            shape (n_series, n).
        """
        numbers, samples = self._fitted(), _samples(x)
        block = samples.reshape(1, -1) if self._single else samples.reshape(len(samples), -1) if samples.ndim else None
        if block is None or samples.ndim > (1 if self._single else 2) or len(block) != len(numbers):
            shape = "(n,)" if self._single else f"({len(numbers)},) or ({len(numbers)}, n)"
            raise DataError(f"new samples must have the shape {shape}, not {samples.shape}")
        trends, seasons = np.empty(block.shape), np.empty(block.shape)
        block = np.ascontiguousarray(block)
        kernels.decompose(block, self._place, self.trend, self.seasonal, numbers, self._season, trends, seasons)
        self._place += block.shape[1]
        parts = (trends, seasons, block - trends - seasons)
        return Decomposed(*(part.reshape(samples.shape) for part in parts))

    def forecast(self, steps: int) -> Floats:
        """Return what is expected of the next samples, shape (steps,) or (n_series, steps): the level and the cycle."""
        steps = check_whole("steps", steps, 0)
        numbers = self._fitted()
        points = (self._place + np.arange(steps)) % self.period
        expected: Floats = numbers[:, kernels.LEVEL, None] + self._season[:, points]
        return expected[0] if self._single else expected

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """All that is remembered, as arrays that `from_state` takes; they are copies."""
        setting = np.array([self.period, self.seasonal, self.trend, self._place, self._single], np.int64)
        return {"setting": setting, "numbers": self._fitted().copy(), "season": self._season.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """Go on from a state.

        Raises
        ------
        DataError
            If it is not what `state` gave.
        """
        try:
            period, seasonal, trend, place, single = (int(each) for each in state["setting"])
            numbers, season = (np.array(state[name], np.float64) for name in ("numbers", "season"))
        except (KeyError, TypeError, ValueError, IndexError):
            numbers = season = np.empty(0)
        if numbers.ndim != 2 or numbers.shape[1] != FILTER or season.shape != (len(numbers), period):
            raise DataError("this is not the state of an OnlineSTL; give what its property `state` returned")
        online = cls(period, seasonal=seasonal, trend=trend)
        online._place, online._single = place, bool(single)
        online._numbers, online._season = numbers, season
        return online

    def _fitted(self) -> Floats:
        if self._numbers is None:
            raise NotFittedError("this OnlineSTL has no history yet; call fit(history) first")
        return self._numbers


def begin(
    history: Floats, place: int, period: int, seasonal: int, trend: int, *, forward: bool
) -> tuple[Floats, Floats]:
    """Start a filter a series from the robust decomposition of a history, shape (n_series, n).

    Parameters
    ----------
    place : int
        The place in time of the history's first sample.
    forward : bool
        Whether the filters go on after the history's last sample; else they go back from its first one.

    Returns
    -------
    numbers : ndarray of shape (n_series, FILTER)
    season : ndarray of shape (n_series, period)
        By point of the cycle.
    """
    # Levels, since straight lines would go through few cycles exactly; a start need be no better than its filter.
    jump = max(1, period // 10)
    found = stl(
        history, period, seasonal_deg=0, robust=True, inner_iter=1, outer_iter=5, trend_jump=jump, low_pass_jump=jump
    )
    length = history.shape[1]
    nearest = slice(length - period, length) if forward else slice(0, period)
    points = (place + np.arange(length)[nearest]) % period
    cycles = np.empty((len(history), period))
    cycles[:, points] = found.seasonal[:, nearest]
    numbers, season = np.empty((len(history), FILTER)), np.empty((len(history), period))
    levels = np.ascontiguousarray(found.trend[:, -1 if forward else 0])
    residuals = found.resid * np.sqrt(length / (length - period))  # the mean of a cycle's points has taken its share
    kernels.begin_all(levels, cycles, residuals, gains_of(trend, seasonal, period), numbers, season)
    return numbers, season


def has_cycles(history: Floats, period: int) -> NDArray[np.bool_]:
    """Return whether each series has half of its samples, and each point of the cycle at least once."""
    present = np.isfinite(history)
    whole = present[:, : history.shape[1] // period * period].reshape(len(history), -1, period)
    half: NDArray[np.bool_] = present.mean(axis=1) >= 0.5
    return half & np.array([cycles.any(axis=0).all() for cycles in whole], np.bool_)


def _samples(x: ArrayLike) -> Floats:
    """Return samples as float64; those that are infinite or too large are refused."""
    samples: Floats = as_numbers(x, "x").astype(np.float64, copy=False)
    if np.isinf(samples).any():
        raise DataError("samples have infinite values; use NaN for those that are missing")
    if (np.abs(samples) > LARGEST).any():
        raise DataError(f"samples have values above {LARGEST:g}, whose sums overflow; divide them")
    return samples

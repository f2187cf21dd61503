"""STL: a reading is anomalous where its feature's trend, season or residual is far from what is usual of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.clock import Clock, check_cycles, cycle_remarks, seasons_of, starts_of
from tocsin.errors import ParameterError
from tocsin.features.online import begin, has_cycles
from tocsin.features.settings import check_whole
from tocsin.kernels import stl_scores as kernels
from tocsin.kernels.online_stl import FILTER
from tocsin.kernels.stl_evidence import evidence
from tocsin.kernels.stl_scores import NUMBERS, PARTS, Filters, Setting
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

PLAIN = 200
"""The trend window, in readings, of a feature without a season."""
CYCLES = 4
"""From how many cycles a filter is begun at most; from half of them if there are fewer than twice as many."""


class STL(Detector):
    """Seasonal-trend decomposition as it goes on: how unusual are the residual, trend and season of each feature.

    Of each asset and feature a filter (`tocsin.OnlineSTL`) follows the level and the cycle. A reading is judged before
    it is learned, in three parts: its residual, how far it is from what was expected at that point of the cycle; its
    trend, how far the level has moved from a baseline that follows it eight times more slowly; and its season, how far
    the shape of the cycle is from one that is learned four times more slowly. Each is told in units of its own usual
    size in training, and a score is the root of the sum of their squares.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    period : int, optional
        How many readings a cycle has. By default it is found for each asset and feature; a feature in which none is
        found, or an asset with fewer than two cycles of readings, is watched without a season.
    seasonal : int, default 7
        Over how many cycles each point of the cycle is smoothed.
    trend : int, optional
        Over how many readings the level is smoothed; default the period, and 200 without a season.
    watch : {"all", "residual"}, default "all"
        Whether trend and season count, or the residual alone.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The method is that of OnlineSTL (Mishra, Sriharsha and Zhong, VLDB 2022, doi:10.14778/3523210.3523215), begun from
    robust STL (Cleveland et al., 1990) of the first cycles. Training scores come from the same filter as later ones:
    those of the rows it was begun from, from one that runs backwards from the end, to which they are as new.

    Row order matters. Rows that are scored follow on from the rows that were learned: their scores depend on the
    asset's model and its earlier rows in the same call, and scoring a batch, updating with it and scoring the next is
    as scoring both at once. Where readings have times, the place in the cycle follows the time, in sampling intervals
    of the median step in training, so that missing rows do no harm; without times each row is one step. A model is not
    changed by scoring. A missing value adds nothing to a score and teaches nothing.

    The units go on being learned, by the share of a reading among all that were seen, so that a model that began with
    few rows gets better; a reading counts for three units at most.

    Cost: to score, about 50 ns a value; to learn, about 1 µs, most of it the robust decomposition of up to 8 cycles,
    and ten times that if the period is to be found. A model keeps two cycles and 13 numbers a feature.

    Limits: features are taken one by one. With fewer than four cycles of training the units are too small by the share
    of noise that the season has taken up. A fault that lasts becomes normal, after about the trend's window for a level
    and `seasonal` cycles for a shape.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 28)
    >>> flow = 8.0 + 2.0 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0.0, 0.2, len(hours))
    >>> detector = STL(period=24).fit(flow[:600, None])
    >>> later = flow[600:, None].copy()
    >>> later[30] = 8.0  # usual at another hour
    >>> int(detector.decision_function(later).argmax())
    30
    >>> detector.explain(later, top=1).filter(row=30)["part"].item()
    'residual'
    """

    additive: ClassVar[bool] = True
    incremental: ClassVar[bool] = True
    temporal: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("residual", "trend", "season")
    variants = ({}, {"watch": "residual"})  # a trend that is nothing unusual

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        period: int | None = None,
        seasonal: int = 7,
        trend: int | None = None,
        watch: Literal["all", "residual"] = "all",
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.period = period
        self.seasonal = seasonal
        self.trend = trend
        self.watch = watch
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        _ = self._windows
        if self.watch not in ("all", "residual"):
            raise ParameterError(f"watch must be 'all' or 'residual', not {self.watch!r}")

    @property
    def _windows(self) -> tuple[int | None, int, int | None]:
        """Period, seasonal and trend, checked, as Python's own numbers, which do not overflow."""
        period = None if self.period is None else check_whole("period", self.period, 2)
        trend = None if self.trend is None else check_whole("trend", self.trend, 1)
        return period, check_whole("seasonal", self.seasonal, 1), trend

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn one model from a matrix of shape (n_rows, n_features); see `Detector.fit`.

        Raises
        ------
        DataError
            If a period is given and there are fewer than two of it.
        """
        self.check_parameters()
        check_cycles(np.shape(X)[0] if np.ndim(X) else 0, self._windows[0])
        return super().fit(X, y)

    def remarks(self, models: Models) -> dict[str, int]:
        """Return of how many assets no season was learned, and which periods were found of how many."""
        periods = models.state["periods"].values.reshape(len(models), -1)
        return cycle_remarks(periods, self.period, "only residual and level are watched")

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], NDArray[np.float64]]:
        clock = Clock.learn(panel)
        ticks = clock.ticks(panel)
        seasons = seasons_of(panel, ticks, self._windows[0])
        spans = [ticks[first:last] for first, last in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)]
        plans = [
            self._plan(spans[cell // panel.n_features], series, int(seasons.periods.flat[cell]))
            for cell, series in enumerate(seasons.series)
        ]
        periods = np.array([plan.period for plan in plans], np.int64)
        filters, backward = _filters(periods), _filters(periods)
        self._begin(plans, filters, backward)
        setting = self._setting()
        window = setting.trend or PLAIN
        kernels.begin_without_season(panel.values, panel.offsets, window, setting, filters, backward)
        units = np.empty((panel.n_features, PARTS, panel.n_rows))
        warm = np.array([plan.warm for plan in plans], np.int64)
        kernels.learn(panel.values, panel.offsets, ticks, setting, warm, filters, backward, units)
        scores, _ = _total(units, 0)
        return _state(panel, clock.after(panel, ticks), periods, filters), scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[NDArray[np.float64], Contributions]:
        ticks = Clock.of_state(state).ticks(panel)
        return _total(self._follow(panel, ticks, _filters_of(state)), top)

    def _absorb(
        self,
        state: Mapping[str, Ragged],
        panel: Panel,
        weights: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> dict[str, Ragged]:
        clock, filters = Clock.of_state(state), _filters_of(state)
        ticks = clock.ticks(panel)
        self._follow(panel, ticks, filters)
        return _state(panel, clock.after(panel, ticks), state["periods"].values, filters)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        assert contributions.part is not None
        clock = Clock.of_state(models.state)
        ticks = clock.ticks(panel)
        shape = contributions.feature.shape
        low, high, tail, limit, change = (np.full(shape, np.nan) for _ in range(5))
        above = np.zeros(shape, np.bool_)
        evidence(
            panel.values,
            panel.offsets,
            ticks,
            self._setting(),
            _filters_of(models.state),
            self._follow(panel, ticks, _filters_of(models.state)),
            models.threshold,
            contributions.feature,
            contributions.part,
            tail,
            above,
            low,
            high,
            limit,
            change,
        )
        assets = panel.asset_of_row[:, None]
        periods = models.state["periods"].values.reshape(len(models), -1)
        readings = periods[assets, np.maximum(contributions.feature, 0)]
        readings = np.where(readings > 1, readings, 0)
        step = clock.step[assets] if panel.times is not None else np.zeros_like(assets)
        cycle = np.stack([readings, readings * step], axis=-1)
        return Evidence(low, high, above, tail, limit, change, cycle)

    def _follow(self, panel: Panel, ticks: NDArray[np.int64], filters: Filters) -> NDArray[np.float64]:
        """Let filters go on over a panel, and return what each part of each row says."""
        units = np.empty((panel.n_features, PARTS, panel.n_rows))
        kernels.follow_rows(panel.values, panel.offsets, ticks, self._setting(), filters, units)
        return units

    def _setting(self) -> Setting:
        _, seasonal, trend = self._windows
        return Setting(trend or 0, seasonal, PLAIN, self.watch == "all")

    def _plan(self, ticks: NDArray[np.int64], series: NDArray[np.float64] | None, period: int) -> Plan:
        """Decide how to begin one feature of one asset."""
        none = Plan(1, min(len(ticks), self._windows[2] or PLAIN))
        if series is None:
            return none
        span = len(series)
        length = period * min(CYCLES, max(2, span // (2 * period)))
        head, tail = series[:length], series[-length:]
        if not has_cycles(np.stack([head, tail]), period).all():
            return none
        return Plan(period, int(np.searchsorted(ticks, length)), head, tail, span - length)

    def _begin(self, plans: list[Plan], filters: Filters, backward: Filters) -> None:
        """Begin the filters of cells with a season, those that are alike together."""
        alike: dict[tuple[int, int, int], list[int]] = {}
        for cell, plan in enumerate(plans):
            if plan.period > 1:
                alike.setdefault((plan.period, len(plan.head), plan.place), []).append(cell)
        for (period, _, place), cells in alike.items():
            _, seasonal, trend = self._windows
            window = trend or period
            heads, tails = (np.stack([getattr(plans[cell], end) for cell in cells]) for end in ("head", "tail"))
            ends = ((filters, heads, 0, False), (backward, tails, place, True))
            for each, history, at, forward in ends:
                numbers, season = begin(history, at, period, seasonal, window, forward=forward)
                each.numbers[cells, :FILTER] = numbers
                where = each.starts[cells][:, None] + np.arange(period)
                each.season[where] = each.reference[where] = season


class Plan(NamedTuple):
    """How one feature of one asset is begun: its period, from how many rows, and its first and last cycles.

    `place` is the tick of the first sample of `tail`.
    """

    period: int
    warm: int
    head: NDArray[np.float64] = np.empty(0)
    tail: NDArray[np.float64] = np.empty(0)
    place: int = 0


def _filters(periods: NDArray[np.int64]) -> Filters:
    """Return filters that are still to be begun."""
    starts = starts_of(periods)
    return Filters(starts, np.zeros((len(periods), NUMBERS)), np.zeros(starts[-1]), np.zeros(starts[-1]))


def _filters_of(state: Mapping[str, Ragged]) -> Filters:
    """Return a copy of a state's filters."""
    starts = starts_of(state["periods"].values)
    numbers = state["filter"].values.reshape(-1, NUMBERS)
    return Filters(starts, numbers.copy(), state["season"].values.copy(), state["reference"].values.copy())


def _state(panel: Panel, clock: Clock, periods: NDArray[np.int64], filters: Filters) -> dict[str, Ragged]:
    width = panel.n_features
    edges = filters.starts[::width]
    return {
        "clock": clock.to_state(),
        "periods": Ragged.of_rows(periods.reshape(panel.n_assets, width)),
        "filter": Ragged.of_rows(filters.numbers.reshape(panel.n_assets, width * NUMBERS)),
        "season": Ragged(filters.season, edges),
        "reference": Ragged(filters.reference, edges),
    }


def _total(units: NDArray[np.float64], top: int | None) -> tuple[NDArray[np.float64], Contributions]:
    """Return scores and the `top` contributions of what each part of each row says."""
    n_features, n_parts, n_rows = units.shape
    most = n_features * n_parts
    shape = (n_rows, most if top is None else min(top, most))
    scores, shares = np.empty(n_rows), np.empty(shape)
    features, parts = np.empty(shape, np.int32), np.empty(shape, np.int8)
    kernels.total(units, top is None, scores, features, parts, shares)
    return scores, Contributions(features, shares, parts)

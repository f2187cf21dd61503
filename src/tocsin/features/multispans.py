"""MSTL of a series that is too long to hold, span by span."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.features.series import as_series
from tocsin.features.settings import Settings
from tocsin.kernels import stl as kernels


class SpanMSTL:
    """MSTL of one long series, a span at a time; the kin of `SpanSTL` for several seasons.

    Each span is decomposed with `context` more values on either side, as far as there are any: as many as are felt in
    all rounds of all seasons together. What comes out is the whole series' decomposition as `SpanSTL` promises it.

    Parameters
    ----------
    n : int
        How many values the series has in all.
    periods : int or sequence of int
        Values in each cycle.
    **parameters
        As in `tocsin.mstl`; jumps stay 1.

    Raises
    ------
    ParameterError
        If a parameter makes no sense, or if a period is longer than half the series.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(30_000) * 2 * np.pi / 24) + np.cos(np.arange(30_000) * 2 * np.pi / 168)
    >>> spans = SpanMSTL(len(x), (24, 168))
    >>> first, last = spans.bounds(14_000, 15_000)
    >>> trend, seasonal, resid, weights = spans.decompose(x[first:last], 14_000, 15_000)
    >>> seasonal.shape
    (2, 1000)
    """

    def __init__(
        self,
        n: int,
        periods: int | Sequence[int],
        *,
        windows: int | Sequence[int] | None = None,
        iterate: int = 2,
        **parameters: Any,
    ) -> None:
        if jumps := [name for name in parameters if name.endswith("_jump") and parameters[name] != 1]:
            raise ParameterError(f"{jumps[0]} must stay 1 where a series is decomposed span by span")
        self.n = int(n)
        cycles = np.atleast_1d(periods).tolist()
        spans = [11 + 4 * i for i in range(len(cycles))] if windows is None else np.atleast_1d(windows).tolist()
        if not cycles or len(spans) != len(cycles):
            raise ParameterError(f"there are {len(cycles)} periods and {len(spans)} windows; give one window a period")
        pairs = zip(sorted(cycles), spans, strict=True) if windows is None else sorted(zip(cycles, spans, strict=True))
        self._steps = [Settings(period, window, **parameters) for period, window in pairs]
        self.periods = tuple(step.period for step in self._steps)
        for step in self._steps:
            step.check_length(self.n - 1)
        self._rounds = int(iterate) if len(self._steps) > 1 else 1
        self._local = threading.local()
        self.context = self._rounds * sum(step.reach for step in self._steps)
        """How many values on either side of a span are felt in it."""

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        return max(0, start - self.context), min(self.n, stop + self.context)

    def decompose(
        self, values: ArrayLike, start: int, stop: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Decompose the span from `start` to `stop`, given the values that `bounds` tells.

        Returns
        -------
        trend, seasonal, resid, weights : ndarrays of shape (stop - start,), float64
            `seasonal` has a row a period, shape (n_periods, stop - start).
        """
        first, last = self.bounds(start, stop)
        y = as_series(values)
        if y.shape != (last - first,):
            raise DataError(f"the span from {start} to {stop} needs the {last - first} values from {first} to {last}")
        rest = y.astype(np.float64)[np.newaxis]
        season = np.zeros((len(self._steps), len(y)))
        plans, (weights, trend, seasonal, resid) = self._scratch(len(y), weighted=self._weighted(rest))
        for _ in range(self._rounds):
            for i, (plan, work) in enumerate(plans):
                rest += season[i]
                kernels.decompose(plan, rest, weights, trend, seasonal, resid, work)
                season[i] = seasonal[0]
                rest -= season[i]
        own = slice(start - first, stop - first)
        return trend[0, own].copy(), season[:, own], (rest[0] - trend[0])[own], weights[0, own].copy()

    def _weighted(self, y: NDArray[np.float64]) -> bool:
        return self._steps[0].outer > 0 or bool(np.isnan(y).any())

    def _scratch(self, size: int, *, weighted: bool) -> Any:
        """Return plans with working memory, and room for the parts, which a thread keeps as long as the size stays."""
        kept = getattr(self._local, "kept", None)
        if kept is None or kept[0] != (size, weighted):
            plans = []
            for step in self._steps:
                plan = step.plan(size, self.n, weighted=weighted)
                plans.append((plan, kernels.scratch(size, int(step.period), weighted)))
            kept = self._local.kept = (size, weighted), (plans, np.empty((4, 1, size)))
        return kept[1]

"""STL of a series that is too long to hold, span by span.

Without an outer loop a value of the decomposition depends on the series near it and on nothing else, so a span can be
decomposed with as much of its surroundings as is felt, and comes out as in the whole.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.features.response import is_filter, response
from tocsin.features.series import as_series
from tocsin.features.settings import Settings, check_whole, refuse_unknown
from tocsin.kernels import stl as kernels

Floats = NDArray[np.float64]


def is_long(settings: Settings, n: int) -> bool:
    """Return whether most of a series without gaps is away from its ends, where STL is a filter."""
    return is_filter(settings) and n > 4 * _context(settings)


def _context(settings: Settings) -> int:
    """Return how far the ends of a series are felt, as a multiple of what keeps the phase of the fits."""
    return -(-settings.reach // settings.align) * settings.align


class SpanSTL:
    """STL of one long series, a span at a time.

    Each span is decomposed with `context` more values on either side, as far as there are any. Its trend and season
    then are those of the whole series, to 1e-9 of the largest value in it, whatever the spans. Two things depend on
    what is read, and are the same to that tolerance only where the context is:

    - with ``robust=True`` the weights, because their scale is the median distance of the values that are read, and
      with it how far a value is felt;
    - what stands in for missing values over a gap as long as a smoother's window.

    Parameters
    ----------
    n : int
        How many values the series has in all.
    period : int
        Values in a cycle.
    **parameters
        As in `tocsin.stl`.

    Raises
    ------
    ParameterError
        If a parameter makes no sense, or if the period is longer than half the series.

    Notes
    -----
    A span can be worked on by several threads at once; each keeps scratch of its own for the next span.

    Examples
    --------
    >>> import numpy as np, tocsin
    >>> x = np.sin(np.arange(20_000) * 2 * np.pi / 24) + 0.001 * np.arange(20_000)
    >>> spans = SpanSTL(len(x), period=24)
    >>> spans.context
    672
    >>> first, last = spans.bounds(5_000, 6_000)
    >>> trend, seasonal, resid, weights = spans.decompose(x[first:last], 5_000, 6_000)
    >>> bool(np.allclose(trend, tocsin.stl(x, 24).trend[5_000:6_000], rtol=0, atol=1e-9))
    True
    """

    def __init__(self, n: int, period: int, **parameters: Any) -> None:
        n = check_whole("n", n, 1, most=2**62)
        refuse_unknown("SpanSTL", parameters)
        self._prepare(Settings(period, **parameters), n)

    @classmethod
    def of(cls, settings: Settings, n: int) -> SpanSTL:
        """Return the same from settings that are checked."""
        spans = cls.__new__(cls)
        spans._prepare(settings, n)
        return spans

    def _prepare(self, settings: Settings, n: int) -> None:
        settings.check_length(n)
        self.settings = settings
        self.n = n
        self.context = _context(settings)
        """How many values on either side of a span are felt in it; a multiple of the period."""
        self._filter = is_long(settings, n)
        self._local = threading.local()

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        if not 0 <= start < stop <= self.n:
            raise ParameterError(f"a span must lie within the series of {self.n} values, not from {start} to {stop}")
        align = self.settings.align
        first = max(0, start - self.context) // align * align
        last = min(self.n, max(stop + self.context, first + 2 * self.settings.period))
        if last - first < 2 * self.settings.period:
            first = max(0, last - 2 * self.settings.period) // align * align
        return first, last

    def decompose(self, values: ArrayLike, start: int, stop: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Decompose the span from `start` to `stop`.

        Parameters
        ----------
        values : array-like of shape (last - first,)
            The series from `first` to `last`, which `bounds` tells.
        start, stop : int
            The span, in places of the whole series.

        Returns
        -------
        trend, seasonal, resid, weights : ndarrays of shape (stop - start,), float64
            All but the weights are NaN if all values are missing.
        """
        first, last = self.bounds(start, stop)
        y = as_series(values, first, blank=True)
        if y.shape != (last - first,):
            raise DataError(f"the span from {start} to {stop} needs the {last - first} values from {first} to {last}")
        weighted = self.settings.outer > 0 or bool(np.isnan(y).any())
        parts = np.empty((4 if weighted else 3, stop - start))
        self.fill(y, first, start, stop, parts)
        trend, seasonal, resid = parts[:3]
        return trend, seasonal, resid, parts[3] if weighted else np.broadcast_to(np.float64(1.0), trend.shape)

    def fill(self, values: NDArray[Any], first: int, start: int, stop: int, parts: Floats) -> None:
        """Write trend, season, residual and, where there is a fourth row, weights of the span.

        `values` are those from `bounds`, checked; without a fourth row none is missing.
        """
        # At the ends of the series by fits, in between by the filter.
        left, right = min(max(start, self.context), stop), max(min(stop, self.n - self.context), start)
        if not self._filter or len(parts) == 4 or right <= left:
            self._fit(values, first, start, stop, first, first + len(values), parts)
            return
        if start < left:
            self._fit(values, first, start, left, 0, left + self.context, parts[:, : left - start])
        if right < stop:
            begin = (right - self.context) // self.settings.align * self.settings.align
            self._fit(values, first, right, stop, begin, self.n, parts[:, right - start :])
        filters = response(self.settings)
        y = np.asarray(values[left - filters.reach - first : right + filters.reach - first], np.float64)
        trend, seasonal, resid = parts[:, left - start : right - start]
        filters.apply(y, trend, seasonal)
        np.subtract(y[filters.reach : len(y) - filters.reach], seasonal, out=resid)
        resid -= trend

    def _fit(
        self, values: NDArray[Any], first: int, start: int, stop: int, begin: int, end: int, parts: Floats
    ) -> None:
        """Write what the fits to the values from `begin` to `end` say of those from `start` to `stop`."""
        y = np.require(values[begin - first : end - first], np.float64, ["C", "W"])
        own, weighted = slice(start - begin, stop - begin), len(parts) == 4
        plan, work, whole = self._scratch(len(y), weighted)
        if not weighted:
            kernels.decompose(plan, y[np.newaxis], work, *whole)
        elif not np.isnan(y).all():
            kernels.decompose_weighted(plan, y[np.newaxis], work, *whole)
        else:
            whole[:3], whole[3] = np.nan, 0.0
        parts[:] = whole[:, 0, own]

    def _scratch(self, size: int, weighted: bool) -> Any:
        """Return the plan, working memory and room for the parts, which a thread keeps as long as the size stays."""
        kept = getattr(self._local, "kept", None)
        if kept is None or kept[0] != (size, weighted):
            plan = self.settings.plan(size, self.n, weighted=weighted)
            work = kernels.scratch(size, self.settings.period, weighted)
            kept = self._local.kept = (size, weighted), (plan, work, np.empty((4 if weighted else 3, 1, size)))
        return kept[1]

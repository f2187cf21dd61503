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
from tocsin.features.series import as_series
from tocsin.features.settings import Settings
from tocsin.kernels import stl as kernels


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
    792
    >>> first, last = spans.bounds(5_000, 6_000)
    >>> trend, seasonal, resid, weights = spans.decompose(x[first:last], 5_000, 6_000)
    >>> bool(np.allclose(trend, tocsin.stl(x, 24).trend[5_000:6_000], rtol=0, atol=1e-9))
    True
    """

    def __init__(self, n: int, period: int, **parameters: Any) -> None:
        self.settings = Settings(period, **parameters)
        self.settings.check_length(n)
        self.n = int(n)
        align = self.settings.align
        self._local = threading.local()
        self.context = -(-self.settings.reach // align) * align
        """How many values on either side of a span are felt in it; a multiple of the period."""

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        if not 0 <= start < stop <= self.n:
            raise ParameterError(f"a span must lie within the series of {self.n} values, not from {start} to {stop}")
        align = self.settings.align
        first = max(0, start - self.context) // align * align
        last = min(self.n, max(stop + self.context, first + 2 * int(self.settings.period)))
        if last - first < 2 * self.settings.period:
            first = max(0, last - 2 * int(self.settings.period)) // align * align
        return first, last

    def decompose(
        self, values: ArrayLike, start: int, stop: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
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
        """
        first, last = self.bounds(start, stop)
        y = as_series(values)
        if y.shape != (last - first,):
            raise DataError(f"the span from {start} to {stop} needs the {last - first} values from {first} to {last}")
        y = np.require(y, np.float64, ["C", "W"])
        weighted = self.settings.outer > 0 or bool(np.isnan(y).any())
        plan, work, parts = self._scratch(len(y), weighted)
        weights, trend, seasonal, resid = parts
        kernels.decompose(plan, y[np.newaxis], weights, trend, seasonal, resid, work)
        weights, trend, seasonal, resid = parts[:, 0, start - first : stop - first].copy()
        return trend, seasonal, resid, weights

    def _scratch(self, size: int, weighted: bool) -> Any:
        """Return the plan, working memory and room for the parts, which a thread keeps as long as the size stays."""
        kept = getattr(self._local, "kept", None)
        if kept is None or kept[0] != (size, weighted):
            plan = self.settings.plan(size, self.n, weighted=weighted)
            work = kernels.scratch(size, int(self.settings.period), weighted)
            kept = self._local.kept = (size, weighted), (plan, work, np.empty((4, 1, size)))
        return kept[1]

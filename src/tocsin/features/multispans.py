"""MSTL of a series that is too long to hold, span by span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.features.decomposition import mstl_steps
from tocsin.features.series import as_series
from tocsin.features.settings import check_whole
from tocsin.features.spans import SpanSTL

Floats = NDArray[np.float64]


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
        If a parameter makes no sense, or if a period is not less than half the series.

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
        n = check_whole("n", n, 1, most=2**62)
        if jumps := [name for name in parameters if name.endswith("_jump") and parameters[name] != 1]:
            raise ParameterError(f"{jumps[0]} must stay 1 where a series is decomposed span by span")
        rounds = check_whole("iterate", iterate, 1)
        steps = mstl_steps(periods, windows, parameters, n)
        self.n = n
        self.periods = tuple(step.period for step in steps)
        self._steps = [SpanSTL.of(step, self.n) for step in steps]
        self._rounds = rounds if len(steps) > 1 else 1
        # A step may begin up to a period later than it could, so that cycles begin where they do in the whole.
        self.context = self._rounds * sum(step.context + step.settings.align for step in self._steps)
        """How many values on either side of a span are felt in it."""

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        if not 0 <= start < stop <= self.n:
            raise ParameterError(f"a span must lie within the series of {self.n} values, not from {start} to {stop}")
        return max(0, start - self.context), min(self.n, stop + self.context)

    def decompose(self, values: ArrayLike, start: int, stop: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Decompose the span from `start` to `stop`, given the values that `bounds` tells.

        Returns
        -------
        trend, seasonal, resid, weights : ndarrays of shape (stop - start,), float64
            `seasonal` has a row a period, shape (n_periods, stop - start).
        """
        low, high = self.bounds(start, stop)
        y = as_series(values, low, blank=True)
        if y.shape != (high - low,):
            raise DataError(f"the span from {start} to {stop} needs the {high - low} values from {low} to {high}")
        rest = y.astype(np.float64)
        season = np.zeros((len(self._steps), len(rest)))
        for _ in range(self._rounds):
            for i, step in enumerate(self._steps):
                rest += season[i]
                # What is left is known where all that is felt was known before: less at each step.
                begin, end = _inner(step, low, high)
                first, last = step.bounds(begin, end)
                trend, own, _, weights = step.decompose(rest[first - low : last - low], begin, end)
                keep = slice(begin - low, end - low)
                rest, season, low, high = rest[keep], season[:, keep], begin, end
                season[i] = own
                rest = rest - own
        keep = slice(start - low, stop - low)
        return trend[keep], season[:, keep], (rest - trend)[keep], weights[keep]


def _inner(step: SpanSTL, low: int, high: int) -> tuple[int, int]:
    """Return the longest span whose surroundings lie between `low` and `high`."""
    align = step.settings.align
    begin = 0 if low == 0 else -(-(low + step.context) // align) * align
    return begin, step.n if high == step.n else high - step.context

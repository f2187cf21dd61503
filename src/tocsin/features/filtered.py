"""Trend, season and residual of a very long series by one filter each, where that is what STL comes to.

Without weights every step of STL adds up neighbours with fixed factors. So do all steps together: away from the ends
of the series and from missing values each component is one fixed filter of the values, and its factors are what STL
makes of a single one among zeros. A Fourier transform applies it at once, whatever the length of the windows.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_LEAST, _MOST = 1 << 16, 1 << 22
"""The shortest transform, and the longest but for the longest periods: it takes eight times its length in bytes, and
several of them."""
_TIMES = 8
"""How much longer than the context on one side a span should be."""


class Spans(Protocol):
    """What decomposes a long series span by span: `SpanSTL` or `SpanMSTL`."""

    n: int
    context: int

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values are needed for a span."""

    def decompose(self, values: ArrayLike, start: int, stop: int) -> tuple[Floats, ...]:
        """Return trend, season or seasons, residual and weights of a span."""


class DirectSpans:
    """Spans by STL itself, in the shape that `FilteredSpans` gives.

    Parameters
    ----------
    spans : SpanSTL or SpanMSTL
        What decomposes.
    whole : bool, default True
        Whether all components are wanted, or the residual alone.
    """

    def __init__(self, spans: Spans, *, whole: bool = True) -> None:
        self.n, self.context, self.whole = spans.n, spans.context, whole
        self.step = max(1 << 18, _TIMES * self.context)
        """How many values are well done at a time: many against their surroundings."""
        self._spans = spans

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        return self._spans.bounds(start, stop)

    def decompose(self, values: ArrayLike, start: int, stop: int) -> Floats:
        """Decompose the span from `start` to `stop`, given the values that `bounds` tells.

        Returns
        -------
        ndarray of shape (n_seasons + 2, stop - start), float64
            Trend, each season and residual, or the residual alone, shape (1, stop - start). NaN where nothing near is
            known.
        """
        x = np.asarray(values)
        if np.isnan(x).all():
            rows = self._spans.decompose(np.zeros(len(x)), start, stop)
            return np.full_like(self._wanted(rows), np.nan)
        return self._wanted(self._spans.decompose(x, start, stop))

    def _wanted(self, parts: tuple[Floats, ...]) -> Floats:
        trend, seasonal, resid, _ = parts
        return np.vstack([trend, seasonal, resid] if self.whole else [resid])


class FilteredSpans:
    """The decomposition of `SpanSTL` or `SpanMSTL` without an outer loop and jumps, many times as fast.

    What comes out is theirs to 1e-12 of the values around it. Spans near the ends of the series or near a missing value
    are decomposed by themselves.

    Parameters
    ----------
    direct : DirectSpans
        Of the series, without ``robust`` and jumps.
    like : SpanSTL or SpanMSTL
        The same for a series of ``4 * context + 1`` values, from which the filters are taken.

    Notes
    -----
    A span can be worked on by several threads at once. Cost: one Fourier transform and one more for each component,
    about 15 ns a value for the residual alone, on one core; windows and periods hardly matter.

    Examples
    --------
    >>> import numpy as np
    >>> from tocsin import SpanSTL
    >>> x = np.sin(np.arange(20_000) * 2 * np.pi / 24) + 0.001 * np.arange(20_000)
    >>> spans = SpanSTL(len(x), 24)
    >>> filtered = FilteredSpans(DirectSpans(spans), SpanSTL(4 * spans.context + 1, 24))
    >>> first, last = filtered.bounds(5_000, 6_000)
    >>> trend, seasonal, resid = filtered.decompose(x[first:last], 5_000, 6_000)
    >>> bool(np.allclose(resid, spans.decompose(x[first:last], 5_000, 6_000)[2], rtol=0, atol=1e-12))
    True
    """

    def __init__(self, direct: DirectSpans, like: Spans) -> None:
        self.n, self.context = direct.n, direct.context
        self._direct = direct
        self._answers = _answers(like, self.context, whole=direct.whole)
        length = _length(2 * self.context)
        self.step = length - 2 * self.context
        """How many values come out of one transform."""
        self._filters = length, _transformed(self._answers, length)
        self._local = threading.local()

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return which values of the series `decompose` needs for the span from `start` to `stop`."""
        return self._direct.bounds(start, stop)

    def decompose(self, values: ArrayLike, start: int, stop: int) -> Floats:
        """Decompose a span as `DirectSpans.decompose` does."""
        x = np.asarray(values)
        first, _ = self.bounds(start, stop)
        out = np.empty((len(self._answers), stop - start))
        head, tail = (min(max(place, start), stop) for place in (self.context, self.n - self.context))
        if tail <= head:
            head = tail = stop
        steps = range(head, tail, self.step)
        for begin, end in [(start, head), *((at, min(at + self.step, tail)) for at in steps), (tail, stop)]:
            if begin < end:
                out[:, begin - start : end - start] = self._block(x, first, begin, end)
        return out

    def _block(self, x: NDArray[Any], first: int, begin: int, end: int) -> Floats:
        low, high = begin - self.context, end + self.context
        if low >= 0 and high <= self.n:
            around = x[low - first : high - first].astype(np.float64)
            # The residual of a constant is 0, so what all values have in common need not go through rounding.
            origin = float(around.mean())
            if np.isfinite(origin):
                around -= origin
                return self._filtered(around, origin)
        low, high = self.bounds(begin, end)
        return self._direct.decompose(x[low - first : high - first], begin, end)

    def _filtered(self, around: Floats, origin: float) -> Floats:
        from scipy import fft

        length, components = self._filters
        if len(around) < length // 2:
            length, components = self._shorter(fft.next_fast_len(len(around), real=True))
        spectrum = fft.rfft(around, length)
        inner = slice(self.context, len(around) - self.context)
        out = np.array([fft.irfft(spectrum * component, length, overwrite_x=True)[inner] for component in components])
        if self._direct.whole:
            out[0] += origin
        return out

    def _shorter(self, length: int) -> tuple[int, NDArray[np.complex128]]:
        """Return the filters for a shorter length, which a thread keeps as long as the length stays."""
        kept: tuple[int, NDArray[np.complex128]] | None = getattr(self._local, "kept", None)
        if kept is None or kept[0] != length:
            kept = self._local.kept = length, _transformed(self._answers, length)
        return kept


def _length(surroundings: int) -> int:
    """Return a power of 2 that is long against the surroundings, or at least twice as long where that is too much."""
    fit, least = (1 << (times * surroundings - 1).bit_length() for times in (_TIMES // 2, 2))
    return max(_LEAST, min(fit, max(_MOST, least)))


def _answers(like: Spans, context: int, *, whole: bool) -> Floats:
    """Return what each component answers to a single one, from `context` before it to `context` after it."""
    impulse = np.zeros(4 * context + 1)
    impulse[2 * context] = 1.0
    answers = DirectSpans(like, whole=whole).decompose(impulse, 0, len(impulse))
    return answers[:, context : 3 * context + 1]


def _transformed(answers: Floats, length: int) -> NDArray[np.complex128]:
    """Return the transforms of the filters, for values of that length."""
    from scipy import fft

    half = answers.shape[1] // 2
    rolled = np.zeros((len(answers), length))
    rolled[:, : half + 1] = answers[:, half:]
    rolled[:, length - half :] = answers[:, :half]
    transforms: NDArray[np.complex128] = fft.rfft(rolled, axis=-1)
    return transforms

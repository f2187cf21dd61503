"""STL away from the ends of a series, as what it then is: one filter.

With every point fitted and none weighed, each smoother of STL is the same filter everywhere but at the ends. So are
their sums and products, and so are all passes of the inner loop together: trend and season are the series under two
symmetric filters, whose response to each frequency follows from those of the smoothers. Fourier transforms of blocks
apply both at once (overlap-save).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tocsin.features.settings import Settings
from tocsin.kernels import loess

Floats = NDArray[np.float64]

_NEGLIGIBLE = 1e-13
"""What of a filter, in absolute sum, may be cut off on either side."""
_SMALLEST, _LARGEST = 1 << 13, 1 << 20


class Response:
    """The two filters of the settings of an STL, ready to be applied.

    Parameters
    ----------
    settings : Settings
        Without an outer loop and without jumps.
    """

    def __init__(self, settings: Settings) -> None:
        size = 1 << (2 * settings.reach + 1).bit_length()
        season, trend = _responses(settings, size)
        felt = (np.abs(_impulse(season)) + np.abs(_impulse(trend)))[: size // 2 + 1]
        beyond = np.cumsum(felt[::-1])[::-1]
        self.reach = min(int((beyond >= _NEGLIGIBLE).sum()), settings.reach)
        """How many values on either side are felt."""
        self.size = max(_SMALLEST, 1 << (6 * self.reach).bit_length())
        """Values in a block, of which `reach` at either end are not results."""
        self._season, self._trend = _responses(settings, self.size)

    def apply(self, values: Floats, trend: Floats, seasonal: Floats) -> None:
        """Filter a series; `values` has `reach` more on either side than the results."""
        from scipy.fft import irfft, rfft

        step = self.size - 2 * self.reach
        inner = slice(self.reach, self.reach + step)
        for start in range(0, len(trend), step):
            block = values[start : start + self.size]
            # A level of its own would cost the small numbers their last digits.
            level = block.mean()
            spectrum = rfft(block - level, self.size)
            own = slice(start, min(start + step, len(trend)))
            count = own.stop - start
            trend[own] = irfft(spectrum * self._trend, self.size)[inner][:count] + level
            seasonal[own] = irfft(spectrum * self._season, self.size)[inner][:count]


@lru_cache(maxsize=4)
def response(settings: Settings) -> Response:
    """Return the filters of the settings, of which the last few are kept."""
    return Response(settings)


def is_filter(settings: Settings) -> bool:
    """Return whether STL is a filter of a size that is worth it."""
    return settings.outer == 0 and settings.jumps == (1, 1, 1) and 2 * settings.reach < _LARGEST


def _responses(settings: Settings, size: int) -> tuple[Floats, Floats]:
    """Return what season and trend make of each frequency."""
    kinds = int(loess.PLAIN)
    smoothers = [loess.plan(3 * window, window, 0, 1, 3 * window, kinds).middle[0] for window in settings.windows]
    mean = np.full(settings.period, 1.0 / settings.period)
    averages = np.convolve(np.convolve(mean, mean), np.full(3, 1.0 / 3.0))
    cycles, slow = _spectrum(smoothers[0], settings.period, size), _spectrum(smoothers[1], 1, size)
    low_pass = _spectrum(averages, 1, size) * _spectrum(smoothers[2], 1, size)
    trend = np.zeros_like(cycles)
    for _ in range(settings.inner):
        season = (1.0 - low_pass) * cycles * (1.0 - trend)
        trend = slow * (1.0 - season)
    return season, trend


def _spectrum(taps: Floats, stride: int, size: int) -> Floats:
    """Return the real spectrum of a symmetric filter around 0."""
    from scipy.fft import rfft

    impulse = np.zeros(size)
    half = len(taps) // 2
    np.add.at(impulse, np.arange(-half, half + 1) * stride % size, taps)
    spectrum: Floats = rfft(impulse).real
    return spectrum


def _impulse(spectrum: Floats) -> Floats:
    from scipy.fft import irfft

    impulse: Floats = irfft(spectrum, 2 * (len(spectrum) - 1))
    return impulse

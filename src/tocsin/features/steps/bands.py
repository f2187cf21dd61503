"""Where in the spectrum the last rows have their energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tocsin.features.steps.base import MakingStep, Rows, is_number
from tocsin.kernels import spectra
from tocsin.models import Ragged


@dataclass(frozen=True)
class Bands(MakingStep):
    """The energy of the last `size` rows in bands of frequencies: "RateRMS, energy 0.1 to 0.5 of the last 64".

    Parameters
    ----------
    size : int, default 64
        Rows in a window, at least 4; bands can be no narrower than ``1 / size``.
    bands : sequence of pairs, default ``((0.0, 0.1), (0.1, 0.5))``
        Lower and upper end of each band in cycles a row. The lower end belongs to it, the upper one does not, unless it
        is 0.5, the highest frequency there is: two rows a cycle.

    Notes
    -----
    The mean of a window is taken away, and a Hann window laid over the rest. The energy of a band is the sum of the
    one-sided periodogram there (SciPy's, ``scaling="density"``), times the width of a frequency: the part of the
    variance that lies in the band, in squares of the column's unit. A sine of amplitude A inside a band has A²/2.

    Missing where a value of the window is. Warm-up: `size` - 1 rows. Cost: about that of a fast Fourier transform of
    each window, 4 ns a value and frequency in the bands for 64 rows.

    Examples
    --------
    >>> import numpy as np
    >>> from tocsin.features.recipe import Recipe
    >>> X = 3 + 2 * np.sin(2 * np.pi * 0.25 * np.arange(100))[:, None]
    >>> Recipe([Bands(32)]).fit(X).transform(X).to_numpy()[0].round(6).tolist()
    [0.0, 2.0]
    """

    size: int = 64
    bands: Sequence[Sequence[float]] = ((0.0, 0.1), (0.1, 0.5))

    def check(self) -> None:
        """Refuse bands that are none, or hold no frequency."""
        self._whole("size", 4, 65_536)
        for band in self._several("bands"):
            if not isinstance(band, tuple) or len(band) != 2 or not all(is_number(end) for end in band):
                raise self._wrong(f"a band must be two numbers, such as [0.1, 0.5], not {_shown(band)}")
            if not 0.0 <= band[0] < band[1] <= 0.5:
                raise self._wrong(f"a band must rise within 0 and 0.5 cycles a row, not {_shown(band)}")
        self._set("bands", tuple((float(low), float(high)) for low, high in self.bands))
        for (first, last), band in zip(self._limits.tolist(), self.bands, strict=True):
            if first > last:
                raise self._wrong(
                    f"band {_shown(band)} holds no frequency of {self.size} rows; "
                    f"they are 1/{self.size} apart, so make the band wider or the size larger"
                )

    @property
    def warm_up(self) -> int:
        """All rows of a window but the last."""
        return self.size - 1

    def names(self, column: str) -> tuple[str, ...]:
        """Return a name for each band."""
        return tuple(f"{column}, energy {low:g} to {high:g} of the last {self.size}" for low, high in self.bands)

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Sum up the frequencies of each band."""
        angles = 2.0 * np.pi * np.arange(self.size) / self.size
        circle = np.stack([np.cos(angles), np.sin(angles)])
        spectra.bands(
            rows.values, rows.offsets, rows.chosen, self.size, self._limits, circle,
            rows.targets, rows.out, rows.out_offsets,
        )  # fmt: skip

    @cached_property
    def _limits(self) -> NDArray[np.int64]:
        """The first and last frequency of each band, in cycles a window."""
        frequencies = np.arange(self.size // 2 + 1) / self.size
        inside = [
            np.flatnonzero((frequencies >= low) & ((frequencies < high) | (high == 0.5))) for low, high in self.bands
        ]
        return np.array([(found[0], found[-1]) if len(found) else (1, 0) for found in inside], np.int64)


def _shown(band: object) -> str:
    return str(list(band)) if isinstance(band, tuple) else repr(band)

"""Take the noise off a column as rows come in, with what came before alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.features.steps.base import MakingStep, Rows
from tocsin.kernels import filters
from tocsin.models import Ragged


@dataclass(frozen=True)
class Smooth(MakingStep):
    """A column without its noise: "RateRMS, smoothed". No method looks at later rows, so each lags a little behind.

    Parameters
    ----------
    method : {"kaiser", "ewma", "savitzky-golay"}, default "kaiser"
        A weighted mean of the last rows under a Kaiser window; a level that moves by a share of the way to each value;
        or the end of a polynomial fitted to the last rows, which follows trends and bends without lag.
    size : int, optional
        Rows that are looked at, for kaiser and savitzky-golay; default 11.
    beta : float, optional
        For kaiser: 0 weighs all rows the same, the more the narrower; default 5.
    degree : int, optional
        For savitzky-golay: the polynomial's degree, below `size`; default 2.
    alpha : float, optional
        For ewma: the share, in (0, 1]; default 0.2.

    Notes
    -----
    Kaiser takes the mean of the values that are not missing; Savitzky-Golay gives none where any is; EWMA keeps its
    level, which starts from the asset's first value. Warm-up: `size` - 1 rows, and none for ewma, which remembers all.

    Cost: 2 ns a value for 11 rows, growing with the size; ewma 4 ns. Sources: Kaiser and Schafer (1980,
    doi:10.1109/TASSP.1980.1163349); Roberts (1959, doi:10.1080/00401706.1959.10489860); Savitzky and Golay (1964,
    doi:10.1021/ac60214a047), coefficients by SciPy.

    Examples
    --------
    >>> import numpy as np
    >>> from tocsin.features.recipe import Recipe
    >>> X = np.array([[0.0], [0.0], [8.0], [8.0]])
    >>> Recipe([Smooth("ewma", alpha=0.5)]).fit(X).transform(X).to_series().to_list()
    [0.0, 0.0, 4.0, 6.0]
    """

    method: str = "kaiser"
    size: int | None = None
    beta: float | None = None
    degree: int | None = None
    alpha: float | None = None

    _takes: ClassVar[dict[str, dict[str, Any]]] = {
        "kaiser": {"size": 11, "beta": 5.0},
        "ewma": {"alpha": 0.2},
        "savitzky-golay": {"size": 11, "degree": 2},
    }

    def check(self) -> None:
        """Refuse parameters that make no sense, or not for the method; fill in the method's own."""
        self._choice("method", list(self._takes))
        own = self._takes[self.method]
        for name in ("size", "beta", "degree", "alpha"):
            if getattr(self, name) is None:
                self._set(name, own.get(name))
            elif name not in own:
                raise self._wrong(f"{self.method} has no {name}; it takes {' and '.join(own)}")
        if "size" in own:
            self._whole("size", 2, 10_000)
        if "beta" in own:
            self._number("beta", 0, 500, least_too=True)
        if "degree" in own:
            assert self.size is not None
            self._whole("degree", 0, min(self.size - 1, 10))
        if "alpha" in own:
            self._number("alpha", 0, 1)

    @property
    def warm_up(self) -> int:
        """All rows that are looked at but the last."""
        return 0 if self.size is None else self.size - 1

    @property
    def recursive(self) -> bool:
        """Of ewma, the level."""
        return self.method == "ewma"

    def names(self, column: str) -> tuple[str, ...]:
        """Return the one name."""
        return (f"{column}, smoothed",)

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Filter each column."""
        places = np.ascontiguousarray(rows.targets[:, 0])
        if self.alpha is not None:
            filters.ewma(rows.values, rows.offsets, rows.chosen, self.alpha, rows.levels, places, rows.out)
        else:
            filters.smooth(
                rows.values, rows.offsets, rows.chosen, self._weights, self.method == "kaiser",
                places, rows.out, rows.out_offsets,
            )  # fmt: skip

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        """The weight of each row, the oldest first."""
        from scipy.signal import savgol_coeffs
        from scipy.signal.windows import kaiser

        assert self.size is not None
        if self.degree is not None:
            return np.asarray(savgol_coeffs(self.size, self.degree, pos=self.size - 1, use="dot"), np.float64)
        assert self.beta is not None
        window = np.asarray(kaiser(self.size, self.beta), np.float64)
        return np.asarray(window / window.sum(), np.float64)

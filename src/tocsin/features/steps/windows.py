"""What the last rows were like: mean, extremes, spread, slope and quantiles of a window that ends at each row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.errors import did_you_mean
from tocsin.features.steps.base import MakingStep, Rows
from tocsin.kernels import quantiles, windows
from tocsin.models import Ragged

_PLAIN = {
    "mean": windows.MEAN, "min": windows.MIN, "max": windows.MAX,
    "range": windows.RANGE, "std": windows.STD, "slope": windows.SLOPE,
}  # fmt: skip
_QUANTILE = re.compile(r"q(0|1|0?\.\d+|1\.0+)")


@dataclass(frozen=True)
class Window(MakingStep):
    """Statistics of the last `size` rows, the row itself among them: "RateRMS, min of the last 10".

    Parameters
    ----------
    size : int, default 10
        Rows in a window.
    statistics : sequence of str, default ``("mean", "min", "max")``
        Of mean, min, max, range (max - min), std (of a sample, as pandas has it), slope (of the least-squares line, in
        units of the column a row), median, and quantiles such as q0.9.

    Notes
    -----
    Missing values are left out. Where a window has none but these the result is missing, and so are std and slope of a
    single value. Warm-up: `size` - 1 rows.

    Cost in cache for windows of 10: 1 ns a value for mean, min and max each, 4 ns for std or slope, 40 ns for the
    quantiles together; where values are missing some 13 ns for all but slope and quantiles. All but the quantiles grow
    with the logarithm of the size, these with the size, and so does the slope of a window with missing values.

    Examples
    --------
    >>> from tocsin.features.recipe import Recipe
    >>> Recipe([Window(3, ["min"])]).fit([[4.0], [2.0], [3.0], [5.0]]).transform([[4.0], [2.0], [3.0], [5.0]])
    shape: (2, 1)
    ┌───────────────────────┐
    │ x0, min of the last 3 │
    │ ---                   │
    │ f64                   │
    ╞═══════════════════════╡
    │ 2.0                   │
    │ 2.0                   │
    └───────────────────────┘
    """

    size: int = 10
    statistics: Sequence[str] = ("mean", "min", "max")

    def check(self) -> None:
        """Refuse statistics that are not known, or need more rows."""
        self._whole("size", 1)
        for name in self._several("statistics"):
            if not isinstance(name, str) or not (name in (*_PLAIN, "median") or _QUANTILE.fullmatch(name)):
                hint = did_you_mean(str(name), [*_PLAIN, "median", "q0.9"])
                raise self._wrong(f"no statistic {name!r}{hint}")
        needy = [name for name in self.statistics if name in ("std", "slope")]
        if needy and self.size < 2:
            raise self._wrong(f"{needy[0]} needs a size of at least 2, not {self.size}")

    @property
    def warm_up(self) -> int:
        """All rows of a window but the last."""
        return self.size - 1

    def names(self, column: str) -> tuple[str, ...]:
        """Return a name for each statistic."""
        return tuple(f"{column}, {name} of the last {self.size}" for name in self.statistics)

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Compute all statistics of a column together."""
        places = np.full((len(rows.chosen), len(_PLAIN)), -1, np.int64)
        shares, ranked = [], []
        for i, name in enumerate(self.statistics):
            if name in _PLAIN:
                places[:, _PLAIN[name]] = rows.targets[:, i]
            else:
                shares.append(0.5 if name == "median" else float(name[1:]))
                ranked.append(i)
        if len(ranked) < len(self.statistics):
            windows.statistics(rows.values, rows.offsets, rows.chosen, self.size, places, rows.out, rows.out_offsets)
        if ranked:
            quantiles.quantiles(
                rows.values, rows.offsets, rows.chosen, self.size, np.array(shares),
                np.ascontiguousarray(rows.targets[:, ranked]), rows.out, rows.out_offsets,
            )  # fmt: skip

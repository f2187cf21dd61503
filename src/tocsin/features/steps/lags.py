"""What the last values were, one feature each, for detectors that look at rows one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tocsin.features.steps.base import MakingStep, Rows
from tocsin.kernels import rows as kernels
from tocsin.models import Ragged


@dataclass(frozen=True)
class Lags(MakingStep):
    """What a column was some rows before: "RateRMS, 3 before". By default it stays beside these.

    Parameters
    ----------
    lags : sequence of int, default ``(1, 2, 3)``
        How many rows before.
    keep : bool, default True
        Whether the column stays.

    Notes
    -----
    Warm-up: as many rows as the largest lag. Cost: a copy each, half a nanosecond a value.

    Examples
    --------
    >>> from tocsin.features.steps.base import Feature
    >>> [feature.name for feature in Lags([1, 24]).layout([Feature("load", "load")]).outputs]
    ['load', 'load, 1 before', 'load, 24 before']
    """

    lags: Sequence[int] = (1, 2, 3)
    keep: bool = field(default=True, kw_only=True)

    def check(self) -> None:
        """Refuse lags that are no whole numbers above 0."""
        for lag in self._several("lags"):
            if not isinstance(lag, int | np.integer) or isinstance(lag, bool) or not 1 <= lag <= 10**6:
                raise self._wrong(f"lags must be whole numbers from 1 to 1,000,000, not {lag!r}")
        self._set("lags", tuple(int(lag) for lag in self.lags))

    @property
    def warm_up(self) -> int:
        """The largest lag."""
        return max(self.lags)

    def names(self, column: str) -> tuple[str, ...]:
        """Return a name for each lag."""
        return tuple(f"{column}, {lag} before" for lag in self.lags)

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Copy each column once a lag."""
        copy_shifted(rows, self.warm_up, self.lags)


@dataclass(frozen=True)
class Subsequence(MakingStep):
    """The last `length` values of a column, one feature each, the oldest first: "RateRMS, 3 before, of 8".

    Parameters
    ----------
    length : int, default 8
        How many values.
    normalise : bool, default False
        Whether their mean is taken away and they are divided by their standard deviation (``ddof=0``), so that the
        shape alone counts. Of values that are all equal each is 0.

    Notes
    -----
    Missing values stay so. Warm-up: `length` - 1 rows. Cost: half a nanosecond a value that comes out, 4 if normalised.

    Examples
    --------
    >>> from tocsin.features.steps.base import Feature
    >>> [feature.name for feature in Subsequence(3).layout([Feature("load", "load")]).outputs]
    ['load, 2 before, of 3', 'load, 1 before, of 3', 'load, now, of 3']
    """

    length: int = 8
    normalise: bool = False

    def check(self) -> None:
        """Refuse a length that makes no sense."""
        self._whole("length", 2, 10_000)
        self._flag("normalise")

    @property
    def warm_up(self) -> int:
        """All values but the last."""
        return self.length - 1

    def names(self, column: str) -> tuple[str, ...]:
        """Return a name for each value."""
        end = f", of {self.length}" + (" normalised" if self.normalise else "")
        return tuple(f"{column}, {f'{lag} before' if lag else 'now'}{end}" for lag in range(self.length - 1, -1, -1))

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Copy each column once a value."""
        if self.normalise:
            kernels.normalised(
                rows.values, rows.offsets, rows.chosen, self.length, rows.targets, rows.out, rows.out_offsets
            )
        else:
            copy_shifted(rows, self.warm_up, range(self.length - 1, -1, -1))


def copy_shifted(rows: Rows, warm_up: int, lags: Iterable[int]) -> None:
    """Write what the columns were so many rows before."""
    skips = np.full(len(rows.offsets) - 1, warm_up, np.int64)
    for i, lag in enumerate(lags):
        kernels.shifted(
            rows.values, rows.offsets, rows.chosen, skips, lag,
            np.ascontiguousarray(rows.targets[:, i]), rows.out, rows.out_offsets,
        )  # fmt: skip

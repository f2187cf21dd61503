"""How far a column moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tocsin.features.steps.base import MakingStep, Rows, counted
from tocsin.kernels import rows as kernels
from tocsin.models import Ragged


@dataclass(frozen=True)
class Difference(MakingStep):
    """How far a column is from what it was: "RateRMS, change in 1 row".

    Parameters
    ----------
    lag : int, default 1
        Rows between the two.

    Notes
    -----
    Missing where either value is. Warm-up: `lag` rows. Cost: half a nanosecond a value.

    Examples
    --------
    >>> from tocsin.features.recipe import Recipe
    >>> Recipe([Difference()]).fit([[1.0], [4.0]]).transform([[1.0], [4.0], [2.0]]).to_series().to_list()
    [3.0, -2.0]
    """

    lag: int = 1

    def check(self) -> None:
        """Refuse a lag that makes no sense."""
        self._whole("lag", 1)

    @property
    def warm_up(self) -> int:
        """The lag."""
        return self.lag

    def names(self, column: str) -> tuple[str, ...]:
        """Return the one name."""
        return (f"{column}, change in {counted(self.lag, 'row')}",)

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Take away what was."""
        kernels.differences(
            rows.values, rows.offsets, rows.chosen, self.lag,
            np.ascontiguousarray(rows.targets[:, 0]), rows.out, rows.out_offsets,
        )  # fmt: skip

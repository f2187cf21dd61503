"""Columns whose ratios tell more than their differences, such as spreads and energies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tocsin.features.steps.base import MakingStep, Rows, Whole
from tocsin.kernels import rows as kernels
from tocsin.kernels import variance
from tocsin.models import Ragged
from tocsin.panel import Panel


@dataclass(frozen=True)
class Log(MakingStep):
    """The natural logarithm of a column: "RateRMS, std of the last 12, logarithm".

    Half and twice a spread are as far from it then, and no spread at all, as of a sensor that is stuck, is farther off
    than any: without it, it lies as near to the usual as a spread of twice that.

    Parameters
    ----------
    floor : float, default 0.001
        What lies below this share of the column's root mean square in the asset's training rows, 0 and what is negative
        too, counts as if it were there: 0 has no logarithm.

    Notes
    -----
    What was 0 throughout in training has a floor of `floor`. What was missing throughout stays missing. One number a
    column and asset is kept, 8 bytes. Cost: half a nanosecond a value to learn, some 5 to apply.

    Examples
    --------
    >>> from tocsin.features.recipe import Recipe
    >>> recipe = Recipe([Log()]).fit([[1.0], [1.0]])
    >>> recipe.transform([[1.0], [0.1], [0.0]]).to_series().round(3).to_list()
    [0.0, -2.303, -6.908]
    """

    floor: float = 0.001

    def check(self) -> None:
        """Refuse a floor that is no share."""
        self._number("floor", 0.0, 1.0)

    def names(self, column: str) -> tuple[str, ...]:
        """Return the one name."""
        return (f"{column}, logarithm",)

    def learn(self, panel: Panel, chosen: Whole) -> dict[str, Ragged]:
        """Return the floor of each column of each asset."""
        moments = np.empty((panel.n_assets * len(chosen), 3))
        variance.learn(panel.values[chosen], panel.offsets, moments)
        weight, mean, squares = moments.T
        size = np.hypot(mean, np.sqrt(squares / np.maximum(weight, 1.0)))
        floors = np.where(weight > 0, self.floor * np.where(size > 0.0, size, 1.0), np.nan)
        return {"floors": Ragged.of_rows(floors.reshape(panel.n_assets, len(chosen)))}

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Take logarithms."""
        kernels.logarithms(
            rows.values, rows.offsets, rows.chosen, rows.learned(state, "floors"),
            np.ascontiguousarray(rows.targets[:, 0]), rows.out,
        )  # fmt: skip

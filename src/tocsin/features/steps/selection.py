"""Leave out what says nothing of an asset, and keep what says most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.features.steps.base import ColumnStep, Rows, Whole
from tocsin.kernels import choosing
from tocsin.kernels import rows as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

_NONE = 2.0
"""A correlation that nothing is above."""


@dataclass(frozen=True)
class Select(ColumnStep):
    """Decide for each asset, in training, which columns it has; the others are missing from then on.

    All assets keep the same columns so, each its own part of them, and a missing value adds nothing to a score.

    Parameters
    ----------
    drop_constant : bool, default True
        Leave out columns that never change.
    drop_duplicates : bool, default True
        Leave out columns that equal an earlier one.
    correlation : float, optional
        Leave out columns whose correlation with an earlier one that is kept is above this, in (0, 1].
    top : int, optional
        Of what is left keep so many that rank highest.
    by : {"variance", "mutual_information"}, default "variance"
        What ranks: the variance in the column's own unit, for columns of one unit; or what is known of a row's label
        once the value is known, for labelled readings. Of equals the earlier column ranks first.
    seed : int, default 0
        Of the tiny noise that mutual information adds to break ties.

    Notes
    -----
    Mutual information is scikit-learn's, from the 3 nearest neighbours (Ross 2014,
    doi:10.1371/journal.pone.0087357), over the rows whose label and value are known. An asset whose labels are all the
    same gets no ranking and keeps all that is left. The columns keep their names; one byte each is kept.

    Cost to learn: 3 ns for each value and column before it; mutual information some 5 µs a value. To apply: a copy.

    Examples
    --------
    >>> from tocsin.features.recipe import Recipe
    >>> Recipe([Select()]).fit([[1.0, 5.0], [2.0, 5.0]]).transform([[3.0, 6.0]]).row(0)
    (3.0, nan)
    """

    drop_constant: bool = True
    drop_duplicates: bool = True
    correlation: float | None = None
    top: int | None = None
    by: str = "variance"
    seed: int = 0

    def check(self) -> None:
        """Refuse parameters that make no sense."""
        self._flag("drop_constant")
        self._flag("drop_duplicates")
        if self.correlation is not None:
            self._number("correlation", 0, 1)
        if self.top is not None:
            self._whole("top", 1)
        self._choice("by", ("variance", "mutual_information"))
        self._whole("seed", 0, 2**32 - 1)

    @property
    def supervised(self) -> bool:
        """Mutual information needs labels."""
        return self.top is not None and self.by == "mutual_information"

    def names(self, column: str) -> tuple[str, ...]:
        """Return the column's own name."""
        return (column,)

    def learn(self, panel: Panel, chosen: Whole) -> dict[str, Ragged]:
        """Return which columns each asset keeps."""
        values = panel.values[chosen]
        kept = np.ones((panel.n_assets, len(chosen)), np.uint8)
        correlation = _NONE if self.correlation is None else self.correlation
        choosing.sift(values, panel.offsets, self.drop_constant, self.drop_duplicates, correlation, kept)
        if self.top is not None and self.top < len(chosen):
            ranks = self._worth(values, panel, kept)
            ranks[kept == 0] = -np.inf
            order = np.argsort(-ranks, axis=1, kind="stable")
            ranked = ~np.isnan(ranks).any(axis=1)
            for asset in np.flatnonzero(ranked):
                kept[asset, order[asset, self.top :]] = 0
        return {"kept": Ragged.of_rows(kept)}

    def _worth(self, values: NDArray[Any], panel: Panel, kept: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how high each column ranks with each asset; NaN in all of them where nothing can be said."""
        worth = np.zeros(kept.shape)
        if self.by == "variance":
            choosing.variances(values, panel.offsets, worth)
            none = np.isnan(worth)
            return np.where(none & ~none.all(axis=1, keepdims=True), -1.0, worth)
        if panel.labels is None:
            raise DataError("select by mutual_information learns from labels; give them, or rank by variance")
        for asset in range(panel.n_assets):
            rows = slice(panel.offsets[asset], panel.offsets[asset + 1])
            labels = panel.labels[rows]
            if len(np.unique(labels[labels >= 0])) < 2:
                worth[asset] = np.nan
                continue
            for column in np.flatnonzero(kept[asset]):
                worth[asset, column] = self._information(values[column, rows], labels)
        return worth

    def _information(self, x: NDArray[Any], labels: NDArray[np.int8]) -> float:
        """Return what a column tells of the labels, in nats."""
        from sklearn.feature_selection import mutual_info_classif

        known = (labels >= 0) & ~np.isnan(x)
        if min(np.bincount(labels[known], minlength=2)) < 2:
            return 0.0
        found = mutual_info_classif(x[known, None].astype(np.float64), labels[known], random_state=self.seed)
        return float(found[0])

    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Copy what is kept."""
        kept = rows.learned(state, "kept")
        kernels.masked(rows.values, rows.offsets, rows.chosen, kept, np.ascontiguousarray(rows.targets[:, 0]), rows.out)

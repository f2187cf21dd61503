"""What detectors share that follow each feature by itself and say of a reading how far it is from what was expected."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.forgetting import Forgetful
from tocsin.detectors.ranges import PREFIX, Ranges
from tocsin.kernels import charts as kernels
from tocsin.kernels.charts import Told
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]


class Chart(Forgetful):
    """A detector whose score is the largest of what the charts of a row's features say.

    A feature contributes what its own chart says. These are no parts of a sum: the largest one is the score. Charts go
    on from row to row; scoring follows them on a copy, and learning keeps where they came to.
    """

    incremental: ClassVar[bool] = True
    temporal: ClassVar[bool] = True

    @abstractmethod
    def _begin(self, panel: Panel) -> dict[str, Ragged]:
        """Return charts as they are before the first row of training, with all that is learned of its rows."""

    @abstractmethod
    def _follow(self, state: Mapping[str, Ragged], panel: Panel, told: Told, *, learns: bool) -> dict[str, Ragged]:
        """Write what the charts of a state say of each value, and return the charts after the rows.

        `learns` says that units are still learned; in training they have been.
        """

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        told = _blank(panel)
        state = self._follow(self._begin(panel), panel, told, learns=False)
        return {**state, **Ranges.learn(panel).to_state(whole=self._whole())}, largest(told.units, 0)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        told = _blank(panel)
        self._follow(state, _like(state, panel), told, learns=True)
        return largest(told.units, top)

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        after = self._follow(state, _like(state, panel), _blank(panel), learns=True)
        ranges = Ranges.from_state(state).absorb(panel, weights, scales, self._slack())
        return {**after, **ranges.to_state(at_grid=False, whole=self._whole())}

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, features = _like(models.state, panel), contributions.feature
        told = _blank(panel, whole=True)
        self._follow(models.state, panel, told, learns=True)
        above, limit = np.zeros(features.shape, np.bool_), np.full(features.shape, np.nan)
        kernels.evidence(panel.values, panel.offsets, told, models.threshold, features, above, limit)
        return Ranges.from_state(models.state).evidence(panel, contributions, limit, above)

    def _least(self) -> float:
        """Return the least share of a reading in what goes on being learned."""
        return 0.0 if self.half_life is None else 1.0 - 0.5 ** (1.0 / self.half_life)


def _blank(panel: Panel, *, whole: bool = False) -> Told:
    """Return arrays to be told in; without `whole` only what counts is."""
    rest = panel.n_rows if whole else 0
    return Told(np.empty((panel.n_features, panel.n_rows)), *(np.empty((panel.n_features, rest)) for _ in range(3)))


def _like(state: Mapping[str, Ragged], panel: Panel) -> Panel:
    """Return the panel in the precision that was learned from, so that a constant equals itself."""
    return panel.astype(state[f"{PREFIX}knots"].values.dtype)


def largest(units: Floats, top: int | None) -> tuple[Floats, Contributions]:
    """Return the largest unit of each row as its score, and the `top` features with the largest ones.

    `units` has the shape (n_features, n_rows), none under 0. With None all features are named, in their own order.
    """
    n_features, n_rows = units.shape
    shape = (n_rows, n_features if top is None else min(top, n_features))
    scores, features, parts = np.empty(n_rows), np.empty(shape, np.int32), np.empty(shape)
    kernels.total(units, top is None, scores, features, parts)
    return scores, Contributions(features, parts)

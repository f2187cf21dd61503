"""What detectors share that measure how many scales a value lies from its feature's centre."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.forgetting import Forgetful
from tocsin.kernels import deviation as kernels
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

LOW, HIGH = 0.05, 0.95
"""The shares between which a value is usual."""


class Deviation(Forgetful):
    """A detector whose score is the largest deviation among a row's features, in scales of each.

    A feature contributes its own deviation. These are no parts of a sum: the largest one is the score.
    """

    incremental: ClassVar[bool] = True

    @abstractmethod
    def _location(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        """Return centre and scale of each feature, both of shape (n_assets, n_features); NaN of what was never seen."""

    @abstractmethod
    def _like(self, state: Mapping[str, Ragged], panel: Panel) -> Panel:
        """Return the panel in the precision that was learned from, so that a constant equals itself."""

    @abstractmethod
    def _normal(self, state: Mapping[str, Ragged], n_assets: int) -> tuple[Floats, Floats]:
        """Return the low and high end of each feature's usual range, both of shape (n_assets, n_features)."""

    @abstractmethod
    def _tails(
        self, state: Mapping[str, Ragged], panel: Panel, features: NDArray[np.int32], above: NDArray[np.bool_]
    ) -> Floats:
        """Return the probability of values at least as extreme, of the shape of `features`."""

    def _scores_of(self, panel: Panel, centers: Floats, scales: Floats) -> Floats:
        scores = np.empty(panel.n_rows)
        kernels.score(panel.values, panel.offsets, centers, scales, scores)
        return scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        panel = self._like(state, panel)
        centers, scales = self._location(state, panel.n_assets)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        features, parts = np.empty(shape, np.int32), np.empty(shape)
        if shape[1]:
            kernels.attribute(panel.values, panel.offsets, centers, scales, top is None, features, parts)
        return self._scores_of(panel, centers, scales), Contributions(features, parts)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, features = self._like(models.state, panel), contributions.feature
        above, limit = np.zeros(features.shape, np.bool_), np.full(features.shape, np.nan)
        centers, scales = self._location(models.state, panel.n_assets)
        kernels.evidence(panel.values, panel.offsets, centers, scales, models.threshold, features, above, limit)
        low, high = (_of_named(end, panel, features) for end in self._normal(models.state, panel.n_assets))
        return Evidence(low, high, above, self._tails(models.state, panel, features, above), limit)


def _of_named(cells: Floats, panel: Panel, features: NDArray[np.int32]) -> Floats:
    """Return the entry of each named feature of each row; NaN where none is named."""
    return np.where(features >= 0, cells[panel.asset_of_row[:, None], np.maximum(features, 0)], np.nan)

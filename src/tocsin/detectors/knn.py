"""Nearest neighbours: a reading is anomalous where few others were like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.zscore import location
from tocsin.errors import ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import knn as kernels
from tocsin.kernels import philox, variance
from tocsin.kernels.knn import Neighbours
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]


class KNN(Detector):
    """Distance to the nearest of the training rows (Ramaswamy, Rastogi and Shim 2000, doi:10.1145/342009.335437).

    The score is the Euclidean distance to the k-th nearest row, or the mean of the distances to the k nearest
    (Angiulli and Pizzuti 2002), exactly, in standard deviations if features are scaled.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    neighbors : int, default 5
        How many neighbours are looked at, from 1; of fewer training rows all are.
    method : {"largest", "mean"}, default "largest"
        Whether the distance to the farthest of them is the score, or the mean of all.
    scale : bool, default True
        Whether features are divided by their standard deviations.
    sample : int, default 2000
        How many training rows a model keeps at most, from 2. Of more rows one is drawn from each of as many stretches
        of equal length, so that all times have their part. None keeps all.
    seed : int, default 0
        Which rows are drawn.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    In training a row is no neighbour of its own, so that `decision_scores_` are what `decision_function` would give a
    new row in the same place; on the training rows themselves this finds them at a distance of 0.

    A feature's contribution is its share of the squared distance, times the distance; they sum to the score. With
    missing values a squared distance is that of the features that both rows have, scaled up to all (as in
    scikit-learn's `nan_euclidean_distances`); a missing value contributes nothing. Of a feature that was constant in
    training, a value that differs contributes 1e9, which stands for infinity.

    Models keep the sampled rows in the precision of the readings, 800 KB for 2,000 rows of 100 features in single
    precision, and some 130 values a feature for its usual range.

    Cost, on one core: a third of a nanosecond for each row that is kept, feature, and row to learn or to score.

    Limits: all features count alike, so many that say nothing hide the one that does. It does not learn from new rows.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> X *= 3 / np.hypot(*X.T)[:, None]
    >>> detector = KNN().fit(X)
    >>> detector.predict([[0.0, 3.0], [0.0, 0.0]]).tolist()
    [0, 1]
    """

    additive: ClassVar[bool] = True
    variants = ({}, {"neighbors": 20})  # a handful of odd rows in training vouch for nothing

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        neighbors: int = 5,
        method: Literal["largest", "mean"] = "largest",
        scale: bool = True,
        sample: int | None = 2000,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.neighbors = neighbors
        self.method = method
        self.scale = scale
        self.sample = sample
        self.seed = seed
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("neighbors", self.neighbors, 1, most=100_000)
        if self.method not in ("largest", "mean"):
            raise ParameterError(f"method must be 'largest' or 'mean', not {self.method!r}")
        if not isinstance(self.scale, bool | np.bool_):
            raise ParameterError(f"scale must be True or False, not {self.scale!r}")
        if self.sample is not None:
            check_whole("sample", self.sample, 2)
        check_whole("seed", self.seed, 0, most=2**64 - 1)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        centers, spreads = scales(panel, bool(self.scale))
        counts = np.diff(panel.offsets)
        sizes = counts if self.sample is None else np.minimum(counts, self.sample)
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows, taken = np.empty(starts[-1] * panel.n_features, panel.values.dtype), np.empty(panel.n_rows, np.int64)
        draws = np.empty((1, int(sizes.max(initial=0))))
        philox.uniforms(philox.keys(int(self.seed)), 0, 0, draws)
        kernels.choose(panel.values, panel.offsets, starts, draws[0], rows, taken)
        state = {
            "neighbours": Ragged(rows, starts * panel.n_features),
            "centers": Ragged.of_rows(centers),
            "spreads": Ragged.of_rows(spreads),
            **Ranges.learn(panel).to_state(),
        }
        return state, self._measured(lent(state), panel, taken, 0)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        return self._measured(state, panel, np.full(panel.n_rows, -1), top)

    def _measured(
        self, state: Mapping[str, Ragged], panel: Panel, taken: NDArray[np.int64], top: int | None
    ) -> tuple[Floats, Contributions]:
        panel, scores = like_neighbours(state, panel), np.empty(panel.n_rows)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        features, parts = np.empty(shape, np.int32), np.empty(shape)
        kernels.score(
            panel.values,
            panel.offsets,
            neighbours_of(state, panel.n_features),
            self.neighbors,
            self.method == "mean",
            taken,
            top is None,
            scores,
            features,
            parts,
        )
        return scores, Contributions(features, parts)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, ranges = like_neighbours(models.state, panel), Ranges.from_state(models.state)
        features = contributions.feature
        if self.method == "mean":
            limit = limits(lambda given, rows: self._score(given.state, rows, 0)[0], models, panel, features,
                           ranges.medians())  # fmt: skip
        else:
            limit = np.full(features.shape, np.nan)
            neighbours = neighbours_of(models.state, panel.n_features)
            kernels.limits(panel.values, panel.offsets, neighbours, self.neighbors, models.threshold, features, limit)
        return ranges.evidence(panel, contributions, limit)


def scales(panel: Panel, scaled: bool) -> tuple[Floats, Floats]:
    """Return the mean of each feature and what it is divided by, shape (n_assets, n_features); 0 for a constant."""
    moments = np.empty((panel.n_assets * panel.n_features, 3))
    variance.learn(panel.values, panel.offsets, moments)
    centers, spreads = location(moments, panel.n_assets)
    return centers, spreads if scaled else np.where(spreads > 0.0, 1.0, 0.0)


def like_neighbours(state: Mapping[str, Ragged], panel: Panel) -> Panel:
    """Return the panel in the precision that was learned from, so that a constant equals itself."""
    return panel.astype(state["neighbours"].values.dtype)


def neighbours_of(state: Mapping[str, Ragged], n_features: int) -> Neighbours:
    """Return what the kernels take the kept rows as."""
    centers, spreads = (state[name].values.reshape(-1, n_features) for name in ("centers", "spreads"))
    return Neighbours(centers, spreads, state["neighbours"].offsets // n_features, state["neighbours"].values)

"""LeSiNN: a reading is anomalous where it is far from the nearest row of small samples of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.knn import like_neighbours, neighbours_of, scales
from tocsin.detectors.ranges import Ranges
from tocsin.errors import ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import lesinn as kernels
from tocsin.kernels import philox
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]


class LeSiNN(Detector):
    """Least similar nearest neighbours (Pang, Ting and Albrecht 2015, doi:10.1109/ICDMW.2015.62).

    The score is the mean, over many small samples of the training rows, of the distance to the nearest row of each, in
    standard deviations if features are scaled. A small sample holds the bulk of the readings and next to none of the
    anomalies: many anomalies of one kind, which are near neighbours of each other and so hide from `KNN`, are far from
    the nearest row here. It sees unusual combinations, which `IsolationForest` along the axes may not.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    samples : int, default 64
        How many samples there are.
    size : int, default 16
        How many rows a sample has, at most half of those of the asset. More rows see finer what is near, but the more
        of them are anomalies, the less do these stand out.
    scale : bool, default True
        Whether features are divided by their standard deviations.
    seed : int, default 0
        Which rows are drawn. An asset's model depends on its rows and the seed, not on the other assets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    Samples are drawn at random from all rows, so that some have no row of a fault even if it lasted. In training a row
    is no neighbour of its own.

    A feature's contribution is the mean of its shares of the squared distances, each times the distance; they sum to
    the score. Missing values and constants are as in `KNN`: of a feature that was constant in training, a value that
    differs contributes 1e9, which stands for infinity. Limits are the nearest on the way
    to the median, found by trying.

    Models keep the rows of all samples in the precision of the readings, 400 KB for 64 times 16 rows of 100 features in
    single precision, and some 130 values a feature for its usual range.

    Cost, on one core: a third of a nanosecond for each row that is kept, feature, and row to learn or to score; so
    learning takes as long as scoring as many rows.

    Limits: all features count alike, so many that say nothing hide the one that does. It does not learn from new rows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(500, 2)), rng.normal(size=(5, 2)) * 0.01 + [4.0, -4.0]])
    >>> detector = LeSiNN(contamination=0.02).fit(X)
    >>> detector.predict([[4.0, -4.0], [0.5, 0.5]]).tolist()
    [1, 0]
    """

    additive: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        samples: int = 64,
        size: int = 16,
        scale: bool = True,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.samples = samples
        self.size = size
        self.scale = scale
        self.seed = seed
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("samples", self.samples, 1, most=100_000)
        check_whole("size", self.size, 1, most=100_000)
        if not isinstance(self.scale, bool | np.bool_):
            raise ParameterError(f"scale must be True or False, not {self.scale!r}")
        check_whole("seed", self.seed, 0, most=2**64 - 1)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        centers, spreads = scales(panel, bool(self.scale))
        counts = np.diff(panel.offsets)
        sizes = np.minimum(np.maximum(counts // 2, np.minimum(counts, 1)), self.size)
        starts = np.concatenate([[0], np.cumsum(self.samples * sizes)]).astype(np.int64)
        rows, origins = np.empty(starts[-1] * panel.n_features, panel.values.dtype), np.empty(starts[-1], np.int64)
        draws = np.empty((self.samples, int(sizes.max(initial=0))))
        philox.uniforms(philox.keys(int(self.seed)), 0, 0, draws)
        kernels.choose(panel.values, panel.offsets, starts, draws, rows, origins)
        state = {
            "neighbours": Ragged(rows, starts * panel.n_features),
            "samples": Ragged.of_rows(np.full((panel.n_assets, 1), self.samples)),
            "centers": Ragged.of_rows(centers),
            "spreads": Ragged.of_rows(spreads),
            **Ranges.learn(panel).to_state(),
        }
        return state, self._measured(lent(state), panel, origins, 0)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        return self._measured(state, panel, None, top)

    def _measured(
        self, state: Mapping[str, Ragged], panel: Panel, origins: NDArray[np.int64] | None, top: int | None
    ) -> tuple[Floats, Contributions]:
        panel, scores = like_neighbours(state, panel), np.empty(panel.n_rows)
        neighbours = neighbours_of(state, panel.n_features)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        features, parts = np.empty(shape, np.int32), np.empty(shape)
        kernels.score(
            panel.values,
            panel.offsets,
            neighbours,
            state["samples"].values,
            np.full(neighbours.starts[-1], -1) if origins is None else origins,
            top is None,
            scores,
            features,
            parts,
        )
        return scores, Contributions(features, parts)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, ranges = like_neighbours(models.state, panel), Ranges.from_state(models.state)
        limit = np.full(contributions.feature.shape, np.nan)
        kernels.limits(
            panel.values,
            panel.offsets,
            neighbours_of(models.state, panel.n_features),
            models.state["samples"].values,
            models.threshold,
            ranges.medians(),
            contributions.feature,
            limit,
        )
        return ranges.evidence(panel, contributions, limit)

"""Online isolation forest: isolation by histograms that learn each row as it comes and forget it when it is old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.ranking import named
from tocsin.errors import ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import online_isolation as kernels
from tocsin.kernels.philox import keys
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]
FIELDS = kernels.Forest._fields


class OnlineIsolationForest(Detector):
    """Online isolation forest (Leveni, Cassales, Pfahringer, Bifet and Boracchi, ICML 2024).

    Each tree is a histogram that gets finer where many rows fall, and coarser again when they have left a sliding
    window. The score is ``2 ** (-E[h] / log4(n / max_leaf))`` of the mean depth `E[h]` at which a row ends among `n`
    rows: nearer to 1 where few rows fall.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of rows that lies above the threshold, in (0, 0.5].
    window : int, default 2048
        How many rows are remembered; older ones are forgotten, one for each that is learned.
    trees : int, default 32
        How many trees a forest has.
    max_leaf : int, default 32
        How many rows a tree must have to split once; a leaf at depth ``d`` needs ``max_leaf * 2 ** d``.
    seed : int, default 0
        Chooses the random splits. An asset's model depends on its rows and the seed, not on the other assets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    Rows are learned one by one, so it does not matter how they are cut into updates. What is forgotten must be taken
    out where it was put in, so a model holds the rows of its window, 4 bytes a value, and explanations take what is
    usual from them. Besides it holds two bounds a feature of each node: with the defaults 15 nodes a tree, 3.8 kB a
    feature. The threshold follows the scores of all rows that were ever learned, each in its time.

    A missing value is taken as the feature's mean of late. Contributions share a score as in `IsolationForest`.

    Limits: a tree of the default window is at most 3 splits deep, so scores are coarse; what lies beyond all that was
    seen scores as its edge does. Models cannot be merged.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> detector = OnlineIsolationForest().fit(rng.normal(size=(1000, 3)))
    >>> before = detector.decision_function([[6.0, 6.0, 6.0]])
    >>> detector = detector.partial_fit(rng.normal(size=(3000, 3)) + 6.0)
    >>> bool(detector.decision_function([[6.0, 6.0, 6.0]])[0] < before[0])
    True
    """

    additive: ClassVar[bool] = True
    incremental: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        window: int = 2048,
        trees: int = 32,
        max_leaf: int = 32,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.window = window
        self.trees = trees
        self.max_leaf = max_leaf
        self.seed = seed
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("trees", self.trees, 1, most=100_000)
        check_whole("max_leaf", self.max_leaf, 1, most=1_000_000)
        check_whole("window", self.window, 2, most=10_000_000)
        check_whole("seed", self.seed, 0, most=2**64 - 1)
        if self.window > self.max_leaf * 4**8:
            raise ParameterError(f"window must be at most 65536 times max_leaf, {self.max_leaf}; raise max_leaf")

    def merge_models(self, models: Models, other: Models) -> Models:
        """Raise a `ParameterError`: which rows are the latest of both is not known."""
        raise ParameterError("models of OnlineIsolationForest cannot be merged; update one with the other's rows")

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        state = self._absorb(self._nothing(panel), panel, np.ones(0), np.ones(0))
        return state, self._score(lent(state), panel, 0)[0]

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        forest = self._forest(state, panel, copied=True)
        old, seed = state["window"], keys(int(self.seed))
        kept, ends = kernels.learn(
            panel.values, panel.offsets, old.values, old.offsets, self.window, self.max_leaf, seed, forest
        )
        entries = {
            name: Ragged.of_rows(array.reshape(panel.n_assets, -1) if panel.n_assets else array.reshape(0, 0))
            for name, array in forest._asdict().items()
        }
        return {**entries, "window": Ragged(kept, ends)}

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        scores = np.empty(panel.n_rows)
        wanted = top is None or top > 0
        parts = np.empty((panel.n_rows, panel.n_features))
        forest = self._forest(state, panel)
        kernels.score(panel.values, panel.offsets, self.window, self.max_leaf, forest, wanted, scores, parts)
        return scores, named(parts, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        ranges = Ranges.learn(self._remembered(models.state, panel))

        def score(models: Models, panel: Panel) -> Floats:
            return self._score(models.state, panel, 0)[0]

        limit = limits(score, models, panel, contributions.feature, ranges.medians())
        return ranges.evidence(panel, contributions, limit)

    def _remembered(self, state: Mapping[str, Ragged], panel: Panel) -> Panel:
        """Return the rows in the windows."""
        kept, ends = state["window"]
        offsets = ends // panel.n_features
        rows = kept.reshape(-1, panel.n_features).astype(np.float64)
        centers = state["centers"].values.reshape(panel.n_assets, panel.n_features)
        values = np.ascontiguousarray((rows + np.repeat(centers, np.diff(offsets), axis=0)).T)
        return Panel(values, offsets, panel.keys, panel.features)

    def _nodes(self) -> int:
        """Return how many nodes a tree may have."""
        depth = int(np.ceil(max(np.log(self.window / self.max_leaf) / np.log(4.0), 0.0) - 1e-9))
        return int(2 ** (depth + 1) - 1)

    def _nothing(self, panel: Panel) -> dict[str, Ragged]:
        """Return the state of models that have seen nothing."""
        n_assets, width, nodes = panel.n_assets, panel.n_features, self.trees * self._nodes()
        filled: dict[str, tuple[int, Any, Any]] = {
            "centers": (width, np.float64, np.nan),
            "means": (width, np.float64, 0.0),
            "seen": (1, np.int64, 0),
            "drawn": (self.trees, np.int64, 0),
            "feature": (nodes, np.int16, -1),
            "cut": (nodes, np.float32, 0.0),
            "mass": (nodes, np.int32, 0),
            "low": (nodes * width, np.float32, np.inf),
            "high": (nodes * width, np.float32, -np.inf),
        }
        state = {
            name: Ragged.of_rows(np.full((n_assets, size), value, dtype))
            for name, (size, dtype, value) in filled.items()
        }
        return {**state, "window": Ragged(np.zeros(0, np.float32), np.zeros(n_assets + 1, np.int64))}

    def _forest(self, state: Mapping[str, Ragged], panel: Panel, *, copied: bool = False) -> kernels.Forest:
        n_assets, width = panel.n_assets, panel.n_features
        tree = (n_assets, self.trees, self._nodes())
        shapes: list[tuple[int, ...]] = (
            [(n_assets, width)] * 2 + [(n_assets,), tree[:2]] + [tree] * 3 + [(*tree, width)] * 2
        )
        given = {name: state[name].values.reshape(shape) for name, shape in zip(FIELDS, shapes, strict=True)}
        return kernels.Forest(**{name: array.copy() if copied else array for name, array in given.items()})

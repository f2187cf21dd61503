"""Isolation forests: a reading is anomalous where a few random splits, along the axes or not, set it apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.ranking import named
from tocsin.errors import ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import isolation_limits, isolation_oblique, isolation_scores
from tocsin.kernels.isolation import Packed
from tocsin.kernels.philox import keys
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class IsolationForest(Detector):
    """Isolation forest (Liu, Ting and Zhou, ICDM 2008, doi:10.1109/ICDM.2008.17), if asked for the extended one.

    Each tree splits a sub-sample of the rows at random until every row is alone. The score is
    ``2 ** (-E[h] / c)``, with the mean number of splits `E[h]` that a row is passed through and the number `c` that is
    usual: near 1 for what is set apart at once, under 1/2 for what takes longer than usual. It is -`score_samples` of
    scikit-learn.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    trees : int, default 100
        How many trees a forest has.
    sample : int, default 256
        From how many rows each tree is grown, without replacement, at most 65,535; fewer where an asset has fewer.
        Trees are at most ``ceil(log2(sample))`` splits deep.
    extended : bool, default False
        Whether splits are oblique, as in the extended isolation forest (Hariri, Carrasco Kind and Brunner, TKDE 33,
        2021, doi:10.1109/TKDE.2019.2947676).
    seed : int, default 0
        Chooses the random splits. An asset's model depends on its rows and the seed, not on the other assets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    A missing value goes, at each split on its feature, to the side on which the median of the training rows lies: what
    is not known is taken as usual, so that a gap in the readings raises no alarm by itself. Values are compared as
    single-precision differences from the median, which loses nothing of readings with a large offset.

    Contributions share a score by the cube of the information, ``log(rows before / rows after)``, of the splits on a
    row's paths: the few splits that set it apart outweigh the many that halve what is there. How often this names the
    feature at fault is in ``benchmarks/quality/forest.py``. Limits are exact.

    The extended forest splits along a random direction through a random point in the box of a node's rows. A direction
    has normal components on up to 8 features, chosen at random where there are more: an extension level of 7 in the
    paper's words. Unlike there, features are first divided by their standard deviation in the asset's training rows,
    since otherwise the one of the smallest unit would turn every direction its way. A missing value is taken as the
    median, so that it adds nothing to what a row has along a direction. A split's credit is shared by how far each
    feature's difference from its median went towards the side that the row took. Limits are found by trying.

    Cost: with 100 trees some 30 ns a value of 1,440 rows and 100 features to learn, and a microsecond a row to score. A
    model of normal readings takes some 60 kB for 100 trees (10 bytes a split), at the very most 255 kB, and besides
    the ranges of its features. The extended forest takes some 130 ns a value, 8 microseconds a row, and 75 kB: it does
    not keep directions but makes them again from the seed whenever a model is used, which costs a millisecond.

    Limits: splits parallel to the axes leave ghosts of low score beside clusters, and what lies beyond the training
    range scores as its edge does; neither is so with `extended`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = IsolationForest().fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [-2.5, 9.0, 0.2]]).tolist()
    [0, 1]
    >>> detector.explain([[-0.5, 9.0, 0.2]], top=1)["feature"].item()
    'x1'
    """

    additive: ClassVar[bool] = True
    variants = ({}, {"extended": True})  # sensors that vary together

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        trees: int = 100,
        sample: int = 256,
        extended: bool = False,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.trees = trees
        self.sample = sample
        self.extended = extended
        self.seed = seed
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("trees", self.trees, 1, most=100_000)
        check_whole("sample", self.sample, 2, most=65_535)
        check_whole("seed", self.seed, 0, most=2**64 - 1)
        if not isinstance(self.extended, bool | np.bool_):
            raise ParameterError(f"extended must be true or false, not {self.extended!r}")

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        if panel.n_features > np.iinfo(np.int16).max:
            raise ParameterError(f"an isolation forest takes up to 32,767 features, not {panel.n_features}")
        ranges = Ranges.learn(panel)
        centers = ranges.medians()
        scores = np.empty(panel.n_rows)
        given = panel.values, panel.offsets, centers, self.sample, self.trees, keys(int(self.seed)), scores
        oblique: dict[str, Ragged] = {}
        if self.extended:
            packed, nodes, splits, leaves, scales = isolation_oblique.fit(*given)
            oblique["scales"] = Ragged.of_rows(scales)
            oblique["seed"] = Ragged.of_rows(np.full((panel.n_assets, 1), self.seed, np.uint64))
        else:
            packed, nodes, splits, leaves = isolation_scores.fit(*given)
        state = {
            "centers": Ragged.of_rows(centers),
            "nodes": Ragged.of_rows(packed.nodes.reshape(panel.n_assets, self.trees)),
            "feature": Ragged(packed.feature[: nodes[-1]].copy(), nodes),
            "cut": Ragged(packed.threshold[: splits[-1]].copy(), splits),
            "mass": Ragged(packed.mass[: leaves[-1]].copy(), leaves),
            **oblique,
            **ranges.to_state(),
        }
        return state, scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        scores = np.empty(panel.n_rows)
        wanted = top is None or top > 0
        parts = np.empty((panel.n_rows, panel.n_features))
        values, offsets, centers, forests = panel.values, panel.offsets, _centers(state, panel), _forests(state)
        if "scales" in state:
            scales = state["scales"].values.reshape(centers.shape)
            turns = np.array([keys(int(seed)) for seed in state["seed"].values], np.uint64).reshape(-1, 20)
            isolation_oblique.score(values, offsets, centers, scales, turns, *forests, wanted, scores, parts)
        else:
            isolation_scores.score(values, offsets, centers, *forests, wanted, scores, parts)
        return scores, named(parts, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        ranges, features = Ranges.from_state(models.state), contributions.feature
        if "scales" in models.state:
            nearest = limits(
                lambda given, rows: self._score(given.state, rows, 0)[0], models, panel, features, ranges.medians()
            )
            return ranges.evidence(panel, contributions, nearest)
        found = ranges.evidence(panel, contributions)
        limit = np.full(features.shape, np.nan)
        asked = self._score(models.state, panel, 0)[0] > models.threshold[panel.asset_of_row]
        isolation_limits.limits(
            panel.values,
            panel.offsets,
            _centers(models.state, panel),
            *_forests(models.state),
            models.threshold,
            features,
            found.above,
            asked,
            limit,
        )
        return Evidence(found.low, found.high, found.above, found.tail, limit)


def _centers(state: Mapping[str, Ragged], panel: Panel) -> Floats:
    return state["centers"].values.reshape(panel.n_assets, panel.n_features)


def _forests(state: Mapping[str, Ragged]) -> tuple[Packed, int, Ints, Ints, Ints]:
    """Return what the kernels take a fleet's forests as."""
    nodes, feature, threshold, mass = (state[name] for name in ("nodes", "feature", "cut", "mass"))
    n_trees = len(nodes.values) // max(len(nodes.offsets) - 1, 1)
    packed = Packed(nodes.values, feature.values, threshold.values, mass.values)
    return packed, n_trees, feature.offsets, threshold.offsets, mass.offsets

"""ECOD: a reading is anomalous where its features lie far out in their own empirical distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import check_number
from tocsin.detectors.forgetting import Forgetful
from tocsin.detectors.sketches import Sketches, rank_ratio
from tocsin.errors import ParameterError
from tocsin.kernels import ecod as kernels
from tocsin.kernels import moments
from tocsin.kernels.evidence import evidence
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel


class ECOD(Forgetful):
    """Empirical-cumulative-distribution-based outlier detection (Li et al., TKDE 2022, arXiv:2201.00382).

    Each feature contributes -log of the probability of its rarer tail; a score is the sum over the features.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    form : {"sketch", "exact"}, default "sketch"
        What a model keeps of each feature. "exact" keeps all training values, sorted. "sketch" keeps values at ranks
        that spread geometrically from both ends, the extreme ones exactly, and up to 256 rows all of them.
    tail_error : float, default 0.05
        The largest relative error of either tail probability in a sketch, in (0, 0.5]. It holds for the rows that
        were learned in one go, in any sequence of `update`, and in merged models.
    tails : {"larger", "sum"}, default "larger"
        How tails become a score. "larger" is what PyOD computes: the rarer tail of each feature. (A feature whose
        sample skewness is exactly 0 contributes both tails there, and here.) "sum" is the paper's definition: left
        tails, right tails, and the tail on the side of each feature's skewness are summed over the features, and the
        largest of the three sums is the score.
    extrapolate : bool, default False
        ECOD saturates at log(n + 1) a feature: a value just over the training maximum and one a thousand times over
        it score the same. With this, values beyond the training range cost log(1 + distance / scale) more, a Pareto
        tail of shape 1 whose scale comes from the outermost twentieth of the training values.
    half_life : float, optional
        Rows after which what was learned counts half, for models that are updated. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    In training a tail probability is the share of rows at least as extreme, the row itself among them, so that
    `decision_scores_` equal PyOD's. Of a new row it is (count + 1) / (n + 1), which is what PyOD gives for a row that
    is scored alone; a score never depends on what else is scored with it. A missing value contributes 0. (Where a
    feature's skewness is 0 but for rounding, PyOD's own score depends on the order of its additions, and may differ.)

    Cost: a sort of each feature to learn (5 to 8 ns a value on one core), a search among about 100 knots to score
    (5 to 7 ns a value); a sketch of 1,440 rows holds 96 values a feature. An updated one holds about as many, each
    with two bounds: three times the bytes.

    Limits: features are taken one by one, so an unusual combination of usual values goes unseen, and so does a value
    in a gap between two modes.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = ECOD().fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [-2.5, 9.0, 0.2]]).tolist()
    [0, 1]
    >>> detector.explain([[-2.5, 9.0, 0.2]], top=1)["feature"].item()
    'x1'
    """

    additive: ClassVar[bool] = True
    incremental: ClassVar[bool] = True
    variants = ({}, {"extrapolate": True})  # values beyond the range count more

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        form: Literal["sketch", "exact"] = "sketch",
        tail_error: float = 0.05,
        tails: Literal["larger", "sum"] = "larger",
        extrapolate: bool = False,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.form = form
        self.tail_error = tail_error
        self.tails = tails
        self.extrapolate = extrapolate
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        if self.form not in ("sketch", "exact"):
            raise ParameterError(f"form must be 'sketch' or 'exact', not {self.form!r}")
        if self.tails not in ("larger", "sum"):
            raise ParameterError(f"tails must be 'larger' or 'sum', not {self.tails!r}")
        check_number("tail_error", self.tail_error, 0.5)
        if not isinstance(self.extrapolate, bool | np.bool_):
            raise ParameterError(f"extrapolate must be True or False, not {self.extrapolate!r}")

    def tail_errors(self, models: Models) -> NDArray[np.float64]:
        """Return the largest relative error of a tail probability, (n_assets, n_features), from what models keep."""
        return self._sketches(models.state).tail_error.reshape(len(models), -1)

    def sketches(self, models: Models) -> Sketches:
        """Return what models keep of the distribution of each feature, cells asset by feature."""
        return self._sketches(models.state)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], NDArray[np.float64]]:
        counts = np.empty((panel.n_assets, panel.n_features), np.int64)
        kernels.count_present(panel.values, panel.offsets, counts)
        sketches = Sketches.at_grid(counts.reshape(-1), self._rank_ratio(), panel.values.dtype)
        scores = np.zeros(panel.n_rows)
        shape = np.zeros((counts.size if self._summed else 0, 4))
        kernels.fit(
            panel.values,
            panel.offsets,
            self._summed,
            sketches.ranks,
            sketches.cells,
            shape,
            scores,
        )
        return self._state(sketches, shape, panel.n_assets, at_grid=True), scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[NDArray[np.float64], Contributions]:
        scores = np.empty(panel.n_rows)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        features, parts = np.empty(shape, np.int32), np.empty(shape)
        sketches = self._sketches(state)
        kernels.score(
            _like(panel, sketches).values,
            panel.offsets,
            self._summed,
            self.extrapolate,
            learned,
            self._skews(state, panel.n_assets),
            sketches.cells,
            top is None,
            scores,
            features,
            parts,
        )
        return scores, Contributions(features, parts)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        sketches = self._sketches(models.state)
        shape = contributions.feature.shape
        low, high, tail, limit = (np.full(shape, np.nan) for _ in range(4))
        above = np.zeros(shape, np.bool_)
        evidence(
            _like(panel, sketches).values,
            panel.offsets,
            self._summed,
            self.extrapolate,
            False,
            self._skews(models.state, panel.n_assets),
            models.threshold,
            sketches.cells,
            contributions.feature,
            tail,
            above,
            low,
            high,
            limit,
        )
        return Evidence(low, high, above, tail, limit)

    def _absorb(
        self,
        state: Mapping[str, Ragged],
        panel: Panel,
        weights: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> dict[str, Ragged]:
        sketches = self._sketches(state)
        panel = _like(panel, sketches)
        merged = sketches.absorb(panel, weights, scales, self._rank_ratio(), self._slack())
        shape = state["moments"].values.reshape(-1, 4).copy()
        if self._summed:
            moments.absorb(panel.values, panel.offsets, weights, scales, shape)
        return self._state(merged, shape, panel.n_assets, at_grid=False)

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        merged = self._sketches(state).combine(self._sketches(other), self._rank_ratio(), self._slack())
        shape = state["moments"].values.reshape(-1, 4).copy()
        moments.combine(shape, other["moments"].values.reshape(-1, 4))
        return self._state(merged, shape, len(state["knots"].offsets) - 1, at_grid=False)

    @property
    def _summed(self) -> bool:
        return self.tails == "sum"

    def _rank_ratio(self) -> float:
        return 1.0 if self.form == "exact" else rank_ratio(self.tail_error)

    def _sketches(self, state: Mapping[str, Ragged]) -> Sketches:
        return Sketches.from_state(state, self._rank_ratio())

    def _skews(self, state: Mapping[str, Ragged], n_assets: int) -> NDArray[np.float64]:
        thirds = np.ascontiguousarray(state["moments"].values[3::4])
        return thirds.reshape(n_assets, len(thirds) // max(n_assets, 1))

    def _state(self, sketches: Sketches, shape: NDArray[Any], n_assets: int, *, at_grid: bool) -> dict[str, Ragged]:
        rows = shape.reshape(n_assets, -1) if n_assets else shape.reshape(0, 0)
        return {**sketches.to_state(n_assets, at_grid=at_grid, whole=self._whole()), "moments": Ragged.of_rows(rows)}


def _like(panel: Panel, sketches: Sketches) -> Panel:
    """Return the panel in the precision that the models were learned in, so that equal readings compare equal."""
    return panel.astype(sketches.cells.knots.dtype)

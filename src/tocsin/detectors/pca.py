"""Principal components as process monitoring uses them: how far along what usually varies, and how far off it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import is_number
from tocsin.detectors.forgetting import Forgetful
from tocsin.detectors.zscore import NORMAL_95
from tocsin.errors import DataError, ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import comoments as products
from tocsin.kernels import pca as kernels
from tocsin.kernels import pca_limits, pca_scores, variance
from tocsin.kernels.pca import Planes
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

ROOM = 1 << 22
"""Up to so many numbers of loadings are found at once, 32 MB."""


class ControlLimits(NamedTuple):
    """The limits of Hotelling's T2 and of Q, shape (n_assets,) each; 0 where there is nothing to measure."""

    t2: Floats
    q: Floats


class Statistics(NamedTuple):
    """Hotelling's T2 and Q of each row, shape (n_rows,) each."""

    t2: Floats
    q: Floats


class PCA(Forgetful):
    """Hotelling's T2 and Q of principal components, as control charts show them (MacGregor and Kourti 1995).

    Most features of a machine vary together. The first principal components span what usually varies; T2 tells how far
    a row lies from the mean along them, in units of their usual size, and Q (or SPE), the squared length of the rest,
    how badly it breaks the usual relations. The score is ``T2 / limit + Q / limit`` (Yue and Qin 2001). It is 1 where
    either of them reaches its control limit and the other is 0. The sum of both, rather than the larger one, is a
    quadratic form, so that it can be shared out among the features and solved for each of them.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5]; also 1 - the confidence of the limits.
    components : int or float, default 0.9
        How many components to keep, or, below 1, the share of the variance that they hold together.
    scale : bool, default True
        Whether features are divided by their standard deviations, which is as well where their units differ.
    half_life : float, optional
        Rows after which what was learned counts half, for models that are updated. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    With n rows and k components the limit of T2 is ``k (n^2 - 1) / (n (n - k))`` times the quantile of F with k and
    n - k degrees of freedom, as for rows that were not learned from. That of Q is Jackson and Mudholkar's (1979,
    doi:10.1080/00401706.1979.10489779), from the variances of the components that are not kept, and where that has
    none (``h0 <= 0``) Box's multiple of a chi-squared quantile (1954). `limits` and `statistics` return them.

    Alerts come from the threshold, which is the quantile of the training scores as with all detectors.

    Contributions are complete decompositions (Alcala and Qin 2009, doi:10.1016/j.automatica.2009.02.027): the squares
    of ``root(M) z``, where ``z' M z`` is the score of the standard scores ``z``. They sum to the score, and none is
    below 0. Explanations take features as normally distributed, as `ZScore` does. A feature may be within its usual
    range and yet too high, given the others.

    A missing value gets that value with which its row scores least, given the others: its mean under the condition of
    the others, as the components see it. It contributes nothing. In training it stands at the feature's mean. Of a
    feature that was constant in training, a value that differs contributes 1e9, which stands for infinity.

    Models keep means and co-moments of all pairs of features, 8 bytes each, and 8 bytes for each kept component and
    feature: 40 KB and 8 KB with 100 features and 10 components. They learn from new rows and merge as if all had been
    learned at once (exactly where no value is missing), and then the components are found anew.

    Cost, on one core: 0.03 ns a row for each pair of features and 0.15 ms for 100 features to learn; 0.4 ns for each
    feature of a row and 0.05 ns for each kept component of it to score.

    Limits: relations are taken as linear; outliers in training are learned from like all rows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(500, 1))
    >>> X = load + 0.1 * rng.normal(size=(500, 3))
    >>> detector = PCA().fit(X)
    >>> detector.predict([[1.5, 1.5, 1.5], [1.5, 1.5, 0.0]]).tolist()
    [0, 1]
    >>> detector.explain([[1.5, 1.5, 0.0]], top=1)["feature"].item()
    'x2'
    """

    additive: ClassVar[bool] = True
    incremental: ClassVar[bool] = True
    variants = ({}, {"components": 0.6})  # fewer relations to keep to, more to break

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        components: int | float = 0.9,
        scale: bool = True,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.components = components
        self.scale = scale
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        given = self.components
        if not (is_number(given) and 0.0 < given < 1.0):
            check_whole("components", given, 1, what="a share of the variance below 1 or a whole number")
        if not isinstance(self.scale, bool | np.bool_):
            raise ParameterError(f"scale must be True or False, not {self.scale!r}")

    def limits(self, models: Models) -> ControlLimits:
        """Return the control limits of T2 and Q of each asset, at a confidence of 1 - contamination."""
        both = models.state["limits"].values.reshape(-1, 2)
        return ControlLimits(both[:, 0].copy(), both[:, 1].copy())

    def statistics(self, models: Models, panel: Panel) -> Statistics:
        """Return T2 and Q of each row, for charts of their own; `models` are those of the panel's assets.

        A value that differs from a constant counts in the score alone.

        Examples
        --------
        >>> X = np.random.default_rng(0).normal(size=(500, 3))
        >>> detector = PCA(components=2).fit(X)
        >>> t2, q = detector.statistics(detector.model_, Panel.of_matrix(X))
        >>> limits = detector.limits(detector.model_)
        >>> int((t2 > limits.t2).sum()), int((q > limits.q).sum())
        (6, 7)
        """
        if len(models) != panel.n_assets:
            raise DataError(f"{len(models)} models for a panel of {panel.n_assets} assets")
        return Statistics(*self._measured(models.state, panel, 0)[1])

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        moments = np.empty((panel.n_assets, panel.n_features, 3))
        together = np.empty((panel.n_assets, products.triangle(panel.n_features)))
        products.learn_both(panel.values, panel.offsets, moments, together)
        state = self._state(moments, together, panel.values.dtype)
        return state, self._score(lent(state), panel, 0)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        scores, _, contributions = self._measured(state, panel, top)
        return scores, contributions

    def _measured(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None
    ) -> tuple[Floats, Floats, Contributions]:
        panel = _like(state, panel)
        shape = (panel.n_rows, panel.n_features if top is None else min(top, panel.n_features))
        scores, statistics = np.empty(panel.n_rows), np.empty((2, panel.n_rows))
        found = Contributions(np.empty(shape, np.int32), np.empty(shape))
        pca_scores.score(
            panel.values,
            panel.offsets,
            _planes(state, panel.n_features),
            top is None,
            statistics,
            scores,
            found.feature,
            found.contribution,
        )
        return scores, statistics, found

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, features = _like(models.state, panel), contributions.feature
        above, limit = np.zeros(features.shape, np.bool_), np.full(features.shape, np.nan)
        planes = _planes(models.state, panel.n_features)
        pca_limits.evidence(panel.values, panel.offsets, planes, models.threshold, features, above, limit)
        named, assets = np.maximum(features, 0), panel.asset_of_row[:, None]
        weight, center, squares = np.moveaxis(_moments(models.state, panel.n_assets)[assets, named], 2, 0)
        scale = np.sqrt(squares / np.maximum(weight, 1.0))
        values = panel.values[named, np.arange(panel.n_rows)[:, None]]
        tail = np.maximum(_normal_tail(values - center, scale, above), 1.0 / (weight + 1.0))
        none = features < 0
        low, high, tail = (
            np.where(none, np.nan, each) for each in (center - NORMAL_95 * scale, center + NORMAL_95 * scale, tail)
        )
        return Evidence(low, high, above, tail, limit)

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        panel, new = _like(state, panel), np.zeros((panel.n_assets, panel.n_features, 3))
        variance.absorb(panel.values, panel.offsets, weights, scales, new.reshape(-1, 3))
        return self._merged(state, scales, new, _comoments(panel, np.sqrt(weights), new))

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        n_assets = len(state["moments"].offsets) - 1
        together = other["comoments"].values.reshape(n_assets, -1)
        return self._merged(state, np.ones(n_assets), _moments(other, n_assets), together)

    def _merged(
        self, state: Mapping[str, Ragged], scales: Floats, new: Floats, new_together: Floats
    ) -> dict[str, Ragged]:
        moments = _moments(state, len(scales)).copy()
        together = state["comoments"].values.reshape(len(scales), -1).copy()
        products.combine(moments, together, scales, new, new_together)
        return self._state(moments, together, state["precision"].values.dtype)

    def _state(self, moments: Floats, together: Floats, dtype: Any) -> dict[str, Ragged]:
        n_assets, n_features, _ = moments.shape
        spreads, rests, counts = np.empty((n_assets, n_features)), np.empty((n_assets, 4)), np.empty(n_assets, np.int64)
        variances, loadings = [], [np.empty((0, n_features))]
        whole = self.components >= 1
        size = max(1, ROOM // n_features**2)
        for first in range(0, n_assets, size):
            part = slice(first, first + size)
            most = len(moments[part]) * n_features
            along, directions = np.empty(most), np.empty((most, n_features))
            found = kernels.decompose(
                moments[part],
                together[part],
                bool(self.scale),
                int(self.components) if whole else -1,
                1.0 if whole else float(self.components),
                spreads[part],
                counts[part],
                along,
                directions,
                rests[part],
            )
            variances.append(along[:found])
            loadings.append(directions[:found].copy())
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        spanned = counts == np.count_nonzero(spreads, axis=1)
        limits = _limits(counts, rests, spanned, moments[:, :, 0].max(1), 1.0 - self.contamination)
        return {
            "moments": Ragged.of_rows(moments.reshape(n_assets, 3 * n_features)),
            "comoments": Ragged.of_rows(together),
            "spreads": Ragged.of_rows(spreads),
            "variances": Ragged(np.concatenate([np.empty(0), *variances]), starts),
            "loadings": Ragged(np.concatenate(loadings).ravel(), starts * n_features),
            "limits": Ragged.of_rows(limits),
            "precision": Ragged(np.zeros(0, dtype), np.zeros(n_assets + 1, np.int64)),
        }


def _comoments(panel: Panel, roots: Floats, moments: Floats) -> Floats:
    together = np.empty((panel.n_assets, products.triangle(panel.n_features)))
    products.learn(panel.values, panel.offsets, roots, moments, together)
    return together


def _limits(
    counts: NDArray[np.int64], rests: Floats, spanned: NDArray[np.bool_], rows: Floats, confidence: float
) -> Floats:
    """Return the control limits of T2 and Q, shape (n_assets, 2), from how many components each asset keeps.

    `rests` has the sum of all variances and the sums of powers of those that are not kept, as shares of it. `spanned`
    says of which assets the components that are kept leave nothing over, whatever comes.
    """
    from scipy.special import chdtri, fdtri, ndtri

    whole, first, second, third = rests.T
    with np.errstate(all="ignore"):
        k = counts.astype(np.float64)
        free = np.maximum(rows - k, 1.0)
        t2 = k * (rows**2 - 1.0) / (rows * free) * fdtri(k, free, confidence)
        t2 = np.where((k > 0) & (t2 > 0.0), t2, k)
        h = 1.0 - 2.0 * first * third / (3.0 * second**2)
        inner = ndtri(confidence) * np.sqrt(2.0 * second * h**2) / first + 1.0 + second * h * (h - 1.0) / first**2
        jackson = first * inner ** (1.0 / h)
        box = second / first * chdtri(first**2 / second, 1.0 - confidence)
        q = np.where((h > 0.0) & (inner > 0.0), jackson, box)
    q = whole * np.where(np.isfinite(q), np.maximum(q, kernels.FAINT), kernels.FAINT)
    return np.stack([t2, np.where(spanned, 0.0, q)], axis=1)


def _normal_tail(distance: Floats, scale: Floats, above: NDArray[np.bool_]) -> Floats:
    """Return a normal distribution's probability of values at least as far on the side that is asked."""
    from scipy.special import ndtr

    with np.errstate(all="ignore"):
        tail: Floats = ndtr(np.where(above, -distance, distance) / scale)
    return np.where(np.isnan(tail), 1.0, tail)


def _moments(state: Mapping[str, Ragged], n_assets: int) -> Floats:
    return state["moments"].values.reshape(n_assets, -1, 3)


def _like(state: Mapping[str, Ragged], panel: Panel) -> Panel:
    """Return the panel in the precision that was learned from, so that a constant equals itself."""
    return panel.astype(state["precision"].values.dtype)


def _planes(state: Mapping[str, Ragged], n_features: int) -> Planes:
    spreads = state["spreads"].values.reshape(-1, n_features)
    moments = _moments(state, len(spreads))
    return Planes(
        np.where(moments[:, :, 0] > 0.0, moments[:, :, 1], np.nan),
        spreads,
        state["variances"].offsets,
        state["variances"].values,
        state["loadings"].values.reshape(-1, n_features),
        state["limits"].values.reshape(-1, 2),
    )

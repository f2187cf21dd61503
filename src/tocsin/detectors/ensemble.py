"""Ensemble: several detectors judge each row, and how rare each finds it is combined into one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.calibration import Calibration
from tocsin.detectors.limits import limits
from tocsin.detectors.naming import named_detectors
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.ranking import named
from tocsin.errors import ParameterError
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

WAYS = ("fisher", "stouffer", "minimum", "cauchy")
COMMON = 0.999
"""The largest p-value that counts as it is: one of exactly 1 would outweigh all others in two of the ways."""
RAREST = 1e-300
"""The smallest combined p-value."""


class Ensemble(Detector):
    """Several detectors, their p-values combined; the score is -log10 of the combined one.

    A p-value says how rare so high a score of a detector is among its training scores, so scores in different units can
    be put together. Contributions are carried through: the score is shared out among the members by the evidence that
    each brings, and each member's part among the features by their positive contributions to its own score.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    detectors : str, default "isolationforest,lesinn"
        Names from the catalog with commas between them, each with settings in parentheses where it has other ones than
        its own defaults: "ecod(tail_error=0.02),mad". The default takes features one by one, and all together.
    combine : {"fisher", "stouffer", "minimum", "cauchy"}, default "fisher"
        How p-values become one. "fisher" adds their logarithms (Fisher, 1932): many members that are somewhat surprised
        count, and one that is very much so. "stouffer" adds them as standard normal values (Stouffer et al., 1949): the
        members must agree. "minimum" takes the smallest, times how many there are (Tippett, 1931, with Bonferroni's
        correction): one member suffices. "cauchy" adds them as Cauchy values (Liu and Xie, 2020,
        doi:10.1080/01621459.2018.1554485): as the smallest, where one stands out, and valid if members depend on each
        other.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The combined p-value is exact for members that are independent, which detectors of the same rows are not, but for
    "minimum" and "cauchy"; the threshold and the p-values of results come from the combined scores of the training rows
    as of any other detector, and hold in each case.

    An ensemble learns from new rows if all its members do, looks at the order of rows if any of them does, and needs
    labels if any does.

    Cost: that of all members and of their p-values, some 20 ns a row and member. Models hold those of all members.

    Limits: no p-value is smaller than one in all training rows, so rows that are beyond these for each member have the
    same score. If the order of rows matters to a member, explanations tell no limits.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = Ensemble(detectors="ecod(tail_error=0.02),zscore").fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [-2.5, 9.0, 0.2]]).tolist()
    [0, 1]
    >>> detector.explain([[-2.5, 9.0, 0.2]], top=1)["feature"].item()
    'x1'
    """

    additive = True
    variants = ({}, {"combine": "minimum"})  # what agrees, and what one is sure of

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        detectors: str = "isolationforest,lesinn",
        combine: Literal["fisher", "stouffer", "minimum", "cauchy"] = "fisher",
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.detectors = detectors
        self.combine = combine
        self.infinite = infinite

    @property
    def incremental(self) -> bool:  # type: ignore[override]
        """Whether all members learn from new rows without the old ones."""
        return all(member.incremental for member in self.members)

    @property
    def supervised(self) -> bool:  # type: ignore[override]
        """Whether a member needs labels."""
        return any(member.supervised for member in self.members)

    @property
    def temporal(self) -> bool:  # type: ignore[override]
        """Whether the order of rows matters to a member."""
        return any(member.temporal for member in self.members)

    @property
    def members(self) -> tuple[Detector, ...]:
        """The detectors that are put together."""
        if not isinstance(self.detectors, str):
            raise ParameterError(f"detectors must be text such as 'ecod(tail_error=0.02),mad', not {self.detectors!r}")
        named = named_detectors(self.detectors)
        if any(kind is Ensemble for kind, _ in named):
            raise ParameterError("an ensemble cannot be a member of an ensemble; name its members instead")
        return tuple(kind(**settings) for kind, settings in named)

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        if self.combine not in WAYS:
            raise ParameterError(f"combine must be one of {', '.join(WAYS)}, not {self.combine!r}")
        for member in self.members:
            member.check_parameters()

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        fitted = [member.fit_panel(panel) for member in self.members]
        surprise = np.stack([scores.p_value for _, scores in fitted])
        state = _state([models for models, _ in fitted])
        return {**state, **Ranges.learn(panel).to_state()}, combined(surprise, self.combine)[0]

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        surprise, parts = [], []
        for member, models in self._each(state):
            scores, contributions = member._score(models.state, panel, None if top != 0 else 0, learned=learned)
            calibration = Calibration.from_state(models.state, models.threshold, member._rank_ratio())
            surprise.append(calibration.p_values(scores, panel.offsets, learned=learned))
            if top != 0:
                parts.append(_shares(contributions.contribution, panel.n_features))
        scores, shares = combined(np.stack(surprise), self.combine)
        total = np.zeros((panel.n_rows, panel.n_features))
        for share, part in zip(shares, parts, strict=False):
            total += (scores * share)[:, None] * part
        return scores, named(total, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        ranges = Ranges.from_state(models.state)
        limit = None
        if not self.temporal:
            limit = limits(
                lambda own, trials: self._score(own.state, trials, 0)[0],
                models,
                panel,
                contributions.feature,
                ranges.medians(),
            )
        return ranges.evidence(panel, contributions, limit)

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        updated = [member.update_panel(models, panel) for member, models in self._each(state)]
        ranges = Ranges.from_state(state).absorb(panel, weights, scales, self._slack())
        return {**_state(updated), **ranges.to_state(at_grid=False)}

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        pairs = zip(self._each(state), self._each(other), strict=True)
        merged = [member.merge_models(models, more) for (member, models), (_, more) in pairs]
        ranges = Ranges.from_state(state).combine(Ranges.from_state(other), self._slack())
        return {**_state(merged), **ranges.to_state(at_grid=False)}

    def _each(self, state: Mapping[str, Ragged]) -> list[tuple[Detector, Models]]:
        """Return each member with its models."""
        found = []
        for place, member in enumerate(self.members):
            prefix = f"member{place}_"
            own = {name.removeprefix(prefix): entry for name, entry in state.items() if name.startswith(prefix)}
            if not own:
                raise ParameterError("these models were learned with other detectors; set them back, or fit anew")
            threshold, rows = own.pop("threshold").values, own.pop("rows").values
            found.append((member, Models(rows, threshold, own)))
        return found


def combined(p_values: Floats, how: str) -> tuple[Floats, Floats]:
    """Combine p-values of shape (n_members, n_rows).

    Returns
    -------
    scores : ndarray of shape (n_rows,)
        -log10 of the combined p-values.
    shares : ndarray of shape (n_members, n_rows)
        The part of the evidence that each member brings; each row sums to 1.

    Examples
    --------
    >>> scores, shares = combined(np.array([[0.01], [1.0]]), "minimum")
    >>> scores.round(3).tolist(), shares.ravel().tolist()
    ([1.699], [1.0, 0.0])
    """
    from scipy.special import log_ndtr, ndtri

    n_members, n_rows = p_values.shape
    surprise = -np.log(np.maximum(p_values, RAREST))
    evidence = surprise
    if how == "fisher":
        total, term, series = _added(surprise), np.ones(n_rows), np.ones(n_rows)
        for order in range(1, n_members):  # of chi-squared with 2 n_members degrees of freedom
            term = term * total / order
            series = series + term
        minus_log = total - np.log(series)
    elif how == "stouffer":
        evidence = -ndtri(np.minimum(p_values, COMMON))
        minus_log = -log_ndtr(-_added(evidence) / np.sqrt(n_members))
    elif how == "minimum":
        evidence = np.where(np.arange(n_members)[:, None] == surprise.argmax(axis=0), surprise, 0.0)
        minus_log = surprise.max(axis=0) - np.log(n_members)
    else:
        evidence = 1.0 / np.tan(np.pi * np.minimum(p_values, COMMON))
        minus_log = -np.log(np.maximum(np.arctan2(1.0, _added(evidence) / n_members) / np.pi, RAREST))
    positive = np.maximum(evidence, 0.0)
    for other in (surprise, np.ones_like(surprise)):
        positive = np.where(_added(positive) > 0.0, positive, other)
    return np.maximum(minus_log, 0.0) / np.log(10.0), positive / _added(positive)


def _added(parts: Floats) -> Floats:
    """Return the sum over the members, in their order."""
    total = np.zeros(parts.shape[1])
    for part in parts:
        total = total + part
    return total


def _shares(contributions: Floats, n_features: int) -> Floats:
    """Return each feature's share of the positive contributions to each row, shape (n_rows, n_features)."""
    positive = np.maximum(contributions, 0.0).reshape(-1, n_features, contributions.shape[1] // n_features).sum(axis=2)
    total = positive.sum(axis=1, keepdims=True)
    return np.where(total > 0.0, positive / np.where(total > 0.0, total, 1.0), 1.0 / n_features)


def _state(members: list[Models]) -> dict[str, Ragged]:
    state = {}
    for place, models in enumerate(members):
        own = {**models.state, "threshold": Ragged.of_rows(models.threshold[:, None])}
        own["rows"] = Ragged.of_rows(models.rows[:, None])
        state.update({f"member{place}_{name}": entry for name, entry in own.items()})
    return state

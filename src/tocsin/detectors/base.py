"""The contract of every detector: four functions of a panel, and the face that data scientists know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from tocsin.detectors.calibration import PREFIX, Calibration, over
from tocsin.detectors.ranges import PREFIX as RANGES
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.sketches import Sketches
from tocsin.errors import DataError, NotFittedError, ParameterError
from tocsin.explain.explanations import explain
from tocsin.models import Models, Ragged, lent
from tocsin.panel import Contributions, Evidence, Panel, Scores


class Detector(BaseEstimator, ABC):
    """An algorithm with its parameters; what it learns of each asset is in `Models`, never in the detector.

    A subclass in a file of its own in this room is found by the catalog, and with it by the command line, the
    conformance tests and the docs. It implements the methods that begin with an underscore; validation, thresholds
    and p-values are here, once.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.
    """

    additive: ClassVar[bool] = False
    """Whether all contributions of a row sum to its score."""
    incremental: ClassVar[bool] = False
    """Whether models learn from new rows without the old ones."""
    supervised: ClassVar[bool] = False
    """Whether labels are needed."""
    temporal: ClassVar[bool] = False
    """Whether the order of rows matters: a row's score then depends on its asset's rows before it, too."""
    signed: ClassVar[bool] = False
    """Whether scores may be below 0: how many times the threshold a score is then says nothing, only by how much."""
    parts: ClassVar[tuple[str, ...]] = ()
    """What is looked at in each feature, where that is more than its value; each has contributions of its own."""
    extra: ClassVar[str | None] = None
    """The optional dependency group that is needed, if any."""
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """The settings with which it takes part in a competition; the first are those with windows before it, too."""

    contamination: float
    infinite: Literal["error", "missing"]

    # Panels ----------------------------------------------------------------------------------------------------------

    def fit_panel(self, panel: Panel) -> tuple[Models, Scores]:
        """Learn one model an asset.

        Returns
        -------
        models : Models
            In the order of the panel's assets.
        scores : Scores
            Of the panel's own rows, as the threshold was derived from them.

        Raises
        ------
        ParameterError
            If a parameter of the detector has a value that makes no sense.
        """
        self.check_parameters()
        if self.supervised and panel.labels is None:
            raise DataError(f"{type(self).__name__} learns from labels; give y, 1 for anomalous rows and 0 for others")
        state, scores = self._learn(panel)
        calibration = Calibration.learn(scores, panel.offsets, 1.0 - self.contamination, self._rank_ratio())
        thresholds = self._thresholds(state, panel, scores, calibration.thresholds)
        models = Models(np.diff(panel.offsets), thresholds, {**state, **calibration.to_state(whole=self._whole())})
        return models, self._judged(models, panel.offsets, scores, calibration, learned=True)

    def score_panel(
        self, models: Models, panel: Panel, top: int | None = 0, *, p_values: bool = True
    ) -> tuple[Scores, Contributions]:
        """Score each row by its asset's model, and name the `top` features that weigh most (default none).

        Of features that weigh the same, the one whose value lies farthest beyond the training range comes first.
        With None, all contributions are in the order of the features, and of the parts in each.

        A row's score depends on the row and its asset's model alone, never on what else is scored with it. A temporal
        detector goes on from where the model was left, so there it depends on the asset's earlier rows in the panel,
        too: scoring some rows, updating with them and scoring those that follow is as scoring all of them at once.
        `models` are those of the panel's assets, in the same order. Without `p_values`, which cost some 10 ns a row,
        these are NaN.
        """
        if len(models) != panel.n_assets:
            raise DataError(f"{len(models)} models for a panel of {panel.n_assets} assets")
        scores, contributions = self._score(models.state, panel, top)
        if p_values:
            return self._judged(models, panel.offsets, scores), contributions
        none = np.broadcast_to(np.nan, scores.shape)
        return Scores(scores, none, over(scores, panel.offsets, models.threshold)), contributions

    def attribute_panel(self, models: Models, panel: Panel, top: int | None = None) -> Contributions:
        """Say what each feature adds to each row's score: the `top` heaviest, or all in their own order (default)."""
        return self.score_panel(models, panel, top, p_values=False)[1]

    def evidence_panel(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        """Say what stands behind the contributions of a panel's rows."""
        return self._evidence(models, panel, contributions)

    def update_panel(self, models: Models, panel: Panel, *, before: float = np.inf) -> Models:
        """Learn from new rows without the old ones; assets without rows are returned as they are.

        The thresholds follow the scores that the rows have once they are learned, as in training. Older rows keep the
        score that they had in their time, so after a start with few rows a threshold lags behind for a while. A
        temporal detector scores each row as it comes, before it is learned.

        What was known before weighs at most `before` times as much as the new rows, for a detector that forgets; by
        default as much as its half-life leaves of it.
        """
        if not self.incremental:
            raise ParameterError(f"{type(self).__name__} cannot learn from new rows without the old ones; fit it anew")
        weights, scales = self._forgetting(panel.offsets)
        if before < np.inf:
            scales = self._faded(models, panel.offsets, weights, scales, before)
        state = lent(self._absorb(models.state, panel, weights, scales))
        scored = models.state if self.temporal else state
        scores, _ = self._score(scored, panel, 0, learned=not self.temporal)
        calibration = Calibration.from_state(models.state, models.threshold, self._rank_ratio())
        calibration = calibration.absorb(
            scores, panel.offsets, weights, scales, 1.0 - self.contamination, self._rank_ratio(), self._slack()
        )
        rows = models.rows + np.diff(panel.offsets)
        return Models(rows, calibration.thresholds, {**state, **calibration.to_state(whole=self._whole())})

    def _faded(
        self,
        models: Models,
        offsets: NDArray[np.int64],
        weights: NDArray[np.float64],
        scales: NDArray[np.float64],
        before: float,
    ) -> NDArray[np.float64]:
        """Return the factors that leave what assets with new rows knew before at most `before` times these' weight."""
        if self._slack() == 0.0:
            name = type(self).__name__
            raise ParameterError(f"a {name} without half_life weighs all rows alike; set one, or fit it anew")
        if not before >= 0.0:
            raise ParameterError(f"before must be 0 or more, not {before}")
        sums = np.add.reduceat(np.append(weights, 0.0), offsets[:-1])
        old = models.state[f"{PREFIX}totals"].values * scales
        faded = scales * np.minimum(1.0, before * sums / np.maximum(old, np.finfo(np.float64).tiny))
        return np.where(np.diff(offsets) > 0, faded, scales)

    @property
    def forgets(self) -> bool:
        """Whether models can let what they learned count less and less."""
        return self.incremental and self._slack() > 0.0

    def sketches(self, models: Models) -> Sketches | None:
        """Return what models keep of the distribution of each feature, cells asset by feature; None if nothing.

        See `tocsin.detectors.drift` for what can be told from them.
        """
        return Ranges.from_state(models.state).sketches if f"{RANGES}knots" in models.state else None

    def remarks(self, models: Models) -> dict[str, int]:
        """Return what a user should know of how models were learned, and of how many assets each remark is true.

        A remark goes on after "3 assets: ", such as "no season, for want of two whole periods".
        """
        return {}

    def merge_models(self, models: Models, other: Models) -> Models:
        """Merge models of the same assets that were learned from different rows."""
        if not self.incremental or self.temporal:
            raise ParameterError(f"models of {type(self).__name__} cannot be merged; fit it on all rows")
        ratio, slack = self._rank_ratio(), self._slack()
        calibration = Calibration.from_state(models.state, models.threshold, ratio).combine(
            Calibration.from_state(other.state, other.threshold, ratio), 1.0 - self.contamination, ratio, slack
        )
        state = self._combine(models.state, other.state)
        return Models(
            models.rows + other.rows, calibration.thresholds, {**state, **calibration.to_state(whole=self._whole())}
        )

    def _judged(
        self,
        models: Models,
        offsets: NDArray[np.int64],
        scores: NDArray[np.float64],
        calibration: Calibration | None = None,
        *,
        learned: bool = False,
    ) -> Scores:
        calibration = calibration or Calibration.from_state(models.state, models.threshold, self._rank_ratio())
        p_values = calibration.p_values(scores, offsets, learned=learned)
        return Scores(scores, p_values, over(scores, offsets, models.threshold))

    # What a detector implements --------------------------------------------------------------------------------------

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        check_number("contamination", self.contamination, 0.5)
        if self.infinite not in ("error", "missing"):
            raise ParameterError(f"infinite must be 'error' or 'missing', not {self.infinite!r}")

    @abstractmethod
    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], NDArray[np.float64]]:
        """Return the state, one entry an asset, and the training scores of all rows.

        No entry may be called key, rows, first_time, last_time, threshold or version: these are columns beside it.
        """

    @abstractmethod
    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[NDArray[np.float64], Contributions]:
        """Return the scores and the `top` contributions, heaviest first, or with None all in feature order.

        `learned` says that the state has seen these very rows, as training has.
        """

    @abstractmethod
    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        """Return what stands behind contributions."""

    def _absorb(
        self,
        state: Mapping[str, Ragged],
        panel: Panel,
        weights: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> dict[str, Ragged]:
        """Return the state after learning rows with the given weights, what was known scaled by one factor an asset."""
        raise NotImplementedError

    def _combine(self, state: Mapping[str, Ragged], other: Mapping[str, Ragged]) -> dict[str, Ragged]:
        """Return the state of models learned from the rows of both."""
        raise NotImplementedError

    def _thresholds(
        self, state: Mapping[str, Ragged], panel: Panel, scores: NDArray[np.float64], usual: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the score above which each asset's rows are alerts; by default `usual`, from the contamination."""
        return usual

    def _rank_ratio(self) -> float:
        """Return how far apart the ranks of kept training scores may be; 1 keeps all."""
        return 1.1

    def _slack(self) -> float:
        """Return the weight that may be forgotten at the ends of a distribution."""
        return 0.0

    def _whole(self) -> bool:
        """Return whether every row weighs 1."""
        return self._slack() == 0.0

    def _forgetting(self, offsets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a weight for each new row and a factor for what each asset knew before."""
        return np.ones(int(offsets[-1])), np.ones(len(offsets) - 1)

    # The face --------------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn one model from a matrix of shape (n_rows, n_features).

        Sets `model_`, `decision_scores_` and `labels_` of the training rows (1 = anomaly), `threshold_` and
        `n_features_in_`. `y`, 1 for anomalous rows and 0 for normal ones, is ignored unless the detector is supervised.
        """
        panel = Panel.of_matrix(X, _names(X), infinite=self.infinite, y=y if self.supervised else None)
        self.model_, scores = self.fit_panel(panel)
        self.n_features_in_ = panel.n_features
        self.features_ = panel.features
        self.decision_scores_ = scores.score
        self.labels_ = scores.alert.astype(np.int64)
        self.threshold_ = float(self.model_.threshold[0])
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the score of each row, shape (n_rows,); higher is more anomalous."""
        return self.score_panel(self._fitted(), self._panel(X))[0].score

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return 1 for each row whose score is above the threshold, else 0."""
        return self.score_panel(self._fitted(), self._panel(X))[0].alert.astype(np.int64)

    def p_values(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how rare so high a score is in training, shape (n_rows,)."""
        return self.score_panel(self._fitted(), self._panel(X))[0].p_value

    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from new rows without the old ones; the first call fits."""
        if not hasattr(self, "model_"):
            return self.fit(X, y)
        self.model_ = self.update_panel(self._fitted(), self._panel(X))
        self.threshold_ = float(self.model_.threshold[0])
        return self

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what each feature adds to each row's score, all its parts together, shape (n_rows, n_features)."""
        found = self.attribute_panel(self._fitted(), self._panel(X)).contribution
        return found.reshape(len(found), self.n_features_in_, len(self.parts)).sum(axis=2) if self.parts else found

    def explain(self, X: ArrayLike, top: int = 3) -> pl.DataFrame:
        """Say why each row has its score: one row of the result for each of its `top` features.

        Columns: row, rank, feature, part (of a detector that has `parts`), value, low, high, direction, contribution,
        share, tail_probability, limit, sentence. See `tocsin.explain`.
        """
        models, panel = self._fitted(), self._panel(X)
        scores, contributions = self.score_panel(models, panel, top=max(top, 0))
        return explain(panel, scores, contributions, self.evidence_panel(models, panel, contributions), self.parts)

    def _fitted(self) -> Models:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this {type(self).__name__} has not learned yet; call fit(X) first")
        model: Models = self.model_
        return model

    def _panel(self, X: ArrayLike) -> Panel:
        self._fitted()
        panel = Panel.of_matrix(X, _names(X), infinite=self.infinite)
        if panel.n_features != self.n_features_in_:
            name = type(self).__name__
            raise DataError(f"X has {panel.n_features} features, but {name} was fitted with {self.n_features_in_}")
        return panel

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that NaN is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def is_number(value: object) -> bool:
    """Return whether a parameter is a real number, and no truth value."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_number(name: str, value: Any, most: float) -> None:
    """Raise a `ParameterError` unless a parameter is a real number above 0 and at most `most`."""
    if not (is_number(value) and 0.0 < value <= most):
        raise ParameterError(f"{name} must be above 0 and at most {most:g}, not {value!r}")


def _names(X: ArrayLike) -> list[str] | None:
    """Return the names of a data frame's columns."""
    return [str(name) for name in X.columns] if hasattr(X, "columns") else None

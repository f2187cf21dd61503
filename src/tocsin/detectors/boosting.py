"""LightGBM: for assets whose anomalies are labelled, boosted trees that tell them from the rest."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector, check_number
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.detectors.ranking import named
from tocsin.errors import DataError
from tocsin.extras import need
from tocsin.features.settings import check_whole
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
"""Numbers of rows."""

FEW = 10
"""Fewer anomalous rows are remarked."""
POOR, GOOD = 0.5, 0.9
"""Between which values an F-beta is neither."""


class LightGBM(Detector):
    """Gradient-boosted trees on labelled rows (Ke et al., NeurIPS 2017), by the library of that name.

    The score is the log-odds that a row is anomalous, as the trees see it, less its mean over the rows that they have
    learned from. Contributions are exact Shapley values of the trees (TreeSHAP: Lundberg et al., 2020,
    doi:10.1038/s42256-019-0138-9), and sum to it.

    Parameters
    ----------
    contamination : float, default 0.01
        Not used: the threshold follows from the labels.
    beta : float, default 1
        The threshold is where the F-beta of the validation rows is largest: how many times as much finding anomalies
        counts as not raising false alarms.
    rounds : int, default 200
        How many trees there are, at most.
    patience : int, default 20
        After how many trees without a smaller validation loss no more are added.
    leaves : int, default 15
        Of each tree, at most.
    leaf_rows : int, default 10
        Rows of each leaf, at least.
    learning_rate : float, default 0.1
        How much of each tree's advice is taken.
    validation : float, default 0.2
        The share of an asset's labelled rows, its last ones, that are not trained on, in (0, 0.5].
    seed : int, default 0
        Of the library.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    `fit(X, y)` takes 1 for an anomalous row, 0 for a normal one, and NaN where that is not known; such rows are scored
    but not learned from. Anomalous rows weigh more by the ratio of the two counts (`scale_pos_weight`), so that a few
    are not outvoted; odds are therefore those of an asset where both are equally frequent, and the threshold, chosen
    on rows as frequent as they come, makes up for that. If either part of the rows, to train or to validate, would have
    one class only, all rows are trained on, with all rounds, and the threshold is chosen on them; it is remarked.

    A missing value goes the way that served best in training. P-values compare with all training rows, those that were
    labelled anomalous among them; usual ranges are those of the other rows.

    What was labelled and how well that was found is in the state's `tested`: the normal and the anomalous rows of an
    asset, whether its last ones were kept to validate (1) or not (0), and of the rows that the threshold was chosen
    on, the anomalous ones, the alerts, and the alerts that were right. Their ratios are recall and precision.

    A model is the library's own text, compressed: numbers and names that are read, not run; some 5 to 30 kB. It is the
    same on each run: one thread an asset, and histograms summed in order. Training takes some 50 ms an asset of a
    thousand rows; scoring some 1 ms to read a model, and 1 µs a row; contributions some 10 µs a row.

    Limits: finds what was labelled and its like, nothing new; keep an unsupervised detector beside it. Trees do not
    extrapolate: a value beyond the training range counts as the outermost one. Needs the extra `boosting`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = (X[:, 1] > 1.3).astype(int)
    >>> detector = LightGBM().fit(X, y)
    >>> detector.predict([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]).tolist()
    [0, 1]
    >>> detector.explain([[0.0, 2.0, 0.0]], top=1)["feature"].item()
    'x1'
    """

    additive = True
    signed = True
    supervised = True
    extra = "boosting"

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        beta: float = 1.0,
        rounds: int = 200,
        patience: int = 20,
        leaves: int = 15,
        leaf_rows: int = 10,
        learning_rate: float = 0.1,
        validation: float = 0.2,
        seed: int = 0,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.beta = beta
        self.rounds = rounds
        self.patience = patience
        self.leaves = leaves
        self.leaf_rows = leaf_rows
        self.learning_rate = learning_rate
        self.validation = validation
        self.seed = seed
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("rounds", self.rounds, 1, most=100_000)
        check_whole("patience", self.patience, 1)
        check_whole("leaves", self.leaves, 2, most=100_000)
        check_whole("leaf_rows", self.leaf_rows, 1)
        check_whole("seed", self.seed, 0)
        check_number("beta", self.beta, 1e6)
        check_number("learning_rate", self.learning_rate, 1.0)
        check_number("validation", self.validation, 0.5)

    def remarks(self, models: Models) -> dict[str, int]:
        """Return how well labelled anomalies were found, of how many assets, and what to doubt."""
        _, anomalous, validated, real, alerts, right = models.state["tested"].values.reshape(len(models), -1).T
        weight, kept = self.beta**2, validated == 1
        f_beta = (1.0 + weight) * right / (weight * real + alerts)
        name, where = f"F{self.beta:g}", "on the last labelled rows, which were not trained on"
        doubt = "they differ from the earlier ones, or readings do not tell what labels do"
        unchecked = "the threshold was chosen on rows that were trained on, so new ones may do worse"
        said = {
            f"{name} of {GOOD:g} or more {where}": kept & (f_beta >= GOOD),
            f"{name} of {POOR:g} to {GOOD:g} {where}": kept & (f_beta >= POOR) & (f_beta < GOOD),
            f"{name} below {POOR:g} {where}: {doubt}": kept & (f_beta < POOR),
            f"{unchecked}; label both kinds among the first rows and the last": ~kept,
            f"fewer than {FEW} rows labelled anomalous, little to learn from": anomalous < FEW,
        }
        return {what: int(true.sum()) for what, true in said.items() if true.any()}

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        library: Any = need("lightgbm", "boosting", type(self).__name__)
        assert panel.labels is not None
        texts, means, thresholds, tested = [], [], [], []
        scores = np.zeros(panel.n_rows)
        for asset, X in enumerate(_matrices(panel)):
            rows = slice(panel.offsets[asset], panel.offsets[asset + 1])
            y = panel.labels[rows]
            training, validation = self._split(panel, asset)
            booster = self._boosted(library, X, y, training, validation)
            mean = float(booster.predict(X[:1], pred_contrib=True)[0, -1])
            scores[rows] = own = booster.predict(X, raw_score=True) - mean
            judged = training if validation is None else validation
            thresholds.append(best_threshold(own[judged], y[judged], self.beta))
            tested.append([*_counts(y), validation is not None, *_hits(own[judged] > thresholds[-1], y[judged])])
            texts.append(np.frombuffer(zlib.compress(booster.model_to_string().encode()), np.uint8))
            means.append(mean)
        edges = np.cumsum([0, *(len(text) for text in texts)]).astype(np.int64)
        state = {
            "trees": Ragged(np.concatenate([np.zeros(0, np.uint8), *texts]), edges),
            "mean": Ragged.of_rows(np.array(means, np.float64).reshape(-1, 1)),
            "chosen": Ragged.of_rows(np.array(thresholds, np.float64).reshape(-1, 1)),
            "tested": Ragged.of_rows(np.array(tested, np.int64).reshape(-1, 6)),
        }
        usual = panel.take_rows(np.flatnonzero(panel.labels != 1))
        return {**state, **Ranges.learn(usual).to_state()}, scores

    def _boosted(self, library: Any, X: Floats, y: NDArray[np.int8], training: Rows, validation: Rows | None) -> Any:
        normal, anomalous = _counts(y[training])
        settings = {
            "objective": "binary",
            "scale_pos_weight": normal / anomalous,
            "num_leaves": int(self.leaves),
            "min_data_in_leaf": int(self.leaf_rows),
            "learning_rate": float(self.learning_rate),
            "seed": int(self.seed),
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        known = library.Dataset(X[training], y[training], params=settings)
        if validation is None:
            return library.train(settings, known, int(self.rounds))
        later = library.Dataset(X[validation], y[validation], params=settings, reference=known)
        stop = library.early_stopping(int(self.patience), verbose=False)
        booster = library.train(settings, known, int(self.rounds), valid_sets=[later], callbacks=[stop])
        return library.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))

    def _split(self, panel: Panel, asset: int) -> tuple[Rows, Rows | None]:
        """Return an asset's rows to train on and those to validate on, None if either would be of one class only."""
        assert panel.labels is not None
        y = panel.labels[panel.offsets[asset] : panel.offsets[asset + 1]]
        known = np.flatnonzero(y >= 0)
        if len(np.unique(y[known])) < 2:
            key = panel.keys[asset].as_py()
            who = f"asset {key!r}" if key != "" else "X"
            said = "no labelled rows" if not len(known) else f"only {'anomalous' if y[known[0]] else 'normal'} rows"
            raise DataError(f"{who} has {said}; {type(self).__name__} needs both, so label some of the other kind too")
        cut = len(known) - int(self.validation * len(known))
        training, validation = known[:cut], known[cut:]
        if min(len(np.unique(y[training])), len(np.unique(y[validation]))) < 2:
            return known, None
        return training, validation

    def _thresholds(self, state: Mapping[str, Ragged], panel: Panel, scores: Floats, usual: Floats) -> Floats:
        chosen: Floats = state["chosen"].values
        return chosen

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        boosters, means = self._boosters(state, panel), state["mean"].values
        scores = _scores(boosters, means, panel)
        if top == 0:
            return scores, named(np.empty((panel.n_rows, panel.n_features)), 0)
        parts = np.zeros((panel.n_rows, panel.n_features))
        for asset, X in enumerate(_matrices(panel)):
            if len(X):
                shapley = boosters[asset].predict(X, pred_contrib=True)[:, :-1]
                parts[panel.offsets[asset] : panel.offsets[asset + 1]] = shapley
        return scores, named(parts, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        boosters, means = self._boosters(models.state, panel), models.state["mean"].values
        ranges = Ranges.from_state(models.state)
        limit = limits(
            lambda _, trials: _scores(boosters, means, trials), models, panel, contributions.feature, ranges.medians()
        )
        return ranges.evidence(panel, contributions, limit)

    def _boosters(self, state: Mapping[str, Ragged], panel: Panel) -> list[Any]:
        """Return the trees of the assets that have rows, None for others."""
        library: Any = need("lightgbm", "boosting", type(self).__name__)
        text, edges = state["trees"]
        return [
            library.Booster(model_str=zlib.decompress(text[start:stop].tobytes()).decode()) if rows else None
            for start, stop, rows in zip(edges[:-1], edges[1:], np.diff(panel.offsets), strict=True)
        ]


def best_threshold(scores: Floats, labels: NDArray[np.int8], beta: float) -> float:
    """Return the score above which alerts have the largest F-beta; of equals, the one with the fewest alerts.

    It lies half-way between two scores.

    Examples
    --------
    >>> best_threshold(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1], np.int8), 1.0)
    1.5
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order] == 1)
    alerts = np.arange(1, len(scores) + 1)
    last = np.append(ranked[1:] < ranked[:-1], True)
    share = (1.0 + beta**2) * hits / (beta**2 * hits[-1] + alerts)
    best = int(np.argmax(np.where(last, share, -1.0)))
    if best == len(ranked) - 1:
        return float(np.nextafter(ranked[best], -np.inf))
    middle = 0.5 * (ranked[best] + ranked[best + 1])
    return float(middle if middle < ranked[best] else ranked[best + 1])


def _counts(labels: NDArray[np.int8]) -> tuple[int, int]:
    """Return how many rows are normal, and how many anomalous."""
    return int((labels == 0).sum()), int((labels == 1).sum())


def _hits(alerts: NDArray[np.bool_], labels: NDArray[np.int8]) -> tuple[int, int, int]:
    """Return how many rows are anomalous, how many are alerts, and how many both."""
    return int((labels == 1).sum()), int(alerts.sum()), int((alerts & (labels == 1)).sum())


def _scores(boosters: list[Any], means: Floats, panel: Panel) -> Floats:
    scores = np.zeros(panel.n_rows)
    for asset, X in enumerate(_matrices(panel)):
        if len(X):
            raw = boosters[asset].predict(X, raw_score=True)
            scores[panel.offsets[asset] : panel.offsets[asset + 1]] = raw - means[asset]
    return scores


def _matrices(panel: Panel) -> list[Floats]:
    """Return the rows of each asset as the library reads them."""
    edges = zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
    return [np.ascontiguousarray(panel.values[:, first:stop].T, np.float64) for first, stop in edges]

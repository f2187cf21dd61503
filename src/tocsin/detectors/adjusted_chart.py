"""Adjusted charts: a feature is anomalous where neither the others nor its own past account for it, for some time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector, check_number
from tocsin.detectors.charts import largest
from tocsin.detectors.clock import Clock
from tocsin.detectors.ranges import PREFIX, Ranges
from tocsin.features.settings import check_whole
from tocsin.kernels import adjusted as kernels
from tocsin.kernels import comoments as products
from tocsin.kernels import variance
from tocsin.kernels.adjusted import Adjusters, Charts, Told
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

PARTS = 4
"""Into how many stretches training is cut, each of which is scored by what was learned from the others."""
MOST_LAGS = 64


class AdjustedChart(Detector):
    """The largest moving mean square, among features, of what the others and its own past leave over of each.

    A feature is adjusted for all others by regression (Hawkins 1991, doi:10.1080/00401706.1991.10484770): what is left
    shows a fault where the feature itself does not, within its usual range but at odds with the rest, and shows it in
    the feature that is at fault more than in any other. Of that, an autoregression takes what was to be expected
    (Alwan and Roberts 1988, doi:10.1080/07350015.1988.10509640): a sensor that wanders, as a temperature does, has said
    little by being elsewhere, and one that keeps its level has said much. The chart is the exponentially weighted mean
    of the squares of what is left then, in units of what it is in training, which grows with a shift as well as with
    unrest (MacGregor and Harris 1993, doi:10.1080/00224065.1993.11979433).

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5], each scored by what was learned from rows
        at other times.
    lags : int, default 4
        How many earlier rows foretell the next one, 0 to 64.
    gain : float, default 0.1
        The weight of a row in the mean of squares, in (0, 1]: less finds smaller changes, and later.
    ridge : float, default 0.001
        The share of each feature's variance that is taken to be its own noise, in (0, 1]. It keeps near copies apart;
        with 1, features are not adjusted for each other.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    A few hundred rows of a process are few independent ones: their own scores know nothing of where the process drifts
    next, and with many features they are too low, because the regression has seen them. So training is cut into four
    stretches, and the scores of each are those by a model of the other three. These are the training scores, from which
    the threshold and the p-values come.

    What is left of a row's features is ``P z / sqrt(diag(P))``, with the standard scores ``z`` and the inverse ``P`` of
    their correlations, which `ridge` shrinks. The autoregression solves the Yule-Walker equations, so that it never
    runs away.

    Row order matters, and rows are taken as evenly spaced. Rows that are scored follow on from the end of training, by
    their number or, where they have times, if the first one comes at most one sampling interval late; otherwise charts
    begin anew, and the first `lags` rows have the score 0. A model is not changed by scoring. A gross outlier counts in
    later scores for ten standard deviations. A missing value is taken to be what the others make likeliest, adds
    nothing to a score and leaves its chart where it is. Of a feature that was constant in training, a value that
    differs contributes 1e9, which stands for infinity.

    A contribution is what the feature's own chart says, 1 where all is as usual; the largest one is the score. The
    limit of an explanation is exact. Usual ranges and tail probabilities are those of the feature's readings.

    Cost: 130 ns a value to learn with 8 features, 190 with 100; 16 to 23 to score. A model keeps a number for each pair
    of features, and a sketch of the readings for explanations: 5 KB with 8 features and 400 rows, 140 with 100 and
    2,000.

    Limits: relations are taken as linear; outliers in training are learned from like all rows; a fault that comes as
    slowly as the sensor wanders anyway does not show.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> load = np.cumsum(rng.normal(size=(1000, 1)), axis=0)
    >>> X = load + rng.normal(size=(1000, 3))
    >>> X[900:, 1] += 4.0  # far within its range
    >>> detector = AdjustedChart().fit(X[:800])
    >>> alerts = detector.predict(X[800:])
    >>> int(alerts[:100].sum()), int(alerts[100:].argmax()), int(alerts[100:].sum())
    (0, 0, 100)
    >>> detector.explain(X[800:905], top=1)["feature"].item(-1)
    'x1'
    """

    temporal: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        lags: int = 4,
        gain: float = 0.1,
        ridge: float = 0.001,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.lags = lags
        self.gain = gain
        self.ridge = ridge
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_whole("lags", self.lags, 0, most=MOST_LAGS)
        check_number("gain", self.gain, 1.0)
        check_number("ridge", self.ridge, 1.0)

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        cuts = panel.offsets[:-1, None] + np.diff(panel.offsets)[:, None] * np.arange(PARTS + 1) // PARTS
        moments, together = _products(panel, cuts)
        adjusters = self._adjusters(panel, moments, together, cuts[:, -1:].repeat(2, axis=1))
        charts, clock = self._blank_charts(panel), Clock.learn(panel)
        self._follow(adjusters, charts, panel)
        named = {**adjusters._asdict(), **charts._asdict()}
        state = {name: Ragged.of_rows(each.reshape(panel.n_assets, -1)) for name, each in named.items()}
        state["clock"] = clock.after(panel, clock.ticks(panel)).to_state()
        scores, rows = np.empty(panel.n_rows), np.arange(panel.n_rows)
        for part in range(PARTS):
            others, held = np.arange(PARTS) != part, cuts[:, part : part + 2].copy()
            trial = self._adjusters(panel, moments[:, others], together[:, others], held)
            trial.centers[(trial.spreads == 0.0) & (adjusters.spreads > 0.0)] = np.nan  # it is no constant
            found = self._follow(trial, self._blank_charts(panel), panel).units.max(axis=0)
            first, last = held[panel.asset_of_row].T
            scores = np.where((rows >= first) & (rows < last), found, scores)
        return {**state, **Ranges.learn(panel).to_state()}, scores

    def _adjusters(self, panel: Panel, moments: Floats, together: Floats, held: NDArray[np.int64]) -> Adjusters:
        """Learn from the stretches that moments and co-moments are given of, all rows but those that are held back."""
        n_assets, n_features = panel.n_assets, panel.n_features
        all_moments, all_together = np.zeros((n_assets, n_features, 3)), np.zeros((n_assets, together.shape[2]))
        for part in range(moments.shape[1]):
            new, new_together = np.ascontiguousarray(moments[:, part]), np.ascontiguousarray(together[:, part])
            products.combine(all_moments, all_together, np.ones(n_assets), new, new_together)
        square, cells = (n_assets, n_features, n_features), (n_assets, n_features)
        learned = Adjusters(
            np.empty(cells), np.empty(cells), np.empty(square), np.zeros((*cells, int(self.lags))), np.empty(cells)
        )
        kernels.learn(panel.values, panel.offsets, all_moments, all_together, held, float(self.ridge), learned)
        return learned

    def _blank_charts(self, panel: Panel) -> Charts:
        """Return charts before the first row."""
        cells = panel.n_assets, panel.n_features
        return Charts(np.ones(cells), np.zeros((*cells, int(self.lags))), np.zeros(panel.n_assets, np.int64))

    def _follow(self, adjusters: Adjusters, charts: Charts, panel: Panel, *, whole: bool = False) -> Told:
        """Let charts, which are changed, go on over a panel's rows; without `whole` only units are told."""
        rows = panel.n_rows if whole else 0
        told = Told(np.empty(panel.values.shape), *(np.empty((panel.n_features, rows)) for _ in range(2)))
        kernels.follow(panel.values, panel.offsets, adjusters, float(self.gain), charts, told)
        return told

    def _told(self, state: Mapping[str, Ragged], panel: Panel, *, whole: bool = False) -> tuple[Adjusters, Told]:
        """Return what the charts of a state say of rows that follow, or that do not, on those that were learned."""
        cells = panel.n_assets, panel.n_features
        shapes = {"weights": (*cells, panel.n_features), "coefficients": (*cells, int(self.lags))}
        adjusters = Adjusters(*(state[name].values.reshape(shapes.get(name, cells)) for name in Adjusters._fields))
        charts, clock = self._blank_charts(panel), Clock.of_state(state)
        late = np.append(clock.ticks(panel), 0)[panel.offsets[:-1]] - clock.following
        for name, blank in charts._asdict().items():
            left_off = state[name].values.reshape(blank.shape)
            blank[(late == 0) | (late == 1)] = left_off[(late == 0) | (late == 1)]
        return adjusters, self._follow(adjusters, charts, panel, whole=whole)

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        return largest(self._told(state, _like(state, panel))[1].units, top)

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        panel, features = _like(models.state, panel), contributions.feature
        above, limit = np.zeros(features.shape, np.bool_), np.full(features.shape, np.nan)
        adjusters, told = self._told(models.state, panel, whole=True)
        kernels.evidence(
            panel.values, panel.offsets, adjusters, float(self.gain), told, models.threshold, features, above, limit
        )
        return Ranges.from_state(models.state).evidence(panel, contributions, limit, above)


def _products(panel: Panel, cuts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return moments and co-moments of each stretch, shapes (n_assets, PARTS, n_features, 3) and (.., .., triangle)."""
    edges, stretches = np.append(cuts[:, :-1].reshape(-1), panel.n_rows), panel.n_assets * PARTS
    moments = np.empty((stretches, panel.n_features, 3))
    together = np.empty((stretches, products.triangle(panel.n_features)))
    variance.learn(panel.values, edges, moments.reshape(-1, 3))
    products.learn(panel.values, edges, np.ones(panel.n_rows), moments, together)
    shape = panel.n_assets, PARTS, -1
    return moments.reshape(*shape[:2], panel.n_features, 3), together.reshape(shape)


def _like(state: Mapping[str, Ragged], panel: Panel) -> Panel:
    """Return the panel in the precision that was learned from, so that a constant equals itself."""
    return panel.astype(state[f"{PREFIX}knots"].values.dtype)

"""The score of the Numenta Anomaly Benchmark: early alerts earn more, and false ones cost little by little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.base import Grade, Pooled, undefined
from tocsin.evaluate.metrics.series import Series, series_of
from tocsin.kernels.nab import best_threshold, earnings, raw_score


class Optimum(NamedTuple):
    """The threshold at which scores earn most (a row is an alert if its score is at least that), and what they earn."""

    threshold: float
    value: float


class _Rows(NamedTuple):
    """The rows of all series, with the windows numbered through."""

    earned: NDArray[np.float64]
    window: NDArray[np.int64]
    windows: int


@dataclass(frozen=True)
class _NAB(Pooled):
    """The score under a profile, of which the subclasses give the weights."""

    needs = "alerts"
    bounds = (-np.inf, 100.0)
    ordered = True
    hit: ClassVar[float] = 1.0
    false: ClassVar[float] = 0.11
    missed: ClassVar[float] = 1.0

    probation: float = 0.15

    def __post_init__(self) -> None:
        given: Any = self.probation
        if not (isinstance(given, float | int | np.floating | np.integer) and 0.0 <= given < 1.0):
            raise ParameterError(f"probation must be a share from 0 to below 1, not {given!r}")

    def of_all(self, series: Sequence[Series]) -> Grade:
        return self._normalised(self._rows(series), np.concatenate([each.alerts for each in series]))

    def optimum(self, labels: ArrayLike, scores: ArrayLike, offsets: ArrayLike | None = None) -> Optimum:
        """Return the one threshold for all series with the highest score, as the benchmark chooses it.

        The threshold is chosen with the labels in sight: the benchmark's published scores are of this kind. It needs
        scores of all series on one scale.

        Parameters
        ----------
        labels, scores, offsets
            As in `tocsin.evaluate.metrics.base.Metric.grade`.

        Examples
        --------
        >>> NABStandard(probation=0).optimum([0, 0, 1, 1], [0.1, 0.3, 0.9, 0.2])
        Optimum(threshold=0.9, value=100.0)
        """
        series = series_of(labels, scores=scores, offsets=offsets)
        rows = self._rows(series)
        given = np.concatenate([each.scores for each in series])
        threshold = best_threshold(given, rows.earned, rows.window, rows.windows, self.missed)
        return Optimum(threshold, self._normalised(rows, given >= threshold).value)

    def _rows(self, series: Sequence[Series]) -> _Rows:
        earned, window, windows = [], [], 0
        for each in series:
            rows = len(each.labels)
            probation = min(np.floor(self.probation * rows), self.probation * 5000)
            worth, where = earnings(each.labels, each.starts, each.stops, probation, self.hit, self.false)
            earned.append(worth)
            window.append(np.where(where >= 0, where + windows, where))
            windows += len(each.starts)
        return _Rows(np.concatenate(earned), np.concatenate(window), windows)

    def _normalised(self, rows: _Rows, alerts: NDArray[np.bool_]) -> Grade:
        score, windows = raw_score(alerts, rows.earned, rows.window, rows.windows, self.missed)
        if windows == 0:
            return undefined("no anomaly after the probationary rows")
        null, perfect = -self.missed * windows, self.hit * windows
        return Grade(100.0 * (score - null) / (perfect - null))


@dataclass(frozen=True)
class NABStandard(_NAB):
    """The NAB score under the profile "standard" (weights: hit 1, missed 1, false 0.11).

    Each event is a window. Its first alert earns the more the earlier it comes, a window without one costs, and an
    alert outside costs the more the longer the last window is past. The rows at the beginning do not count. The sum is
    scaled so that no alert at all is 0 and the first row of each window and nothing else is 100.

    Range up to 100, below 0 for many false alerts; undefined without a window. The windows of several series are
    counted together. Cost: 30 ns a row. `optimum` finds the threshold that the benchmark would choose, in one sort.
    Limits: a window's width decides what early means; NAB's own are a tenth of the series, shared by its anomalies.

    Parameters
    ----------
    probation : float, default 0.15
        Which share of each series is only for learning, of at most its first 5,000 rows: 750.

    Raises
    ------
    ParameterError
        If `probation` is not from 0 to below 1.

    References
    ----------
    Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark", ICMLA 2015,
    doi:10.1109/ICMLA.2015.141, as its current code computes it.

    Examples
    --------
    >>> labels = [0] * 20 + [1] * 10 + [0] * 20
    >>> alerts = [row == 25 for row in range(50)]
    >>> round(NABStandard()(labels, alerts), 1)
    93.0
    """

    name = "nab_standard"


@dataclass(frozen=True)
class NABLowFP(_NAB):
    """The NAB score under the profile "reward low FP rate" (weights: hit 1, missed 1, false 0.22); see `NABStandard`.

    Range up to 100, undefined without a window. The windows of several series are counted together. Cost: 30 ns a row.
    """

    name = "nab_low_fp"
    false = 0.22


@dataclass(frozen=True)
class NABLowFN(_NAB):
    """The NAB score under the profile "reward low FN rate" (weights: hit 1, missed 2, false 0.11); see `NABStandard`.

    Range up to 100, undefined without a window. The windows of several series are counted together. Cost: 30 ns a row.
    """

    name = "nab_low_fn"
    missed = 2.0

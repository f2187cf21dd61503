"""Rows counted one by one: each alert is right or wrong, whatever its neighbours are.

An event is not found all the better for being long, nor once one of its rows is: there is no point-adjusted F1 here, by
which scores drawn by chance rival published detectors (Kim et al., AAAI 2022, doi:10.1609/aaai.v36i7.20680).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.base import NO_ALERT, NO_ANOMALY, NO_NORMAL, Grade, Pooled, ratio, undefined
from tocsin.evaluate.metrics.series import Series


class Counts(NamedTuple):
    """How many judged rows are true and false positives, false and true negatives."""

    hits: int
    false: int
    missed: int
    quiet: int


def counts(series: Sequence[Series]) -> Counts:
    """Count over all series."""
    alerts = sum(int(np.count_nonzero(each.alerts)) for each in series)
    hits = sum(int(np.count_nonzero(each.alerts & (each.labels == 1))) for each in series)
    anomalous, normal = sum(each.anomalous for each in series), sum(each.normal for each in series)
    return Counts(hits, alerts - hits, anomalous - hits, normal - alerts + hits)


class _Pointwise(Pooled):
    needs = "alerts"

    def of_all(self, series: Sequence[Series]) -> Grade:
        return self.of_counts(counts(series))

    @abstractmethod
    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""


@dataclass(frozen=True)
class Precision(_Pointwise):
    """The share of alerts that are anomalous rows, TP / (TP + FP).

    Range 0 to 1, undefined without an alert. Several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> Precision()([0, 1, 1, 0, -1], [1, 1, 0, 0, 1])
    0.5
    """

    name = "precision"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return ratio(n.hits, n.hits + n.false, NO_ALERT)


@dataclass(frozen=True)
class Recall(_Pointwise):
    """The share of anomalous rows that are alerts, TP / (TP + FN).

    Range 0 to 1, undefined without an anomalous row. Several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> Recall()([0, 1, 1, 1], [1, 1, 0, 0]) == 1 / 3
    True
    """

    name = "recall"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return ratio(n.hits, n.hits + n.missed, NO_ANOMALY)


@dataclass(frozen=True)
class FBeta(_Pointwise):
    """Precision and recall in one, recall weighing `beta` times as much: van Rijsbergen's F.

    Range 0 to 1, undefined without an anomalous row; 0 without an alert. Several series are counted together.
    Cost: 20 ns a row.

    Parameters
    ----------
    beta : float, default 0.5
        Above 0. The default counts a false alarm for more than a missed row.

    Raises
    ------
    ParameterError
        If `beta` is not above 0.

    Examples
    --------
    >>> round(FBeta(0.5)([0, 0, 1, 1], [0, 0, 0, 1]), 3), round(FBeta(2)([0, 0, 1, 1], [0, 0, 0, 1]), 3)
    (0.833, 0.556)
    """

    name = "f_beta"
    beta: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameter."""
        given: Any = self.beta
        if not (isinstance(given, float | int | np.floating | np.integer) and 0.0 < given < np.inf):
            raise ParameterError(f"beta must be a number above 0, not {given!r}")

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        if n.hits + n.missed == 0:
            return undefined(NO_ANOMALY)
        square = self.beta**2
        return Grade((1 + square) * n.hits / ((1 + square) * n.hits + square * n.missed + n.false))


@dataclass(frozen=True)
class F1(_Pointwise):
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    Range 0 to 1, undefined without an anomalous row; 0 without an alert. Several series are counted together.
    Cost: 20 ns a row.

    Examples
    --------
    >>> F1()([0, 0, 1, 1], [0, 1, 0, 1])
    0.5
    """

    name = "f1"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return FBeta(1.0).of_counts(n)


@dataclass(frozen=True)
class FalseAlarmRate(_Pointwise):
    """The share of normal rows that are alerts, FP / (FP + TN).

    Range 0 to 1, lower is better, undefined without a normal row. Several series are counted together. Cost: 20 ns a
    row.

    Examples
    --------
    >>> FalseAlarmRate()([0, 0, 0, 0, 1], [1, 0, 0, 0, 1])
    0.25
    """

    name = "false_alarm_rate"
    better = "low"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return ratio(n.false, n.false + n.quiet, NO_NORMAL)


@dataclass(frozen=True)
class MissedAlarmRate(_Pointwise):
    """The share of anomalous rows that are no alerts, FN / (FN + TP).

    Range 0 to 1, lower is better, undefined without an anomalous row. Several series are counted together.
    Cost: 20 ns a row.

    Examples
    --------
    >>> MissedAlarmRate()([0, 1, 1], [1, 1, 0])
    0.5
    """

    name = "missed_alarm_rate"
    better = "low"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return ratio(n.missed, n.hits + n.missed, NO_ANOMALY)


@dataclass(frozen=True)
class Accuracy(_Pointwise):
    """The share of rows that are alerts where they are anomalous and none where they are not.

    Range 0 to 1, undefined if no row is judged. Where anomalies are rare it says little: without any alert it is near
    1. Several series are counted together. Cost: 20 ns a row.

    Examples
    --------
    >>> Accuracy()([0, 0, 0, 1], [0, 0, 0, 0])
    0.75
    """

    name = "accuracy"

    def of_counts(self, n: Counts) -> Grade:
        """Return the grade of so many rows."""
        return ratio(n.hits + n.quiet, sum(n), "no row is judged")

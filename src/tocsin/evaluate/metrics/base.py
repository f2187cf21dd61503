"""What every metric is, so that a score card, a protocol and the tests can take any of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tocsin.evaluate.metrics.series import Series, series_of


class Grade(NamedTuple):
    """A metric's value, NaN where it is not defined, and a note: why it is not, or what it leaves out."""

    value: float
    note: str = ""


def undefined(why: str) -> Grade:
    """Return the grade of what has none."""
    return Grade(math.nan, why)


def ratio(part: float, whole: float, why: str) -> Grade:
    """Return a share; of nothing, why it is not defined."""
    return Grade(part / whole) if whole else undefined(why)


NO_ANOMALY = "no judged row is anomalous"
NO_NORMAL = "no judged row is normal"
NO_ALERT = "no judged row is an alert"


class Metric(ABC):
    """A number that says how well scores or alerts agree with labels.

    A metric is called with labels and what it `needs`. Rows that are not judged are left out: those of unknown label
    (-1, NaN or masked) or without a score (NaN). Where order matters they keep their place in time.
    """

    name: ClassVar[str]
    """What the score card calls it."""
    needs: ClassVar[Literal["scores", "alerts"]]
    """Whether it takes scores or alerts."""
    better: ClassVar[Literal["high", "low"]] = "high"
    """Which end of its range is good."""
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Between which values it lies."""
    ordered: ClassVar[bool] = False
    """Whether rows must be in time order."""
    together: ClassVar[Literal["pooled", "mean"]]
    """How several series become one number: counted together, or graded each and averaged."""

    def __call__(self, labels: ArrayLike, given: ArrayLike, offsets: ArrayLike | None = None) -> float:
        """Return the value, NaN where it is not defined; `grade` says why."""
        return self.grade(labels, given, offsets).value

    def grade(self, labels: ArrayLike, given: ArrayLike, offsets: ArrayLike | None = None) -> Grade:
        """Return the value and a note.

        Parameters
        ----------
        labels : array-like of shape (n_rows,)
            1 anomalous, 0 normal; -1, NaN or masked where it is not known.
        given : array-like of shape (n_rows,)
            Scores (higher is more anomalous, NaN where there is none) or alerts (1 or 0), as the metric `needs`.
        offsets : array-like of shape (n_series + 1,), optional
            Series ``i`` has the rows ``offsets[i]:offsets[i + 1]``. By default all rows are one series.

        Raises
        ------
        DataError
            If lengths differ, labels or alerts are neither 0 nor 1, or offsets do not rise to the number of rows.
        """
        return self.of_all(series_of(labels, offsets=offsets, **{self.needs: given}))

    @abstractmethod
    def of_all(self, series: Sequence[Series]) -> Grade:
        """Return the grade of some series together."""


class Averaged(Metric):
    """A metric that grades each series and averages, leaving out, and saying so, those where it is not defined."""

    together = "mean"

    def of_all(self, series: Sequence[Series]) -> Grade:
        """Return the mean over the series where the metric is defined."""
        grades = [self.of_series(each) for each in series]
        values = [grade.value for grade in grades if not math.isnan(grade.value)]
        reasons = Counter(grade.note for grade in grades if math.isnan(grade.value))
        if len(grades) == 1:
            return grades[0]
        note = "; ".join(f"left out {count} of {len(grades)} series: {why}" for why, count in reasons.items())
        return Grade(float(np.mean(values)) if values else math.nan, note)

    @abstractmethod
    def of_series(self, series: Series) -> Grade:
        """Return the grade of one series."""


class Pooled(Metric):
    """A metric that counts over all series together."""

    together = "pooled"

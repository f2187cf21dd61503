"""Areas under curves that forgive a score for being a little early or late (Paparrizos et al., 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.base import NO_ANOMALY, NO_NORMAL, Averaged, Grade, undefined
from tocsin.evaluate.metrics.series import Series
from tocsin.features.settings import check_whole
from tocsin.kernels.volumes import first_passed, volume


@dataclass(frozen=True)
class _Range(Averaged):
    """An area or a volume, of which the subclasses say which."""

    needs = "scores"
    ordered = True
    curve: ClassVar[int]
    all_widths: ClassVar[bool]

    buffer: int = 100
    thresholds: int = 250
    form: Literal["current", "2022"] = "current"

    def __post_init__(self) -> None:
        check_whole("buffer", self.buffer, 0)
        check_whole("thresholds", self.thresholds, 2)
        if self.form not in ("current", "2022"):
            raise ParameterError(f"form must be 'current' or '2022', not {self.form!r}")

    def of_series(self, series: Series) -> Grade:
        anomalous, normal = series.anomalous, series.normal
        if anomalous == 0:
            return undefined(NO_ANOMALY)
        if normal == 0:
            return undefined(NO_NORMAL)
        places = np.linspace(0, anomalous + normal - 1, self.thresholds).astype(np.int64)
        passed = first_passed(series.scores, places)
        narrowest = 0 if self.all_widths else self.buffer
        events = series.starts, series.stops
        current = self.form == "current"
        areas = volume(series.labels, passed, *events, self.thresholds, narrowest, self.buffer, current)
        return Grade(areas[self.curve])


@dataclass(frozen=True)
class VUSROC(_Range):
    """The volume under range-based ROC curves: the mean of `RangeAUCROC` over buffers of 0 to `buffer` rows.

    Range 0 to 1, undefined unless there are anomalous and normal rows. Thresholds are the published ones: quantiles of
    the scores, equally many rows apart. Equal to the authors' code. Of several series the mean. Cost: one sort, about
    60 ns a row, and `buffer`² · `thresholds` / 4 steps of under a nanosecond; it does not depend on the product of
    rows, thresholds and buffer as the published computation does.
    Limits: it is high by chance where events are short beside the buffer, since of what is near an event only what was
    found counts: 0.94 with a buffer of 100 for events of one row, 0.76 of 20, 0.56 of 200. Prefer `VUSPR`.

    Parameters
    ----------
    buffer : int, default 100
        The widest buffer, in rows; half of it lies on either side of an event. The authors take the series' period.
    thresholds : int, default 250
        How many thresholds there are.
    form : {"current", "2022"}, default "current"
        The authors' later code (TSB-AD, NeurIPS 2024), whose figures leaderboards show, counts the buffer's rows as
        anomalous only where they reach the threshold, and takes the PR curve as steps; the paper's counts all of them
        and joins the PR curve's points by lines.

    Raises
    ------
    ParameterError
        If a number makes no sense.

    References
    ----------
    Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume under the surface: a new accuracy evaluation
    measure for time-series anomaly detection", VLDB 2022, section 4, doi:10.14778/3551793.3551830.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [float(12 <= row < 17) for row in range(25)]
    >>> round(VUSROC(buffer=4)(labels, late), 3)
    0.808
    """

    name = "vus_roc"
    curve = 0
    all_widths = True


@dataclass(frozen=True)
class VUSPR(_Range):
    """The volume under range-based PR curves: the mean of `RangeAUCPR` over buffers of 0 to `buffer` rows.

    Range 0 to 1, by chance about the share of rows that lie in an event or within a quarter of `buffer` of one.
    Parameters, cost, errors and source as in `VUSROC`.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [float(12 <= row < 17) for row in range(25)]
    >>> round(VUSPR(buffer=4)(labels, late), 3)
    0.576
    """

    name = "vus_pr"
    curve = 1
    all_widths = True


@dataclass(frozen=True)
class RangeAUCROC(_Range):
    """The area under the range-based ROC curve for one width of the buffer.

    A row at distance d of an event counts as anomalous by sqrt(1 - d / `buffer`), up to half of `buffer` away, and
    wholly where the buffers of two events meet. The true positive rate is multiplied by the share of events that have
    an alert. Range 0 to 1. Parameters, cost, errors and source as in `VUSROC`.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [float(12 <= row < 17) for row in range(25)]
    >>> round(RangeAUCROC(buffer=4)(labels, late), 3)
    0.893
    """

    name = "range_auc_roc"
    curve = 0
    all_widths = False


@dataclass(frozen=True)
class RangeAUCPR(_Range):
    """The area under the range-based PR curve for one width of the buffer; see `RangeAUCROC`.

    Range 0 to 1. Parameters, cost, errors and source as in `VUSROC`.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [float(12 <= row < 17) for row in range(25)]
    >>> round(RangeAUCPR(buffer=4)(labels, late), 3)
    0.791
    """

    name = "range_auc_pr"
    curve = 1
    all_widths = False

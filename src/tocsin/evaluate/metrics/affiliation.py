"""How near alerts lie to events, and events to alerts, measured against chance (Huet, Navarro and Rossi, 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tocsin.evaluate.metrics.base import NO_ALERT, NO_ANOMALY, Averaged, Grade, undefined
from tocsin.evaluate.metrics.series import Series
from tocsin.kernels import runs
from tocsin.kernels.affiliation import affiliations


class _Affiliation(Averaged):
    needs = "alerts"
    ordered = True

    def _both(self, series: Series) -> tuple[float, float]:
        """Return precision, NaN without an alert, and recall of a series with an event."""
        alerts = runs.incidents(series.alerts, 0)
        precision, recall = affiliations(series.starts, series.stops, *alerts, len(series.labels))
        alerted = ~np.isnan(precision)
        return float(np.mean(precision[alerted])) if alerted.any() else np.nan, float(np.mean(recall))


@dataclass(frozen=True)
class AffiliationPrecision(_Affiliation):
    """How near the alerts lie to the events: on average, the chance that a random place would lie no nearer.

    Each event has a zone, up to half way to its neighbours. In it, an alert in the event counts 1, one outside counts
    the share of the zone that lies at least as far from the event. The mean over the alerts of a zone, as exact
    integrals over rows of width 1, and then over the zones that have alerts. Equal to the authors' code.

    Range 0 to 1, by chance about 0.5, undefined without an event or an alert. Of several series the mean. Cost: 20 ns a
    row. Limits: zones without an alert do not lower it; read it beside the recall, which they do.

    References
    ----------
    Huet, Navarro and Rossi, "Local evaluation of time series anomaly detection algorithms", KDD 2022, sections 3 and 4,
    doi:10.1145/3534678.3539339.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [12 <= row < 17 for row in range(25)]
    >>> round(AffiliationPrecision()(labels, late), 3)
    0.888
    """

    name = "affiliation_precision"

    def of_series(self, series: Series) -> Grade:
        """Return the grade of one series."""
        if len(series.starts) == 0:
            return undefined(NO_ANOMALY)
        precision, _ = self._both(series)
        return undefined(NO_ALERT) if np.isnan(precision) else Grade(precision)


@dataclass(frozen=True)
class AffiliationRecall(_Affiliation):
    """How near the events lie to the alerts: on average, the chance that a random alert would lie no nearer.

    For each place of an event, the share of the event's zone that lies at least as far away as the nearest alert in the
    zone does. The mean over each event, 0 where its zone has no alert, and then over the events. Equal to the authors'
    code.

    Range 0 to 1, undefined without an event. Of several series the mean. Cost: 20 ns a row. Limits: it is high by
    chance, 0.96 for an alert in every hundredth row where events lie 2,500 rows apart; read it beside the precision.
    Source as in `AffiliationPrecision`.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [12 <= row < 17 for row in range(25)]
    >>> round(AffiliationRecall()(labels, late), 3)
    0.968
    """

    name = "affiliation_recall"

    def of_series(self, series: Series) -> Grade:
        """Return the grade of one series."""
        return Grade(self._both(series)[1]) if len(series.starts) else undefined(NO_ANOMALY)


@dataclass(frozen=True)
class AffiliationF1(_Affiliation):
    """The harmonic mean of affiliation precision and recall of each series.

    Range 0 to 1, undefined without an event; 0 without an alert. Of several series the mean. Cost: 20 ns a row. Source
    as in `AffiliationPrecision`.

    Examples
    --------
    >>> labels = [0] * 10 + [1] * 5 + [0] * 10
    >>> late = [12 <= row < 17 for row in range(25)]
    >>> round(AffiliationF1()(labels, late), 3)
    0.926
    """

    name = "affiliation_f1"

    def of_series(self, series: Series) -> Grade:
        """Return the grade of one series."""
        if len(series.starts) == 0:
            return undefined(NO_ANOMALY)
        precision, recall = self._both(series)
        return Grade(2.0 * precision * recall / (precision + recall)) if precision + recall > 0.0 else Grade(0.0)

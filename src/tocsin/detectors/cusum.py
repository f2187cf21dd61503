"""CUSUM: a feature is anomalous where small deviations to one side have summed up to more than chance explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from tocsin.detectors.base import check_number
from tocsin.detectors.charts import Chart
from tocsin.kernels import charts
from tocsin.kernels import cusum as kernels
from tocsin.kernels.charts import Told
from tocsin.models import Ragged
from tocsin.panel import Panel


class CUSUM(Chart):
    """The largest cumulative sum of deviations among a row's features, as a tabular CUSUM chart shows it (Page 1954).

    Of each feature, standardised by its mean and standard deviation, the chart follows two sums from 0 before the first
    row, ``upper[t] = max(0, upper[t - 1] + x[t] - allowance)`` and ``lower[t] = max(0, lower[t - 1] - x[t] -
    allowance)``. The score is the largest of all sums, in decision intervals of its feature.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    allowance : float, default 0.5
        How many standard deviations a reading may be off before it adds to a sum, often called `k`: half the shift that
        is to be found soonest.
    half_life : float, optional
        Rows after which what was learned counts half in the level that readings are compared with, in their standard
        deviation and in the thresholds. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The decision interval of a feature is what a share `contamination` of its larger sums in training passes, and at
    least one standard deviation. Textbooks give it for independent readings; where readings resemble those before them
    sums go farther, and features that do so more would drown the others.

    A sum goes on from two decision intervals at most. So while a fault lasts the score stays above one, and once it has
    ended the sum is back at one interval after ``interval / allowance`` rows of usual readings, however long or gross
    the fault was.

    Row order matters. Rows that are scored follow on from those that were learned: a row's score depends on its asset's
    model and earlier rows in the same call, and scoring a batch, updating with it and scoring the next is as scoring
    both at once. A model is not changed by scoring. Mean and standard deviation of the readings go on being learned, as
    in a self-starting chart (Hawkins 1987, doi:10.2307/2348827), by the share of a reading among all that were seen; it
    counts for three standard deviations at most, which outliers cannot abuse. The decision interval stays. A missing
    value adds nothing to a score and leaves the sums where they are. Of a feature that was constant, a value that
    differs contributes up to 1e9.

    A contribution is the larger sum of the feature; the largest one is the score. The limit of an explanation is exact.
    Usual ranges and tail probabilities are those of the feature's readings.

    Cost: about 45 ns a value to learn, 30 to score. A model keeps 8 numbers a feature and, for explanations, a sketch
    of its readings: 600 bytes a feature after some 1,500 rows.

    Source: Page 1954 (doi:10.1093/biomet/41.1-2.100); Montgomery, Introduction to Statistical Quality Control, 9.1.

    Limits: sums amplify what the mean of training is off. Where readings resemble those before them much and there are
    but some hundreds to learn from, false alarms come in long runs. Features are taken one by one, and without a
    season; a fault that lasts for about as long as training did becomes normal.

    Examples
    --------
    >>> import numpy as np
    >>> flow = np.random.default_rng(0).normal(5.0, 1.0, size=(1000, 1))
    >>> flow[900:950] += 1.5  # no single reading is unusual
    >>> detector = CUSUM(contamination=0.005).fit(flow[:800])
    >>> alerts = detector.predict(flow[800:])
    >>> int(alerts[:100].sum()), int(alerts.argmax()), int(alerts[100:150].sum()), int(alerts[165:].sum())
    (0, 104, 46, 0)
    """

    variants = ({}, {"allowance": 1.0})  # a level that is less steady

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        allowance: float = 0.5,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.allowance = allowance
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_number("allowance", self.allowance, 100.0)

    def _begin(self, panel: Panel) -> dict[str, Ragged]:
        numbers = np.empty((panel.n_assets * panel.n_features, kernels.NUMBERS))
        charts.locate(panel.values, panel.offsets, numbers)
        kernels.begin(panel.values, panel.offsets, float(self.allowance), float(self.contamination), numbers)
        return {"chart": Ragged.of_rows(numbers.reshape(panel.n_assets, -1))}

    def _follow(self, state: Mapping[str, Ragged], panel: Panel, told: Told, *, learns: bool) -> dict[str, Ragged]:
        numbers = state["chart"].values.reshape(-1, kernels.NUMBERS).copy()
        kernels.follow(panel.values, panel.offsets, float(self.allowance), learns, self._least(), numbers, told)
        return {"chart": Ragged(numbers.reshape(-1), state["chart"].offsets)}

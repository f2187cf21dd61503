"""EWMA: a feature is anomalous where its moving mean has left its level, be it by little, for some time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from tocsin.detectors.base import check_number
from tocsin.detectors.charts import Chart
from tocsin.kernels import charts
from tocsin.kernels import ewma as kernels
from tocsin.kernels.charts import Told
from tocsin.models import Ragged
from tocsin.panel import Panel


class EWMA(Chart):
    """The largest deviation of a moving mean among a row's features, as an EWMA chart shows it (Roberts 1959).

    Of each feature, standardised by its mean and standard deviation, the chart follows
    ``z[t] = gain * x[t] + (1 - gain) * z[t - 1]``, from 0 before the first row. The score is the largest ``abs(z)``, in
    standard deviations of `z` itself.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    gain : float, default 0.2
        The weight of a reading in the mean, in (0, 1]: less finds smaller shifts, and later. With 1 the mean is the
        reading, and the chart Shewhart's.
    half_life : float, optional
        Rows after which what was learned counts half in the level that readings are compared with, in their standard
        deviation and in the thresholds. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The variance of `z` is the exact one, which grows over the first rows: for independent readings ``gain / (2 - gain)
    * (1 - (1 - gain) ** (2 * t))`` (Lucas and Saccucci 1990, doi:10.1080/00401706.1990.10484583). Readings that
    resemble the one before them move the mean farther, up to ``sqrt((2 - gain) / gain)`` times as far, and a limit for
    independent ones would cry wolf. So the variance is multiplied by how much larger than that the mean square of `z`
    was in training, never by less than 1.

    Row order matters. Rows that are scored follow on from those that were learned: a row's score depends on its asset's
    model and earlier rows in the same call, and scoring a batch, updating with it and scoring the next is as scoring
    both at once. A model is not changed by scoring. Mean and standard deviation of the readings go on being learned, as
    in a self-starting chart (Hawkins 1987, doi:10.2307/2348827), by the share of a reading among all that were seen; it
    counts for three standard deviations at most, which outliers cannot abuse. After a gross outlier `z` goes on from
    ten of its standard deviations at most, so that the alarm ends some rows later. A missing value adds nothing to a
    score and leaves the chart where it is. Of a feature that was constant, a value that differs contributes 1e9.

    A contribution is what the feature's own chart says; the largest one is the score. The limit of an explanation is
    exact. Usual ranges and tail probabilities are those of the feature's readings.

    Cost: about 35 ns a value to learn, 30 to score. A model keeps 8 numbers a feature and, for explanations, a sketch
    of its readings: 600 bytes a feature after some 1,500 rows.

    Limits: features are taken one by one, and without a season; a fault that lasts for about as long as training did
    becomes normal.

    Examples
    --------
    >>> import numpy as np
    >>> flow = np.random.default_rng(0).normal(5.0, 1.0, size=(1000, 1))
    >>> flow[900:950] += 1.5  # no single reading is unusual
    >>> detector = EWMA(contamination=0.005).fit(flow[:800])
    >>> alerts = detector.predict(flow[800:])
    >>> int(alerts[:100].sum()), int(alerts.argmax()), int(alerts[100:150].sum()), int(alerts[160:].sum())
    (0, 102, 42, 0)
    """

    variants = ({}, {"gain": 0.05})  # smaller shifts, later

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        gain: float = 0.2,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.gain = gain
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        check_number("gain", self.gain, 1.0)

    def _begin(self, panel: Panel) -> dict[str, Ragged]:
        numbers = np.empty((panel.n_assets * panel.n_features, kernels.NUMBERS))
        charts.locate(panel.values, panel.offsets, numbers)
        kernels.begin(panel.values, panel.offsets, float(self.gain), numbers)
        return {"chart": Ragged.of_rows(numbers.reshape(panel.n_assets, -1))}

    def _follow(self, state: Mapping[str, Ragged], panel: Panel, told: Told, *, learns: bool) -> dict[str, Ragged]:
        numbers = state["chart"].values.reshape(-1, kernels.NUMBERS).copy()
        kernels.follow(panel.values, panel.offsets, float(self.gain), learns, self._least(), numbers, told)
        return {"chart": Ragged(numbers.reshape(-1), state["chart"].offsets)}

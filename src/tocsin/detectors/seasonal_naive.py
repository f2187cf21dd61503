"""Seasonal naive: a reading is anomalous where it differs much from the one a cycle ago."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from tocsin.detectors.charts import Chart
from tocsin.detectors.clock import Clock, check_cycles, cycle_remarks, seasons_of, starts_of
from tocsin.features.settings import check_whole
from tocsin.kernels import naive as kernels
from tocsin.kernels.charts import Told
from tocsin.kernels.naive import NUMBERS, Cycles
from tocsin.models import Models, Ragged
from tocsin.panel import Panel


class SeasonalNaive(Chart):
    """The largest difference to the reading one cycle ago among a row's features, the baseline of all forecasts.

    With one feature the score is ``abs(x[t] - x[t - period]) / scale``. The scale is 1.4826 medians of the size of such
    differences in training, which is their standard deviation where they are normally distributed, and 1.2533 means
    where that would be 0.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    period : int, optional
        How many readings a cycle has; with 1 the last reading is the forecast. By default it is found for each asset
        and feature. A feature in which none is found, or an asset with fewer than two cycles of readings, is compared
        with its last reading.
    half_life : float, optional
        Rows after which what was learned counts half in the scale and in the thresholds. None never forgets.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    Where readings have times, the place in the cycle follows the time, in sampling intervals of the median step in
    training, so that missing rows do no harm; without times each row is one step. Where there was no reading a cycle
    ago, the one of the cycle before takes its place, and so on. A row adds nothing to a score where a feature is
    missing, or was never seen at that point of the cycle, as in the first cycle of training.

    Row order matters. Rows that are scored follow on from those that were learned: a row's score depends on its asset's
    model and earlier rows in the same call, and scoring a batch, updating with it and scoring the next is as scoring
    both at once. A model is not changed by scoring. Scales go on being learned, by the share of a difference among all
    that were seen; it counts for three scales at most. Of a feature that never differed, a value that does contributes
    1e9.

    A contribution is the feature's own difference; the largest one is the score. The limit of an explanation is exact.
    Usual ranges and tail probabilities are those of the feature's readings.

    Cost: about 75 ns a value to learn, 15 µs if the period is to be found, and 20 ns to score. A model keeps a cycle of
    each feature, 8 bytes a reading, and, for explanations, a sketch of its readings, 500 bytes after some 1,500 rows.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, section 5.2 (the method); Iglewicz and
    Hoaglin 1993 (the scale).

    Limits: features are taken one by one. An anomaly echoes one cycle later, when it is what readings are compared
    with. A lasting shift shows for one cycle only, and without a season for one reading.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 28)
    >>> flow = 8.0 + 2.0 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0.0, 0.2, len(hours))
    >>> detector = SeasonalNaive(period=24).fit(flow[:600, None])
    >>> later = flow[600:, None].copy()
    >>> later[30] = 8.0  # usual at another hour
    >>> int(detector.decision_function(later)[:54].argmax())
    30
    """

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        period: int | None = None,
        half_life: float | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.period = period
        self.half_life = half_life
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        _ = self._period

    @property
    def _period(self) -> int | None:
        return None if self.period is None else check_whole("period", self.period, 1)

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn one model from a matrix of shape (n_rows, n_features); see `Detector.fit`.

        Raises
        ------
        DataError
            If a period is given and there are fewer than two of it.
        """
        self.check_parameters()
        if self._period != 1:
            check_cycles(np.shape(X)[0] if np.ndim(X) else 0, self._period)
        return super().fit(X, y)

    def remarks(self, models: Models) -> dict[str, int]:
        """Return of how many assets no season was learned, and which periods were found of how many."""
        periods = models.state["periods"].values.reshape(len(models), -1)
        if self._period == 1:
            return {}
        return cycle_remarks(periods, self._period, "each reading is compared with the last one")

    def _begin(self, panel: Panel) -> dict[str, Ragged]:
        clock = Clock.learn(panel)
        ticks = clock.ticks(panel)
        periods = seasons_of(panel, ticks, self._period).periods
        starts = starts_of(periods.reshape(-1))
        cycles = Cycles(starts, np.empty(starts[-1]), np.empty((periods.size, NUMBERS)))
        kernels.begin(panel.values, panel.offsets, ticks, cycles)
        return _state(clock, Ragged.of_rows(periods), cycles)

    def _follow(self, state: Mapping[str, Ragged], panel: Panel, told: Told, *, learns: bool) -> dict[str, Ragged]:
        clock, periods = Clock.of_state(state), state["periods"]
        ticks = clock.ticks(panel)
        numbers = state["scale"].values.reshape(-1, NUMBERS).copy()
        cycles = Cycles(starts_of(periods.values), state["last"].values.copy(), numbers)
        kernels.follow(panel.values, panel.offsets, ticks, learns, self._least(), cycles, told)
        return _state(clock.after(panel, ticks), periods, cycles)


def _state(clock: Clock, periods: Ragged, cycles: Cycles) -> dict[str, Ragged]:
    edges = cycles.starts[periods.offsets]
    n_assets = len(periods.offsets) - 1
    return {
        "clock": clock.to_state(),
        "periods": periods,
        "last": Ragged(cycles.last, edges),
        "scale": Ragged.of_rows(cycles.numbers.reshape(n_assets, -1)),
    }

"""What detectors share that compare each feature's latest readings, together, with the windows of training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.charts import largest
from tocsin.detectors.clock import Clock, seasons_of
from tocsin.detectors.ranges import Ranges
from tocsin.errors import DataError, ParameterError
from tocsin.features.settings import check_whole
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

PLAIN = 32
"""The window, in readings, of a feature without a season; of few readings a quarter."""
SHORTEST = 4
"""The shortest window."""


class Cell(NamedTuple):
    """One feature of one asset: what its rows are compared with, and its rows behind those that come before them.

    `rows` are its rows in the panel that a window ends with, `kept` the readings of training that the model has,
    `recent` the rows' readings behind the ``window - 1`` before them (NaN where they do not follow on), and `place` is
    where the first window of `recent` begins in `kept`: before its beginning, if negative, or after its end.
    """

    asset: int
    feature: int
    rows: slice
    window: int
    kept: Floats
    recent: Floats
    place: int


class Windowed(Detector):
    """A detector that says of each feature how unlike any window of training the window is that ends with a row.

    A feature contributes what its own window says. These are no parts of a sum: the largest one is the score. With
    `hindsight` it is the mean of what the windows say that hold a row.
    """

    temporal: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        window: int | None = None,
        keep: int = 2000,
        hindsight: bool = False,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.window = window
        self.keep = keep
        self.hindsight = hindsight
        self.infinite = infinite

    @abstractmethod
    def _compare(self, cells: list[Cell], panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        """Learn from the cells of training: return the state, and what each window says, (n_features, n_rows)."""

    @abstractmethod
    def _units(self, state: Mapping[str, Ragged], panel: Panel) -> Floats:
        """Return what the window of each feature that ends with a row says, shape (n_features, n_rows)."""

    @abstractmethod
    def _limits(self, state: Mapping[str, Ragged], panel: Panel, thresholds: Floats) -> Floats:
        """Return the nearest last value of each feature's window that says no more than a threshold.

        All shapes are (n_features, n_rows); the thresholds are NaN where nothing is asked.
        """

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        window, keep = self._sizes
        if keep < 2 * (window or SHORTEST):
            raise ParameterError(f"keep must be at least two windows, {2 * (window or SHORTEST)} rows, not {keep}")
        if not isinstance(self.hindsight, bool | np.bool_):
            raise ParameterError(f"hindsight must be True or False, not {self.hindsight!r}")

    @property
    def _sizes(self) -> tuple[int | None, int]:
        """Window and keep, checked, as Python's own numbers."""
        window = None if self.window is None else check_whole("window", self.window, SHORTEST)
        return window, check_whole("keep", self.keep, 1)

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn one model from a matrix of shape (n_rows, n_features); see `Detector.fit`.

        Raises
        ------
        DataError
            If a window is given and there are fewer than two of it.
        """
        self.check_parameters()
        rows, window = np.shape(X)[0] if np.ndim(X) else 0, self._sizes[0]
        if window is not None and 0 < rows < 2 * window:
            raise DataError(
                f"window={window} needs at least {2 * window} rows to learn from, and X has {rows}; "
                f"give more rows or a shorter window"
            )
        return super().fit(X, y)

    def remarks(self, models: Models) -> dict[str, int]:
        """Return of how many assets there were too few readings to compare, and how long windows are of how many."""
        windows = models.state["windows"].values.reshape(len(models), -1)
        none = int((windows == 0).all(axis=1).sum())
        if self.window is not None:
            return {f"too few readings for two windows of {self.window}; scored 0": none} if none else {}
        kinds, counts = np.unique(np.concatenate([np.unique(own) for own in windows]), return_counts=True)
        said = {f"windows of {kind} readings are compared": int(n) for kind, n in zip(kinds, counts, strict=True)}
        said.pop("windows of 0 readings are compared", None)
        return said | ({f"fewer than {4 * SHORTEST} readings, too few to compare; scored 0": none} if none else {})

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        clock, keep = Clock.learn(panel), self._sizes[1]
        windows = self._windows(panel)
        cells, series = [], []
        for asset, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
            rows, early = panel.values[:, first:last], max(int(last - first) - keep, 0)
            series.append(rows[:, early:].reshape(-1))
            for feature in np.flatnonzero(windows[asset]):
                values, window = rows[feature].astype(np.float64), int(windows[asset, feature])
                ends = slice(int(first) + window - 1, int(last))
                cells.append(Cell(asset, int(feature), ends, window, values[early:], values, -early))
        found, units = self._compare(cells, panel)
        lengths = np.minimum(np.diff(panel.offsets), keep) * panel.n_features
        state = {
            "clock": clock.after(panel, clock.ticks(panel)).to_state(),
            "windows": Ragged.of_rows(windows),
            "series": Ragged(
                np.concatenate([*series, np.empty(0, panel.values.dtype)]),
                np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            ),
        }
        if self.hindsight:
            _spread(units, windows, panel)
        return {**state, **found, **Ranges.learn(panel).to_state()}, largest(units, 0)[0]

    def _windows(self, panel: Panel) -> NDArray[np.int64]:
        """Return how many readings of each feature of each asset are compared together; 0 if there are too few."""
        window, keep = self._sizes
        counts = np.diff(panel.offsets)
        rows, shape = np.minimum(counts, keep)[:, None], (panel.n_assets, panel.n_features)
        if window is not None:
            return np.broadcast_to(np.where(2 * window <= rows, window, 0), shape).copy()
        periods = seasons_of(panel, np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], counts), None).periods
        chosen = np.where((periods >= SHORTEST) & (periods <= rows // 2), periods, np.minimum(PLAIN, rows // 4))
        return np.where(rows < 4 * SHORTEST, 0, chosen)

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        return largest(self._said(state, panel), top)

    def _said(self, state: Mapping[str, Ragged], panel: Panel) -> Floats:
        """Return what is said of each value, shape (n_features, n_rows)."""
        units = self._units(state, panel)
        if self.hindsight:
            _spread(units, state["windows"].values.reshape(-1, panel.n_features), panel)
        return units

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        features = contributions.feature
        thresholds = models.threshold[panel.asset_of_row]
        over = self._said(models.state, panel) > thresholds
        named = np.zeros(panel.values.shape, np.bool_)
        rows, places = np.nonzero(features >= 0)
        named[features[rows, places], rows] = True
        asked = over & (over.sum(axis=0) == 1) & named & (not self.hindsight)
        limit = self._limits(models.state, panel, np.where(asked, thresholds, np.nan))
        above = np.zeros(panel.values.shape, np.bool_)
        for cell in cells_of(models.state, panel):
            heads = np.lib.stride_tricks.sliding_window_view(cell.recent[:-1], cell.window - 1)
            above[cell.feature, cell.rows] = panel.values[cell.feature, cell.rows] > heads.mean(axis=1)
        named_feature, row = np.maximum(features, 0), np.arange(panel.n_rows)[:, None]
        ranges = Ranges.from_state(models.state)
        return ranges.evidence(
            panel, contributions, limit[named_feature, row], above[named_feature, row] & (features >= 0)
        )


def cells_of(state: Mapping[str, Ragged], panel: Panel) -> Iterator[Cell]:
    """Yield all cells that have rows and can be compared."""
    clock, width = Clock.of_state(state), panel.n_features
    ticks = clock.ticks(panel)
    windows = state["windows"].values.reshape(-1, width)
    for asset in np.flatnonzero(np.diff(panel.offsets)):
        first, last = int(panel.offsets[asset]), int(panel.offsets[asset + 1])
        series, edges = state["series"].values, state["series"].offsets[asset : asset + 2]
        kept = series[edges[0] : edges[1]].reshape(width, -1).astype(np.float64)
        follows = 0 <= ticks[first] - clock.following[asset] <= 1
        for feature in np.flatnonzero(windows[asset]):
            window, values = int(windows[asset, feature]), kept[feature]
            before = values[len(values) - window + 1 :] if follows else np.full(window - 1, np.nan)
            recent = np.concatenate([before, panel.values[feature, first:last].astype(np.float64)])
            place = len(values) - window + 1 if follows else len(values) + window
            yield Cell(int(asset), int(feature), slice(first, last), window, values, recent, place)


def _spread(units: Floats, windows: NDArray[np.int64], panel: Panel) -> None:
    """Replace what the window that ends with each row says by the mean over all that hold it; what is not there is 0.

    `windows`, shape (n_assets, n_features), are their lengths. Costs a step for each reading of each window.
    """
    for asset, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
        for feature in np.flatnonzero(windows[asset]):
            window = int(windows[asset, feature])
            said = np.append(units[feature, first:last], np.zeros(window - 1))
            units[feature, first:last] = np.lib.stride_tricks.sliding_window_view(said, window).mean(axis=1)

"""Discord: a feature is anomalous where its latest readings together look like nothing that was seen in training."""

from __future__ import annotations

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
from tocsin.kernels import discord as kernels
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

PLAIN = 32
"""The window, in readings, of a feature without a season; of few readings a quarter."""
SHORTEST = 4
"""The shortest window."""
LEAST = 0.01
"""The least unit: a hundredth of the root mean square of a standardised sub-sequence."""


class Discord(Detector):
    """The distance of each feature's latest readings from the sub-sequence of training that is most like them.

    Sub-sequences of `window` readings are compared less their mean and in units of their own standard deviation, so
    that shape counts and not level: what has no match is a discord (Keogh, Lin and Fu 2005, doi:10.1109/ICDM.2005.79).
    Distances in training are its matrix profile. The score of a row is the largest among its features, of the
    sub-sequences that end with it, each in units of the distance that a share `contamination` of the feature's
    sub-sequences in training passes.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    window : int, optional
        How many readings are compared together, at least 4. By default a cycle, where one is found in a feature, else
        32, and at most a quarter of the readings.
    keep : int, default 2000
        How many of an asset's last training rows a model keeps to compare with.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The distance is the z-normalised Euclidean one of the matrix profile (Yeh et al. 2016, doi:10.1109/ICDM.2016.0179),
    with an exclusion zone of a quarter of a window; constant sub-sequences are alike, and as far from others as
    those of unit deviation are from zero. A later sub-sequence whose standard deviation is beyond those of training is
    taken in units of the nearest that there was: a spike stays a spike, and the noise of a standstill is not blown up
    to a shape.

    Row order matters, and rows are taken as evenly spaced. Rows that are scored follow on from the end of training, by
    their number or, where they have times, if the first one comes at most one sampling interval late; otherwise, and in
    training, the first ``window - 1`` rows have the score 0. A missing value says nothing in the windows that it is in.
    A model is not changed by scoring, and later rows are compared with training alone: a fault stays a fault however
    often it comes.

    A contribution is what the feature's own sub-sequence says; the largest one is the score. The limit of an
    explanation is the nearest last value, tried on the way to the other readings of the window. Usual ranges and tail
    probabilities are those of the feature's single readings.

    Cost: about 1 ns for each pair of a row and one that is kept, to learn and to score: 2 µs a value with 2,000, and
    another 10 to learn if the window is to be found. A model keeps `keep` readings of each feature, 8 bytes each or 4
    in single precision, and a sketch of them all.

    Limits: features are taken one by one. Noise is unlike any other noise: a feature without shape says little. A slow
    drift does not show.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 28)
    >>> flow = 8.0 + 2.0 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0.0, 0.2, len(hours))
    >>> detector = Discord(window=24).fit(flow[:600, None])
    >>> later = flow[600:, None].copy()
    >>> later[31:41] = later[31:41][::-1]  # usual values, in another order
    >>> alerts = detector.predict(later)
    >>> int(alerts[:31].sum()), int(alerts[31:64].sum()), int(alerts[64:].sum())
    (1, 33, 0)
    """

    temporal: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        window: int | None = None,
        keep: int = 2000,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.window = window
        self.keep = keep
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        window, keep = self._sizes
        if keep < 2 * (window or SHORTEST):
            raise ParameterError(f"keep must be at least two windows, {2 * (window or SHORTEST)} rows, not {keep}")

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
        usual, units = np.ones(windows.shape), np.zeros(panel.values.shape)
        series = []
        for asset, (first, last) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
            rows = panel.values[:, first:last]
            series.append(rows[:, -keep:].reshape(-1))
            for feature, values in enumerate(rows.astype(np.float64)):
                if window := int(windows[asset, feature]):
                    found = np.empty(len(values) - window + 1)
                    early = max(len(values) - keep, 0)
                    kernels.distances(values, window, -early, kernels.history(values[early:], window), found)
                    usual[asset, feature] = _usual(found, self.contamination)
                    units[feature, first + window - 1 : last] = np.nan_to_num(found / usual[asset, feature])
        lengths = np.minimum(np.diff(panel.offsets), keep) * panel.n_features
        state = {
            "clock": clock.after(panel, clock.ticks(panel)).to_state(),
            "windows": Ragged.of_rows(windows),
            "usual": Ragged.of_rows(usual),
            "series": Ragged(
                np.concatenate([*series, np.empty(0, panel.values.dtype)]),
                np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            ),
        }
        return {**state, **Ranges.learn(panel).to_state()}, largest(units, 0)[0]

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
        return largest(self._units(state, panel), top)

    def _units(self, state: Mapping[str, Ragged], panel: Panel) -> Floats:
        """Return what the sub-sequence of each feature that ends with a row says, shape (n_features, n_rows)."""
        units = np.zeros(panel.values.shape)
        for cell in _cells(state, panel):
            found = np.empty(len(cell.recent) - cell.window + 1)
            kernels.distances(cell.recent, cell.window, cell.place, cell.past, found)
            units[cell.feature, cell.first : cell.last] = np.nan_to_num(found / cell.usual)
        return units

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        features = contributions.feature
        units, thresholds = self._units(models.state, panel), models.threshold[panel.asset_of_row]
        over = units > thresholds
        alone = over & (over.sum(axis=0) == 1)
        limit, above = np.full(panel.values.shape, np.nan), np.zeros(panel.values.shape, np.bool_)
        for cell in _cells(models.state, panel):
            rows = slice(cell.first, cell.last)
            asked = alone[cell.feature, rows] & (features[rows] == cell.feature).any(axis=1)
            heads = np.lib.stride_tricks.sliding_window_view(cell.recent[:-1], cell.window - 1)
            above[cell.feature, rows] = panel.values[cell.feature, rows] > heads.mean(axis=1)
            wanted, found = np.where(asked, thresholds[rows], np.nan), np.empty(len(heads))
            if asked.any():
                kernels.limits(cell.recent, cell.window, cell.place, cell.past, wanted, cell.usual, found)
                limit[cell.feature, rows] = found
        named, row = np.maximum(features, 0), np.arange(panel.n_rows)[:, None]
        ranges = Ranges.from_state(models.state)
        return ranges.evidence(panel, contributions, limit[named, row], above[named, row] & (features >= 0))


class Cell(NamedTuple):
    """One feature of one asset: what its rows are compared with, and its rows behind those that come before them."""

    feature: int
    first: int
    last: int
    window: int
    usual: float
    past: kernels.History
    recent: Floats
    place: int


def _cells(state: Mapping[str, Ragged], panel: Panel) -> Iterator[Cell]:
    """Yield all cells that have rows and can be compared."""
    clock, width = Clock.of_state(state), panel.n_features
    ticks = clock.ticks(panel)
    windows, usual = (state[name].values.reshape(-1, width) for name in ("windows", "usual"))
    for asset in np.flatnonzero(np.diff(panel.offsets)):
        first, last = panel.offsets[asset], panel.offsets[asset + 1]
        series, edges = state["series"].values, state["series"].offsets[asset : asset + 2]
        kept = series[edges[0] : edges[1]].reshape(width, -1).astype(np.float64)
        follows = 0 <= ticks[first] - clock.following[asset] <= 1
        for feature in np.flatnonzero(windows[asset]):
            window, values = int(windows[asset, feature]), kept[feature]
            before = values[len(values) - window + 1 :] if follows else np.full(window - 1, np.nan)
            recent = np.concatenate([before, panel.values[feature, first:last].astype(np.float64)])
            place = len(values) - window + 1 if follows else len(values) + window
            past = kernels.history(values, window)
            yield Cell(int(feature), int(first), int(last), window, usual[asset, feature], past, recent, place)


def _usual(found: Floats, contamination: float) -> float:
    """Return the distance that a share of sub-sequences passes."""
    known = found[~np.isnan(found)]
    return max(float(np.quantile(known, 1.0 - contamination)), LEAST) if len(known) else LEAST

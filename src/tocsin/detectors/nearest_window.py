"""Nearest window: a feature is anomalous where its latest readings, and their steps, are far from all of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.windowed import Cell, Windowed, cells_of
from tocsin.kernels import matches as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

Floats = NDArray[np.float64]

LEAST = 0.01
"""The least distance that is told from none, in standard deviations of the series that is compared."""
TINY = 1e-9
"""The unit of a feature that is constant in training, as a share of its value; steps that vary less do not vary."""
LARGEST = 1e150
"""The largest reading that is told from larger ones."""
FARTHEST = 1e100
"""The most units that a reading is taken to be away; its square is still finite."""


class NearestWindow(Windowed):
    """How far each feature's latest readings are from the window of training that is nearest to them.

    Windows of `window` readings are compared less their mean, in the feature's own units: both shape and amplitude
    count. So are the steps from each reading to the next, in which what is small and quick shows beside what is large
    and slow. Where training's own windows lie far apart a distance says less than where they repeat themselves closely,
    so each is divided by the distance that is usual there. What a window says is the mean of both, each in units of
    what a share `contamination` of the feature's windows in training passes; the score of a row is the largest among
    its features, of the windows that end with it.

    Parameters
    ----------
    contamination : float, default 0.01
        The share of training rows that lies above the threshold, in (0, 0.5].
    window : int, optional
        How many readings are compared together, at least 4. By default a cycle, where one is found in a feature, else
        32, and at most a quarter of the readings.
    keep : int, default 2000
        How many of an asset's last training rows a model keeps to compare with.
    hindsight : bool, default False
        Whether a row is scored by the mean over all windows that hold it, rather than by the one that ends with it. For
        readings of the past: see Notes.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    The distance is the Euclidean one of windows less their mean: the matrix profile without the division by each
    window's own deviation (Akbarinia and Cloez 2019, arXiv:1901.05708), with an exclusion zone of half a window. The
    usual distance at a match is the geometric mean of two: that of the match itself from the window nearest to it in
    training, and the median of these over training. It plays the part of the local density of LOF (Breunig et al. 2000,
    doi:10.1145/342009.335388). Distances below 1 % of a standard deviation of the feature count as so much; those of a
    feature that is constant in training, in units of a billionth of its value.

    Row order matters, and rows are taken as evenly spaced. Rows that are scored follow on from the end of training, by
    their number or, where they have times, if the first one comes at most one sampling interval late; otherwise, and in
    training, the first ``window - 1`` rows have the score 0. A missing value says nothing in the windows that it is in.
    A model is not changed by scoring, and later rows are compared with training alone: a fault stays a fault however
    often it comes.

    A row's score is of the window that ends with it, since nothing later is known in time: it rises late, and stays up
    for a window after the cause has gone. With `hindsight` the rows that most of the conspicuous windows hold score
    highest, which says when it was. A row's score then depends on as many rows after it as well, so that it is not for
    rows that are scored as they come; of a row near the end, the windows that are not complete say 0, and an
    explanation has no limit.

    A contribution is what the feature's own window says; the largest one is the score. The limit of an explanation is
    the nearest last value, tried on the way to the other readings of the window. Usual ranges and tail probabilities
    are those of the feature's single readings.

    Cost: about 2 ns for each pair of a row and one that is kept, to learn and to score: 4 µs a value with 2,000, and
    another 10 to learn if the window is to be found. A model keeps `keep` readings of each feature and twice as many
    distances, 24 bytes each or 12 in single precision, and a sketch of all readings.

    Limits: features are taken one by one. A level is not looked at, only what the readings do about it, and a slow
    drift does not show. What is smoother or rarer than usual without being different is not found. Training must show
    each normal state: what it lacks is anomalous.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 28)
    >>> flow = 8.0 + 2.0 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0.0, 0.2, len(hours))
    >>> detector = NearestWindow(window=24).fit(flow[:600, None])
    >>> later = flow[600:, None].copy()
    >>> later[31:41] = 9.0  # a usual value, but it stands still
    >>> alerts = detector.predict(later)
    >>> int(alerts[:31].sum()), int(alerts[31:64].sum()), int(alerts[64:].sum())
    (0, 33, 0)
    >>> int(detector.set_params(hindsight=True).fit(flow[:600, None]).decision_function(later).argmax())
    39
    """

    def _compare(self, cells: list[Cell], panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        units, gauges = np.zeros(panel.values.shape), [[np.empty(0)] for _ in range(panel.n_assets)]
        for cell in cells:
            said = []
            for look in _looks(cell):
                found, match = look.compare()
                gauge = _gauge(found, match, look, self.contamination)
                gauges[cell.asset].append(gauge)
                said.append(found / gauge[match])
            units[cell.feature, cell.rows] = np.nan_to_num(np.mean(said, axis=0))
        counts = [sum(map(len, own)) for own in gauges]
        values = np.concatenate([each for own in gauges for each in own] or [np.empty(0)]).astype(panel.values.dtype)
        return {"gauges": Ragged(values, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))}, units

    def _units(self, state: Mapping[str, Ragged], panel: Panel) -> Floats:
        units = np.zeros(panel.values.shape)
        for cell, gauges in _gauged(state, panel):
            said = []
            for look, gauge in zip(_looks(cell), gauges, strict=True):
                found, match = look.compare()
                said.append(found / gauge[match])
            units[cell.feature, cell.rows] = np.nan_to_num(np.mean(said, axis=0))
        return units

    def _limits(self, state: Mapping[str, Ragged], panel: Panel, thresholds: Floats) -> Floats:
        limits = np.full(panel.values.shape, np.nan)
        for cell, gauges in _gauged(state, panel):
            rows = np.flatnonzero(~np.isnan(thresholds[cell.feature, cell.rows])).tolist()
            if rows:
                readings, steps = _looks(cell)
                for row in rows:
                    place = cell.rows.start + row
                    # What is carried on from row to row differs from what is tried here by rounding.
                    most = thresholds[cell.feature, place] * (1.0 - 1e-9)
                    found = readings.limit(row, steps, gauges, most)
                    limits[cell.feature, place] = readings.middle + found * readings.unit
        return limits


class Look(NamedTuple):
    """A cell's readings less `middle`, or the steps between these, in `unit`s, and the windows to compare them with."""

    recent: Floats
    middle: float
    unit: float
    history: kernels.Past
    place: int
    zone: int

    def compare(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return how far each window is from the nearest one that is kept, NaN if unknown, and which that is."""
        count = len(self.recent) - self.history.size + 1
        found, match = np.empty(count), np.empty(count, np.int64)
        kernels.distances(self.recent, self.place, self.zone, self.history, found, match)
        return found, match

    def limit(self, row: int, steps: Look, gauges: tuple[Floats, Floats], most: float) -> float:
        """Return the last reading of a row's window, in units, with which it would have said at most so much."""
        end = row + self.history.size - 1
        one = kernels.side(self.recent[row:end], 0.0, 1.0, self.history, gauges[0])
        other = kernels.side(steps.recent[row : end - 1], self.recent[end - 1], steps.unit, steps.history, gauges[1])
        return kernels.limit(self.recent[end], self.place + row, self.zone, one, other, most)


def _looks(cell: Cell) -> tuple[Look, Look]:
    """Return the readings of a cell, and their steps."""
    kept, recent = (np.clip(each, -LARGEST, LARGEST) for each in (cell.kept, cell.recent))
    known = np.sort(kept[~np.isnan(kept)])
    middle = known[len(known) // 2] if len(known) else 0.0
    unit = _deviation(known - middle) or TINY * (abs(middle) or 1.0)
    kept, recent = (np.clip((each - middle) / unit, -FARTHEST, FARTHEST) for each in (kept, recent))
    steps = np.diff(kept)
    wide = _deviation(steps[~np.isnan(steps)])
    wide = wide if wide > TINY else 1.0
    place, zone = cell.place, (cell.window + 1) // 2
    return (
        Look(recent, middle, unit, kernels.past(kept, cell.window), place, zone),
        Look(np.diff(recent) / wide, 0.0, wide, kernels.past(steps / wide, cell.window - 1), place, zone),
    )


def _deviation(values: Floats) -> float:
    """Return the standard deviation of values, exactly 0 of a constant."""
    if not len(values) or values.min() == values.max():
        return 0.0
    most = np.abs(values).max()
    return float(most * np.std(values / most))


def _gauge(found: Floats, match: NDArray[np.int64], look: Look, contamination: float) -> Floats:
    """Return the distance that counts as 1 at each window that is kept."""
    own = np.nan_to_num(found[len(found) - len(look.history.means) :])
    known = ~np.isnan(found)
    typical = max(float(np.median(found[known])), LEAST) if known.any() else LEAST
    local = np.sqrt(typical * np.maximum(own, LEAST))
    usual = np.quantile((found / local[match])[known], 1.0 - contamination) if known.any() else 0.0
    gauge: Floats = local * max(float(usual), LEAST / typical)
    return gauge


def _gauged(state: Mapping[str, Ragged], panel: Panel) -> Iterator[tuple[Cell, tuple[Floats, Floats]]]:
    """Yield all cells that have rows and can be compared, and the distances that count as 1 for both looks."""
    values, offsets = state["gauges"].values, state["gauges"].offsets
    before: tuple[int, int] = (-1, 0)
    for cell in cells_of(state, panel):
        start = before[1] if before[0] == cell.asset else int(offsets[cell.asset])
        middle, end = (start + each * (len(cell.kept) - cell.window + 1) for each in (1, 2))
        before = cell.asset, end
        yield cell, (values[start:middle].astype(np.float64), values[middle:end].astype(np.float64))

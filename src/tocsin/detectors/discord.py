"""Discord: a feature is anomalous where its latest readings together look like nothing that was seen in training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.windowed import Cell, Windowed, cells_of
from tocsin.kernels import discord as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

Floats = NDArray[np.float64]

LEAST = 0.01
"""The least unit: a hundredth of the root mean square of a standardised sub-sequence."""


class Discord(Windowed):
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
    hindsight : bool, default False
        Whether a row is scored by the mean over all windows that hold it, rather than by the one that ends with it. For
        readings of the past: see Notes.
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

    A row's score is of the window that ends with it, since nothing later is known in time: it rises late, and stays up
    for a window after the cause has gone. With `hindsight` the rows that most of the conspicuous windows hold score
    highest, which says when it was. A row's score then depends on as many rows after it as well, so that it is not for
    rows that are scored as they come; of a row near the end, the windows that are not complete say 0, and an
    explanation has no limit.

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

    def _compare(self, cells: list[Cell], panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        usual, units = np.ones((panel.n_assets, panel.n_features)), np.zeros(panel.values.shape)
        for cell in cells:
            found = _distances(cell)
            usual[cell.asset, cell.feature] = _usual(found, self.contamination)
            units[cell.feature, cell.rows] = np.nan_to_num(found / usual[cell.asset, cell.feature])
        return {"usual": Ragged.of_rows(usual)}, units

    def _units(self, state: Mapping[str, Ragged], panel: Panel) -> Floats:
        units, usual = np.zeros(panel.values.shape), state["usual"].values.reshape(-1, panel.n_features)
        for cell in cells_of(state, panel):
            units[cell.feature, cell.rows] = np.nan_to_num(_distances(cell) / usual[cell.asset, cell.feature])
        return units

    def _limits(self, state: Mapping[str, Ragged], panel: Panel, thresholds: Floats) -> Floats:
        limits, usual = np.full(panel.values.shape, np.nan), state["usual"].values.reshape(-1, panel.n_features)
        for cell in cells_of(state, panel):
            wanted, found = thresholds[cell.feature, cell.rows], np.empty(cell.rows.stop - cell.rows.start)
            if not np.isnan(wanted).all():
                past, unit = kernels.history(cell.kept, cell.window), usual[cell.asset, cell.feature]
                kernels.limits(cell.recent, cell.window, cell.place, past, wanted, unit, found)
                limits[cell.feature, cell.rows] = found
        return limits


def _distances(cell: Cell) -> Floats:
    """Return how far each window is from the nearest one that is kept."""
    found = np.empty(len(cell.recent) - cell.window + 1)
    kernels.distances(cell.recent, cell.window, cell.place, kernels.history(cell.kept, cell.window), found)
    return found


def _usual(found: Floats, contamination: float) -> float:
    """Return the distance that a share of sub-sequences passes."""
    known = found[~np.isnan(found)]
    return max(float(np.quantile(known, 1.0 - contamination)), LEAST) if len(known) else LEAST

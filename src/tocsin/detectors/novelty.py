"""Novelty: a feature is anomalous where its value, its level or its course is unlike all that was seen before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.charts import largest
from tocsin.detectors.ranges import Ranges
from tocsin.errors import ParameterError
from tocsin.features.settings import check_whole
from tocsin.kernels import novelty as kernels
from tocsin.kernels.novelty import Asked, Memory
from tocsin.models import Models, Ragged
from tocsin.panel import Contributions, Evidence, Panel

Floats = NDArray[np.float64]

LONGEST = 100_000
"""The most readings that a course may have."""


class Novelty(Detector):
    """How surprisingly far each feature is from the nearest of all that it was before, as readings come.

    Three views of a feature are looked at: its value, its level (the mean of the latest `block` readings) and its
    course (the means of the latest `length` blocks, side by side). Each has a book of what was new in it: a thing is
    written down if it is farther from its nearest entry than nine in ten things before it were. So what resembles
    an entry is neither stored nor new, however long ago that was, and what happens again is not reported again.

    The score is the largest surprise among views and features: minus the decimal logarithm of the share of earlier
    distances in that view that were at least as large. Farther than all of them, twice the distance is half the share.
    A row is an alert if that share is under `contamination`.

    Parameters
    ----------
    contamination : float, default 0.01
        How rare a distance must be for an alert, in (0, 0.5]: as a share of the distances that there were before.
    block : int, default 16
        How many readings make a level, from 2.
    length : int, default 8
        How many blocks make a course, from 2.
    keep : int, default 256
        How many entries each book has room for, from 2; beyond it the oldest are forgotten.
    rest : int, optional
        For how many rows after an alert an asset gives no other one, from 0. None is for as long as a reading stays in
        a course, ``block * length`` rows, and at most a fifth of the training rows.
    infinite : {"error", "missing"}, default "error"
        Whether infinite readings are refused or taken as missing.

    Notes
    -----
    A thing is compared only with what does not overlap it. Distances are Euclidean, in standard deviations of the
    feature in training, and are counted in classes a twelfth of their size wide. Training fills the books first, and
    then counts distances in a second walk, in which things are compared with later ones, too: as long as books are
    short, all is new.

    To score by the distance from what was seen before, ranked among earlier such distances, is conformal anomaly
    detection (Laxhammar and Falkman 2014, doi:10.1109/TPAMI.2013.172; of windows of a stream: Burnaev and Ishimtsev
    2016, arXiv:1608.04585, with the same rest). To learn only what nothing learned resembles is adaptive resonance
    (Carpenter and Grossberg 1987, doi:10.1016/S0734-189X(87)80014-2). There is no forecast: of noisy streams a forecast
    errs often, and each of its errors is an alarm.

    Row order matters. Rows that are scored follow on from those that were learned, and are themselves learned on the
    way: a row's score depends on its asset's model and earlier rows in the same call, and scoring a batch, updating
    with it and scoring the next is as scoring both at once. A model is not changed by scoring. While an asset rests,
    its scores are at most the threshold; training ends such a rest. A missing value is as if its row had not been.

    A feature contributes its own surprise; these are no parts of a sum: the largest one is the score. The limit of an
    explanation is the nearest value on the way to the median that would have been no alert. Usual ranges and tail
    probabilities are those of the feature's readings.

    Cost: about 1.5 µs a value to score and to update, twice that to train. A model keeps some 18 KB a feature, however
    long the stream is.

    Limits: features are taken one by one. A slow drift makes new levels all along, and they are alerts now and then.
    What goes on for long is not new any more; a fault that comes back as it was is no second alert.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> load = np.where(np.arange(3000) // 100 % 3 == 0, 5.0, 9.0) + rng.normal(0.0, 0.2, 3000)  # two usual levels
    >>> load[2500:2520] = 7.0 + rng.normal(0.0, 0.2, 20)  # never seen, between them
    >>> detector = Novelty().fit(load[:2000, None])
    >>> np.flatnonzero(detector.predict(load[2000:, None])).tolist()
    [500]
    """

    incremental: ClassVar[bool] = True
    temporal: ClassVar[bool] = True

    def __init__(
        self,
        contamination: float = 0.01,
        *,
        block: int = 16,
        length: int = 8,
        keep: int = 256,
        rest: int | None = None,
        infinite: Literal["error", "missing"] = "error",
    ) -> None:
        self.contamination = contamination
        self.block = block
        self.length = length
        self.keep = keep
        self.rest = rest
        self.infinite = infinite

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        span = check_whole("block", self.block, 2, most=LONGEST) * check_whole("length", self.length, 2, most=LONGEST)
        if span > LONGEST:
            raise ParameterError(f"block times length must be at most {LONGEST} readings, not {span}")
        check_whole("keep", self.keep, 2, most=1_000_000)
        if self.rest is not None:
            check_whole("rest", self.rest, 0, most=2**31 - 1)

    def remarks(self, models: Models) -> dict[str, int]:
        """Return of how many assets there were too few readings to compare courses."""
        span = self.block * self.length
        short = int((models.state["seen"].values.reshape(len(models), -1) < 2 * span).any(axis=1).sum())
        return {f"fewer than {2 * span} readings; courses are compared once there are so many": short} if short else {}

    def update_panel(self, models: Models, panel: Panel, *, before: float = np.inf) -> Models:
        """Learn from new rows without the old ones; thresholds stay. See `Detector.update_panel`."""
        return replace(super().update_panel(models, panel, before=before), threshold=models.threshold)

    @property
    def _threshold(self) -> float:
        return float(-np.log10(self.contamination))

    def _thresholds(self, state: Mapping[str, Ragged], panel: Panel, scores: Floats, usual: Floats) -> Floats:
        return np.full(panel.n_assets, self._threshold)

    def _nothing(self, panel: Panel) -> Memory:
        """Return the memory of cells that know nothing."""
        cells, views = panel.n_assets * panel.n_features, kernels.VIEWS
        return Memory(
            place=np.zeros((cells, 2)),
            seen=np.zeros((cells, 1), np.int64),
            readings=np.zeros((cells, self.block)),
            levels=np.zeros((cells, self.block * self.length)),
            books=np.zeros((cells, 2 + self.length, self.keep), np.float32),
            marks=np.full((cells, views, self.keep), kernels.NEVER, np.int32),
            written=np.zeros((cells, views), np.int64),
            reached=np.zeros((cells, views, kernels.CLASSES), np.uint32),
        )

    def _memory(self, state: Mapping[str, Ragged]) -> Memory:
        """Return a copy of what is known, to go on with."""
        views, keep = kernels.VIEWS, self.keep
        shapes: dict[str, tuple[int, ...]] = {
            "place": (2,),
            "seen": (1,),
            "readings": (self.block,),
            "levels": (self.block * self.length,),
            "books": (2 + self.length, keep),
            "marks": (views, keep),
            "written": (views,),
            "reached": (views, kernels.CLASSES),
        }
        return Memory(**{name: state[name].values.reshape(-1, *shape).copy() for name, shape in shapes.items()})

    def _follow(self, memory: Memory, panel: Panel, asked: Asked | None = None) -> Floats:
        """Let memories go on over the rows of a panel, and return how surprising each value is."""
        surprises, none = np.empty(panel.values.shape), np.empty((panel.n_features, 0))
        kernels.follow(panel.values, panel.offsets, True, memory, asked or Asked(none, np.empty(0), none), surprises)
        return surprises

    def _rested(
        self, surprises: Floats, panel: Panel, resting: NDArray[np.int64], top: int | None
    ) -> tuple[Floats, Contributions]:
        """Return scores and contributions; `resting` is how long each asset rests and still does, and goes on."""
        scores, contributions = largest(surprises, top)
        kernels.silence(scores, panel.offsets, self._threshold, resting)
        return scores, contributions

    def _learn(self, panel: Panel) -> tuple[dict[str, Ragged], Floats]:
        memory, counts = self._nothing(panel), np.diff(panel.offsets)
        usual = np.minimum(self.block * self.length, counts // 5)
        resting = np.zeros((panel.n_assets, 2), np.int64)
        resting[:, 0] = usual if self.rest is None else self.rest
        surprises = np.empty(panel.values.shape)
        kernels.begin(panel.values, panel.offsets, memory, surprises)
        scores, _ = self._rested(surprises, panel, resting, 0)
        resting[:, 1] = 0
        return {**_entries(memory, resting), **Ranges.learn(panel).to_state()}, scores

    def _score(
        self, state: Mapping[str, Ragged], panel: Panel, top: int | None, *, learned: bool = False
    ) -> tuple[Floats, Contributions]:
        return self._rested(self._follow(self._memory(state), panel), panel, _resting(state), top)

    def _absorb(self, state: Mapping[str, Ragged], panel: Panel, weights: Floats, scales: Floats) -> dict[str, Ragged]:
        memory, resting = self._memory(state), _resting(state)
        self._rested(self._follow(memory, panel), panel, resting, 0)
        ranges = Ranges.from_state(state).absorb(panel, weights, scales, self._slack())
        return {**_entries(memory, resting), **ranges.to_state(at_grid=False)}

    def _evidence(self, models: Models, panel: Panel, contributions: Contributions) -> Evidence:
        state, features, ranges = models.state, contributions.feature, Ranges.from_state(models.state)
        surprises = self._follow(self._memory(state), panel)
        scores, _ = self._rested(surprises, panel, _resting(state), 0)
        over = surprises > self._threshold
        wanted = over & (over.sum(axis=0) == 1) & (scores > self._threshold)
        asked = Asked(
            np.where(wanted, self._threshold, np.nan), ranges.medians().reshape(-1), np.full(over.shape, np.nan)
        )
        if wanted.any():
            self._follow(self._memory(state), panel, asked)
        limit = asked.found[np.maximum(features, 0), np.arange(panel.n_rows)[:, None]]
        return ranges.evidence(panel, contributions, np.where(features >= 0, limit, np.nan))


def _entries(memory: Memory, resting: NDArray[np.int64]) -> dict[str, Ragged]:
    """Return the state, one entry an asset."""
    n_assets = len(resting)
    known = {
        name: Ragged.of_rows(array.reshape(n_assets, array.size // n_assets if n_assets else 0))
        for name, array in memory._asdict().items()
    }
    return {**known, "resting": Ragged.of_rows(resting)}


def _resting(state: Mapping[str, Ragged]) -> NDArray[np.int64]:
    """Return for how many rows each asset rests after an alert and for how many it still does, (n_assets, 2)."""
    return state["resting"].values.reshape(-1, 2).copy()

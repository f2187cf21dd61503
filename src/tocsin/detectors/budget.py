"""Alarms of a whole fleet held to a stated number a day, however many assets it has and whatever they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector, is_number
from tocsin.detectors.calibration import Calibration
from tocsin.errors import ParameterError
from tocsin.kernels import budget as kernels
from tocsin.kernels.budget import LEVELS, STEP, Rule, Watch
from tocsin.models import Models

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
EPOCH = DAY / 144
"""How long the first epoch is taken to be."""
LONGEST = DAY / 24
"""As how long an epoch counts at the most: a stream that stood still has not been quiet."""
UNITS = {"minute": 1440.0, "hour": 24.0, "day": 1.0, "week": 1 / 7, "month": 1 / 30}
MEMORY = 2.0
"""Days after which what opened counts half."""
BELIEF = 1 / 24
"""Days of alarms that what training says is worth."""
PATIENCE, ALARMS = 1.0, 4.0
"""Over how many days a surplus is paid back, or over how many alarms' worth of days if that is longer."""
DEBT, SAVINGS = 2.0, 1.0
"""The most that a surplus raises the limit and a deficit lowers it, in nats."""
BELOW = 6.0
"""How far below the first limit peaks are counted, in nats."""
LOWEST = 1.0
"""The lowest evidence from which peaks are counted, in nats."""
PLAIN = 5.0
"""An alarm is plain where chance exceeds its evidence but once in exp(PLAIN) alarms."""
GRACE, BURST = 0.25, 3.0
"""What share of a day's budget may be spared, and is charged for one epoch at the most, but so many alarms at least."""
SURGE = 4.0
"""How many times as many openings as usual an epoch may add to what is known of each level, and `BURST` more."""
SHARE = 3, 4.0
"""How many alarms an asset may open a day: so many, and so many times its part of the budget."""
OWN = 30.0
"""How many rows of the tail make an asset's own scale weigh as much as the fleet's."""
BENT = 0.5
"""The largest shape of a tail."""
GROWTH, SOON, LATE = 10, 16, 512
"""A tail is read anew when a model has learned a tenth more rows, but at least and at most so many."""


class Judgement(NamedTuple):
    """What is to be made of rows.

    Parameters
    ----------
    alert : ndarray of shape (n_rows,), bool
        Whether the row is over the limit.
    opens : ndarray of shape (n_rows,), bool
        Whether it is the first row of an alarm. Further rows over the limit belong to the asset's latest one.
    evidence : ndarray of shape (n_rows,), float64
        -log of how rare so high a score is for the asset, in nats; 0 below the median.
    """

    alert: NDArray[np.bool_]
    opens: NDArray[np.bool_]
    evidence: Floats


@dataclass(slots=True)
class _Course:
    """What the fleet has done so far, and by what its rows are judged now."""

    ratio: float = 1.1
    shape: float = 0.0
    pooled: float = 1.0
    floor: float = LOWEST
    limit: float = np.inf
    slope: float = 1.0
    days: float = 0.0
    surplus: float = 0.0
    grace: float = 0.0
    assets: float = 0.0
    alarms: float = 0.0
    charged: float = 0.0
    owed: float = 0.0


class Budget:
    """Alarms as people see them, held to so many false ones a day for a whole fleet.

    An alarm opens with a row whose evidence is over the limit, and lasts until its asset has had no such row for
    `quiet` seconds. The evidence of a row is how rare so high a score is for its own asset, in nats, extrapolated
    beyond what the asset's model has seen. One limit holds for all assets. It changes only at epochs, and depends only
    on rows judged before.

    Parameters
    ----------
    per_day : float
        How many false alarms there may be a day, for all assets together.
    quiet : float, default 3600
        After how many seconds without a row over the limit an alarm is over.

    Notes
    -----
    The limit has two parts. One looks ahead: how many alarms each of 256 limits would have opened in the last days is
    counted as rows come, beginning with what training leads to expect, and extrapolated from where alarms are many to
    where they are as rare as the budget. The other looks back: what came too much or too little is made up for in the
    coming day, as in adaptive conformal inference (Gibbs and Candes 2021, arXiv:2106.00170) and, with both parts,
    conformal PID control (Angelopoulos et al. 2023, arXiv:2307.16895). So the number comes true in the long run even
    where p-values are wrong, scores depend on each other, or the fleet drifts.

    Faults are no reason to look away. An alarm that is confirmed as real is not charged to the budget, and neither is
    one so far out that chance would open less than one in a hundred like it, as long as these are at most a quarter of
    the budget. All that opens within one epoch is charged as a quarter of a day's alarms at the most. An asset opens
    few alarms a day: what comes after them belongs to its last one.

    A budget is no quota: few assets cannot open any number of alarms, since each must have been quiet in between.

    Cost: 10 ns a row and 20 ns an asset in each call, 180 bytes an asset, and 0.05 ms an epoch.

    Raises
    ------
    ParameterError
        If a number is not above 0.

    Examples
    --------
    >>> from tocsin import ECOD, Panel
    >>> X = np.random.default_rng(0).normal(size=(2000, 3))
    >>> detector = ECOD(extrapolate=True)
    >>> models, _ = detector.fit_panel(Panel.of_matrix(X))
    >>> budget = Budget.of("5/day")
    >>> budget.begin(detector, models, rows_per_day=1440)
    >>> new = Panel.of_matrix([[0.1, 0.2, 0.3], [9.0, 9.0, 9.0]])
    >>> times = np.array([0, 60_000_000_000])
    >>> scores, _ = detector.score_panel(models, new)
    >>> budget.judge(np.array([0]), models, new.offsets, times, scores.score).opens.tolist()
    [False, True]
    """

    def __init__(self, per_day: float, quiet: float = 3600.0) -> None:
        for name, value in (("the budget", per_day), ("quiet", quiet)):
            if not (is_number(value) and 0.0 < value < 1e9):
                raise ParameterError(f"{name} must be a number above 0, not {value!r}")
        self.per_day, self.quiet = float(per_day), float(quiet)
        self._course = _Course()
        self._watch, self._slots = _unknown(0), 0
        self._opened = np.zeros(LEVELS + 1)
        self._levels, self._counts = np.zeros(LEVELS + 1, np.int64), np.zeros(2, np.int64)
        self._corrected, self._proved, self._epoch = 0, 0, kernels.NEVER
        self._rule = self._ruled()

    @classmethod
    def of(cls, text: str, quiet: float = 3600.0) -> Self:
        """Read a budget as people write it: ``"20/day"``, ``"3/hour"``, ``"0.5/week"``; a bare number is a day's.

        Raises
        ------
        ParameterError
            If it reads otherwise.
        """
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(?:(?:/|per)\s*([a-z]+?)s?)?\s*", text.lower())
        if found is None or (found[2] or "day") not in UNITS or not float(found[1]) > 0.0:
            raise ParameterError(f"no budget {text!r}; write a number and a time, such as 20/day, 3/hour or 1/week")
        return cls(float(found[1]) * UNITS[found[2] or "day"], quiet)

    # Learning and judging --------------------------------------------------------------------------------------------

    def begin(self, detector: Detector, models: Models, *, rows_per_day: float, slots: Ints | None = None) -> None:
        """Start from what training says of the scores of all assets.

        May be called again when models are replaced: tails are then read anew, and the limit goes on from where it is.

        Parameters
        ----------
        detector : Detector
            Whose scores will be judged.
        models : Models
            Of all assets.
        rows_per_day : float
            How many rows of all assets together are expected a day. Only the first hours rest on it.
        slots : ndarray of shape (n_assets,), int64, optional
            The place of each asset; by default in their order.

        Raises
        ------
        ParameterError
            If that is no number above 0.
        """
        if not (is_number(rows_per_day) and 0.0 < rows_per_day < np.inf):
            raise ParameterError(f"rows_per_day must be a number above 0, not {rows_per_day!r}")
        course, n_assets = self._course, len(models)
        course.ratio = detector._rank_ratio()
        slots = np.arange(n_assets) if slots is None else slots
        self._grow(int(slots.max(initial=-1)) + 1)
        tails, bends = self._read(models, np.arange(n_assets))
        spread = tails[:, kernels.START] - tails[:, kernels.MEDIAN]
        told = (spread > 0.0) & np.isfinite(tails[:, kernels.SCALE])
        own, bends = tails[told, kernels.SCALE] / spread[told], bends[np.isfinite(bends)]
        course.pooled = float(np.median(own)) if len(own) else 1.0
        bend = float(np.mean(bends)) if len(bends) else 0.25
        course.shape = min(max(2.0 - 1.0 / max(1.0 - 2.0 * bend, 0.1), 0.0), BENT)
        self._put(slots, tails, models.rows)
        course.assets = float(n_assets)
        if not np.isfinite(course.limit):
            rare = np.log(rows_per_day / self.per_day)
            course.floor = float(STEP * np.floor(max(rare - BELOW, LOWEST) / STEP))
            self._opened = BELIEF * rows_per_day * np.exp(-STEP * np.arange(LEVELS + 1.0))
            course.days = BELIEF
            self._set_limit()
        self._rule = self._ruled()

    def judge(self, slots: Ints, models: Models, offsets: Ints, times: Ints, scores: Floats) -> Judgement:
        """Judge rows of some assets, each in order of time, and remember what they say.

        Parameters
        ----------
        slots : ndarray of shape (n_assets,), int64
            The place of each asset, once in each call; new places make room for themselves.
        models : Models
            Of these assets, in the same order. Tails are read anew as they learn.
        offsets : ndarray of shape (n_assets + 1,), int64
            Asset ``i`` has the rows ``offsets[i]:offsets[i + 1]``.
        times : ndarray of shape (n_rows,), int64
            Nanoseconds.
        scores : ndarray of shape (n_rows,), float64
            NaN says nothing.
        """
        if len(slots):
            self._grow(int(slots.max()) + 1)
        before = self._watch.rows[slots]
        step = np.clip(before // GROWTH, SOON, LATE)
        due = np.flatnonzero((before < 0) | (models.rows < before) | (models.rows >= before + step))
        if len(due):
            self._put(slots[due], self._read(models, due)[0], models.rows[due])
        n_rows = len(scores)
        found = Judgement(np.empty(n_rows, np.bool_), np.empty(n_rows, np.bool_), np.empty(n_rows))
        kernels.judge(slots, offsets, times, scores, self._watch, self._rule, self._levels, self._counts, *found)
        return found

    def epoch(self, now: int) -> None:
        """Set the limit anew from all rows judged so far; called when the fleet's newest event time passes a mark.

        Parameters
        ----------
        now : int
            The mark, in nanoseconds.
        """
        course = self._course
        passed = EPOCH if self._epoch == kernels.NEVER else min(max(now - self._epoch, 0), LONGEST)
        days = passed / DAY
        kept = 0.5 ** (days / MEMORY)
        usual = self._opened * (days / course.days) if course.days else self._opened
        new = np.minimum(np.cumsum(self._levels), BURST + SURGE * usual)
        self._opened = self._opened * kept + new
        course.days = course.days * kept + days
        self._charge(days, kept)
        course.assets = float(np.count_nonzero(self._watch.rows >= 0))
        self._levels[:], self._counts[:] = 0, 0
        self._corrected, self._proved, self._epoch = 0, 0, now
        self._set_limit()
        self._rule = self._ruled()

    def confirm(self, slot: int, time: int, *, real: bool) -> bool:
        """Say whether an asset's latest alarm was real; return whether `time` lies in it, else nothing changes.

        A real one is not charged to the budget, one that was false is.
        """
        watch = self._watch
        known = 0 <= slot < self._slots and watch.charge[slot] != kernels.UNUSED
        if not known or not watch.began[slot] <= time <= watch.last[slot] + int(self.quiet * SECOND):
            return False
        before = int(watch.charge[slot])
        if real:
            self._corrected -= before in (kernels.CHARGED, kernels.FALSE)
            self._proved += before == kernels.SPARED
        else:
            self._corrected += before in (kernels.SPARED, kernels.REAL)
        watch.charge[slot] = kernels.REAL if real else kernels.FALSE
        return True

    # What it knows ---------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> float:
        """The evidence over which a row is an alert, in nats."""
        return self._course.limit

    def by_chance(self, evidence: Floats) -> Floats:
        """Return how many alarms a day so far out chance is expected to open in the whole fleet."""
        course = self._course
        return self.per_day * np.exp(-course.slope * (evidence - course.limit))

    @property
    def false_share(self) -> float:
        """The share of false ones among the alarms of the last days, at the most: those that are charged; 0 of none."""
        return min(self._course.charged / max(self._course.alarms, 1.0), 1.0)

    # State -----------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that it knows as plain arrays: those of `of_slots` for all slots, and those of `shared`."""
        return {**self.of_slots(np.arange(self._slots)), **self.shared()}

    def of_slots(self, slots: Ints) -> dict[str, NDArray[Any]]:
        """Return what is known of some assets, arrays with one row each; nothing else of it changes in `judge`."""
        self._grow(int(slots.max(initial=-1)) + 1)
        return {name: array[slots] for name, array in self._watch._asdict().items()}

    def shared(self) -> dict[str, NDArray[Any]]:
        """Return what is known of the fleet; some 4 KB."""
        course = {f"course_{name}": np.array([getattr(self._course, name)]) for name in _Course.__slots__}
        rule = {f"rule_{name}": np.array([value]) for name, value in self._rule._asdict().items()}
        whole = np.array([self._corrected, self._proved, self._epoch], np.int64)
        counted = {"opened": self._opened, "levels": self._levels, "counts": self._counts, "whole": whole}
        return {**course, **rule, **{name: array.copy() for name, array in counted.items()}}

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]], per_day: float, quiet: float = 3600.0) -> Self:
        """Undo `state`; a budget that has changed holds from the next epoch on."""
        made = cls(per_day, quiet)
        made.put_slots(np.arange(len(state["rows"])), state)
        made.put_shared(state)
        return made

    def put_slots(self, slots: Ints, known: Mapping[str, NDArray[Any]]) -> None:
        """Undo `of_slots`."""
        self._grow(int(slots.max(initial=-1)) + 1)
        for name, array in self._watch._asdict().items():
            array[slots] = known[name]

    def put_shared(self, known: Mapping[str, NDArray[Any]]) -> None:
        """Undo `shared`."""
        self._course = _Course(**{name: float(known[f"course_{name}"][0]) for name in _Course.__slots__})
        self._opened = np.array(known["opened"])
        self._levels, self._counts = np.array(known["levels"]), np.array(known["counts"])
        self._corrected, self._proved, self._epoch = (int(value) for value in known["whole"])
        self.rule = {name: known[f"rule_{name}"][0].item() for name in Rule._fields}

    @property
    def rule(self) -> dict[str, Any]:
        """By what rows are judged until the next epoch; may be set, to judge rows again as they were."""
        return self._rule._asdict()

    @rule.setter
    def rule(self, rule: Mapping[str, Any]) -> None:
        self._rule = Rule(**rule)

    # Parts -----------------------------------------------------------------------------------------------------------

    @property
    def _bearable(self) -> float:
        """How many alarms of surplus raise the limit by a nat of rarity."""
        return max(self.per_day * PATIENCE, ALARMS)

    def _charge(self, days: float, kept: float) -> None:
        """Charge the alarms of an epoch to the budget.

        Plain ones are spared while there is grace, and are `owed` beyond; those that are proved real give it back.
        """
        course, most = self._course, max(GRACE * self.per_day, 1.0)
        opened, waived = (int(count) for count in self._counts)
        settled = min(float(self._proved), course.owed)
        course.grace = min(course.grace + GRACE * self.per_day * days + self._proved - settled, most)
        spared = min(float(waived), course.grace)
        course.grace -= spared
        course.owed = (course.owed - settled) * kept + waived - spared
        charged = opened - spared
        due = min(charged, max(GRACE * self.per_day, BURST)) + self._corrected - settled - self.per_day * days
        course.surplus = min(max(course.surplus + due, -SAVINGS * self._bearable), DEBT * self._bearable)
        course.alarms = course.alarms * kept + opened
        course.charged = max(course.charged * kept + charged + self._corrected - settled, 0.0)

    def _set_limit(self) -> None:
        course = self._course
        rate = self.per_day * np.exp(-course.surplus / self._bearable)
        course.limit, course.slope = kernels.seek(self._opened, course.days, round(course.floor / STEP), rate)

    def _ruled(self) -> Rule:
        course = self._course
        fair = self.per_day / max(course.assets, 1.0)
        return Rule(
            shape=course.shape,
            floor=course.floor,
            limit=course.limit,
            plain=course.limit + PLAIN / course.slope,
            quiet=int(self.quiet * SECOND),
            most=SHARE[0] + int(np.ceil(SHARE[1] * fair)),
            day=DAY,
        )

    def _read(self, models: Models, assets: Ints) -> tuple[Floats, Floats]:
        """Return the tails of some of the models, as they are."""
        own = models.take(assets)
        sketches = Calibration.from_state(own.state, own.threshold, self._course.ratio).sketches
        tails, bends = np.empty((len(assets), 4)), np.empty(len(assets))
        kernels.fit_tails(sketches.cells, np.arange(len(assets)), tails, bends)
        return tails, bends

    def _put(self, slots: Ints, tails: Floats, rows: Ints) -> None:
        """Keep tails, their scales drawn towards what is usual in the fleet, the more so the fewer rows they have."""
        usual = self._course.pooled * (tails[:, kernels.START] - tails[:, kernels.MEDIAN])
        own, weight = tails[:, kernels.SCALE], np.maximum(kernels.TAIL * rows, kernels.FEWEST)
        drawn = np.where(np.isnan(own), usual, (weight * own + OWN * usual) / (weight + OWN))
        least = kernels.FLAT * np.maximum(np.abs(tails[:, kernels.START]), 1.0)
        tails[:, kernels.SCALE] = np.maximum(drawn * (1.0 - self._course.shape), least)
        self._watch.tails[slots], self._watch.rows[slots] = tails, rows

    def _grow(self, slots: int) -> None:
        """Make room for so many assets, and for more to come."""
        self._slots, have = max(self._slots, slots), len(self._watch.rows)
        if slots > have:
            more = _unknown(max(slots, have * 5 // 4 if have else slots) - have)
            self._watch = Watch(*(np.concatenate(pair) for pair in zip(self._watch, more, strict=True)))


def _unknown(slots: int) -> Watch:
    """Return what is known of assets before their first row."""
    never = np.full(slots, kernels.NEVER)
    tails = np.full((slots, 4), np.nan)
    peaks, when = np.zeros((slots, kernels.KEPT)), np.full((slots, kernels.KEPT), kernels.NEVER)
    zeros = np.zeros(slots, np.int64)
    return Watch(tails, zeros - 1, peaks, when, never, never.copy(), zeros, never.copy(), zeros.copy())

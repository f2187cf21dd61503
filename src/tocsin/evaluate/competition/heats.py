"""Who is held on how much: all on everything, or with a budget of time in heats, the better ones on ever more assets.

The heats are successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943) by thirds, but for as long as there is
time for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.competition.contestants import Contestant
from tocsin.evaluate.competition.trials import Arena, Trial, hold
from tocsin.fleet.pipeline import Asked
from tocsin.panel import Panel

Tell = Callable[[str, int, int], None]
"""Told what is at work, how many contestants have been through with it, and of how many."""

KEPT = 3
"""One of so many contestants comes into the next heat, which has so many times the assets."""
FIRST = 6
"""Assets of the first heat."""
AMPLE = 0.5
"""More come into the next heat if that takes no more than this share of the time left."""
READY, TRIED = 0.4, 0.7
"""Up to which share of the budget contestants are got ready, and held in the first heat."""
MARGIN = 1.25
"""How many times as long as expected a heat may take."""
QUICK = ("zscore", "mad", "ewma", "cusum", "knn")
"""Those that compile in seconds are got ready first: the first competition on a machine is then held between some."""
TINY = 96
"""Rows on which everything is compiled."""


@dataclass(slots=True)
class Clock:
    """How long a competition may take, when all was ready to begin, and who was not tried because of it."""

    budget: float | None
    started: float = field(init=False)
    ready: float = 0.0
    untried: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start."""
        self.started = time.perf_counter()

    @property
    def gone(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.started

    @property
    def left(self) -> float:
        """Seconds that are left; infinity without a budget."""
        return np.inf if self.budget is None else self.budget - self.gone

    def past(self, share: float) -> bool:
        """Say whether a share of the budget is gone."""
        return self.budget is not None and self.gone > share * self.budget

    def miss(self, contestant: Contestant) -> None:
        """Note that a contestant is not tried."""
        self.untried[str(contestant)] = f"not tried within the budget of {self.budget:g} s"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A contestant's trial, in which heat, on how many assets, and how many seconds it took."""

    contestant: Contestant
    trial: Trial
    heat: int
    assets: int
    seconds: float

    @property
    def able(self) -> bool:
        """Whether it has judged anything."""
        return self.trial.failure is None and len(self.trial.outcomes) > 0

    @property
    def gaps(self) -> str:
        """What it could not learn; empty if it could learn all."""
        if not self.trial.left_out:
            return ""
        many = len(self.trial.left_out)
        return f"{many:,} {'asset' if many == 1 else 'assets'} left out: {self.trial.first_left_out}"

    @property
    def score(self) -> float:
        """The mean over the faults that it has judged."""
        return float(self.trial.outcomes["value"].to_numpy().mean()) if self.able else -np.inf


def warm_up(
    every: Sequence[Contestant], dtype: np.dtype[Any], clock: Clock, tell: Tell | None
) -> tuple[list[Contestant], dict[str, str]]:
    """Let everything be compiled on next to nothing, so that what is timed later is the work.

    Returns
    -------
    ready : list of Contestant
        Those that can run here, the cheapest first.
    unable : dict of str to str
        The others, and why: an extra that is not installed.
    """
    rows = np.random.default_rng(0).normal(0.0, 0.2, (2, TINY)).astype(dtype)
    rows[0] += np.sin(np.arange(TINY) * (2.0 * np.pi / 12.0)).astype(dtype)  # what looks for a season is to find one
    tiny = Panel(rows, np.array([0, TINY]), pa.array(["tiny"]), ("x", "y"), None, (rows[0] > 1.0).astype(np.int8))
    took: list[tuple[float, Contestant]] = []
    unable: dict[str, str] = {}
    for place, each in enumerate(sorted(every, key=lambda each: each.detector not in QUICK)):
        _say(tell, "Getting ready", place, len(every))
        if took and clock.past(READY):
            clock.miss(each)
            continue
        try:
            for _ in range(2):
                started = time.process_time()
                _run_through(each, tiny)
                spent = time.process_time() - started
            took.append((spent, each))
        except ParameterError as error:
            unable[str(each)] = str(error)
    clock.ready = clock.gone
    return [each for _, each in sorted(took, key=lambda entry: entry[0])], unable


def _run_through(contestant: Contestant, tiny: Panel) -> None:
    pipeline = contestant.pipeline(0)
    learned = pipeline.learn(tiny, None)
    if learned.models is not None:
        pipeline.judge(learned.models, tiny, None, Asked())
        pipeline.causes(learned.models, tiny, np.array([TINY - 1]), 1)


@dataclass(frozen=True, slots=True)
class Heats:
    """Holds contestants.

    Parameters
    ----------
    arena : callable
        Gives what they are held against, from how many assets and rounds there are.
    whole : (int, int)
        All assets of the sample, and all rounds.
    clock : Clock
        How long it may take.
    tell : callable, optional
        Told how it goes.
    threads : int, optional
        How many cores to use.
    """

    arena: Callable[[int, int], Arena]
    whole: tuple[int, int]
    clock: Clock
    tell: Tell | None
    threads: int | None

    def run(self, contestants: Sequence[Contestant]) -> list[Held]:
        """Return each contestant's last trial; those of the last heat have been held on the same faults.

        A heat that could not be finished in time does not count, but for the first.
        """
        sizes = self.sizes()
        last: dict[Contestant, Held] = {}
        entered = list(contestants)
        for heat, size in enumerate(sizes):
            now = self._heat(heat, size, entered, many=len(sizes))
            if heat == 0 or len(now) == len(entered):
                last |= {each.contestant: each for each in now}
            if heat + 1 == len(sizes) or (len(now) < len(entered) and heat > 0):
                break
            grown = sizes[heat + 1]
            entered = self._next(now, grown[0] * grown[1] / (size[0] * size[1]))
            if not entered:
                break
        return list(last.values())

    def sizes(self) -> list[tuple[int, int]]:
        """Return how many assets and rounds each heat has."""
        assets, rounds = self.whole
        if self.clock.budget is None:
            return [self.whole]
        sizes = []
        some = FIRST
        while some < assets:
            sizes.append((some, 1))
            some *= KEPT
        return list(dict.fromkeys([*sizes, (assets, 1), (assets, rounds)]))

    def _heat(self, heat: int, size: tuple[int, int], entered: Sequence[Contestant], *, many: int) -> list[Held]:
        arena = self.arena(*size)
        now: list[Held] = []
        for place, each in enumerate(entered):
            _say(self.tell, f"Heat {heat + 1} of {many}: {each}" if many > 1 else f"{each}", place, len(entered))
            if now and self.clock.past(TRIED if heat == 0 else 1.0):
                if heat == 0:
                    self.clock.miss(each)
                continue
            started = time.perf_counter()
            trial = hold(each, arena, size[1], self.threads)
            now.append(Held(each, trial, heat, size[0], time.perf_counter() - started))
            if heat == 0 and len(now) == 1:
                self._check_budget(each, size[0])
        return now

    def _next(self, now: Sequence[Held], grow: float) -> list[Contestant]:
        """Return who comes into the next heat, the cheapest first: the better third, or as many as time allows."""
        able = sorted((each for each in now if each.able), key=lambda each: -each.score)
        third = max(-(-len(able) // KEPT), 2)
        chosen: list[Held] = []
        for each in able:
            needed = MARGIN * grow * sum(other.seconds for other in [*chosen, each])
            if needed > (1.0 if len(chosen) < third else AMPLE) * self.clock.left:
                break
            chosen.append(each)
        return [each.contestant for each in sorted(chosen, key=lambda each: each.seconds)]

    def _check_budget(self, first: Contestant, assets: int) -> None:
        clock = self.clock
        if clock.budget is None or clock.left >= 0.0:
            return
        again = ""
        if clock.ready > clock.budget / 2.0:
            again = f", or try again: {clock.ready:.1f} s went into reading, and into compiling, which is done once"
        raise ParameterError(
            f"a budget of {clock.budget:g} s is too small for one fit: reading, getting ready and holding {first} on "
            f"{assets:,} {'asset' if assets == 1 else 'assets'} took {clock.gone:.1f} s; give some times that{again}"
        )


def pick(held: Sequence[Held]) -> list[Held]:
    """Return those of the last heat that have judged anything.

    Raises
    ------
    DataError
        If there is none.
    """
    heat = max(each.heat for each in held)
    final = [each for each in held if each.heat == heat and each.able]
    if not final:
        first = held[0]
        more = f"; none of the other {len(held) - 1} can, either" if len(held) > 1 else ""
        raise DataError(f"{first.contestant} can judge nothing: {first.trial.failure}{more}")
    return final


def _say(tell: Tell | None, what: str, done: int, of: int) -> None:
    if tell is not None:
        tell(what, done, of)

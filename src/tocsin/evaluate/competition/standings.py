"""Who is ahead, and whether chance could have it otherwise.

Faults of one asset are not independent, so assets are drawn anew, with all their faults, to learn how far figures
would have come out otherwise (the cluster bootstrap: Davison and Hinkley 1997, section 3.8). With fewer than `FEW`
assets that says little, and faults are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.evaluate.competition.trials import Trial

Floats = NDArray[np.float64]

FEW = 5
"""From how many assets on these are drawn, and not faults."""
DRAWS = 2_000
"""How often is drawn."""
ALIKE = 2.0
"""Costs that differ by less than this factor are alike: what else the machine does has its part in them."""
LEVEL = 0.95
"""How sure an interval is."""


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """How contestants stand, arrays of shape (n_contestants,) in their order.

    Attributes
    ----------
    mean, low, high : ndarray
        The mean over all faults, and its interval.
    behind, behind_low, behind_high : ndarray
        How far behind the one with the best mean, on the same faults, and the interval of that.
    level : ndarray of bool
        Whether that interval holds 0: chance could have them the other way round.
    complete : ndarray of bool
        Whether it has judged all faults.
    winner : int
        Which one wins.
    honest, honest_low, honest_high : float
        What to expect of the winner on other faults: it was chosen for its figure on these, which flatters it.
    drawn : {"assets", "faults"}
        What was drawn.
    units : int
        How many of these there are; with fewer than two there are no intervals, and they are NaN.
    """

    mean: Floats
    low: Floats
    high: Floats
    behind: Floats
    behind_low: Floats
    behind_high: Floats
    level: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    winner: int
    honest: float
    honest_low: float
    honest_high: float
    drawn: Literal["assets", "faults"]
    units: int


def stand(trials: Sequence[Trial], *, prefer: Literal["fast", "best"] = "fast", seed: int = 0) -> Standings:
    """Rank contestants that have judged the same faults.

    With `prefer` "fast" the winner is the cheapest of those that are less than one standard error of the difference
    behind the best mean (the one-standard-error rule: Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): closer
    than that the best mean cannot be trusted to be the best. Of several that cost about as little, within a factor of
    `ALIKE`, it is the one with the best mean. With `prefer` "best" that decides alone.

    The honest figure is the bootstrap's out of sample (Tsamardinos, Greasidou and Borboudakis 2018,
    doi:10.1007/s10994-018-5714-4): the rule chooses on what was drawn, and its choice is judged on what was not.

    A contestant that has left out faults stands behind all that have not, and cannot win unless all have.
    """
    units = _Units.of(trials)
    many = len(units.weights)
    whole = np.ones((1, many))
    draws = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), DRAWS).astype(np.float64)
    complete: NDArray[np.bool_] = np.all(units.there, axis=1)
    eligible = np.flatnonzero(complete if complete.any() else np.any(units.there, axis=1))
    mean = units.means(whole)[:, 0]
    best = int(eligible[np.argmax(mean[eligible])])
    behind = np.array([units.difference(best, other, whole)[0] for other in range(len(trials))])
    gaps = np.stack([units.difference(best, other, draws) for other in range(len(trials))])
    spread = units.means(draws)
    if many < 2:
        spread, gaps = np.full_like(spread, np.nan), np.full_like(gaps, np.nan)
    (low, high), (gap_low, gap_high) = _interval(spread), _interval(gaps)
    rule = _Rule(np.array([trial.cost for trial in trials]), eligible, _errors(spread, eligible), prefer)
    honest = _honest(units, spread, draws, rule)
    return Standings(
        mean, low, high, behind, gap_low, gap_high, ~(gap_low > 0.0), complete, rule.choice(mean), *honest, units.drawn,
        many,
    )  # fmt: skip


class _Units(NamedTuple):
    """What is drawn: each contestant's mean of each unit, NaN where it has none, and how many faults a unit has."""

    values: Floats
    weights: Floats
    drawn: Literal["assets", "faults"]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> _Units:
        every = pl.concat([each.outcomes.with_columns(who=pl.lit(i)) for i, each in enumerate(trials)])
        few = every["asset"].n_unique() < FEW
        unit = ["asset", "round", "fault"] if few else ["asset"]
        faults = every.select("asset", "round", "fault").unique()
        units = faults.group_by(unit).len("faults").sort(unit).with_row_index("unit")
        # in one order, so that sums are rounded alike each time
        joined = every.join(units, on=unit, maintain_order="left")
        found = joined.group_by("who", "unit", maintain_order=True).agg(pl.col("value").mean())
        values = np.full((len(trials), len(units)), np.nan)
        values[found["who"].to_numpy(), found["unit"].to_numpy()] = found["value"].to_numpy()
        return cls(values, units["faults"].to_numpy().astype(np.float64), "faults" if few else "assets")

    @property
    def there(self) -> NDArray[np.bool_]:
        """Whether each contestant has judged each unit."""
        there: NDArray[np.bool_] = ~np.isnan(self.values)
        return there

    def means(self, draws: Floats) -> Floats:
        """Return each contestant's mean in each draw, shape (n_contestants, n_draws); NaN where nothing was drawn."""
        return self._mean(self.values, draws)

    def difference(self, one: int, other: int, draws: Floats) -> Floats:
        """Return by how much one is ahead of another in each draw, over the units that both have."""
        return self._mean(self.values[one] - self.values[other], draws)

    def _mean(self, values: Floats, draws: Floats) -> Floats:
        there = ~np.isnan(values)
        # not by BLAS, whose rounding hangs on where arrays lie in memory: the same competition is to come out the same
        total = np.einsum("...u,du->...d", np.where(there, values, 0.0) * self.weights, draws)
        weight = np.einsum("...u,du->...d", there * self.weights, draws)
        mean: Floats = np.where(weight > 0.0, total / np.where(weight > 0.0, weight, 1.0), np.nan)
        return mean


@dataclass(frozen=True, slots=True)
class _Rule:
    """Chooses a winner by means.

    Parameters
    ----------
    costs : ndarray of shape (n_contestants,)
        CPU-seconds.
    eligible : ndarray
        Who can win.
    errors : ndarray of shape (n_eligible, n_eligible)
        The standard errors of their differences.
    prefer : {"fast", "best"}
        As in `stand`.
    """

    costs: Floats
    eligible: NDArray[np.int64]
    errors: Floats
    prefer: Literal["fast", "best"]

    def choice(self, means: Floats) -> int:
        """Return the winner."""
        own = means[self.eligible]
        best = int(np.nanargmax(own))
        if self.prefer == "best":
            return int(self.eligible[best])
        near: NDArray[np.bool_] = (own[best] - own <= self.errors[best]) | (np.arange(len(own)) == best)
        costs = np.where(near, self.costs[self.eligible], np.inf)
        return int(self.eligible[np.argmax(np.where(costs <= ALIKE * np.min(costs), own, -np.inf))])


def _errors(spread: Floats, eligible: NDArray[np.int64]) -> Floats:
    """Return the standard errors of the differences between those who can win."""
    own = spread[eligible]
    found: Floats = np.nan_to_num([[np.std(one - other) for other in own] for one in own], nan=0.0)
    return found


def _honest(units: _Units, spread: Floats, draws: Floats, rule: _Rule) -> tuple[float, float, float]:
    """Return what the rule's choice on what was drawn is worth on what was not: mean and interval."""
    if len(units.weights) < 2:
        return np.nan, np.nan, np.nan
    outside = units.means((draws == 0.0).astype(np.float64))
    chosen = np.array([rule.choice(means) for means in spread.T])
    found = outside[chosen, np.arange(len(chosen))]
    low, high = _interval(found[None, :])
    return float(np.nanmean(found)), float(low[0]), float(high[0])


def _interval(spread: Floats) -> tuple[Floats, Floats]:
    """Return where the middle of each row lies."""
    nothing: NDArray[np.bool_] = np.all(np.isnan(spread), axis=1)
    filled = np.where(nothing[:, None], 0.0, spread)
    low, high = np.nanquantile(filled, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=1)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)

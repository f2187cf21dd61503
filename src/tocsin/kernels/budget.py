"""Alarms of a whole fleet held to a budget: each row's evidence, and how many alarms there would be at each limit.

The evidence of a row is -log of how rare its score is among its asset's own: up to where the tail of the training
scores starts by their ranks, and beyond by a generalised Pareto distribution (Pickands 1975,
doi:10.1214/aos/1176343003), with a scale of the asset's own and one shape for the fleet, from probability-weighted
moments (Hosking and Wallis 1987, doi:10.1080/00401706.1987.10488243).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.sketch import Cells, cell_of

STEP = 0.25
"""How far levels of evidence lie apart, in nats."""
LEVELS = 256
MOST = STEP * LEVELS - STEP / 2
"""The most evidence that a row can have."""
KEPT = 6
"""How many of an asset's latest peaks are kept, each of a lower level than the one before it."""
NEVER = -(1 << 62)
"""A time before all others."""
MEDIAN, START, COST, SCALE = range(4)
"""What is known of the tail of an asset's scores: their median, where the tail starts, the evidence there, and the
scale beyond."""
UNUSED, CHARGED, SPARED, REAL, FALSE = range(5)
"""What became of an asset's latest alarm: there was none; it is charged to the budget, or spared for being plain; it is
confirmed as real, or as false."""
OPENED, WAIVED = range(2)
"""What is counted beside levels: alarms that opened, and those that the budget is not charged for."""
TAIL, FEWEST, FLAT = 0.05, 10.0, 1e-9
"""The share of training scores in the tail, how many at least, and the least scale, as a share of the scores."""
CURVED = 1e-6
"""Shapes below it are taken for 0."""
LEAST, MORE, SLOPES, PRIOR = 30.0, 5.0, (0.1, 3.0), 10.0
"""From where the limit is sought: where there are so many alarms at least, and so many times those that are allowed;
the bounds of the slope; and how many alarms stand behind the belief that it is 1."""


class Watch(NamedTuple):
    """What is known of each asset, arrays with one row a slot.

    `tails` (n, 4) are float64; `rows` says how many each was learned from. `peaks` (n, KEPT), float64, are evidence
    of a level that nothing has reached since, and `when` (n, KEPT) their times. `last` is the time of the last row over
    the limit, `began` that of the first one of that alarm, `charge` whether it is charged. `day` and `openings` count
    an asset's alarms of a day.
    """

    tails: NDArray[np.float64]
    rows: NDArray[np.int64]
    peaks: NDArray[np.float64]
    when: NDArray[np.int64]
    last: NDArray[np.int64]
    began: NDArray[np.int64]
    charge: NDArray[np.int64]
    day: NDArray[np.int64]
    openings: NDArray[np.int64]


class Rule(NamedTuple):
    """By what rows are judged until the next epoch.

    `shape` of the tails; `floor`, the evidence from which peaks are counted; the `limit`; from which evidence on an
    alarm is `plain` and no chance event; how many nanoseconds an asset must be `quiet` before an alarm is over; how
    many alarms an asset may open at the `most` in a `day`, which has so many nanoseconds.
    """

    shape: float
    floor: float
    limit: float
    plain: float
    quiet: int
    most: int
    day: int


@kernel
def fit_tails(cells: Cells, assets: NDArray[np.int64], tails: NDArray[np.float64], bends: NDArray[np.float64]) -> None:
    """Read the tails of some assets' training scores off their sketches, shape (len(assets), 4).

    `SCALE` is the mean excess over `START`. `bends` are the first probability-weighted moments in units of it: 1/4 of
    an exponential tail. Both are NaN where there is no tail.
    """
    for place in range(len(assets)):
        knots, below, upto = cell_of(cells, assets[place])
        total = cells.totals[assets[place]]
        own = tails[place]
        own[MEDIAN], own[START], own[COST], own[SCALE], bends[place] = np.nan, np.nan, 0.0, np.nan, np.nan
        size = len(knots)
        if size == 0 or total <= 0.0:
            continue
        wanted = min(max(TAIL * total, FEWEST), 0.5 * total)
        first = size - 1
        while first > 0 and total - upto[first] < wanted:
            first -= 1
        middle = first
        while middle > 0 and upto[middle] > 0.5 * total:
            middle -= 1
        own[MEDIAN], own[START] = knots[middle], knots[first]
        beyond = total - upto[first]
        own[COST] = np.log((total + 1.0) / (beyond + 1.0))
        if beyond <= 0.0:
            continue
        excess, weighted, above = 0.0, 0.0, beyond
        for i in range(first + 1, size):
            between = max(below[i] - upto[i - 1], 0.0)
            at = max(upto[i] - max(below[i], upto[i - 1]), 0.0)
            for weight, value in ((between, 0.5 * (knots[i - 1] + knots[i])), (at, knots[i] * 1.0)):
                excess += weight * (value - own[START])
                weighted += weight * (value - own[START]) * (above - 0.5 * weight) / beyond
                above -= weight
        if excess > 0.0:
            own[SCALE], bends[place] = excess / beyond, weighted / excess


@inlined
def evidence_of(score: float, tail: NDArray[np.float64], shape: float) -> float:
    """Return the evidence of one score, 0 to `MOST`; 0 where there is no score or no tail."""
    if not score > tail[MEDIAN]:
        return 0.0
    if score <= tail[START]:
        low = min(np.log(2.0), tail[COST])
        return low + (tail[COST] - low) * (score - tail[MEDIAN]) / (tail[START] - tail[MEDIAN])
    far = (score - tail[START]) / tail[SCALE]
    beyond = far if shape < CURVED else np.log1p(shape * far) / shape
    return min(tail[COST] + beyond, MOST)


@kernel
def judge(
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    scores: NDArray[np.float64],
    watch: Watch,
    rule: Rule,
    levels: NDArray[np.int64],
    counts: NDArray[np.int64],
    alert: NDArray[np.bool_],
    opens: NDArray[np.bool_],
    evidence: NDArray[np.float64],
) -> None:
    """Judge rows of assets, each in order of time, and count at which limits they open an alarm.

    ``levels[i]``, of shape (LEVELS + 1,), is how many more there are at level `i` than at the one before; `counts` are
    those of `OPENED` and `WAIVED`. Both only grow by what each asset's rows say, in whatever order assets come.
    """
    for asset in range(len(offsets) - 1):
        slot = slots[asset]
        tail = watch.tails[slot]
        for row in range(offsets[asset], offsets[asset + 1]):
            found = evidence_of(scores[row], tail, rule.shape)
            evidence[row] = found
            alert[row] = found > rule.limit
            opens[row] = False
            if found >= rule.floor:
                highest = _climb(found, times[row], rule.quiet, watch.peaks[slot], watch.when[slot])
                levels[highest + 1] += 1
                levels[max(int(found / STEP), highest) + 1] -= 1
            if alert[row]:
                opens[row] = _alarm(found, times[row], slot, watch, rule, counts)


@kernel
def _climb(found: float, time: int, quiet: int, peaks: NDArray[np.float64], when: NDArray[np.int64]) -> int:
    """Put evidence in its place among an asset's latest peaks; return the highest level before it, -1 if all was quiet.

    Of too many peaks that one goes which came soonest after a higher one: it tells least.
    """
    highest, kept, level = -1, 0, int(found / STEP)
    for i in range(KEPT):
        if when[i] >= time - quiet:
            own = int(peaks[i] / STEP)
            highest = max(highest, own)
            if own > level:
                peaks[kept], when[kept] = peaks[i], when[i]
                kept += 1
    if kept == KEPT:
        least = 1
        for i in range(2, KEPT):
            least = i if when[i] - when[i - 1] < when[least] - when[least - 1] else least
        kept -= 1
        for i in range(least, kept):
            peaks[i], when[i] = peaks[i + 1], when[i + 1]
    peaks[kept], when[kept] = found, time
    for i in range(kept + 1, KEPT):
        peaks[i], when[i] = 0.0, NEVER
    return highest


@kernel
def _alarm(found: float, time: int, slot: int, watch: Watch, rule: Rule, counts: NDArray[np.int64]) -> bool:
    """Open an alarm or go on with it; return whether it opens.

    An asset that has had its share of a day goes on with its last one. One that turns out plain is not charged.
    """
    opens = watch.last[slot] < time - rule.quiet
    if opens and watch.day[slot] != time // rule.day:
        watch.day[slot], watch.openings[slot] = time // rule.day, 0
    opens = opens and (watch.openings[slot] < rule.most or watch.charge[slot] == UNUSED)
    if opens:
        watch.openings[slot] += 1
        watch.began[slot], watch.charge[slot] = time, CHARGED
        counts[OPENED] += 1
    watch.last[slot] = max(watch.last[slot], time)
    if watch.charge[slot] == CHARGED and found > rule.plain:
        watch.charge[slot] = SPARED
        counts[WAIVED] += 1
    return opens


@kernel
def seek(opened: NDArray[np.float64], days: float, floor: int, rate: float) -> tuple[float, float]:
    """Return the limit at which `rate` alarms open a day, and by how much their logarithm falls a nat there.

    ``opened[i]`` is how many opened at level `i` in so many days, known from level `floor` on. Far down, where assets
    are over the limit all the time, alarms are few again; nothing below the level with the most is looked at. Where few
    are left, what faults open would weigh as much as chance; so the limit is sought from a lower level, where chance
    prevails, along an exponential tail, whose slope is the maximum-likelihood one of peaks that are cut off at the
    limit. Where even the most are not so many, the limit is read off directly.
    """
    wanted = max(days * rate, 1e-12)
    top = floor
    for level in range(floor, LEVELS):
        top = level if opened[level] > opened[top] else top
    need = max(LEAST, MORE * wanted)
    if opened[top] < need:
        need = min(wanted, opened[top])
    base, high = top, top
    for level in range(top, LEVELS):
        base = level if opened[level] >= need else base
        high = level if opened[level] >= max(wanted, 3.0) else high
    high = max(high, base + 1)
    area = 0.0
    for level in range(base, high):
        area += 0.5 * STEP * (opened[level] + opened[level + 1])
    slope = (opened[base] - opened[high] + PRIOR) / (area + PRIOR)
    slope = min(max(slope, SLOPES[0]), SLOPES[1])
    excess = np.log(max(opened[base], wanted) / wanted)
    return min(base * STEP + excess / slope, MOST), slope

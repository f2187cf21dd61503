"""Whether alarms keep to a budget: simulated and made-up fleets without faults, then with some, then real readings.

``python -m benchmarks.quality budget`` takes some minutes; TOCSIN_FULL=1 gives every kind of fleet 10,000 assets, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.quality.data import find
from tocsin import ECOD, Detector, Fleet, Panel, Recipe, protocol, synth
from tocsin.detectors.budget import Budget
from tocsin.detectors.calibration import Calibration
from tocsin.evaluate.injection import inject
from tocsin.features import Window
from tocsin.kernels import runs
from tocsin.models import Models

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MINUTE = 60_000_000_000
DAYS, TRAINING, ROWS = 30, 2000, 1440
"""How long each fleet is watched; how many rows an asset is learned from, and how many it has a day."""
BUDGETS = (5.0, 20.0, 100.0)
SIZES = (10, 100, 1000, 10_000)
KINDS = ("noise", "heavy tails", "slow", "daily season", "mixed")
WINDOW, QUIET = 6, 6
"""Rows of a window, and after how many an alarm is over, where rows come every ten minutes."""
EVERY = 10 * MINUTE


# Fleets of which only scores are made up -----------------------------------------------------------------------------


class Scores:
    """Scores of a fleet without faults, one a minute: each asset with its own level and scale, and a memory."""

    def __init__(self, assets: int, kind: str, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        kinds = np.arange(assets) % (len(KINDS) - 1) if kind == "mixed" else np.full(assets, KINDS.index(kind))
        self.heavy, self.daily = (kinds == KINDS.index(name) for name in ("heavy tails", "daily season"))
        self.memory = np.where(kinds == KINDS.index("slow"), 0.99, 0.9)
        self.level, self.scale = 5.0 * self.rng.normal(size=assets), np.exp(self.rng.normal(size=assets))
        self.swing, self.phase = 1.5 * self.rng.random(assets), self.rng.random(assets)
        self.state, self.rows = self.rng.normal(size=assets), 0

    def more(self, rows: int) -> Floats:
        """Return the next rows of all assets, (n_assets, rows)."""
        x = self.rng.standard_normal((len(self.state), rows))
        for memory in np.unique(self.memory):
            own = np.flatnonzero(self.memory == memory)
            last = memory * self.state[own, None]
            x[own] = lfilter([np.sqrt(1.0 - memory**2)], [1.0, -memory], x[own], axis=1, zi=last)[0]
        self.state = x[:, -1].copy()
        x[self.heavy] = np.sign(x[self.heavy]) * np.expm1(np.abs(x[self.heavy]))
        hours = 2.0 * np.pi * ((self.rows + np.arange(rows)) / ROWS + self.phase[self.daily, None])
        x[self.daily] *= 1.0 + self.swing[self.daily, None] * (1.0 + np.sin(hours))
        self.rows += rows
        x *= self.scale[:, None]
        x += self.level[:, None]
        return x


def learned(scores: Floats) -> tuple[Detector, Models]:
    """Return what a detector would keep of training scores."""
    detector = ECOD()
    assets, rows = scores.shape
    calibration = Calibration.learn(scores.reshape(-1), np.arange(assets + 1) * rows, 0.99, detector._rank_ratio())
    return detector, Models(np.full(assets, rows), calibration.thresholds, calibration.to_state(whole=True))


def simulated(
    assets: int, kind: str, budgets: Sequence[float] = BUDGETS, shift: Callable[[int], float] = lambda day: 0.0
) -> dict[float, Floats]:
    """Return the alarms of each day at each budget; `shift` moves all scores, in standard deviations."""
    made = Scores(assets, kind)
    detector, models = learned(made.more(TRAINING))
    watched = {each: Budget(each) for each in budgets}
    for budget in watched.values():
        budget.begin(detector, models, rows_per_day=assets * ROWS)
    slots, offsets = np.arange(assets), np.arange(assets + 1) * 10
    daily = {each: np.zeros(DAYS) for each in budgets}
    for day in range(DAYS):
        scores = made.more(ROWS) + shift(day) * made.scale[:, None]
        for row in range(0, ROWS, 10):
            times = (day * ROWS + row + np.arange(10)) * MINUTE
            part, at = np.ascontiguousarray(scores[:, row : row + 10]).reshape(-1), np.tile(times, assets)
            for each, budget in watched.items():
                daily[each][day] += budget.judge(slots, models, offsets, at, part).opens.sum()
                budget.epoch(int(times[-1]) + MINUTE)
    return daily


def told(daily: Floats, per_day: float) -> str:
    """Return cells of a table: over all, the first day, the worst later one, and how days vary."""
    parts = daily / per_day
    return (f"{parts.mean():.2f} | {parts[0]:.2f} | {parts[1:].max():.2f} | {parts[1:].std():.2f} "
            f"({per_day**-0.5:.2f})")  # fmt: skip


HEADER = "| budget a day | realised / budget, all days | first day | worst later day | deviation of days (Poisson's) |"


def without_faults() -> None:
    """Print a row for each fleet and budget."""
    print(f"\n### Simulated scores of normal fleets, a row a minute, {DAYS} days\n")
    print(f"| assets | fleet {HEADER}\n|{' --- |' * 7}")
    for assets in SIZES:
        for kind in KINDS:
            if assets == max(SIZES) and kind != "mixed" and not os.environ.get("TOCSIN_FULL"):
                continue
            for per_day, daily in simulated(assets, kind).items():
                print(f"| {assets:,} | {kind} | {per_day:g} | {told(daily, per_day)} |", flush=True)


def changing() -> None:
    """Print what comes of a change of the whole fleet."""
    days = (9, 10, 11, 12, 13, 14)
    print("\n### All 1,000 assets change at the start of day 10, budget 20/day: realised / budget\n")
    print(
        f"| all scores | {' | '.join(f'day {day}' for day in days)} | all {DAYS} days |\n|{' --- |' * (len(days) + 2)}"
    )
    for name, size in (("half a deviation up", 0.5), ("one up", 1.0), ("two up", 2.0), ("half a deviation down", -0.5)):
        daily = simulated(1000, "noise", (20.0,), lambda day, size=size: size * (day >= 10))[20.0] / 20.0
        print(f"| {name} | {' | '.join(f'{daily[day]:.2f}' for day in days)} | {daily.mean():.2f} |", flush=True)


# Whole pipelines -----------------------------------------------------------------------------------------------------


class Watched(NamedTuple):
    """A fleet that has learned, and the scores of all later rows, (n_assets, n_rows), NaN where there is none."""

    detector: Detector
    models: Models
    scores: Floats
    truth: pl.DataFrame

    @property
    def per_day(self) -> float:
        """How many rows come a day."""
        return self.scores.shape[0] * 86_400e9 / EVERY


def scored(training: Panel, later: Panel, truth: pl.DataFrame) -> Watched:
    """Fit a fleet of ECOD with windows and score what follows; NaN where an asset has no more rows."""
    recipe = Recipe([Window(WINDOW, ["mean", "std"])])
    fleet = Fleet(ECOD(extrapolate=True), key="asset", time="time", recipe=recipe).fit(frame_of(training))
    frame = fleet.score(frame_of(later))
    assert frame is not None
    scores = np.full((later.n_assets, int(np.diff(later.offsets).max())), np.nan)
    for own, first, last in zip(scores, later.offsets[:-1], later.offsets[1:], strict=True):
        own[: last - first] = frame["score"][first:last]
    return Watched(fleet.detector, fleet._fitted().to_models(), scores, truth)


def frame_of(panel: Panel) -> pl.DataFrame:
    """Return a panel as a table."""
    assert panel.times is not None
    keys = pl.Series("asset", np.repeat(np.arange(panel.n_assets), np.diff(panel.offsets)))
    times = pl.Series("time", panel.times).cast(pl.Datetime("ns"))
    return pl.DataFrame([keys, times, *(pl.Series(n, v) for n, v in zip(panel.features, panel.values, strict=True))])


def pumps(assets: int, faulty: float = 0.0, learn: int = 14) -> Watched:
    """Make up pumps, and put two faults into a share of them."""
    a_day = int(86_400e9 // EVERY)
    whole = synth.pumps(assets, 6, (learn + DAYS) * a_day, seed=3).panel()
    cut = np.arange(assets)[:, None] * (learn + DAYS) * a_day
    training, later = (
        whole.take_rows((cut + np.arange(*ends)).reshape(-1))
        for ends in ((0, learn * a_day), (learn * a_day, (learn + DAYS) * a_day))
    )
    truth = pl.DataFrame(schema={"asset": pl.Int64, "first": pl.Int64, "last": pl.Int64, "kind": pl.String})
    if faulty:
        chosen = np.flatnonzero(np.random.default_rng(1).random(assets) < faulty)
        done = inject(later.take_assets(chosen), training.take_assets(chosen), seed=2, faults=2)
        values = later.values.copy()
        rows = (chosen[:, None] * DAYS * a_day + np.arange(DAYS * a_day)).reshape(-1)
        values[:, rows] = done.panel.values
        later = replace(later, values=values)
        place = done.truth["first_row"].to_numpy() // (DAYS * a_day)
        truth = done.truth.select(
            asset=pl.Series(chosen[place]),
            first=pl.col("first_row") % (DAYS * a_day),
            last=pl.col("last_row") % (DAYS * a_day),
            kind="kind",
        )
    return scored(training, later, truth)


def budgeted(fleet: Watched, per_day: float, faults: Flags | None = None) -> tuple[Flags, Flags]:
    """Return which rows are alerts and which open an alarm, both (n_assets, n_rows), limits set anew with each row.

    Where `faults` are given, alarms that open in one are confirmed after an hour.
    """
    budget, assets = Budget(per_day, QUIET * EVERY / 1e9), len(fleet.scores)
    budget.begin(fleet.detector, fleet.models, rows_per_day=fleet.per_day)
    by_time = np.ascontiguousarray(fleet.scores.T)
    alerts, opens = np.zeros(by_time.shape, np.bool_), np.zeros(by_time.shape, np.bool_)
    for row, scores in enumerate(by_time):
        times = np.full(assets, row * EVERY)
        found = budget.judge(np.arange(assets), fleet.models, np.arange(assets + 1), times, scores)
        alerts[row], opens[row] = found.alert, found.opens
        if faults is not None and row >= QUIET:
            for asset in np.flatnonzero(opens[row - QUIET] & faults[:, row - QUIET]):
                budget.confirm(int(asset), (row - QUIET) * EVERY, real=True)
        budget.epoch((row + 1) * EVERY)
    return alerts.T, opens.T


def opened(alerts: Flags) -> Flags:
    """Return the first rows of alarms."""
    first = np.zeros(alerts.shape, np.bool_)
    for own, marks in zip(alerts, first, strict=True):
        marks[runs.incidents(own, QUIET - 1)[0]] = True
    return first


def inside(fleet: Watched) -> Flags:
    """Return which rows a fault has a part in, and those in which its alarm may still go on."""
    rows = np.zeros(fleet.scores.shape, np.bool_)
    for asset, first, last in fleet.truth.select("asset", "first", "last").iter_rows():
        rows[asset, first : last + WINDOW + QUIET] = True
    return rows


def judged(fleet: Watched, alerts: Flags, opens: Flags) -> tuple[float, float]:
    """Return false alarms a day, and the share of faults with an alert while they last."""
    places = fleet.truth.select("asset", "first", "last").iter_rows()
    found = [bool(alerts[asset, first : last + WINDOW].any()) for asset, first, last in places]
    days = alerts.shape[1] * EVERY / 86_400e9
    return float((opens & ~inside(fleet)).sum()) / days, float(np.mean(found))


def matched(fleet: Watched, false: float, threshold: Callable[[float], Floats]) -> tuple[float, float]:
    """Judge thresholds of one parameter that let as many false alarms come, chosen in hindsight."""
    low, high = 0.0, 1.0
    figures = (np.inf, 0.0)
    for _ in range(18):
        middle = 0.5 * (low + high)
        alerts = fleet.scores > threshold(middle)[:, None]
        figures = judged(fleet, alerts, opened(alerts))
        low, high = (middle, high) if figures[0] > false else (low, middle)
    return figures


def rivals(fleet: Watched) -> tuple[dict[str, Floats], dict[str, Callable[[float], Floats]]]:
    """Return thresholds as they are, and families of thresholds, of a parameter from 0 to 1."""
    ratio = fleet.detector._rank_ratio()
    sketches = Calibration.from_state(fleet.models.state, fleet.models.threshold, ratio).sketches
    at = {share: sketches.quantiles(share) for share in (0.5, 0.99, 0.999, 1.0)}
    most = float(np.nanmax(fleet.scores))
    fixed = {"1 % of training": at[0.99], "0.1 % of training": at[0.999], "the highest of training": at[1.0]}
    families = {
        "own highest, and a margin": lambda x: at[0.5] + (at[1.0] - at[0.5]) * 4.0 * x,
        "one score for all": lambda x: np.full(len(at[0.5]), most * x),
    }
    return fixed, families


def made_up() -> None:
    """Print made-up pumps without faults."""
    print(f"\n### Made-up pumps without faults: 6 sensors, rows every 10 minutes, ECOD of windows, {DAYS} days\n")
    print(f"| assets {HEADER}\n|{' --- |' * 6}")
    for assets in (10, 100, 1000):
        fleet = pumps(assets)
        for per_day in BUDGETS:
            daily = budgeted(fleet, per_day)[1].reshape(assets, DAYS, -1).sum(axis=(0, 2)).astype(np.float64)
            print(f"| {assets:,} | {per_day:g} | {told(daily, per_day)} |", flush=True)


def with_faults() -> None:
    """Print what is found of faults in a tenth of the pumps, and at what price."""
    for assets in (100, 1000):
        fleet = pumps(assets, faulty=0.1)
        print(f"\n### {assets:,} made-up pumps, {len(fleet.truth)} faults in a tenth of them\n")
        print("| thresholds | false alarms a day | faults found |\n| --- | --- | --- |")
        fixed, families = rivals(fleet)
        for name, thresholds in fixed.items():
            alerts = fleet.scores > thresholds[:, None]
            false, recall = judged(fleet, alerts, opened(alerts))
            print(f"| of each asset, {name} | {false:.1f} | {recall:.1%} |", flush=True)
        for per_day in BUDGETS:
            false, recall = judged(fleet, *budgeted(fleet, per_day))
            print(f"| **budget {per_day:g}/day** | {false:.1f} | {recall:.1%} |")
            false, recall = judged(fleet, *budgeted(fleet, per_day, inside(fleet)))
            print(f"| **budget {per_day:g}/day, real alarms confirmed** | {false:.1f} | {recall:.1%} |", flush=True)
            for name, family in families.items():
                same, other = matched(fleet, false, family)
                print(f"| - {name}, as many in hindsight | {same:.1f} | {other:.1%} |", flush=True)


# Real readings -------------------------------------------------------------------------------------------------------


def real() -> None:
    """Print the series of NAB as one fleet, labels and all, and a year of one wind turbine."""
    print("\n### Real readings: rows every 10 minutes, ECOD of windows\n")
    print("| fleet | thresholds | false alarms a day | labelled events found |\n| --- | --- | --- | --- |")
    fleet = series()
    for name, thresholds in rivals(fleet)[0].items():
        alerts = fleet.scores > thresholds[:, None]
        false, recall = judged(fleet, alerts, opened(alerts))
        print(f"| NAB | of each asset, {name} | {false:.1f} | {recall:.0%} |")
    for per_day in (2.0, 5.0, 20.0):
        false, recall = judged(fleet, *budgeted(fleet, per_day))
        print(f"| NAB | **budget {per_day:g}/day** | {false:.1f} | {recall:.0%} |", flush=True)
    fleet = turbine()
    for per_day in (1 / 7, 1.0):
        opens = budgeted(fleet, per_day)[1]
        print(
            f"| wind turbine | **budget {per_day:.2f}/day** | {opens.sum() / opens.shape[1] * 144:.2f} | |", flush=True
        )


def series() -> Watched:
    """Take NAB's series as assets that run side by side for a month, and the first 15 % of each to learn from."""
    training, later, truth, most = [], [], [], DAYS * 144
    for number, case in enumerate(protocol("nab", find("nab")).cases()):
        training.append(case.training.select("value"))
        later.append(case.test.select("value").head(most))
        starts, stops = runs.events(case.labels[:most].astype(np.int8), np.ones(len(case.labels[:most]), np.bool_))
        truth += [(number, first, last - 1) for first, last in zip(starts, stops, strict=True)]
    table = pl.DataFrame(truth, schema={"asset": pl.Int64, "first": pl.Int64, "last": pl.Int64}, orient="row")
    return scored(*(panel_of(parts, first) for parts, first in ((training, 0), (later, most))), table)


def turbine() -> Watched:
    """Take a year of one turbine, its first 60 days to learn from; nobody has labelled it."""
    columns = ("ActivePower", "Wind Speed (m/s)", "TheoreticalPower")
    table = pl.read_csv(find("wind") / "T1.csv", encoding="utf8-lossy").select(columns)
    cut = 60 * 144
    return scored(*(panel_of([part], row) for part, row in ((table[:cut], 0), (table[cut:], cut))), pl.DataFrame())


def panel_of(parts: Sequence[pl.DataFrame], first: int) -> Panel:
    """Make a panel of tables, each an asset."""
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    values = np.ascontiguousarray(pl.concat(parts).to_numpy().T, dtype=np.float64)
    times = np.concatenate([(first + np.arange(len(part))) * EVERY for part in parts])
    return Panel(values, offsets, pa.array(range(len(parts))), tuple(parts[0].columns), times)


def main() -> None:
    """Print all tables."""
    without_faults()
    changing()
    made_up()
    with_faults()
    real()


if __name__ == "__main__":
    main()

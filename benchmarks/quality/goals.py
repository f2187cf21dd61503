"""What detectors reach on published benchmarks in one table: floor, moonshot, what is reached, and a rival's figure.

One configuration a benchmark; its reason stands in what studies it: rivals, skab, nab, ucr, tep, msl, causes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.quality import causes, rivals
from benchmarks.quality.data import find
from benchmarks.quality.msl import TELEMETRY
from benchmarks.quality.nab import EVERY
from benchmarks.quality.subsequences import LONG, of_windows
from tocsin import EWMA, KNN, MAD, PCA, AdjustedChart, LeSiNN, NearestWindow, Novelty, ZScore, protocol, synth
from tocsin.evaluate.protocols.running import answers


class Goal(NamedTuple):
    """What is measured, floor and moonshot, and what ours and a rival reach."""

    what: str
    floor: float
    moonshot: float
    ours: str
    got: float
    rival: str
    other: float


def adbench() -> Goal:
    """Take the best of PyOD's six for the rival."""
    warnings.simplefilter("ignore")
    sets = []
    for case in protocol("adbench", find("adbench")).cases():
        sets.append((case.test.select(case.features).to_numpy().astype(np.float64), case.labels))

    def area(make: Callable[[int], Any], seeds: int) -> float:
        return float(np.mean([rivals.areas(make, X, y, seeds)[0] for X, y in sets]))

    theirs = {name: area(make, rivals.SEEDS if name in rivals.SEEDED else 1) for name, make in rivals.theirs().items()}
    best = max(theirs, key=lambda name: theirs[name])
    got = area(lambda seed: LeSiNN(seed=seed), rivals.SEEDS)
    what = f"ADBench, {len(sets)} sets, all rows, settings by default: mean AUROC"
    return Goal(what, theirs[best] + 0.01, theirs[best] + 0.03, "LeSiNN", got, best, theirs[best])


def skab() -> Goal:
    """Take thresholds from the training rows alone."""
    benchmark = protocol("skab", find("skab"))
    ours, rival = benchmark.run(AdjustedChart()), benchmark.run(EWMA())
    what = f"SKAB, {len(ours.cases)} experiments, own thresholds: F1"
    return Goal(what, 0.85, 0.92, "AdjustedChart", ours.value, "EWMA", rival.value)


def nab() -> Goal:
    """Take the benchmark's own figure: one threshold for all series, chosen with the labels in sight."""
    benchmark = protocol("nab", find("nab"))
    ours, rival = benchmark.run(Novelty()), benchmark.run(EWMA(), update_every=EVERY)
    what = f"NAB, {len(ours.cases)} series, never looking ahead: standard score"
    return Goal(what, 60, 75, "Novelty", ours["optimum"], "EWMA", rival["optimum"])


def ucr() -> Goal:
    """Look back at each series as a whole."""
    benchmark = protocol("ucr", find("ucr"))
    ours = benchmark.run(NearestWindow(keep=LONG, hindsight=True))
    rival = benchmark.judge(of_windows(benchmark.cases(), KNN))
    what = f"UCR, {len(ours.cases)} series: located within 100 rows"
    return Goal(what, 0.72, 0.85, "NearestWindow, in hindsight", ours.value, "KNN of windows", rival.value)


def tep() -> Goal:
    """Take the threshold that 1 % of the fault-free test rows pass."""
    benchmark = protocol("tep", find("tep"))
    ours, rival = benchmark.run(AdjustedChart()), benchmark.run(PCA())
    what = f"Tennessee Eastman, {len(ours.cases) - 1} faults, 1 % false alarms: faulty rows flagged"
    return Goal(what, 0.93, 0.98, "AdjustedChart", ours.value, "PCA, T2 and Q", rival.value)


def msl() -> Goal:
    """Look at what is measured; commands are given on purpose."""
    benchmark = protocol("msl", find("msl"))
    cases = [replace(case, features=TELEMETRY) for case in benchmark.cases()]
    ours = benchmark.judge(answers(cases, NearestWindow(keep=LONG, hindsight=True)))
    rival = benchmark.judge(answers(cases, ZScore()))
    what = f"MSL, {len(cases)} channels: VUS-PR"
    return Goal(what, 0.35, 0.45, "NearestWindow, in hindsight", ours.value, "ZScore", rival.value)


def named(fleet: dict[str, int]) -> Goal:
    """Ask of all faults of made-up pumps, found or not, which sensor is named first."""
    readings, truth = synth.fleet(**fleet, faulty=1.0)
    recipe = causes.RECIPES["mean of 24, log std of 12"]

    def first(detector: Any, recipe: Any) -> float:
        ranks = causes.ranked(detector, recipe, readings, truth)["rank"]
        return float(ranks.eq(1).fill_null(value=False).mean())

    what = f"{len(truth)} made-up faults of eight kinds, found or not, in {fleet['rows']:,} rows: right sensor first"
    ours, rival = first(PCA(), recipe), first(MAD(), None)
    return Goal(what, 0.90, 0.98, "PCA of means and spreads", ours, "MAD of readings", rival)


def main() -> None:
    """Print the table."""
    print("\n| what | floor | moonshot | ours | got | rival | its figure | reached |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    studies = (adbench, skab, nab, ucr, tep, msl, *(partial(named, fleet) for fleet in causes.FLEETS))
    for study in studies:
        goal = study()
        reached = "moonshot" if goal.got >= goal.moonshot else "floor" if goal.got >= goal.floor else "no"
        floor, moonshot, got, other = (
            f"{value:.1f}" if goal.moonshot > 1 else f"{value:.3f}"
            for value in (goal.floor, goal.moonshot, goal.got, goal.other)
        )
        print(f"| {goal.what} | {floor} | {moonshot} | {goal.ours} | {got} | {goal.rival} | {other} | {reached} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""The Numenta Anomaly Benchmark: streams scored as they come, with one configuration for all of them.

The benchmark's own figure takes the one threshold for all streams that is best in sight of the labels; beside it stands
what a detector's own thresholds earn, which know no labels. Much of either hangs on how often an alert is repeated: so
every other detector is also given the rest after an alert that `Novelty` has, at the best of many thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import njit

from benchmarks.measure import cpu_seconds
from benchmarks.quality.data import find
from tocsin import EWMA, STL, Discord, Novelty, OnlineIsolationForest, SeasonalNaive, ZScore, protocol
from tocsin.evaluate.protocols.cases import Answer, Case
from tocsin.evaluate.protocols.running import answers

Answered = list[tuple[Case, Answer]]

EVERY = 250
"""After how many rows those detectors learn on that do not do so while they score."""
THRESHOLDS = 40
"""How many thresholds are tried with a rest."""
PUBLISHED = "ARTime 74.9, HTM 70.5, CAD-OSE 69.9, KNN-CAD 58.0, RCF 51.7"
NEIGHBOURS: Mapping[str, dict[str, Any]] = {
    "as it is": {},
    "contamination 0.5 %": {"contamination": 0.005},
    "contamination 2 %": {"contamination": 0.02},
    "blocks of 8": {"block": 8},
    "blocks of 32": {"block": 32},
    "4 blocks": {"length": 4},
    "16 blocks": {"length": 16},
    "128 entries": {"keep": 128},
    "512 entries": {"keep": 512},
    "rest of 64": {"rest": 64},
    "rest of 256": {"rest": 256},
    "no rest": {"rest": 0},
}


def main() -> None:
    """Print the benchmark's figures: by detector, by category, by profile, and of neighbouring configurations."""
    nab = protocol("nab", find("nab"))
    cases = list(nab.cases())
    ours = list(answers(cases, Novelty()))
    _detectors(nab, cases, ours)
    _categories(nab, ours)
    _neighbours(nab, cases)
    _cost(cases)


def _detectors(nab: Any, cases: list[Case], ours: Answered) -> None:
    print(f"\nNAB, {len(cases)} series; published, of the whole corpus: {PUBLISHED}\n")
    print("| detector | optimum | with a rest | own thresholds | low FP | low FN |")
    print("| --- | --- | --- | --- | --- | --- |")
    others = (ZScore(), EWMA(), OnlineIsolationForest(), SeasonalNaive(), STL(), Discord())
    rows = [("Novelty", ours)]
    rows += [
        (type(each).__name__, list(answers(cases, each, update_every=EVERY if each.incremental else None)))
        for each in others
    ]
    rows.append(("z-score of all rows so far", [(case, _scored(case, _running)) for case in cases]))
    rows.append(("KNN-CAD", [(case, _scored(case, _knn_cad)) for case in cases]))
    for name, answered in rows:
        told = nab.judge(answered)
        rested = told["optimum"] if name == "Novelty" else _with_rest(nab, answered)
        own = (f"{told[figure]:.1f}" for figure in ("nab_standard", "nab_low_fp", "nab_low_fn"))
        print(f"| {name} | {told['optimum']:.1f} | {rested:.1f} | {' | '.join(own)} |".replace("nan", "-"))


def _categories(nab: Any, ours: Answered) -> None:
    print("\nNovelty with its own thresholds, by category\n")
    print("| category | series | windows' score | alerts | left out: all others |")
    print("| --- | --- | --- | --- | --- |")
    for group in dict.fromkeys(case.group for case, _ in ours):
        inside = [each for each in ours if each[0].group == group]
        outside = [each for each in ours if each[0].group != group]
        alerts = sum(int(answer.alert.sum()) for _, answer in inside if answer.alert is not None)
        parts = (nab.judge(part)["nab_standard"] for part in (inside, outside))
        score, rest = (f"{part:.1f}".replace("nan", "-") for part in parts)
        print(f"| {group} | {len(inside)} | {score} | {alerts} | {rest} |")


def _neighbours(nab: Any, cases: list[Case]) -> None:
    print("\nNovelty, one setting changed at a time\n")
    print("| setting | optimum | own thresholds |")
    print("| --- | --- | --- |")
    for name, settings in NEIGHBOURS.items():
        told = nab.judge(answers(cases, Novelty(**settings)))
        print(f"| {name} | {told['optimum']:.1f} | {told['nab_standard']:.1f} |")


def _cost(cases: list[Case]) -> None:
    rows = sum(len(case.test) for case in cases)
    values = [case.test["value"].to_numpy()[:, None] for case in cases]
    fitted = [Novelty().fit(case.training["value"].to_numpy()[:, None]) for case in cases]
    before = cpu_seconds()
    for detector, later in zip(fitted, values, strict=True):
        detector.decision_function(later)
    spent = cpu_seconds() - before
    print(f"\nNovelty: {spent / rows * 1e9:,.0f} ns a value, {fitted[0].model_.nbytes / 1000:.0f} KB a model")


def _with_rest(nab: Any, answered: Answered) -> float:
    """Return the best figure of one threshold for all series, with a rest after each alert."""
    scores = np.concatenate([answer.score for _, answer in answered])
    shares = 1.0 - np.geomspace(1e-5, 0.2, THRESHOLDS)
    return float(max(nab.judge(_rested(answered, each))["nab_standard"] for each in np.nanquantile(scores, shares)))


def _rested(answered: Answered, threshold: float) -> Iterator[tuple[Case, Answer]]:
    for case, answer in answered:
        alert, last = np.zeros(len(answer.score), np.bool_), -(10**9)
        for row in np.flatnonzero(answer.score > threshold):
            if row - last > min(128, len(case.training) // 5):
                alert[row], last = True, row
        yield case, Answer(answer.score, alert)


def _scored(case: Case, score: Any) -> Answer:
    rows = np.concatenate([part["value"].to_numpy() for part in (case.training, case.test)]).astype(np.float64)
    return Answer(score(rows, len(case.training))[len(case.training) :])


@njit
def _running(x, _):
    """Standard deviations from the mean of all that came before."""
    out = np.zeros(len(x))
    mean, square = x[0], 0.0
    for t in range(1, len(x)):
        away = x[t] - mean
        out[t] = abs(away) / np.sqrt(square / t) if square > 0.0 else 0.0
        mean += away / (t + 1)
        square += away * (x[t] - mean)
    return out


def _knn_cad(x, probation, width=19, neighbors=27, sure=0.9965):
    """KNN-CAD (Burnaev and Ishimtsev 2016, arXiv:1608.04585): the rank of a window's distance from its neighbours.

    Distances are by the inverse of the windows' second moments, found anew every half of a probation; after a rank of
    at least `sure`, a fifth of a probation has the score 0.5.
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    training, later = list(windows[: probation - width]), []
    sigma, out, quiet = np.eye(width), np.zeros(len(x)), 0
    near = lambda item, own: np.sort(_distances(np.array(training), item, sigma))[: neighbors + own].sum()  # noqa: E731
    ranked = [near(item, 1) for item in training]
    for t in range(probation, len(x)):
        if t % probation in (0, probation // 2):
            sigma = np.linalg.pinv(np.array(training).T @ np.array(training))
        item = windows[t - width + 1]
        distance = near(item, 0)
        rank = float(np.mean(np.array(ranked) < distance))
        if t >= 2 * probation:
            training = [*training[1:], later.pop(0)]
        later.append(item)
        ranked = [*ranked[1:], distance]
        out[t], quiet = (0.5, quiet - 1) if quiet > 0 else (rank, probation // 5 if rank >= sure else 0)
    return out


@njit
def _distances(rows, item, sigma):
    out = np.empty(len(rows))
    for i in range(len(rows)):
        apart = rows[i] - item
        out[i] = apart @ sigma @ apart
    return out


if __name__ == "__main__":
    main()

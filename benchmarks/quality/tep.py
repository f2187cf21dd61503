"""Tennessee Eastman: which share of faulty rows passes a threshold that 1 % of fault-free rows pass.

What is learned from is one fault-free run of 500 rows and 52 variables; each detector has one configuration.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.data import find
from tocsin import PCA, AdjustedChart, IsolationForest, Panel, Recipe, protocol
from tocsin.evaluate.protocols.base import Outcome, Protocol
from tocsin.features import Lags, Smooth

Scorer = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def statistic(name: str) -> Scorer:
    """Return what tells one of the statistics of principal components of rows, given others to learn from."""

    def told(training: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        detector = PCA().fit(training)
        return getattr(detector.statistics(detector.model_, Panel.of_matrix(rows)), name)

    return told


def judged(benchmark: Protocol, scorer: Scorer) -> Outcome:
    """Judge scores that no detector gives by itself."""
    return benchmark.judge(
        (case, scorer(case.training[case.features].to_numpy(), case.test[case.features].to_numpy()))
        for case in benchmark.cases()
    )


def runs(benchmark: Protocol):
    """Yield what each is called, and what came of it."""
    yield "IsolationForest", benchmark.run(IsolationForest())
    yield "PCA, T2", judged(benchmark, statistic("t2"))
    yield "PCA, Q", judged(benchmark, statistic("q"))
    yield "PCA, T2 and Q", benchmark.run(PCA())
    yield "PCA of smoothed readings", benchmark.run(PCA(), Recipe([Smooth("ewma", alpha=0.1)]))
    yield "PCA of 3 rows at a time", benchmark.run(PCA(), Recipe([Lags([1, 2])]))
    yield "PCA, all components", benchmark.run(PCA(components=52))
    yield "AdjustedChart", benchmark.run(AdjustedChart())
    for change in ({"lags": 2}, {"lags": 8}, {"gain": 0.05}, {"gain": 0.2}, {"ridge": 0.01}, {"ridge": 1.0}):
        ((name, value),) = change.items()
        yield f"- {name}={value:g}", benchmark.run(AdjustedChart(**change))


def main() -> None:
    """Print the shares by fault, and what each detector's own threshold gives."""
    benchmark = protocol("tep", find("tep"))
    print("\nTennessee Eastman, share of faulty rows that pass the score that 1 % of fault-free test rows pass\n")
    for place, (name, outcome) in enumerate(runs(benchmark)):
        faults = outcome.cases.filter(outcome.cases["case"] != "normal")
        if place == 0:
            print(f"| detector | mean | {' | '.join(faults['case'])} | own threshold: faults | fault-free |")
            print("| --- " * (4 + len(faults)) + "|")
        shares = " | ".join(f"{share:.3f}" for share in faults["detected"])
        own = " | ".join(
            "" if outcome[figure] != outcome[figure] else f"{outcome[figure]:.1%}"
            for figure in ("detected_own", "false_alarms_own")
        )
        print(f"| {name} | {outcome.value:.4f} | {shares} | {own} |")


if __name__ == "__main__":
    main()

"""The UCR anomaly archive: one anomaly a series, and one guess where it is, by detectors that look at windows."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.quality.data import find
from benchmarks.quality.subsequences import LONG, Windows, in_hindsight, in_time
from tocsin import KNN, PCA, Discord, IsolationForest, NearestWindow, protocol

OURS = "NearestWindow, in hindsight"
"""One configuration for all: its window is the cycle that it finds, and it forgets no training row. Windows that lie
over an anomaly are all far from training, so the row that most of them hold is where it was: that is hindsight."""


def main() -> None:
    """Print the share of series whose anomaly is located, ours and others, and what ours does not locate."""
    ucr = protocol("ucr", find("ucr"))
    tries = {
        OURS: (in_hindsight, partial(NearestWindow, keep=LONG)),
        "the same, 2,000 training rows kept": (in_hindsight, NearestWindow),
        "the same, the row that scores highest in time": (in_time, partial(NearestWindow, keep=LONG)),
        "Discord, in hindsight": (in_hindsight, partial(Discord, keep=LONG)),
        "Discord, in time": (in_time, partial(Discord, keep=LONG)),
        "PCA of windows": (in_hindsight, lambda: Windows(PCA())),
        "KNN of windows": (in_hindsight, lambda: Windows(KNN())),
        "isolation forest of windows": (in_hindsight, lambda: Windows(IsolationForest())),
    }
    print("\nThe UCR anomaly archive: the anomaly located within 100 rows\n")
    print("| | located | by the contest's rule | CPU-seconds |")
    print("| --- | --- | --- | --- |")
    missed = []
    for name, (answer, make) in tries.items():
        next(answer(ucr.cases(), make))  # compile first
        started = time.process_time()
        outcome = ucr.judge(answer(ucr.cases(), make))
        seconds = time.process_time() - started
        print(f"| {name} | {outcome.value:.1%} | {outcome['located_contest']:.1%} | {seconds:.1f} |", flush=True)
        if name == OURS:
            missed = outcome.cases.filter(~outcome.cases["located"]).select("case", "start", "end", "location").rows()
    print("\nNot located: " + "; ".join(f"{case} ({start} to {end}, said {at})" for case, start, end, at in missed))


if __name__ == "__main__":
    main()

"""The UCR anomaly archive: one anomaly a series, and one guess where it is, by detectors that look at windows."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks.quality.data import find
from benchmarks.quality.subsequences import LONG, of_windows
from tocsin import KNN, PCA, Discord, IsolationForest, NearestWindow, protocol
from tocsin.evaluate.protocols.running import answers

OURS = "NearestWindow, in hindsight"
"""One configuration for all: its window is the cycle that it finds, and it forgets no training row. Windows that lie
over an anomaly are all far from training, so the row that most of them hold is where it was: that is hindsight."""
TRIES = {
    OURS: (answers, NearestWindow(keep=LONG, hindsight=True)),
    "the same, 2,000 training rows kept": (answers, NearestWindow(hindsight=True)),
    "the same, as rows are scored when they come": (answers, NearestWindow(keep=LONG)),
    "Discord, in hindsight": (answers, Discord(keep=LONG, hindsight=True)),
    "Discord, as rows are scored when they come": (answers, Discord(keep=LONG)),
    "PCA of windows, in hindsight": (of_windows, PCA),
    "KNN of windows, in hindsight": (of_windows, KNN),
    "isolation forest of windows, in hindsight": (of_windows, IsolationForest),
}


def main() -> None:
    """Print the share of series whose anomaly is located, ours and others, and what ours does not locate."""
    ucr = protocol("ucr", find("ucr"))
    print("\nThe UCR anomaly archive: the anomaly located within 100 rows\n")
    print("| | located | by the contest's rule | CPU-seconds |")
    print("| --- | --- | --- | --- |")
    missed = []
    for name, (answer, detector) in TRIES.items():
        list(answer(islice(ucr.cases(), 1), detector))  # compile
        started = time.process_time()
        outcome = ucr.judge(answer(ucr.cases(), detector))
        seconds = time.process_time() - started
        print(f"| {name} | {outcome.value:.1%} | {outcome['located_contest']:.1%} | {seconds:.1f} |", flush=True)
        if name == OURS:
            missed = outcome.cases.filter(~outcome.cases["located"]).select("case", "start", "end", "location").rows()
    print("\nNot located: " + "; ".join(f"{case} ({start} to {end}, said {at})" for case, start, end, at in missed))


if __name__ == "__main__":
    main()

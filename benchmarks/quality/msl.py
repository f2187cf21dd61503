"""Telemetry of a Mars rover: how well what lies in an anomaly is ranked above the rest, by detectors of windows."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice

from benchmarks.quality.data import find
from benchmarks.quality.subsequences import LONG, of_windows
from tocsin import KNN, PCA, Discord, IsolationForest, NearestWindow, ZScore, protocol
from tocsin.evaluate.protocols.running import answers

TELEMETRY = ("x0",)
"""What is measured; the others are commands, which somebody gave on purpose and which say nothing by being rare."""
OURS = "NearestWindow, in hindsight"
TRIES = {
    OURS: (TELEMETRY, answers, NearestWindow(keep=LONG, hindsight=True)),
    "the same, windows of 16": (TELEMETRY, answers, NearestWindow(keep=LONG, hindsight=True, window=16)),
    "the same, windows of 64": (TELEMETRY, answers, NearestWindow(keep=LONG, hindsight=True, window=64)),
    "the same, as rows are scored when they come": (TELEMETRY, answers, NearestWindow(keep=LONG)),
    "the same, commands too": (None, answers, NearestWindow(keep=LONG, hindsight=True)),
    "Discord, in hindsight": (TELEMETRY, answers, Discord(keep=LONG, hindsight=True)),
    "PCA of windows, in hindsight": (TELEMETRY, of_windows, PCA),
    "KNN of windows, in hindsight": (TELEMETRY, of_windows, KNN),
    "isolation forest of windows, in hindsight": (TELEMETRY, of_windows, IsolationForest),
    "ZScore": (TELEMETRY, answers, ZScore()),
    "PCA of rows, commands too": (None, answers, PCA()),
    "KNN of rows, commands too": (None, answers, KNN()),
    "isolation forest of rows, commands too": (None, answers, IsolationForest()),
}


def main() -> None:
    """Print VUS-PR, the mean over channels, and that of each channel for ours."""
    msl = protocol("msl", find("msl"))
    print("\nMSL, mean over channels; of telemetry alone unless commands are named\n")
    print("| | VUS-PR | VUS-ROC | CPU-seconds |")
    print("| --- | --- | --- | --- |")
    channels = ""
    for name, (features, answer, detector) in TRIES.items():
        cases = [replace(case, features=features or case.features) for case in msl.cases()]
        list(answer(islice(cases, 1), detector))  # compile
        started = time.process_time()
        answered = list(answer(cases, detector))
        seconds = time.process_time() - started
        outcome = msl.judge(answered)
        print(f"| {name} | {outcome.value:.3f} | {outcome['vus_roc']:.3f} | {seconds:.1f} |", flush=True)
        if name == OURS:
            channels = "; ".join(f"{case} {value:.2f}" for case, value in outcome.cases.select("case", "vus_pr").rows())
    print(f"\nVUS-PR of each channel: {channels}")


if __name__ == "__main__":
    main()

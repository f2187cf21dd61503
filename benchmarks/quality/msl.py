"""Telemetry of a Mars rover: how well what lies in an anomaly is ranked above the rest, by detectors of windows."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.quality.data import find
from benchmarks.quality.subsequences import LONG, Windows, in_hindsight, in_time
from tocsin import KNN, PCA, Discord, IsolationForest, NearestWindow, ZScore, protocol

TELEMETRY = ("x0",)
"""What is measured; the others are commands, which somebody gave on purpose and which say nothing by being rare."""


def main() -> None:
    """Print VUS-PR, the mean over channels, and that of each channel for ours."""
    msl = protocol("msl", find("msl"))
    ours = "NearestWindow of telemetry, in hindsight"
    tries = {
        ours: (in_hindsight, partial(NearestWindow, keep=LONG), TELEMETRY),
        "the same, windows of 64": (in_hindsight, partial(NearestWindow, keep=LONG, window=64), TELEMETRY),
        "the same, windows of 16": (in_hindsight, partial(NearestWindow, keep=LONG, window=16), TELEMETRY),
        "the same, as scored in time": (in_time, partial(NearestWindow, keep=LONG), TELEMETRY),
        "NearestWindow of telemetry and commands, in hindsight": (
            in_hindsight, partial(NearestWindow, keep=LONG), None,
        ),
        "Discord of telemetry, in hindsight": (in_hindsight, partial(Discord, keep=LONG), TELEMETRY),
        "PCA of windows of telemetry": (in_hindsight, lambda: Windows(PCA()), TELEMETRY),
        "KNN of windows of telemetry": (in_hindsight, lambda: Windows(KNN()), TELEMETRY),
        "isolation forest of windows of telemetry": (in_hindsight, lambda: Windows(IsolationForest()), TELEMETRY),
        "ZScore of telemetry": (in_time, ZScore, TELEMETRY),
        "PCA of rows": (in_time, PCA, None),
        "KNN of rows": (in_time, KNN, None),
        "isolation forest of rows": (in_time, IsolationForest, None),
    }  # fmt: skip
    print("\nMSL, mean over channels\n")
    print("| | VUS-PR | VUS-ROC | CPU-seconds |")
    print("| --- | --- | --- | --- |")
    channels = ""
    for name, (answer, make, features) in tries.items():
        next(answer(msl.cases(), make, features))  # compile first
        started = time.process_time()
        answered = list(answer(msl.cases(), make, features))
        seconds = time.process_time() - started
        outcome = msl.judge(answered)
        print(f"| {name} | {outcome.value:.3f} | {outcome['vus_roc']:.3f} | {seconds:.1f} |", flush=True)
        if name == ours:
            channels = "; ".join(f"{case} {value:.2f}" for case, value in outcome.cases.select("case", "vus_pr").rows())
    print(f"\nVUS-PR of each channel: {channels}")


if __name__ == "__main__":
    main()

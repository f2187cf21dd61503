"""What each detector finds of the faults of made-up pumps, kind by kind, and at what price in false alarms."""

from __future__ import annotations

import polars as pl

from tocsin import ECOD, MAD, STL, Detector, Fleet, ZScore, synth
from tocsin.evaluate.metrics.causes import hit_rate
from tocsin.evaluate.truth import Findings, match
from tocsin.synth.faults import KINDS

ASSETS, SENSORS, ROWS = 80, 6, 30 * 144
DETECTORS: dict[str, Detector] = {
    "ecod": ECOD(contamination=0.001),
    "ecod, extrapolate": ECOD(contamination=0.001, extrapolate=True),
    "zscore": ZScore(contamination=0.001),
    "mad": MAD(contamination=0.001),
    "stl, period 144": STL(contamination=0.001, period=144),
    "stl, residual only": STL(contamination=0.001, period=144, watch="residual"),
}


def main() -> None:
    """Print a table, a row a detector."""
    readings, truth = synth.fleet(ASSETS, SENSORS, ROWS, seed=1, faulty=1.0)
    training, later = synth.split(readings)
    print(f"\n### Faults of {ASSETS} made-up pumps, learned from 21 days at a contamination of 0.1 %, judged on 9\n")
    print(f"| detector | {' | '.join(KINDS)} | all | cause named first | among three | first, of those found | "
          "false alarms |")  # fmt: skip
    print(f"|{' --- |' * (len(KINDS) + 6)}")
    for name, detector in DETECTORS.items():
        fleet = Fleet(detector, key="asset", time="time").fit(training)
        scores = fleet.score(later, explain=3, explain_all=True)
        assert scores is not None
        findings = match(scores, truth)
        first, three = (hit_rate(findings, k).value for k in (1, 3))
        found = hit_rate(findings, 1, of="found").value
        kinds = " | ".join(_kinds(findings))
        print(f"| {name} | {kinds} | {findings.found} of {len(truth)} | {first:.0%} | {three:.0%} | {found:.0%} "
              f"| {findings.false_alarm_rate:.2%} |", flush=True)  # fmt: skip


def _kinds(findings: Findings) -> list[str]:
    found = findings.by_kind().with_columns(of=pl.format("{} of {}", "found", "faults"))
    told = dict(zip(found["kind"], found["of"], strict=True))
    return [told.get(kind, "") for kind in KINDS]


if __name__ == "__main__":
    main()

"""What the choices of ECOD cost and bring on ADBench: AUROC of all rows, and by the paper's split."""

from __future__ import annotations

from benchmarks.quality.data import find
from tocsin import ECOD, protocol

CHOICES = {
    "exact": ECOD(form="exact"),
    "sketch, 5 %": ECOD(),
    "sketch, 2 %": ECOD(tail_error=0.02),
    "sketch, 20 %": ECOD(tail_error=0.2),
    "tails summed (paper)": ECOD(tails="sum"),
    "extrapolated": ECOD(extrapolate=True),
}


def main() -> None:
    """Print mean AUROC, and the largest gap to the exact form on any set."""
    whole, split = (protocol("adbench", find("adbench"), split=split) for split in ("none", "paper"))
    outcomes = {name: (whole.run(detector), split.run(detector)) for name, detector in CHOICES.items()}
    exact = outcomes["exact"][1].cases["auroc"]
    print(f"\nADBench, {len(exact)} sets, ECOD's own choices\n")
    print("| ECOD | mean AUROC, all rows | the paper's split | there, largest gap to exact on a set |")
    print("| --- | --- | --- | --- |")
    for name, (all_rows, paper) in outcomes.items():
        gap = (paper.cases["auroc"] - exact).abs().max()
        print(f"| {name} | {all_rows.value:.4f} | {paper.value:.4f} | {gap:.4f} |")


if __name__ == "__main__":
    main()

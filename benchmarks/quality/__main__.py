"""Show what is found on public data, and what is not; ``make bench-quality`` runs this."""

from __future__ import annotations

import sys
from importlib import import_module

STUDIES = (
    "goals", "elevator", "skab", "cmapss", "adbench", "forest", "neighbours", "baselines", "deep", "online_stl",
    "periods", "adapting", "made_up", "competition", "nab", "tep", "rivals", "causes", "ucr", "msl", "budget",
)  # fmt: skip

for study in sys.argv[1:] or STUDIES:
    import_module(f"benchmarks.quality.{study}").main()

"""Print one table of everything whose speed is measured in minutes; ``make bench`` runs this."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.measure import show

PARTS = ("ecod", "forest", "process", "deep", "features", "synth", "stl", "detect", "insights")

chosen = sys.argv[1:] or PARTS
show("Speed, in CPU-seconds", [line for part in chosen for line in import_module(f"benchmarks.speed.{part}").lines()])

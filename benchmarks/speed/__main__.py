"""Print one table of speeds, each a ratio in CPU-seconds measured in one run."""

from __future__ import annotations

from benchmarks.measure import show
from benchmarks.speed import detect, ecod, process, stl, synth

show("Speed, in CPU-seconds", [*ecod.lines(), *process.lines(), *synth.lines(), *stl.lines(), *detect.lines()])

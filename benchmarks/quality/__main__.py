"""Print what was found on public data and on made-up faults, and what was not."""

from __future__ import annotations

from benchmarks.quality import adbench, cmapss, elevator, made_up, neighbours, online_stl, skab

for study in (elevator, skab, cmapss, adbench, neighbours, online_stl, made_up):
    study.main()

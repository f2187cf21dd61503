"""Print what was found on public data and on made-up faults, and what was not."""

from __future__ import annotations

from benchmarks.quality import adbench, cmapss, elevator, made_up, online_stl, periods, skab

for study in (elevator, skab, cmapss, adbench, online_stl, periods, made_up):
    study.main()

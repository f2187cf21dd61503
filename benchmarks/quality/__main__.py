"""Print what was found on public data, and what was not."""

from __future__ import annotations

from benchmarks.quality import adbench, cmapss, elevator, online_stl, skab

for study in (elevator, skab, cmapss, adbench, online_stl):
    study.main()

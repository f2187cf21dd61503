"""Print what was found on public data, and what was not."""

from __future__ import annotations

from benchmarks.quality import adbench, cmapss, elevator, skab

for study in (elevator, skab, cmapss, adbench):
    study.main()

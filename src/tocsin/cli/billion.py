"""`tocsin billion`: make up, score and grade a billion values without storing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli.options import Json, Threads
from tocsin.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tocsin.detectors.base import Detector
    from tocsin.evaluate.fused import Fused
    from tocsin.synth.made_up import MadeUp

GROUP = 1024
"""Values are made so many at a time; a multiple wastes none."""
MOST_CLEAN = 20_480
"""How many readings of an asset are enough to learn from."""
FEWEST = 20
"""How few readings an asset may have."""
PART = 0.1
"""Which share of the values is enough to time fewer threads."""


def billion(
    cells: Annotated[float, typer.Option(metavar="N", help="How many values in all, about.")] = 1e9,
    features: Annotated[int, typer.Option(metavar="N", help="How many sensors an asset has.")] = 100,
    rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many readings an asset has. By default two million over --features."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another fleet for each number.")] = 0,
    detector: Annotated[
        str, typer.Option(metavar="NAME", help="Which detector scores; [bold]tocsin info[/] lists them.")
    ] = "zscore",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the detector; repeatable. By default contamination=0.001.",
        ),
    ] = None,
    faulty: Annotated[float, typer.Option(metavar="SHARE", help="The share of assets with a fault.")] = 0.6,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw throughput against threads: .png, .svg or .pdf.")
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Make up, score and grade a billion values without storing them: how fast, and what is found."""
    from tocsin.cli.settings import make_detector
    from tocsin.report.pictures import check_picture

    chosen = make_detector(detector, ["contamination=0.001", *(settings or [])])
    if not 1 <= cells <= 1e15:
        raise ParameterError(f"--cells is a number of values from 1 to 1e15, not {cells:g}")
    if picture is not None:
        check_picture(picture)
    made = _made_up(int(cells), features, rows, seed, faulty)
    runs = _run(made, chosen, threads)
    whole = runs[max(runs)]
    if picture is not None:
        from tocsin.report.throughput import draw_throughput

        title = f"Making up and scoring, {made.rows:,} readings of {len(made.sensors):,} sensors at a time"
        draw_throughput({count: run.rate for count, run in runs.items()}, picture, title)
    if as_json:
        from tocsin.cli.machine import print_json

        print_json(_told(whole, runs))
    else:
        _show(made, chosen, whole, runs, picture)


def _made_up(cells: int, features: int, rows: int | None, seed: int, faulty: float) -> MadeUp:
    from tocsin.synth.made_up import MOST_FEATURES, MadeUp, check_count
    from tocsin.synth.parts import Noise, Season
    from tocsin.synth.sensors import Sensor

    check_count("features", features, MOST_FEATURES)
    rows = max(2_100_000 // features // GROUP, 1) * GROUP if rows is None else rows
    check_count("rows", rows, 1 << 32)
    if rows < FEWEST:
        raise ParameterError(f"--rows must be at least {FEWEST}, so that there is something to learn from, not {rows}")
    sensors = [Sensor(f"x{index + 1}", (Noise(), Season(0.1, 200.0, spread=1.0))) for index in range(features)]
    assets = max(cells // (features * rows), 1)
    clean = min(rows // 5, MOST_CLEAN)
    clean = clean // GROUP * GROUP or clean
    return MadeUp(sensors, assets=assets, rows=rows, seed=seed, clean_rows=clean, faulty=faulty)


def _run(made: MadeUp, detector: Detector, threads: int | None) -> dict[int, Fused]:
    """Run a part on fewer threads and all on as many as are wanted; return the runs by the number of threads."""
    from tocsin.cli.progress import progress
    from tocsin.evaluate.fused import fused
    from tocsin.threads import cores

    most = threads or cores()
    fewer = [count for count in (1, 2, 4, 8, 16, 32, 64, 128) if count < most]
    part = max(int(made.assets * PART), 1)
    with progress("Compiling, the first time only"):
        fused(made, detector, assets=1)
    runs = {}
    for count in [*fewer, most]:
        with progress("One thread" if count == 1 else f"{count} threads") as tell:
            assets = made.assets if count == most else part
            runs[count] = fused(made, detector, assets=assets, threads=count, progress=tell)
    return runs


def _told(whole: Fused, runs: dict[int, Fused]) -> dict[str, Any]:
    return {
        "cells": whole.cells,
        "threads": whole.threads,
        "seconds": round(whole.seconds, 4),
        "cells_a_second": whole.rate,
        "cells_a_second_a_core": whole.rate_a_core,
        "cells_a_second_by_threads": {str(count): run.rate for count, run in runs.items()},
        "peak_memory": _peak_memory(),
        "findings": whole.findings.to_dict(),
    }


def _peak_memory() -> int:
    """Return the most bytes that this process has had in memory at once."""
    import resource
    import sys

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _show(made: MadeUp, detector: Detector, whole: Fused, runs: dict[int, Fused], picture: Path | None) -> None:
    from tocsin.cli import view
    from tocsin.cli.text import count, duration, size

    console, findings = view.stdout(), whole.findings
    faults = len(findings.faults)
    console.print(
        view.facts(
            {
                "made up": f"{whole.cells:,} values: {count(made.assets, 'asset')} of {count(made.rows, 'reading')}, "
                f"{count(len(made.sensors), 'sensor')}; noise and a cycle of 200",
                "scored by": f"{detector}, learned from each asset's first {made.clean_rows:,} readings",
                "took": f"{duration(whole.seconds)} on {count(whole.threads, 'thread')}",
                "throughput": f"{whole.rate / 1e6:,.0f} million values a second, {whole.rate_a_core / 1e6:,.0f} a core",
                "memory": f"{size(_peak_memory())} at most",
                "faults found": f"{findings.found} of {faults}; the cause was named first for {findings.right_cause}, "
                f"among the first three for {findings.cause_in_top3}"
                if faults
                else None,
                "kinds": f"{', '.join(made.kinds)}; the others need a shared factor, or a level far from 0",
                "false alarms": f"{findings.false_alarms:,} of {findings.clean_rows:,} clean readings, "
                f"{findings.false_alarm_rate:.3%}, where {detector.contamination:.3%} was asked for",
                "picture": None if picture is None else str(picture),
            }
        )
    )
    if faults:
        console.print(view.heading("Held against the truth"))
        console.print(view.findings_table(findings))
    console.print(view.heading("Throughput", "million values a second"))
    console.print(_bars({number: run.rate / 1e6 for number, run in runs.items()}))


def _bars(rates: dict[int, float]) -> RenderableType:
    from tocsin.cli import view
    from tocsin.cli.text import count

    most = max(rates.values())
    return view.facts(
        {count(number, "thread"): view.bar(rate, most, 40).append(f" {rate:,.0f}") for number, rate in rates.items()}
    )

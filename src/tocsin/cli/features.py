"""`tocsin features`: what a fleet's recipe makes of readings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli import options
from tocsin.cli.options import Data, Json, Memory, NoHeader, NullValue, SavedFleet, Separator, Threads


def features(
    fleet: SavedFleet,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A file for the features of all rows; its suffix, such as .parquet or .csv, tells the format.",
        ),
    ],
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Write the features that a fleet's recipe makes of readings, as its detector gets them."""
    from tocsin.cli.progress import progress
    from tocsin.fleet.fleet import Fleet

    loaded = Fleet.load(fleet)
    how = options.reading(separator, no_header, null_value, threads, memory)
    with progress("Writing") as tell:
        loaded.transform(data, out=out, progress=tell, **how)
    made = list(loaded.features) if loaded.made is None else loaded.made
    if as_json:
        from tocsin.cli.machine import print_json, report_of

        print_json(report_of(loaded) | {"out": str(out), "made": made})
        return
    from tocsin.cli import report, view

    console = view.stdout()
    console.print(report.headline("Made features of", loaded.report))
    console.print(view.facts(report.watched(loaded.features, loaded.made) | {"written": str(out)}))
    report.notes(console, loaded.report)

"""`tocsin update`: learn from new readings without the old ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli import options
from tocsin.cli.options import Data, Json, Memory, NoHeader, NullValue, SavedFleet, Separator, Threads


def update(
    fleet: SavedFleet,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to save the updated fleet. By default in place of the old one."),
    ] = None,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Let a fleet learn from new readings without the old ones; new assets get a first model."""
    from tocsin.cli.progress import progress
    from tocsin.fleet.fleet import Fleet

    loaded = Fleet.load(fleet)
    before = len(loaded)
    with progress("Learning") as tell:
        loaded.update(data, progress=tell, **options.reading(separator, no_header, null_value, threads, memory))
    target = fleet if out is None else out
    loaded.save(target)
    if as_json:
        from tocsin.cli.machine import print_json, report_of

        result = {"fleet": str(target), "assets_in_fleet": len(loaded), "new_assets": len(loaded) - before}
        print_json(report_of(loaded) | result | {"version": loaded.version})
        return
    from tocsin.cli import report, view

    console = view.stdout()
    console.print(report.headline("Learned", loaded.report))
    new = f", {len(loaded) - before:,} of them new" if len(loaded) > before else ""
    console.print(view.facts({"saved": f"{target}, version {loaded.version}: {len(loaded):,} assets{new}"}))
    report.notes(console, loaded.report)

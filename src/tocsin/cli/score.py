"""`tocsin score`: score readings, each by its asset's model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import Data, Json, Memory, NoHeader, NullValue, SavedFleet, Separator, Threads

if TYPE_CHECKING:
    import polars as pl

    from tocsin.fleet.fleet import Fleet


class Unknown(StrEnum):
    """What to do with assets that have no model."""

    skip = "skip"
    error = "error"


def score(  # noqa: PLR0913, PLR0917 - one parameter an option
    fleet: SavedFleet,
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file for the scores of all rows; its suffix, such as .parquet or .csv, tells the format.",
        ),
    ] = None,
    explain: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many features to name for each alert in the file.")
    ] = 0,
    alerts_only: Annotated[bool, typer.Option("--alerts-only", help="Write the alerts only.")] = False,
    unknown: Annotated[
        Unknown,
        typer.Option(
            metavar="skip|error", help="What to do with assets that have no model: skip and report them, or stop."
        ),
    ] = Unknown.skip,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Score readings by a fleet: show the worst assets, or write all scores to a file."""
    from tocsin.cli.progress import progress
    from tocsin.fleet.fleet import Fleet

    loaded = Fleet.load(fleet)
    how: dict[str, Any] = options.reading(separator, no_header, null_value, threads, memory)
    if out is None:
        how |= {"only_alerts": True, "explain": max(explain, 1)}
    else:
        how |= {"only_alerts": alerts_only, "explain": explain, "out": out}
    with progress("Scoring") as tell:
        scores = loaded.score(data, unknown=unknown.value, progress=tell, **how)
    if as_json:
        from tocsin.cli.machine import print_json, report_of

        found = {} if scores is None else {"worst": _worst(loaded, scores)}
        print_json(report_of(loaded) | {"out": None if out is None else str(out)} | found)
    else:
        source = [*data, *options.reading_words(separator, no_header, null_value)]
        _show(loaded, scores, fleet, source, out)


def _worst(fleet: Fleet, scores: pl.DataFrame) -> list[dict[str, Any]]:
    from tocsin.cli.view import WORST
    from tocsin.evaluate.incidents import incidents

    return incidents(scores, quiet=None, signed=fleet.detector.signed).head(WORST).drop("rows").to_dicts()


def _show(fleet: Fleet, scores: pl.DataFrame | None, path: Path, source: list[str], out: Path | None) -> None:
    from tocsin.cli import report, view
    from tocsin.cli.text import count

    console = view.stdout()
    console.print(report.headline("Scored", fleet.report))
    share = fleet.report.alerts / fleet.report.rows if fleet.report.rows else 0.0
    console.print(
        view.facts(
            {
                "alerts": f"{count(fleet.report.alerts, 'reading')}, {share:.2%}",
                "written": None if out is None else str(out),
            }
        )
    )
    report.notes(console, fleet.report)
    if scores is None:
        return
    rows = _worst(fleet, scores)
    if not rows:
        console.print("\nNothing to worry about: no reading is above its asset's threshold.")
        return
    console.print(view.heading("Worst assets", "those that were farthest and longest above their threshold"))
    console.print(view.incident_table(rows, has_key=fleet.columns.key is not None, has_time="time" in scores.columns))
    asset = ["--asset", str(rows[0]["key"])] if fleet.columns.key else []
    view.commands(console, [["tocsin", "explain", str(path), *source, *asset]])

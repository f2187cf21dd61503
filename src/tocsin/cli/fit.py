"""`tocsin fit`: learn one model an asset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import (
    Data,
    Features,
    Json,
    Key,
    Label,
    Memory,
    NoHeader,
    NullValue,
    Sensor,
    Separator,
    Threads,
    Time,
    Value,
)

if TYPE_CHECKING:
    from tocsin.fleet.fleet import Fleet


def fit(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", show_default=False, help="Where to save the fleet.")],
    key: Key = None,
    time: Time = None,
    features: Features = None,
    detector: Annotated[
        str, typer.Option(metavar="NAME", help="Which detector to use; [bold]tocsin info[/] lists them.")
    ] = "ecod",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the detector, such as contamination=0.001; repeatable."
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="How readings become features, windows and the like: a recipe of .toml or .json, kept with the fleet.",
        ),
    ] = None,
    sensor: Sensor = None,
    value: Value = None,
    label: Label = None,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Learn what is normal: one model for each asset, saved as a fleet."""
    from tocsin.cli.progress import progress
    from tocsin.cli.settings import make_detector
    from tocsin.features.recipe import Recipe
    from tocsin.fleet.fleet import Fleet

    made = make_detector(detector, settings)
    fleet = Fleet(
        made,
        key=key,
        time=time,
        features=options.names(features),
        sensor=sensor,
        value=value,
        label=label,
        recipe=None if recipe is None else Recipe.read(recipe),
    )
    how = options.reading(separator, no_header, null_value, threads, memory)
    with progress("Learning") as tell:
        fleet.fit(data, progress=tell, **how)
    fleet.save(out)
    if as_json:
        from tocsin.cli.machine import print_json, report_of

        print_json(report_of(fleet) | {"fleet": str(out), "assets_in_fleet": len(fleet)})
    else:
        _show(fleet, [*data, *options.reading_words(separator, no_header, null_value)], out)


def _show(fleet: Fleet, source: list[str], out: Path) -> None:
    from tocsin.cli import report, view
    from tocsin.evaluate.incidents import incidents

    console = view.stdout()
    console.print(report.headline(f"Learned {fleet.detector}", fleet.report))
    console.print(report.columns(fleet))
    report.notes(console, fleet.report)
    alerts = fleet.training_alerts
    found = incidents(alerts, quiet=None, signed=fleet.detector.signed)
    worst: list[dict[str, Any]] = found.sort("severity", descending=True, nulls_last=True).head(5).to_dicts()
    if worst:
        console.print(view.heading("Worst training readings"))
        console.print(report.alert_lines(worst, has_time="time" in alerts.columns))
    view.commands(console, [["tocsin", "score", str(out), *source], ["tocsin", "info", str(out)]])

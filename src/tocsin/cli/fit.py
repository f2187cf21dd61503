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
from tocsin.errors import ParameterError

if TYPE_CHECKING:
    from tocsin.evaluate.competition.compete import Competition
    from tocsin.features.recipe import Recipe
    from tocsin.fleet.fleet import Fleet
    from tocsin.tables.columns import Columns

AUTO, BUDGET = "auto", 60.0
"""The name of whichever detector wins, and how many seconds that may take to find out."""
COMMON = ("contamination", "infinite")
"""The settings that all detectors have."""


def fit(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", show_default=False, help="Where to save the fleet.")],
    key: Key = None,
    time: Time = None,
    features: Features = None,
    detector: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which detector to use; [bold]tocsin info[/] lists them. With [bold]auto[/] the one that wins a "
            "competition on some of the assets, by --label or else by faults put into readings.",
        ),
    ] = "ecod",
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="With --detector auto, how long the competition may take. By default 60."),
    ] = None,
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
    from dataclasses import asdict

    from tocsin.cli import standings, view
    from tocsin.cli.progress import progress
    from tocsin.cli.settings import make_detector
    from tocsin.features.recipe import Recipe
    from tocsin.fleet.fleet import Fleet
    from tocsin.fleet.store import check_folder
    from tocsin.tables.columns import Columns

    check_folder(out)
    before = None if recipe is None else Recipe.read(recipe)
    columns = Columns(key, time, options.names(features), sensor, value, label)
    how = options.reading(separator, no_header, null_value, threads, memory)
    found = None
    if detector.lower() == AUTO:
        found = _chosen(data, columns, before, settings, BUDGET if budget is None else budget, how)
        if not as_json:
            standings.show(view.stdout(), found)
            view.stdout().print()
        fleet = found.fleet()
    elif budget is not None:
        raise ParameterError(f"--budget is for the competition of --detector {AUTO}; leave it out")
    else:
        fleet = Fleet(make_detector(detector, settings), recipe=before, **asdict(columns))
    with progress("Learning") as tell:
        fleet.fit(data, progress=tell, **how)
    fleet.save(out)
    if as_json:
        from tocsin.cli.machine import print_json, report_of

        told = {} if found is None else {"competition": found.to_dict()}
        print_json(report_of(fleet) | {"fleet": str(out), "assets_in_fleet": len(fleet)} | told)
    else:
        _show(fleet, [*data, *options.reading_words(separator, no_header, null_value)], out)


def _chosen(
    data: list[str],
    columns: Columns,
    recipe: Recipe | None,
    settings: list[str] | None,
    budget: float,
    how: dict[str, Any],
) -> Competition:
    """Hold a competition; of settings only those that all detectors have can be given."""
    from tocsin.cli.compete import hold
    from tocsin.cli.settings import make_detector
    from tocsin.evaluate.competition.compete import Rules

    for setting in settings or []:
        if setting.partition("=")[0].strip() not in COMMON:
            raise ParameterError(
                f"--set {setting}: with --detector {AUTO} only {' and '.join(COMMON)} can be set, which all have"
            )
    common = make_detector("ecod", settings)
    rules = Rules(recipe=recipe, contamination=common.contamination, infinite=common.infinite, budget=budget)
    return hold(data, columns, rules, how)


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

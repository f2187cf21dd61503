"""`tocsin compete`: all detectors side by side on one's own assets, and the one to take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import (
    Data,
    Features,
    Json,
    Key,
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
    from tocsin.evaluate.competition.compete import Competition, Rules
    from tocsin.fleet.fleet import Fleet
    from tocsin.tables.columns import Columns

RULES = "How the competition is held"


class Prefer(StrEnum):
    """Which of those that chance could have put first wins."""

    fast = "fast"
    best = "best"


class Infinite(StrEnum):
    """What is done with infinite values."""

    error = "error"
    missing = "missing"


def compete(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Data,
    key: Key = None,
    time: Time = None,
    features: Features = None,
    sensor: Sensor = None,
    value: Value = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Judge by labels: a column that says of each reading whether it is anomalous, 1, or normal, 0; or a "
            "file of key, time and label, a row a reading, or of key, start and end, a row an anomaly.",
            rich_help_panel=RULES,
        ),
    ] = None,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults",
            help="Judge by typed faults that are put into the later readings of each asset; so it is without --labels.",
            rich_help_panel=RULES,
        ),
    ] = False,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Which faults: spike, shift, drift, variance, correlation, stuck, contact, process. By default all.",
            rich_help_panel=RULES,
        ),
    ] = None,
    detectors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Who takes part, with commas in between, also with settings, 'mad,pca(components=5)'. By default all "
            "that can, with their variants.",
            rich_help_panel=RULES,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A recipe for all of them. By default most take part on readings as they are, and on windows too.",
            rich_help_panel=RULES,
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="What ranks: a metric of scores.", rich_help_panel=RULES)
    ] = "average_precision",
    train: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Which share of each asset's readings, the first ones, is learned from; the others are judged.",
            rich_help_panel=RULES,
        ),
    ] = 0.5,
    assets: Annotated[
        int, typer.Option(metavar="N", help="How many assets are drawn to compete on, at most.", rich_help_panel=RULES)
    ] = 100,
    seeds: Annotated[
        int,
        typer.Option(metavar="N", help="How many rounds, each with other faults and seeds.", rich_help_panel=RULES),
    ] = 3,
    prefer: Annotated[
        Prefer,
        typer.Option(
            metavar="fast|best",
            help="Who wins: the cheapest that is less than a standard error behind the best, or the best.",
            rich_help_panel=RULES,
        ),
    ] = Prefer.fast,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long it may take: in heats, the better on more assets.",
            rich_help_panel=RULES,
        ),
    ] = None,
    contamination: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="The share of training rows above a threshold, of all detectors.",
            rich_help_panel=RULES,
        ),
    ] = 0.01,
    infinite: Annotated[
        Infinite,
        typer.Option(
            metavar="error|missing", help="Whether infinite readings are refused or missing.", rich_help_panel=RULES
        ),
    ] = Infinite.error,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Other assets and faults for each number.", rich_help_panel=RULES)
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Let the winner learn all readings, and save it as a fleet."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the leaderboard: .png, .svg or .pdf.")
    ] = None,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """Hold all detectors side by side on your own assets, by labels or faults put into readings; say which to take."""
    from tocsin.evaluate.competition.compete import Rules
    from tocsin.evaluate.injection import KINDS
    from tocsin.features.recipe import Recipe
    from tocsin.fleet.store import check_folder
    from tocsin.report.pictures import check_picture
    from tocsin.tables.columns import Columns

    if labels is not None and (faults or kinds):
        raise ParameterError(f"--labels and {'--faults' if faults else '--kinds'} exclude each other; give one")
    if out is not None:
        check_folder(out)
    if picture is not None:
        check_picture(picture)
    rules = Rules(
        detectors=detectors or None,
        recipe=None if recipe is None else Recipe.read(recipe),
        metric=metric,
        train=train,
        seeds=seeds,
        assets=assets,
        contamination=contamination,
        infinite=infinite.value,
        prefer=prefer.value,
        budget=budget,
        seed=seed,
        kinds=options.names(kinds) or KINDS,
    )
    columns = Columns(key, time, options.names(features), sensor, value)
    how = options.reading(separator, no_header, null_value, threads, memory)
    source, columns = with_labels(data, labels, columns, how)
    found = hold(source, columns, rules, how)
    with told(found, as_json=as_json) as extra:  # whatever becomes of the files
        if picture is not None:
            from tocsin.report.leaderboard import draw_leaderboard

            draw_leaderboard(found, picture)
        if out is not None:
            learned(found, source, how).save(out)
            extra["fleet"] = str(out)
    if as_json:
        return
    from tocsin.cli import standings, view

    console = view.stdout()
    roles = {"--key": key, "--time": time, "--features": features, "--sensor": sensor, "--value": value}
    more = {"--recipe": None if recipe is None else str(recipe), "--train": None if train == 0.5 else f"{train:g}"}
    read = options.reading_words(separator, no_header, null_value)
    if out is not None:
        following = ["tocsin", "score", str(out), *data, *read]
    elif found.winner.recipe is None and labels is None:
        following = ["tocsin", "fit", *data, *options.words(roles), *read, *standings.detector_words(found)]
    else:
        again = options.words({**roles, "--labels": labels, **more})
        following = ["tocsin", "compete", *data, *again, *read, "--out", "fleet"]
    view.commands(console, [following])


def hold(source: Any, columns: Columns, rules: Rules, how: dict[str, Any]) -> Competition:
    """Hold a competition, and tell how it goes."""
    from tocsin.cli.progress import stages
    from tocsin.evaluate.competition.compete import compete

    roles = {name: getattr(columns, name) for name in ("key", "time", "features", "sensor", "value", "label")}
    with stages("Reading") as tell:
        return compete(source, **roles, rules=rules, tell=tell, **how)


@contextmanager
def told(found: Competition, *, as_json: bool) -> Iterator[dict[str, Any]]:
    """Tell what came of a competition, also where what is made of it then fails: to a person before, else after.

    Yields
    ------
    dict
        More to tell a program.
    """
    from tocsin.cli import standings, view
    from tocsin.cli.machine import print_json

    extra: dict[str, Any] = {"fleet": None}
    if not as_json:
        standings.show(view.stdout(), found)
    try:
        yield extra
    finally:
        if as_json:
            print_json(found.to_dict() | extra)


def learned(found: Competition, source: Any, how: dict[str, Any]) -> Fleet:
    """Let the winner learn all readings."""
    from tocsin.cli.progress import progress

    fleet = found.fleet()
    with progress(f"Learning {found.winner}") as tell:
        return fleet.fit(source, progress=tell, **how)


def with_labels(data: list[str], labels: str | None, columns: Columns, how: dict[str, Any]) -> tuple[Any, Columns]:
    """Return readings and what their columns mean, the labels among them, wherever these lie."""
    from dataclasses import replace

    if labels is None:
        return data, columns
    if not _is_file(labels):
        return data, replace(columns, label=labels)
    from tocsin.evaluate.labels import labelled

    return labelled(data, labels, columns, **{name: each for name, each in how.items() if name != "threads"})


def _is_file(labels: str) -> bool:
    """Say whether labels are in a file of their own; the name of a column may have a dot, too."""
    return Path(labels).exists() or Path(labels).suffix.lower() in (".csv", ".parquet", ".arrow", ".json", ".ndjson")

"""Arguments and options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ROLES = "What the columns mean"
READING = "How to read the data"

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="Readings: files, folders or globs, or a URL, of CSV, Parquet, Arrow IPC or NDJSON.",
    ),
]
SavedFleet = Annotated[
    Path,
    typer.Argument(metavar="FLEET", show_default=False, help="The folder of a fleet that [bold]fit[/] has saved."),
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column that says which asset a reading is of; [bold]@file[/] if each file is an asset. "
        "Without it all readings are of one asset.",
        rich_help_panel=ROLES,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column that orders an asset's readings. Without it they are taken as they come.",
        rich_help_panel=ROLES,
    ),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="The columns to watch: names, globs such as 'temp_*' and exclusions such as '!temp_3', separated by "
        "commas; may be repeated. By default every numeric column that has no other role.",
        rich_help_panel=ROLES,
    ),
]
Sensor = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="In a long table, the column that names the sensor.", rich_help_panel=ROLES),
]
Value = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="In a long table, the column that holds the sensor's value.", rich_help_panel=ROLES
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER", help="What separates columns of text. By default it is found out.", rich_help_panel=READING
    ),
]
NoHeader = Annotated[
    bool,
    typer.Option(
        "--no-header",
        help="The first line holds readings; columns are then called column_1, column_2 and so on.",
        rich_help_panel=READING,
    ),
]
NullValue = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", help="A text that stands for a missing value; may be repeated.", rich_help_panel=READING
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="How many cores to use. By default all.", rich_help_panel=READING),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for a program to read.")]


def names(given: list[str] | None) -> list[str] | None:
    """Return the names in options that may be repeated and may hold several each."""
    if not given:
        return None
    return [name.strip() for several in given for name in several.split(",") if name.strip()]


def reading(
    separator: str | None, no_header: bool, null_value: list[str] | None, threads: int | None = None
) -> dict[str, Any]:
    r"""Return the arguments that a fleet's methods take; a separator may be written ``\t``."""
    plain = separator.replace("\\t", "\t") if separator else separator
    return {"separator": plain, "header": not no_header, "null_values": null_value, "threads": threads}

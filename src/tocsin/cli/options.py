"""Arguments and options that several commands share, each said once."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.errors import ParameterError

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
        "commas; may be repeated. A name with a comma goes in double quotes. By default every numeric column that has "
        "no other role.",
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
Label = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column that says whether a reading is anomalous, 1, or normal, 0. It is never watched; some "
        "detectors learn from it.",
        rich_help_panel=ROLES,
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
Memory = Annotated[
    float | None,
    typer.Option(
        metavar="GB",
        help="How much memory reading may use before it sets readings aside on disk. By default 2 GB.",
        rich_help_panel=READING,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for a program to read.")]


def names(given: list[str] | None) -> list[str] | None:
    """Return the names in options that may be repeated and may hold several each.

    >>> names(["flow, temp_*", '"x, C",!y'])
    ['flow', 'temp_*', 'x, C', '!y']
    """
    if not given:
        return None
    lines = (line for several in given for line in several.splitlines())
    rows = csv.reader(lines, skipinitialspace=True)
    return [name.strip() for row in rows for name in row if name.strip()]


def reading(
    separator: str | None,
    no_header: bool,
    null_value: list[str] | None,
    threads: int | None = None,
    memory: float | None = None,
) -> dict[str, Any]:
    r"""Return the arguments that a fleet's methods take; a separator may be written ``\t``."""
    plain = separator.replace("\\t", "\t") if separator else separator
    more = {"threads": threads, "memory_limit": None if memory is None else _bytes(memory)}
    given = {name: value for name, value in more.items() if value is not None}
    return {"separator": plain, "header": not no_header, "null_values": null_value} | given


def _bytes(memory: float) -> int:
    if not (math.isfinite(memory) and memory > 0):
        raise ParameterError(f"--memory is a number of gigabytes above 0, such as 0.5, not {memory:g}")
    return int(memory * 1e9)


def words(options: Mapping[str, str | Sequence[str] | bool | None]) -> list[str]:
    """Return the words that give options again.

    >>> words({"--key": "pump", "--time": None, "--no-header": True, "--null-value": ["NA", "-"]})
    ['--key', 'pump', '--no-header', '--null-value', 'NA', '--null-value', '-']
    """
    found: list[str] = []
    for name, value in options.items():
        if value is True:
            found.append(name)
        elif value:
            found += [word for each in ([value] if isinstance(value, str) else value) for word in (name, each)]
    return found


def reading_words(separator: str | None, no_header: bool, null_value: list[str] | None) -> list[str]:
    """Return the words that tell another command to read the data as this one did."""
    return words({"--separator": separator, "--no-header": no_header, "--null-value": null_value})

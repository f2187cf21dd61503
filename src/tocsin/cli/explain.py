"""`tocsin explain`: why one reading has its score."""

from __future__ import annotations

from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import Data, Json, NoHeader, NullValue, SavedFleet, Separator


def explain(
    fleet: SavedFleet,
    data: Data,
    asset: Annotated[
        str | None, typer.Option(metavar="KEY", help="Whose reading; not needed if the fleet has one asset.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When; the nearest reading counts. By default the asset's worst one."),
    ] = None,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="How many features to name.")] = 5,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    as_json: Json = False,
) -> None:
    """Say why one reading has its score: each feature's value, its normal range, and its part."""
    from tocsin.fleet.fleet import Fleet

    how = options.reading(separator, no_header, null_value)
    rows = Fleet.load(fleet).explain_at(data, asset, at, top=top, **how).to_dicts()
    if as_json:
        from tocsin.cli.machine import print_json

        reading = ("key", "time", "score", "threshold", "p_value", "alert")
        head = {name: rows[0][name] for name in reading if rows and name in rows[0]}
        parts = [{name: value for name, value in row.items() if name not in reading} for row in rows]
        print_json(head | {"explanations": parts})
    else:
        _show(rows, asset, at)


def _show(rows: list[dict[str, Any]], asset: str | None, at: str | None) -> None:
    from rich.text import Text

    from tocsin.cli import view
    from tocsin.cli.text import moment

    console = view.stdout()
    if not rows:
        console.print("No feature adds to the score of this reading: nothing in it is unusual.")
        return
    first: view.Row = rows[0]
    name = str(first["key"]) if first.get("key") not in (None, "") else asset or "The reading"
    title = Text(name, style="bold")
    if "time" in first:
        title.append(f" at {moment(first['time'])}").append(_away(first["time"], at), style="not bold")
    console.print(title.append_text(view.verdict(first)))
    console.print()
    for row in rows[: view.SENTENCES]:
        console.print(view.indented(view.sentence(str(row["sentence"]), str(row["feature"]))))
    console.print()
    console.print(view.contribution_table(rows, console.width))


def _away(found: Any, at: str | None) -> str:
    """Return how far the nearest reading is from the time that was asked for, if it is not of that time."""
    import polars as pl

    from tocsin.cli.text import duration, moment, number

    if at is None:
        return ""
    if not isinstance(found, date):
        gap = float(abs(found - Decimal(at)))
        return f" (nearest to {at}, {number(gap)} away)" if gap else ""
    when = found if isinstance(found, datetime) else datetime.combine(found, clock.min)
    asked: datetime = pl.Series([at]).str.to_datetime().item()
    zone = when.tzinfo or UTC
    when, asked = (each.replace(tzinfo=each.tzinfo or zone).astimezone(UTC) for each in (when, asked))
    seconds = abs((when - asked).total_seconds())
    return f" (nearest to {moment(asked.astimezone(zone))}, {duration(seconds)} away)" if seconds >= 0.1 else ""

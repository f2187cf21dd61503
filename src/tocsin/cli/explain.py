"""`tocsin explain`: why one reading has its score."""

from __future__ import annotations

from typing import Annotated

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
    del how["threads"]
    rows = Fleet.load(fleet).explain_at(data, asset, at, top=top, **how).to_dicts()
    if as_json:
        from tocsin.cli.machine import print_json

        reading = ("key", "time", "score", "threshold", "p_value", "alert")
        head = {name: rows[0][name] for name in reading if rows and name in rows[0]}
        parts = [{name: value for name, value in row.items() if name not in reading} for row in rows]
        print_json(head | {"explanations": parts})
    else:
        _show(rows, asset)


def _show(rows: list[dict[str, object]], asset: str | None) -> None:
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
        title.append(f" at {moment(first['time'])}")
    console.print(title.append_text(view.verdict(first)))
    console.print()
    for row in rows[: view.SENTENCES]:
        console.print(view.indented(view.sentence(str(row["sentence"]), str(row["feature"]))))
    console.print()
    console.print(view.contribution_table(rows, console.width))

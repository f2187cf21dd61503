"""What a call read and did, for people: the same words after fit, score and update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tocsin.cli import view
from tocsin.cli.text import count, duration, listed, moment, number
from tocsin.tables.columns import ROLES

if TYPE_CHECKING:
    from tocsin.fleet.fleet import Fleet
    from tocsin.fleet.report import Report


def headline(did: str, report: Report) -> RenderableType:
    """Return one line: what was done, with how much, how fast."""
    rate = report.rows / report.seconds if report.seconds > 0 else 0.0
    text = Text(did, style="bold")
    text.append(f"  {count(report.rows, 'row')} of {count(report.assets, 'asset')}", style="not bold")
    return text.append(f" in {duration(report.seconds)}, {rate:,.0f} rows/s", style="not bold dim")


def columns(fleet: Fleet) -> RenderableType:
    """Return which columns were taken, which have another role, and which were left and why."""
    roles = fleet.columns
    shown = {role: getattr(roles, role) for role in ROLES}
    named = [name for name in shown.values() if name is not None]
    reasons: dict[str, list[str]] = {}
    for column, reason in fleet.report.left_out.items():
        if column not in named:
            reasons.setdefault(reason, []).append(column)
    left = "\n".join(f"{listed(names)}: {reason}" for reason, names in reasons.items())
    return view.facts(
        {
            **watched(fleet.features, fleet.made),
            **shown,
            "left out": left or None,
            "alerts": count(fleet.report.alerts, "reading") if fleet.report.alerts else None,
        }
    )


def watched(columns: Sequence[str], made: Sequence[str] | None) -> dict[str, str]:
    """Return which columns are watched, and which features a recipe makes of them; None is no recipe."""
    taken = f"{len(columns)}: {listed(columns)}"
    if made is None:
        return {"features": taken}
    return {"columns": taken, "features": f"{len(made)}: {listed(made, 4)}"}


def notes(console: Console, report: Report) -> None:
    """Print what was skipped or mended."""
    lines = list(report.notes)
    if report.missing:
        lines.append(f"{count(report.missing, 'value')} missing; a missing value adds nothing to a score")
    if report.unknown_assets:
        skipped = count(len(report.unknown_assets), "asset")
        lines.append(f"{skipped} without a model skipped: {listed(report.unknown_assets, 5)}")
    if lines:
        console.print(view.heading("Note"))
        console.print(view.bullets(lines, style="yellow"))


def alert_lines(rows: Sequence[Mapping[str, Any]], *, has_time: bool) -> RenderableType:
    """Return one line an asset: its worst reading."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold")
    for _ in range(3):
        table.add_column(no_wrap=True)
    for row in rows:
        when = moment(row["worst_time"]) if has_time else ""
        table.add_row(
            f"  {row['key']}",
            when,
            f"score {number(row['score'])}",
            Text(f"alert above {number(row['threshold'])}", style="dim"),
        )
    return table

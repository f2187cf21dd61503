"""A trial of new models, for people: which alarms would change, which faults would be found, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tocsin.cli import view
from tocsin.cli.text import count

if TYPE_CHECKING:
    from tocsin.stream.adapting.verdict import Alarm, Drill, Trial

SHOWN = 8
"""How many alarms that differ are shown."""
HINTS = {
    "promoted": "tocsin rollback brings the former ones back",
    "waits": "tocsin promote lets them take over all the same",
    "rolled back": "tocsin promote brings back those that were at work last",
}
"""What people can do, by what has become of models."""
SIGNS = {"appeared": ("+", "yellow"), "vanished": ("−", "red"), "changed": ("~", "cyan")}


def show(console: Console, found: Trial, fate: str) -> None:
    """Print the alarms that would change, the fire drill, and what has become of the new models."""
    from tocsin.stream.adapting.versions import FATES

    console.print(view.heading("Alarms", _counts(found)))
    if found.alarms:
        console.print(_alarms(found.alarms[:SHOWN]))
        more = found.appeared + found.vanished + found.changed - min(len(found.alarms), SHOWN)
        if more:
            console.print(Text(f"  and {more:,} more", style="dim"))
    if found.drills:
        console.print(view.heading("Fire drill", "faults put into readings that were held back"))
        console.print(_drills(found.drills))
    console.print(view.heading(FATES[fate], HINTS[fate]))
    if found.promoted:
        console.print(view.bullets(["all is inside the bounds"], style="green"))
    else:
        console.print(view.bullets(list(found.reasons), style="yellow"))


def plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is kept of nights as JSON values."""
    return [{**row, "trial": None if row["trial"] is None else json.loads(row["trial"])} for row in rows]


def nights(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return one line a night: what became of the models that it made, and why."""
    from tocsin.cli.insights_view import moment_of
    from tocsin.stream.adapting.verdict import Trial

    if not rows:
        return Text("No models have been on trial yet.")
    table = _table("Night", "Version", "", "Learned", "Held back", "Why")
    for row in rows:
        style = {"promoted": "green", "waits": "yellow", "rolled back": "yellow"}.get(row["fate"], "red")
        why = [row["why"]] if row["trial"] is None else list(Trial.of_json(row["trial"]).reasons)
        rows_of = [f"{row[name]:,}" if name in row else "–" for name in ("learned", "held")]
        night = f"{moment_of(row['made']):%Y-%m-%d %H:%M}"
        table.add_row(night, str(row["version"]), Text(row["fate"], style=style), *rows_of, "; ".join(why))
    return table


def _counts(found: Trial) -> str:
    from tocsin.stream.adapting.verdict import asset_time

    watched = f"{count(found.assets, 'asset')}, {asset_time(found.asset_days)}"
    differ = f"{found.appeared:,} appear, {found.vanished:,} vanish, {found.changed:,} change their cause"
    return f"{found.champion_alarms:,} before, {found.challenger_alarms:,} after in {watched}: {differ}"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim", leading=0)
    for name in columns:
        right = name in (
            "Alerts",
            "Version",
            "Learned",
            "Held back",
            "Faults",
            "Before",
            "After",
            "Delay before",
            "Delay after",
        )
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _alarms(alarms: tuple[Alarm, ...]) -> RenderableType:
    table = _table("", "Asset", "From", "To", "Alerts", "Cause")
    for alarm in alarms:
        sign, style = SIGNS[alarm.what]
        cause = alarm.cause or ""
        if alarm.what == "changed":
            cause = f"{cause}, was {alarm.before}"
        table.add_row(Text(sign, style=style), alarm.asset, alarm.start, alarm.end, f"{alarm.alerts:,}", cause)
    return table


def _drills(drills: tuple[Drill, ...]) -> RenderableType:
    table = _table("Kind", "Faults", "Before", "After", "Delay before", "Delay after")
    for drill in drills:
        style = "bold" if drill.kind == "all" else ""
        after = Text(_share(drill.challenger, drill.faults), style="red" if drill.challenger < drill.champion else "")
        before = _share(drill.champion, drill.faults)
        delays = (_rows(drill.champion_delay), _rows(drill.challenger_delay))
        table.add_row(drill.kind, f"{drill.faults:,}", before, after, *delays, style=style)
    return table


def _share(found: int, faults: int) -> str:
    return f"{100 * found / faults:.0f} %" if faults else "–"


def _rows(delay: float | None) -> str:
    return "–" if delay is None else f"{delay:.1f} rows"

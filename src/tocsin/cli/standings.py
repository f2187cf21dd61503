"""A competition's outcome, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tocsin.cli import view
from tocsin.cli.text import count, duration, listed, number

if TYPE_CHECKING:
    from tocsin.evaluate.competition.compete import Competition

DETECTOR, NAME = "Detector", 22
"""The column of names, and how wide it is at least."""
SPARE = ("Cause\ntop 3", "Delay", "CPU s a\nmillion", "False\nalarms", "Cause\n1st", "95 %", "Found")
"""Which figures are left out first where a window is too narrow for all."""
SEEN = 6
"""Of how many contestants is told what they see."""


def show(console: Console, found: Competition) -> None:
    """Print who is ahead, what each sees, who wins and why."""
    title = Text(f"Held {count(len(found.leaderboard), 'contestant')}", style="bold")
    drawn = f"{count(found.assets, 'asset')}" + (f" of {found.of_assets:,}" if found.of_assets > found.assets else "")
    what = "fault" if found.mode == "faults" else "labelled anomaly"
    things = "labelled anomalies" if found.mode == "labels" else None
    title.append(f"  {count(found.faults, what, things)} on {drawn}", style="not bold")
    console.print(title.append(f" in {duration(found.seconds)}", style="not bold dim"))
    console.print()
    table, hidden = _table(found, console.width)
    console.print(table)
    if hidden:
        console.print(Text(f"  A wider window or --json shows more: {listed(hidden)}", style="dim"))
    if found.mode == "faults":
        console.print(view.heading("What each sees", f"{found.metric.replace('_', ' ')} by kind of fault"))
        console.print(_kinds(found))
    console.print(view.heading(f"{found.winner} wins"))
    console.print(view.bullets([found.reason, *found.outlook]))
    lines = _notes(found)
    if lines:
        console.print(view.heading("Note"))
        console.print(view.bullets(lines, style="yellow"))


def detector_words(found: Competition) -> list[str]:
    """Return the words with which another command makes the winner, which stands behind no recipe."""
    from tocsin.cli.settings import words

    return ["--detector", found.winner.detector, *words(found.winner.make()), "--out", "fleet"]


def _table(found: Competition, width: int) -> tuple[RenderableType, list[str]]:
    """Return one line a contestant, and which figures are left out where there is no room for all."""
    board = found.leaderboard.to_dicts()
    rows = [_cells(found, row) for row in board]
    names = list(dict.fromkeys(name for cells in rows for name in cells))
    hidden = []
    for spare in SPARE:
        if spare in names and sum(_width(name, rows) for name in names) > width:
            names.remove(spare)
            hidden.append(" ".join(spare.split()))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, show_edge=False, header_style="dim")
    for name in names:
        if name == DETECTOR:
            table.add_column(name, overflow="fold", min_width=NAME)
        else:
            table.add_column(name, justify="left" if name == "95 %" else "right", no_wrap=True)
    for row, cells in zip(board, rows, strict=True):
        table.add_row(*(cells.get(name, "") for name in names), style=_style(row))
    return table, hidden


def _width(name: str, rows: list[dict[str, Any]]) -> int:
    """Return how much room a column takes, with what is between it and the next."""
    if name == DETECTOR:
        return NAME + 2
    return 2 + max(*map(len, name.split("\n")), *(len(row.get(name, "")) for row in rows))


def _style(row: dict[str, Any]) -> str:
    if row["winner"]:
        return "bold green"
    return "" if row["level"] else "dim"


def _cells(found: Competition, row: dict[str, Any]) -> dict[str, Any]:
    """Return what is in each column."""
    name = Text(("★ " if row["winner"] else "= " if row["level"] else "  ") + row["detector"])
    if row["failure"] is not None:
        return {"": str(row["rank"]), DETECTOR: name.append("  failed", style="red")}
    if row["assets"] < found.assets:
        name.append(f"  on {count(row['assets'], 'asset')}")
    causes = {"Cause\n1st": _percent(row["cause_1"]), "Cause\ntop 3": _percent(row["cause_3"])}
    interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
    delay = "" if row["delay"] is None else f"{row['delay']:,.0f}"
    cost = row["fit_seconds"] + row["score_seconds"]
    return {
        "": str(row["rank"]),
        DETECTOR: name,
        "Score": f"{row['score']:.3f}",
        "95 %": interval,
        "Found": _percent(row["found"]),
        "Delay": delay,
        **(causes if found.mode == "faults" else {}),
        "False\nalarms": f"{row['false_alarms']:.1%}" if row["false_alarms"] is not None else "",
        "CPU s a\nmillion": number(float(f"{cost:.2g}")),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _kinds(found: Competition) -> RenderableType:
    """Return one line a contestant, the score of each kind of fault as a shade of a bar."""
    first = found.by_kind["detector"].unique(maintain_order=True).head(SEEN).to_list()
    kinds = found.by_kind["kind"].unique().sort().to_list()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, show_edge=False, header_style="dim")
    table.add_column(DETECTOR, overflow="fold", min_width=14)
    for kind in kinds:
        table.add_column(kind, justify="right", overflow="fold", min_width=4)
    best = dict(found.by_kind.group_by("kind").agg(pl.col("score").max()).iter_rows())
    for name in first:
        own = dict(found.by_kind.filter(pl.col("detector") == name).select("kind", "score").iter_rows())
        table.add_row(name, *(_shaded(own.get(kind), best[kind]) for kind in kinds))
    return table


def _shaded(score: float | None, best: float) -> Text:
    if score is None:
        return Text("")
    return Text(f"{score:.2f}", style="green" if score >= 0.9 * best else "" if score >= 0.5 * best else "dim")


def _notes(found: Competition) -> list[str]:
    lines = list(found.notes)
    failed = found.leaderboard.filter(pl.col("failure").is_not_null())
    lines += [f"{row['detector']} failed: {row['failure']}" for row in failed.to_dicts()]
    reasons: dict[str, list[str]] = {}
    for name, why in {**found.skipped, **found.incomplete}.items():
        reasons.setdefault(why, []).append(name)
    return lines + [f"{listed(names)}: {why}" for why, names in reasons.items()]

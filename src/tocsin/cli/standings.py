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
    console.print(_table(found))
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


def _table(found: Competition) -> RenderableType:
    """Return one line a contestant."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim", leading=0)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("Detector", overflow="fold", min_width=20)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("95 %", no_wrap=True)
    for name in ("Found", "Delay", *(("Cause 1st", "top 3") if found.mode == "faults" else ()), "False\nalarms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("CPU s a\nmillion", justify="right", no_wrap=True)
    for row in found.leaderboard.to_dicts():
        table.add_row(*_cells(found, row), style=_style(row))
    return table


def _style(row: dict[str, Any]) -> str:
    if row["winner"]:
        return "bold green"
    return "" if row["level"] else "dim"


def _cells(found: Competition, row: dict[str, Any]) -> list[Any]:
    name = Text(("★ " if row["winner"] else "= " if row["level"] else "  ") + row["detector"])
    if row["failure"] is not None:
        return [str(row["rank"]), name.append("  failed", style="red")]
    if row["assets"] < found.assets:
        name.append(f"  on {count(row['assets'], 'asset')}")
    causes = [_percent(row["cause_1"]), _percent(row["cause_3"])] if found.mode == "faults" else []
    interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
    delay = "" if row["delay"] is None else f"{row['delay']:,.0f}"
    cost = row["fit_seconds"] + row["score_seconds"]
    return [
        str(row["rank"]), name, f"{row['score']:.3f}", interval, _percent(row["found"]), delay, *causes,
        f"{row['false_alarms']:.1%}" if row["false_alarms"] is not None else "", number(float(f"{cost:.2g}")),
    ]  # fmt: skip


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _kinds(found: Competition) -> RenderableType:
    """Return one line a contestant, the score of each kind of fault as a shade of a bar."""
    first = found.by_kind["detector"].unique(maintain_order=True).head(SEEN).to_list()
    kinds = found.by_kind["kind"].unique().sort().to_list()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim")
    table.add_column("Detector", overflow="fold", min_width=20)
    for kind in kinds:
        table.add_column(kind, justify="right", no_wrap=True)
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

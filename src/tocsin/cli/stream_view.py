"""What people see of a stream: a live table once a second, and at the end what it has done and what it left out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tocsin.cli import insights_view, view
from tocsin.cli.text import count, duration, listed, number, size

if TYPE_CHECKING:
    from tocsin.stream.session import Session, Summary
    from tocsin.stream.settings import Settings

WORST, LATEST, REASONS = 5, 5, 5
"""How many assets, alerts and reasons are shown."""
ABREAST = 72
"""From so many columns on two figures stand in one line."""


def wanted(settings: Settings) -> bool:
    """Return whether a live table is to be drawn: on a terminal, unless alerts are printed there."""
    return sys.stderr.isatty() and not ("-" in settings.sinks and sys.stdout.isatty())


@contextmanager
def table(session: Session) -> Iterator[None]:
    """Draw a table on standard error once a second."""
    from rich.live import Live

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    done = Event()
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:

        def draw() -> None:
            while not done.wait(1.0):
                live.update(drawn(session, console.width), refresh=True)

        drawing = Thread(target=draw, name="tocsin-table", daemon=True)
        drawing.start()
        try:
            yield
        finally:
            done.set()
            drawing.join(1.0)


def drawn(session: Session, width: int) -> RenderableType:
    """Return the table: how the stream does, which assets are the most anomalous now, and the latest alerts."""
    from tocsin.errors import TocsinError
    from tocsin.insights import ask
    from tocsin.stream.alerts import headline

    parts: list[RenderableType] = [_title(session), view.indented(_figures(session, width))]
    try:
        worst = ask.top(session.store, WORST).to_dicts()
        alerts = ask.alerts(session.store, most=LATEST).to_dicts()
    except TocsinError as error:
        return Group(*parts, Text(f"{error}", style="yellow"))
    if not session.watch.figures.batches:
        parts.append(Text("\n  No readings yet. The first run on a machine compiles for a minute or so.", style="dim"))
    if worst:
        parts += [view.heading("Highest scores now"), insights_view.top(worst)]
    if alerts:
        parts.append(view.heading("Latest alerts"))
        parts += [_line(f"  {headline(alert)}", width) for alert in alerts]
    if session.watch.news:
        parts.append(view.heading("News"))
        parts += [_line(f"  {line}", width, "yellow") for line in session.watch.news]
    return Group(*parts)


def _title(session: Session) -> Text:
    shown, alone = session.settings.shown(), "nowhere but to the store"
    title = Text(f"{session.settings.fleet.name}", style="bold")
    told = f"  from {shown['from']} to {shown['to'] or alone}, for {duration(time.monotonic() - session.started)}"
    title.append(told, style="not bold dim")
    title.no_wrap, title.overflow = True, "ellipsis"
    return title


def _figures(session: Session, width: int) -> RenderableType:
    watch, now = session.watch, session.watch.latest
    figures = watch.figures
    lag = "" if figures.lag is None else insights_view.waiting(figures.lag, figures.lag_unit)
    pairs = [
        ("rows a second", number(now.get("rows", 0.0)), "readings", f"{figures.rows:,}"),
        ("data a second", size(now.get("bytes", 0.0)), "alerts", f"{figures.alerts:,}"),
        ("delay, half of rows", _delay(now.get("delay_p50")), "assets with a model", f"{figures.models:,}"),
        ("delay, 99 % of rows", _delay(now.get("delay_p99")), "rows learned", f"{figures.learned:,}"),
        ("waits to be read", lag, "late readings", f"{figures.late:,}"),
        ("alerts to be sent", f"{figures.waiting:,}", "unreadable messages", f"{figures.dead:,}"),
    ]
    grid = Table.grid(padding=(0, 2))
    for side in range(2):
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(justify="right", no_wrap=True, min_width=10 - 2 * side)
    halves = [pair[:2] for pair in pairs] + [pair[2:] for pair in pairs]
    for row in pairs if width >= ABREAST else halves:
        grid.add_row(*row)
    return grid


def _delay(milliseconds: float | None) -> str:
    return "" if milliseconds is None or not math.isfinite(milliseconds) else duration(milliseconds / 1e3)


def _line(text: str, width: int, style: str = "") -> Text:
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis")
    line.truncate(width, overflow="ellipsis")
    return line


def tell(summary: Summary, *, aside: bool) -> None:
    """Print what was done in one line, and what was left out, if anything was; `aside` on standard error."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False) if aside else view.stdout()
    end = "The source has ended" if summary.ended == "source" else "Stopped"
    done = f"{count(summary.rows, 'reading')} in {duration(summary.seconds)}, {count(summary.alerts, 'alert')}"
    console.print(f"{end}: {done}.", soft_wrap=True)
    missing = missing_of(summary)
    if missing:
        console.print(view.heading("Left out"))
        console.print(view.facts(missing))


def missing_of(summary: Summary) -> dict[str, RenderableType | None]:
    """Return what was left out, and why."""
    strange = [f"{name} (about {many:,} values)" for name, many in summary.strange.items()]
    assets = [f"{key} ({why})" for key, why in summary.unlearnable.items()]
    dead = [f"{many:,}: {reason}" for many, reason in summary.reasons[:REASONS]]
    if rest := sum(many for many, _ in summary.reasons[REASONS:]):
        dead.append(f"{rest:,}: other reasons; --dead-letters FILE keeps them")
    told: dict[str, RenderableType | None] = {
        "late": f"{count(summary.late, 'reading')}, too late; --late says how late they may come"
        if summary.late
        else None,
        "not readable": Text("\n".join([f"{count(summary.dead, 'message')}", *dead])) if dead else None,
        "unknown sensors": Text(listed(strange)) if strange else None,
        "no finite number": f"{count(summary.mended, 'value')}, taken as missing" if summary.mended else None,
        "without a model yet": f"{count(summary.unlearned, 'reading')} of assets that were new"
        if summary.unlearned
        else None,
        "no model": Text(listed(assets, 5)) if assets else None,
        "not committed": None
        if summary.waited_for is None
        else f"what is read again at the next start: {summary.waited_for}",
        "not sent": f"{count(summary.waiting, 'alert')}; they go out when the stream starts again"
        if summary.waiting
        else None,
    }
    return {name: value for name, value in told.items() if value is not None}

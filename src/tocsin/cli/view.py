"""What people see: tables of incidents, bars of contributions, values against their normal range."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tocsin.cli.text import count, duration, moment, number
from tocsin.errors import OutputError

if TYPE_CHECKING:
    from tocsin.evaluate.truth import Findings

WORST = 8
"""How many incidents are shown."""
BOUNDLESS = 10_000
"""Columns of a terminal on which everything fits."""

Row = Mapping[str, Any]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the entry point, as for any other way of printing."""
        raise BrokenPipeError


def stdout(*, record: bool = False) -> Console:
    """Return the console for results; square brackets in data are never read as markup."""
    return _Console(highlight=False, markup=False, emoji=False, record=record)


class Fitted:
    """A table without the columns that matter least where a terminal is too narrow for all of them.

    Parameters
    ----------
    table : callable
        Gives the table without the columns of some headers.
    spare : sequence of str
        The headers of those that may go, in the order in which they do.
    """

    def __init__(self, table: Callable[[Collection[str]], Table], spare: Sequence[str]) -> None:
        self._table, self._spare = table, spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the first that fits with its columns as narrow as they may be, else the last."""
        for many in range(len(self._spare)):
            least = self._table(self._spare[:many])
            for column in least.columns:
                column.max_width = column.min_width or column.max_width
            if Measurement.get(console, options.update(max_width=BOUNDLESS), least).maximum <= options.max_width:
                yield self._table(self._spare[:many])
                return
        yield self._table(self._spare)


def heading(text: str, remark: str = "") -> Text:
    """Return the title of a part of the output, with a word on what it shows."""
    title = Text(f"\n{text}", style="bold")
    return title.append(f"  {remark}", style="not bold dim") if remark else title


def save_picture(console: Console, path: Path, title: str) -> None:
    """Save what a console has recorded as SVG that names no font to be fetched from elsewhere."""
    own_fonts_only = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    try:
        console.save_svg(str(path), title=title, unique_id="tocsin", code_format=own_fonts_only)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def facts(pairs: Mapping[str, RenderableType | None]) -> RenderableType:
    """Return names and values in two columns; a value that is None is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        if value is not None:
            grid.add_row(name, value)
    return Padding(grid, (0, 0, 0, 2), expand=False)


def commands(console: Console, lines: Sequence[Sequence[str]]) -> None:
    """Print what to try next, so that it can be copied from a narrow terminal, too."""
    console.print(heading("Next"))
    for words in lines:
        console.print(Text(f"  {shlex.join(words)}", style="cyan"), soft_wrap=True)


def bullets(lines: Sequence[str], style: str = "") -> RenderableType:
    """Return sentences one under the other."""
    return Group(*(Padding(Text(f"{line}", style=style), (0, 0, 0, 2), expand=False) for line in lines))


def incident_table(rows: Sequence[Row], *, has_key: bool, has_time: bool) -> RenderableType:
    """Return one line an incident: which asset, when, how far over the threshold, and what happened."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim", leading=1)
    if has_key:
        table.add_column("Asset", style="bold", overflow="fold", max_width=24)
    table.add_column("When", no_wrap=True)
    measure = "Above\nthreshold" if any(_is_difference(row) for row in rows) else "Score"
    table.add_column(measure, justify="right", no_wrap=True)
    table.add_column("What happened", ratio=1, overflow="fold", min_width=24)
    for row in rows:
        cells = [_when(row, has_time=has_time), _severity(row), _what(row)]
        table.add_row(*([Text(str(row["key"])), *cells] if has_key else cells))
    return table


def _when(row: Row, *, has_time: bool) -> Text:
    """Return when an incident was; of an asset's alerts as a whole, when the worst one was."""
    together = "rows" not in row
    start, end = (row["worst_time"], row["worst_time"]) if together else (row["start"], row["end"])
    text = Text(moment(start) if has_time else f"reading {start + 1:,}")
    if end != start:
        span = end - start if has_time else None
        last = moment(end) if has_time else f"{end + 1:,}"
        text.append(f"\nfor {duration(span)}" if isinstance(span, timedelta) else f"\nto {last}", style="dim")
    if row["alerts"] > 1:
        text.append(f"\n{count(row['alerts'], 'alert')}", style="dim")
    if row.get("more"):
        text.append(f"\n+ {count(row['more'], 'incident')}", style="dim")
    return text


def _severity(row: Row) -> Text:
    severity = row["severity"]
    if severity is None:
        return Text(f"{number(row['score'])}, over 0")
    if _is_difference(row):
        return Text(f"by {number(severity)}", style="red")
    style = "bold red" if severity >= 1.5 else "red" if severity >= 1.1 else "yellow"
    return Text(f"{severity:.2f}×", style=style)


def _is_difference(row: Row) -> bool:
    """Return whether a severity says by how much a score is above the threshold, not how many times it that is."""
    from tocsin.evaluate.incidents import ABOVE

    return bool(row["unit"] == ABOVE)


def _what(row: Row) -> Text:
    text = sentence(row["sentence"], row["feature"]) if row["sentence"] else Text("")
    fault = row.get("fault")
    if fault:
        text.append(f"\n✓ {fault}", style="green")
    elif "fault" in row:
        text.append("\n✗ no fault here: a false alarm", style="dim")
    return text


def sentence(text: str, feature: str) -> Text:
    """Return an explanation's sentence, its feature and value standing out."""
    shown = Text(text)
    if text.startswith(feature):
        shown.stylize("bold", 0, len(feature))
        if value := re.compile(r" was (\S+?),").match(text, len(feature)):
            shown.stylize("bold", *value.span(1))
    return shown


def contribution_table(rows: Sequence[Row], width: int) -> RenderableType:
    """Return one line a feature: its value, where that lies against the normal range, and its part of the score.

    Of a trend or season there is no value to show: the normal range is that of the reading, which it says nothing of.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim")
    table.add_column("Feature", style="bold", overflow="fold", min_width=18)
    parts = any("part" in row for row in rows)
    if parts:
        table.add_column("Part", no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("Normal range", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Share", no_wrap=True)
    track = 9 if width < 100 and parts else 13 if width < 100 else 33
    length = 6 if width < 100 else 24
    most = max((row["contribution"] for row in rows), default=0.0)
    for row in rows:
        value, low, high = row["value"], row["low"], row["high"]
        reading = [number(value), f"{number(low)} to {number(high)}", gauge(value, low, high, track)]
        table.add_row(
            Text(row["feature"]),
            *([Text(row["part"])] if parts else []),
            *(reading if row.get("part", "residual") == "residual" else ["", "", ""]),
            bar(row["contribution"], most, length).append(f" {row['share']:.0%}", style="dim"),
        )
    return table


def gauge(value: float, low: float, high: float, width: int) -> Text:
    """Return a value's place on a line whose middle third is the normal range; far out it stops at the ends.

    >>> gauge(5.0, 0.0, 10.0, 9).plain, gauge(99.0, 0.0, 10.0, 9).plain
    ('···━●━···', '···━━━··●')
    """
    third = width // 3
    line = Text("·" * third, style="dim")
    line.append("━" * (width - 2 * third), style="green").append("·" * third, style="dim")
    span = (high - low) or abs(high) or 1.0
    place = round((width - 1) / 2 + (value - (low + high) / 2) / span * (width - 2 * third - 1))
    inside = low <= value <= high
    place = min(max(place, 0), width - 1)
    if not inside:
        place = max(place, width - third) if value > high else min(place, third - 1)
    return line[:place].append("●", style="green" if inside else "bold red").append_text(line[place + 1 :])


def bar(part: float, most: float, width: int) -> Text:
    """Return a bar whose length is the share of a part in the most there is."""
    eighths = round(width * 8 * part / most) if most > 0 else 0
    whole, rest = divmod(eighths, 8)
    drawn = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text(drawn.ljust(width), style="red")


SENTENCES = 3
"""How many features are told of in words."""


def verdict(row: Row) -> Text:
    """Return what a reading's score means: whether it is an alert, and how rare it is."""
    score, threshold = row["score"], row["threshold"]
    judged = Text("  alert", style="bold red") if row["alert"] else Text("  no alert", style="bold green")
    rarity = f"; so high a score is 1 in {1 / row['p_value']:,.0f}" if 0 < row["p_value"] <= 0.5 else ""
    return judged.append(f"  score {number(score)}, alert above {number(threshold)}{rarity}", style="not bold dim")


_UNSEEN = {
    "stuck": "a usual value, only frozen: no reading is strange in itself",
    "correlation": "usual values that no longer go together: no reading is strange in itself",
}
"""Why faults of some kinds may go unseen."""


def findings_table(findings: Findings) -> RenderableType:
    """Return how many of the known faults were found and understood, kind by kind."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim")
    table.add_column("Fault", style="bold")
    table.add_column("Found", justify="right")
    table.add_column("Right cause", justify="right")
    table.add_column("")
    for row in findings.by_kind().to_dicts():
        missed = row["found"] < row["faults"]
        remark = _UNSEEN.get(row["kind"], "") if missed else ""
        table.add_row(row["kind"], _of(row["found"], row["faults"]), str(row["right_cause"]), Text(remark, style="dim"))
    table.add_section()
    table.add_row("all", _of(findings.found, len(findings.faults)), str(findings.right_cause), "")
    return table


def _of(part: int, whole: int) -> Text:
    return Text(f"{part} of {whole}", style="green" if part == whole else "yellow" if part else "red")


def sample_table(rows: Sequence[Row]) -> RenderableType:
    """Return one line an incident of a series: where, how long, and its worst sample."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim")
    table.add_column("Index", style="bold", justify="right", no_wrap=True)
    for name in ("Value", "Expected", "Score"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in rows:
        alone = row["start"] == row["end"]
        told = "" if alone else f"one of {count(row['samples'], 'sample')} from {row['start']:,} to {row['end']:,}"
        numbers = [f"{row['index']:,}", number(row["value"]), number(row["expected"])]
        table.add_row(*numbers, Text(number(row["score"]), style="red"), Text(told, style="dim"))
    return table


def indented(content: RenderableType) -> RenderableType:
    """Return the content a little to the right."""
    return Padding(content, (0, 0, 0, 2), expand=False)

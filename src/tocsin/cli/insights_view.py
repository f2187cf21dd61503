"""What people see of insights: tables that fit 80 columns, and a line of blocks for what goes on in time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tocsin.cli import view
from tocsin.cli.text import count, duration, listed, moment, number, size

if TYPE_CHECKING:
    from tocsin.insights.ask import Asset

ALERTS_OF_ASSET = 5
WIDTH = 60
BLOCKS = "▁▂▃▄▅▆▇█"
REASONS = {"alerts": "they alert too often", "drift": "they are too far from what is normal"}
ABOVE = "Above\nthreshold"
FIGURE: dict[str, Any] = {"justify": "right", "no_wrap": True}
COLUMNS: dict[str, dict[str, Any]] = {
    "Asset": {"style": "bold", "overflow": "fold", "min_width": 12, "max_width": 24},
    "Sensor": {"style": "bold", "overflow": "fold", "min_width": 10, "max_width": 22},
    "What happened": {"ratio": 1, "overflow": "fold", "min_width": 24},
    **{name: {"no_wrap": True} for name in ("When", "Last reading", "Measured", "")},
}
"""How the columns are that are no figures."""
Row = Mapping[str, Any]


def top(rows: Sequence[Row]) -> RenderableType:
    """Return one line an asset, the most anomalous first."""
    names = ("Asset", "Last reading", "Score", ABOVE, "p", "Alerts", "Readings")
    lines: list[list[str | Text]] = []
    for row in rows:
        times = row["times_threshold"]
        above = Text("" if times is None else f"{times:.2f}×", style="bold red" if row["alert"] else "dim")
        counted = [f"{row['alerts']:,}", f"{row['rows']:,}"]
        figures: list[str | Text] = [_number(row["score"]), above, _number(row["p_value"]), *counted]
        lines.append([Text(row["key"]), f"{row['time']:%m-%d %H:%M:%S}", *figures])
    return _fitted(names, lines, ("Readings", "Alerts", "p", "Last reading", "Score", ABOVE))


def asset(found: Asset, alerts_of_it: Sequence[Row]) -> RenderableType:
    """Return all about an asset."""
    state = found.latest
    judged = Text("  alert", style="bold red") if state.alert else Text("  no alert", style="bold green")
    told = f"  score {_number(state.score)}, alert above {_number(state.threshold)}"
    title = Text(state.key, style="bold").append(f" at {moment(moment_of(state.time))}").append_text(judged)
    facts = {
        "readings": f"{state.rows:,}, {count(state.alerts, 'alert')}",
        "model": f"version {state.version}",
        "drift": None if not found.drift else _drift(found.drift),
    }
    parts: list[RenderableType] = [title.append(told, style="not bold dim"), view.facts(facts), Text("")]
    parts.append(_sensors(found))
    if len(found.series):
        times, worst = found.series["time"], found.series["max"]
        line = sparkline(worst.to_list(), WIDTH)
        span = f"{moment(times[0])} to {moment(times[-1])}, up to {_number(worst.max())}"  # type: ignore[arg-type]
        parts += [view.heading("Score", span), view.indented(line)]
    if alerts_of_it:
        parts += [view.heading("Alerts", "newest first"), alerts(alerts_of_it, has_key=False)]
    return Group(*parts)


def _drift(found: Mapping[str, Any]) -> str:
    """Return the sensors that are farthest from what is normal, and whether that keeps them from being learned."""
    far = [(name, *pair) for name, pair in found["sensors"].items() if pair[0] is not None]
    far.sort(key=lambda each: -each[1])
    told = listed([f"{name} {distance:.2f}" for name, distance, _ in far[:3]])
    return told if found["why"] is None else f"{told}; its last rows are not learned: {REASONS[found['why']]}"


def drift(rows: Sequence[Row]) -> RenderableType:
    """Return one line an asset: how far its farthest sensor is from what is normal."""
    if not rows:
        return Text("Drift is not measured yet.")
    names = ("Asset", "Measured", "Sensor", "Distance", "Normal\nup to", "")
    lines: list[list[str | Text]] = []
    for row in rows:
        over = Text("" if row["why"] is None else row["why"], style="red")
        figures = [f"{row[name]:.2f}" for name in ("distance", "bound")]
        lines.append([Text(row["key"]), f"{row['time']:%m-%d %H:%M:%S}", Text(row["sensor"]), *figures, over])
    return _fitted(names, lines, ("Measured", "Normal\nup to", "", "Distance", "Sensor"))


def _sensors(found: Asset) -> RenderableType:
    """Return one line a sensor: its last value, and what it was over the hour and the day that are current.

    Of an asset that is new these are not known before its windows are put down.
    """
    names = ("Sensor", "Last", "Hour:\nmean", "Day:\nmean", "\nstd", "\nmedian", "\n5 % to 95 %")
    lines: list[list[str | Text]] = []
    now = {(row["channel"], row["window"]): row for row in found.windows.iter_rows(named=True) if row["current"]}
    for sensor, value in found.latest.values.items():
        hour, day = now.get((sensor, "hour"), {}), now.get((sensor, "day"), {})
        told = (value, hour.get("mean"), *(day.get(name) for name in ("mean", "std", "q50")))
        most = f"{_number(day['q05'])} to {_number(day['q95'])}" if day else ""
        lines.append([Text(sensor), *map(_number, told), most])
    return _fitted(names, lines, ("\nstd", "\nmedian", "\n5 % to 95 %", "Hour:\nmean", "Day:\nmean"))


def alerts(rows: Sequence[Row], *, has_key: bool = True) -> RenderableType:
    """Return one line an alert: when, which asset, how far above the threshold, and why."""
    if not rows:
        return Text("No alerts.")
    names = ("When", *(("Asset",) if has_key else ()), ABOVE, "What happened")
    lines: list[list[str | Text]] = []
    for row in rows:
        score, threshold = row["score"], row["threshold"]
        ratio = score / threshold if score is not None and threshold is not None and threshold > 0 else None
        above = Text(_number(score) if ratio is None else f"{ratio:.2f}×", style="red")
        first = (row["explanations"] or [{}])[0]
        what = view.sentence(first.get("sentence") or "", first.get("feature") or "")
        lines.append([moment(row["time"]), *([Text(row["key"])] if has_key else []), above, what])
    return _fitted(names, lines, (ABOVE, "When", "What happened") if has_key else (ABOVE, "When"), leading=1)


def ops(rows: Sequence[Row], stored: int, lag_unit: str | None = None) -> RenderableType:
    """Return the operation's figures of the last second, and how they went before; lag is in messages or bytes."""
    if not rows:
        return Text("No figures of the operation yet.")
    last = rows[-1]
    told = {
        "rows": ("scored", "rows/s"),
        "bytes": ("fetched", "/s"),
        "delay_p50": ("delay, half of rows", ""),
        "delay_p99": ("delay, 99 % of rows", ""),
        "lag": ("waits to be read", lag_unit or ""),
        "alerts": ("alerts", "alerts/s"),
        "late": ("late", "rows/s"),
        "dead": ("not readable", "messages/s"),
        "strange": ("unknown sensors", "values/s"),
        "unlearned": ("no model yet", "rows/s"),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, (words, unit) in told.items():
        if any(row[name] is not None for row in rows):
            table.add_row(words, _figure(name, last[name], unit), sparkline([row[name] for row in rows], WIDTH // 2))
    span = (rows[-1]["time"] - rows[0]["time"]).total_seconds()
    title = Text(f"At {moment(last['time'])}", style="bold")
    remark = f"  and {duration(span)} before; the store holds {size(stored)}" if span else ""
    return Group(title.append(remark, style="not bold dim"), view.indented(table))


def sparkline(values: Sequence[float | None], width: int) -> Text:
    """Return values as blocks from 0, or the least below it, to the greatest; the greatest of those that share one.

    >>> sparkline([0, 1, 2, None, 4], 60).plain, sparkline([0, 5, 0, 3], 2).plain, sparkline([2, 2], 9).plain
    ('▁▃▅ █', '█▆', '██')
    """
    each = max(math.ceil(len(values) / width), 1)
    groups = [values[at : at + each] for at in range(0, len(values), each)]
    known = [[value for value in group if value is not None and math.isfinite(value)] for group in groups]
    shown = [max(group) if group else None for group in known]
    there = [value for value in shown if value is not None]
    least, most = min([0.0, *there]), max([0.0, *there])
    span, top = most - least or 1.0, len(BLOCKS) - 1
    blocks = [" " if value is None else BLOCKS[math.ceil(top * ((value - least) / span))] for value in shown]
    return Text("".join(blocks), style="cyan")


def moment_of(nanoseconds: int) -> datetime:
    """Return a time as Python has it, to the microsecond."""
    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)


def _figure(name: str, value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if name == "bytes":
        return size(value) + unit
    if name.startswith("delay"):
        return duration(value / 1000)
    return waiting(value, unit) if name == "lag" else f"{number(value)} {unit}"


def waiting(lag: float, unit: str) -> str:
    """Return what waits to be read with its unit.

    >>> waiting(1_200_000, "bytes"), waiting(1234, "messages"), waiting(1, "messages")
    ('1.2 MB', '1,234 messages', '1 message')
    """
    return size(lag) if unit == "bytes" else count(round(lag), unit.removesuffix("s")) if unit else number(lag)


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else number(value)


def _fitted(
    names: Sequence[str], lines: Sequence[Sequence[str | Text]], spare: Sequence[str], *, leading: int = 0
) -> RenderableType:
    """Return a table that leaves out columns, in the order of `spare`, where a terminal is too narrow."""

    def table(left_out: Collection[str]) -> Table:
        made = Table(
            box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, show_edge=False, header_style="dim", leading=leading
        )
        kept = [place for place, name in enumerate(names) if name not in left_out]
        for place in kept:
            made.add_column(names[place], **COLUMNS.get(names[place], FIGURE))
        for line in lines:
            made.add_row(*(line[place] for place in kept))
        return made

    return view.Fitted(table, spare)

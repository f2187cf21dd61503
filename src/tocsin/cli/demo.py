"""`tocsin demo`: what Tocsin finds, on a made-up fleet whose faults are known, or on the person's own readings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import Features, Json, Key, NoHeader, NullValue, Sensor, Separator, Time, Value
from tocsin.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from tocsin.cli.showcase import Showcase
    from tocsin.evaluate.truth import Findings


def demo(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Your own readings: the first 70 % of each asset's are learned, the rest is scored. "
            "Without it a fleet with known faults is made up.",
        ),
    ] = None,
    key: Key = None,
    time: Time = None,
    features: Features = None,
    sensor: Sensor = None,
    value: Value = None,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another made-up fleet for each number.")] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A new folder to keep the made-up readings, the truth and the fleet in."),
    ] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Save what is printed as a picture, too.")] = None,
    as_json: Json = False,
) -> None:
    """Find the faults of a made-up fleet, or look at your own readings, in less than a minute."""
    roles = {"--key": key, "--time": time, "--features": features, "--sensor": sensor, "--value": value}
    given = [name for name, role in roles.items() if role]
    if data is None and given:
        raise ParameterError(f"{given[0]} says what the columns of your own readings mean; add --data PATH")
    if data is not None and keep is not None:
        raise ParameterError("--keep is for the made-up fleet; to keep a fleet of your own, use tocsin fit")
    if data is None:
        shown = _made_up(seed, keep)
    else:
        from tocsin.cli.showcase import of_own
        from tocsin.tables.columns import Columns

        how = options.reading(separator, no_header, null_value)
        shown = of_own(data, Columns(key, time, options.names(features), sensor, value), how)
    if as_json:
        from tocsin.cli.machine import print_json

        print_json(shown.to_dict())
        return
    from tocsin.cli import view

    console = view.stdout(record=svg is not None)
    _show(console, shown)
    if data is None:
        view.commands(console, _next(shown, keep))
    else:
        flags = options.words(roles) + options.reading_words(separator, no_header, null_value)
        view.commands(console, [_fit(shown, data, flags)])
    if svg is not None:
        view.save_picture(console, svg, "tocsin demo")


def _made_up(seed: int, keep: Path | None) -> Showcase:
    from tempfile import TemporaryDirectory

    from tocsin.cli.showcase import made_up

    if keep is not None:
        if keep.exists():
            raise OutputError(f"{keep} exists already; --keep makes a new folder")
        return made_up(keep, seed)
    with TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True) as folder:
        return made_up(Path(folder), seed)


def _show(console: Console, shown: Showcase) -> None:
    from tocsin.cli import view
    from tocsin.cli.text import count, duration, listed

    report, findings, roles = shown.fleet.report, shown.findings, shown.fleet.columns
    made = None if findings is None else f"{count(len(findings.faults), 'fault')} put into the readings to be scored"
    rate = (shown.learned + shown.scored) / shown.seconds
    console.print("Tocsin demo", style="bold")
    console.print(
        view.facts(
            {
                "fleet": f"{count(len(shown.fleet), 'asset')}, {count(len(report.features), 'sensor')}: "
                f"{listed(list(report.features))}",
                "left out": listed([f"{name} ({why})" for name, why in shown.left_out.items()]) or None,
                "learned": f"{count(shown.learned, 'reading')} of the time before",
                "scored": f"{count(shown.scored, 'reading')}; all in {duration(shown.seconds)}, {rate:,.0f} a second",
                "made up": made,
                "found": f"{count(report.alerts, 'alert')} in {count(len(shown.incidents), 'incident')}",
                "first run": f"compiled for {duration(shown.compiling)}, once" if shown.compiling > 3 else None,
            }
        )
    )
    if shown.notes:
        console.print(view.heading("Note"))
        console.print(view.bullets(shown.notes, style="yellow"))
    worst = _worst(shown)
    if worst:
        console.print(view.heading("Worst assets", "those that were farthest and longest above their threshold"))
        console.print(view.incident_table(worst, has_key=roles.key is not None, has_time=roles.time is not None))
    else:
        console.print("\nNothing to worry about: no reading is above its asset's threshold.")
    if findings is not None:
        _judge(console, findings)


def _worst(shown: Showcase) -> list[dict[str, Any]]:
    """Return the worst incident of each of the worst assets."""
    from tocsin.cli.view import WORST
    from tocsin.evaluate.incidents import worst_of_each

    return worst_of_each(shown.incidents).head(WORST).to_dicts()


def _judge(console: Console, findings: Findings) -> None:
    """Print how many of the known faults were found, and the price in false alarms."""
    from tocsin.cli import view
    from tocsin.cli.text import count

    console.print(view.heading("Held against the truth"))
    console.print(view.findings_table(findings))
    rate = findings.false_incidents_per_asset_day or 0.0
    console.print(
        view.indented(
            f"False alarms: {findings.false_alarm_rate:.2%} of {findings.clean_rows:,} clean readings, in "
            f"{count(findings.false_incidents, 'incident')}: {rate:.2f} an asset and day."
        )
    )


def _fit(shown: Showcase, data: str, flags: list[str]) -> list[str]:
    """Return the command that learns from readings as the demo did."""
    from tocsin.cli.settings import words

    return ["tocsin", "fit", data, *flags, *words(shown.fleet.detector), "--out", "fleet"]


def _next(shown: Showcase, keep: Path | None) -> list[list[str]]:
    """Return the commands that lead on from the made-up fleet."""
    if keep is None:
        flags = ["--key", "asset", "--time", "time"]
        return [
            ["tocsin", "demo", "--data", "readings.csv", *flags],
            ["tocsin", "demo", "--keep", "demo"],
            _fit(shown, "readings.csv", flags),
        ]
    fleet, later = str(keep / "fleet"), str(keep / "later.parquet")
    worst = [["--asset", str(row["key"]), "--at", f"{row['worst_time']:%Y-%m-%d %H:%M}"] for row in _worst(shown)]
    return [
        ["tocsin", "explain", fleet, later, *(worst[0] if worst else [])],
        ["tocsin", "score", fleet, later, "--out", "scores.parquet", "--explain", "3"],
        ["tocsin", "info", fleet],
    ]

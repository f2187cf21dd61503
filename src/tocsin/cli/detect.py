"""`tocsin detect`: find what is strange in one long series."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import options
from tocsin.cli.options import READING, Json, NoHeader, NullValue, Separator, Threads
from tocsin.errors import ParameterError

if TYPE_CHECKING:
    from tocsin.fleet.detection import Detection


class Method(StrEnum):
    """How to tell what is usual."""

    zscore = "zscore"
    mad = "mad"
    stl = "stl"
    mstl = "mstl"


class Infinite(StrEnum):
    """What to do with infinite values."""

    error = "error"
    missing = "missing"


def detect(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="One series: .npy, raw numbers (.f32, .f64, or any with --dtype), Parquet, Arrow IPC, CSV or NDJSON.",
        ),
    ],
    method: Annotated[
        Method,
        typer.Option(
            metavar="zscore|mad|stl|mstl",
            help="What a sample is measured against: mean and standard deviation, median and median absolute "
            "deviation, or what trend and season (mstl: several seasons) leave over.",
        ),
    ] = Method.stl,
    period: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N", help="Samples in a season; mstl takes several, as in 24,168. By default it is found."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(metavar="X", help="How many scales from what is expected a sample is strange.")
    ] = 5.0,
    robust: Annotated[
        bool, typer.Option("--robust", help="Let strange samples not bend trend and season: slower by far.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file for all that is found; its suffix, such as .parquet or .csv, tells the format."
        ),
    ] = None,
    decomposition: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file for trend, seasons and residual of all samples; its suffix, such as .npy or .parquet, tells "
            "the format.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column of a table; not needed if only one is numeric.", rich_help_panel=READING
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="What a raw file holds, such as float32 or >i2.", rich_help_panel=READING),
    ] = None,
    infinite: Annotated[
        Infinite,
        typer.Option(
            metavar="error|missing",
            help="What to do with infinite values: stop, or take them as missing.",
            rich_help_panel=READING,
        ),
    ] = Infinite.error,
    separator: Separator = None,
    no_header: NoHeader = False,
    null_value: NullValue = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Find the samples of one long series that are far from what is expected."""
    from tocsin.cli.progress import progress
    from tocsin.fleet.detect import detect as find

    with progress("Detecting", "samples") as tell:
        detection = find(
            file,
            method.value,
            period=periods(period),
            threshold=threshold,
            robust=robust,
            column=column,
            infinite=infinite.value,
            dtype=dtype,
            threads=threads,
            out=out,
            decomposition=decomposition,
            progress=tell,
            **options.reading(separator, no_header, null_value),
        )
    written = {"written": out, "decomposition": decomposition}
    if as_json:
        from tocsin.cli.machine import print_json

        print_json(_facts(detection) | {name: None if path is None else str(path) for name, path in written.items()})
    else:
        _show(detection, file, written)


def periods(given: list[str] | None) -> list[int] | None:
    """Return the periods in options that may be repeated and may hold several each.

    >>> periods(["24, 168", "720"])
    [24, 168, 720]
    """
    words = options.names(given)
    if words is None:
        return None
    for word in words:
        if not word.isdecimal():
            raise ParameterError(f"--period is a whole number of samples, such as 24, not {word!r}")
    return [int(word) for word in words]


def _facts(detection: Detection) -> dict[str, Any]:
    """Return what a program would ask for."""
    from tocsin.cli.view import WORST

    named = ("method", "column", "length", "missing", "threshold", "center", "scale", "count")
    return {
        **{name: getattr(detection, name) for name in named},
        "periods": list(detection.periods),
        "period_found": detection.period_found,
        "seconds": round(detection.seconds, 4),
        "notes": detection.notes,
        "worst": detection.incidents().head(WORST).to_dicts(),
    }


def _show(detection: Detection, file: str, written: dict[str, Path | None]) -> None:
    from rich.text import Text

    from tocsin.cli import view
    from tocsin.cli.text import count, duration, number

    console = view.stdout()
    rate = detection.length / detection.seconds if detection.seconds > 0 else 0.0
    of = f" of {detection.column}" if detection.column else ""
    headline = Text("Detected", style="bold").append(f"  {count(detection.length, 'sample')}{of}", style="not bold")
    console.print(headline.append(f" in {duration(detection.seconds)}, {rate:,.0f} samples/s", style="not bold dim"))
    share = detection.count / (detection.length - detection.missing)
    console.print(
        view.facts(
            {
                "method": _method(detection),
                "usual": f"within {number(detection.threshold * detection.scale)} of {_expected(detection)}, "
                f"which is {number(detection.threshold)} times the scale of {number(detection.scale)}",
                "found": _found(detection, share),
                **{name: None if path is None else str(path) for name, path in written.items()},
            }
        )
    )
    notes = list(detection.notes)
    if detection.missing:
        notes.append(f"{count(detection.missing, 'sample')} missing; a missing sample is never found strange")
    if notes:
        console.print(view.heading("Note"))
        console.print(view.bullets(notes, style="yellow"))
    incidents = detection.incidents()
    if incidents.is_empty():
        console.print("\nNothing to worry about: no sample is that far from what is expected.")
        return
    remark = f"of {count(incidents.height, 'incident')}, the farthest from what is expected"
    console.print(view.heading("Worst", remark))
    console.print(view.sample_table(incidents.head(view.WORST).to_dicts()))


def _found(detection: Detection, share: float) -> str:
    from tocsin.cli.text import count

    many = count(detection.count, "sample")
    return f"{many}, 1 in {1 / share:,.0f}" if 0 < share < 0.001 else f"{many}, {share:.2%}" if share else many


def _method(detection: Detection) -> str:
    seasons = ", ".join(f"{period:,}" for period in detection.periods)
    if not seasons:
        return detection.method
    words = "periods" if len(detection.periods) > 1 else "period"
    return f"{detection.method}, {words} {seasons}" + (" (found)" if detection.period_found else "")


def _expected(detection: Detection) -> str:
    from tocsin.cli.text import number

    if detection.periods:
        return "trend and season"
    return f"the {'mean' if detection.method == 'zscore' else 'median'}, {number(detection.center)}"

"""`tocsin generate`: make up a fleet, or one long series, whose faults are known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tocsin.cli import options
from tocsin.cli.options import Json, Threads
from tocsin.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from tocsin.synth.made_up import MadeUp
    from tocsin.synth.parts import Part

SIGNALS = "What signals are made of; each is given as name=value,name=value"
FAULTS = "What goes wrong"


def _part(help_text: str) -> Any:
    return typer.Option(metavar="NUMBERS", help=help_text, rich_help_panel=SIGNALS)


def generate(  # noqa: PLR0913, PLR0917 - one parameter an option
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Where to write: .parquet, .csv, .arrow or .ndjson; or the numbers alone, .npy, .raw or .f32.",
        ),
    ],
    assets: Annotated[int | None, typer.Option(metavar="N", help="How many assets. By default 20 pumps, or 1.")] = None,
    features: Annotated[
        int | None, typer.Option(metavar="N", help="How many sensors an asset has. By default 8 of a pump, or 1.")
    ] = None,
    rows: Annotated[int, typer.Option(metavar="N", help="How many readings an asset has.")] = 1440,
    seed: Annotated[int, typer.Option(metavar="N", help="Another fleet for each number.")] = 0,
    kind: Annotated[
        Literal["pumps", "normal", "uniform", "heavy"],
        typer.Option(help="Pumps with daily cycles, or sensors that are noise of one distribution."),
    ] = "pumps",
    every: Annotated[float, typer.Option(metavar="SECONDS", help="The time between readings.")] = 600.0,
    order: Annotated[
        Literal["asset", "time"], typer.Option(help="Asset after asset, or all assets at each time.")
    ] = "asset",
    level: Annotated[str | None, _part("Where sensors rest, and by how much assets differ: value, spread.")] = None,
    trend: Annotated[str | None, _part("Growth a row, and by how much assets differ: slope, spread.")] = None,
    seasonality: Annotated[
        list[str] | None, _part("A cycle, its period in rows; may be repeated: amplitude, period, phase, spread.")
    ] = None,
    noise: Annotated[str | None, _part("Of --kind: scale, memory (in rows), and freedom for heavy tails.")] = None,
    regimes: Annotated[str | None, _part("Levels that change now and then: size, rows, many.")] = None,
    duty: Annotated[str | None, _part("Hours of work: size, period, start, share, jitter.")] = None,
    gaps: Annotated[str | None, _part("Missing stretches: probability, rows, longest.")] = None,
    faulty: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The probability of each fault. By default 0.6 for pumps, else 0.",
            rich_help_panel=FAULTS,
        ),
    ] = None,
    faults: Annotated[
        int, typer.Option(metavar="N", help="How many faults an asset may have.", rich_help_panel=FAULTS)
    ] = 1,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Which kinds: spike, shift, drift, variance, season, correlation, stuck, contact. By default all.",
            rich_help_panel=FAULTS,
        ),
    ] = None,
    clean_rows: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many rows come before any fault. By default seven tenths.", rich_help_panel=FAULTS
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the faults. By default beside the readings, its name ending in -truth.",
            rich_help_panel=FAULTS,
        ),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Make up readings of any number, with faults that are known; the same seed gives the same bytes everywhere."""
    from tocsin.cli.settings import make_part
    from tocsin.synth.faults import KINDS
    from tocsin.synth.parts import PARTS

    given = {"level": [level], "trend": [trend], "season": seasonality, "regimes": [regimes], "duty": [duty]}
    parts = [
        make_part("--seasonality" if name == "season" else f"--{name}", PARTS[name], text)
        for name, texts in (given | {"gaps": [gaps]}).items()
        for text in texts or []
        if text is not None
    ]
    asked = tuple(options.names(kinds) or KINDS)
    more: dict[str, Any] = {
        "rows": rows,
        "seed": seed,
        "every": _interval(every),
        "clean_rows": clean_rows,
        "faults": faults,
        "faulty": (0.6 if kind == "pumps" else 0.0) if faulty is None else faulty,
        "kinds": asked,
    }
    made = _made_up(kind, parts, noise, assets, features, more)
    _write(made, out, order, truth, asked, threads, as_json)


def _interval(seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise ParameterError(f"--every is a number of seconds above 0, not {seconds:g}") from None


def _made_up(
    kind: Literal["pumps", "normal", "uniform", "heavy"],
    parts: list[Part],
    noise: str | None,
    assets: int | None,
    features: int | None,
    more: dict[str, Any],
) -> MadeUp:
    from dataclasses import replace

    from tocsin.cli.settings import make_part
    from tocsin.synth.fleet import pumps
    from tocsin.synth.made_up import MOST_FEATURES, MadeUp, check_count
    from tocsin.synth.parts import Noise
    from tocsin.synth.sensors import Sensor

    extra = tuple(parts)
    if kind == "pumps":
        if noise is not None:
            raise ParameterError("--noise says what kind of noise sensors are; pumps have their own, so give --kind")
        count = 8 if features is None else features
        plain = pumps(20 if assets is None else assets, count, **more)
        if not extra:
            return plain
        sensors = [replace(sensor, parts=(*sensor.parts, *extra)) for sensor in plain.sensors]
        return MadeUp(sensors, plain.factors, assets=plain.assets, name="pump", **more)
    count = 1 if features is None else features
    check_count("features", count, MOST_FEATURES)
    noisy = make_part("--noise", Noise, noise, fixed={"shape": kind}) if noise else Noise(shape=kind)
    own = (noisy, *extra)
    names = ["x"] if count == 1 else [f"x{index + 1}" for index in range(count)]
    return MadeUp([Sensor(name, own) for name in names], assets=1 if assets is None else assets, **more)


def _write(
    made: MadeUp,
    out: Path,
    order: Literal["asset", "time"],
    truth: Path | None,
    asked: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Write the readings and the truth, and tell how it went."""
    from contextlib import ExitStack
    from time import perf_counter

    from tocsin.cli.progress import progress
    from tocsin.tables.results import ARRAYS, ResultWriter

    started = perf_counter()
    named = out.suffix.lower() not in ARRAYS
    with ExitStack() as stack:
        tell = stack.enter_context(progress("Making up"))
        writers = [stack.enter_context(ResultWriter(out))]
        beside = _truth_path(out, truth) if truth is not None or len(made.truth) else None
        if beside is not None:
            writers.append(stack.enter_context(ResultWriter(beside)))
            writers[1].write(made.truth.to_arrow())
        for table in made.tables(order, threads, tell, named=named):
            writers[0].write(table)
        for writer in writers:
            writer.complete()
    seconds = perf_counter() - started
    told = {
        "readings": str(out),
        "truth": None if beside is None else str(beside),
        "assets": made.assets,
        "features": list(made.features),
        "rows": made.assets * made.rows,
        "values": made.cells,
        "faults": len(made.truth),
        "bytes": out.stat().st_size,
        "seconds": round(seconds, 4),
    }
    if as_json:
        from tocsin.cli.machine import print_json

        print_json(told)
    else:
        _show(made, out, told, asked, seconds)


def _truth_path(out: Path, truth: Path | None) -> Path:
    if truth is None:
        suffix = out.suffix if out.suffix.lower() in (".csv", ".ndjson", ".jsonl", ".arrow") else ".parquet"
        return out.with_name(f"{out.stem}-truth{suffix}")
    if truth.expanduser().resolve() == out.expanduser().resolve():
        raise OutputError(f"{out} cannot hold both the readings and the truth; name another file")
    return truth


def _show(made: MadeUp, out: Path, told: dict[str, Any], asked: tuple[str, ...], seconds: float) -> None:
    from tocsin.cli import view
    from tocsin.cli.text import count, duration, listed, size

    console = view.stdout()
    rate = f"{made.cells / seconds:,.0f} values and {size(told['bytes'] / seconds)} a second"
    left_out = [kind for kind in asked if kind not in made.kinds]
    faults = made.truth["kind"].value_counts().sort("count", "kind", descending=[True, False]).rows()
    console.print(
        view.facts(
            {
                "readings": f"{told['readings']}, {size(told['bytes'])}",
                "fleet": f"{count(made.assets, 'asset')} of {count(made.rows, 'reading')}, "
                f"{count(len(made.features), 'sensor')}: {listed(list(made.features))}",
                "truth": told["truth"],
                "faults": listed([f"{number:,} {kind}" for kind, number in faults]) or "none",
                "left out": f"{listed(left_out)}: no sensor can have it" if left_out and len(made.truth) else None,
                "took": f"{duration(seconds)}: {rate}",
            }
        )
    )
    if following := _next(made, out):
        view.commands(console, following)


def _next(made: MadeUp, out: Path) -> list[list[str]]:
    """Return what one would do with the readings."""
    from tocsin.tables.results import ARRAYS

    if made.assets == len(made.features) == 1:
        bare = out.suffix.lower() in (".raw", ".bin")
        return [["tocsin", "detect", str(out), *(["--dtype", "float32"] if bare else [])]]
    if out.suffix.lower() in ARRAYS:
        return []
    return [["tocsin", "demo", "--data", str(out), "--key", "asset", "--time", "time"]]

"""`tocsin insights`: what a stream has found out, from its store, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli.options import Json
from tocsin.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tocsin.insights.base import Store

app = typer.Typer(help="Tell what a stream has found out: who is worst, how an asset is, alerts, the operation itself.")

StoreAddress = Annotated[
    str,
    typer.Argument(
        metavar="STORE", show_default=False, help="Where the stream keeps its insights: a folder, or redis://host/0."
    ),
]
Watch = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0.1, help="Ask again every so many seconds, and draw anew, until Ctrl-C."),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="From when on: a time such as 2026-01-31T12:00, or how long before the newest reading, such as 6h or 2d.",
    ),
]


@app.command()
def top(
    store: StoreAddress,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many assets.")] = 10,
    watch: Watch = None,
    as_json: Json = False,
) -> None:
    """Tell which assets' latest readings are the most anomalous."""
    from tocsin.cli import insights_view
    from tocsin.insights import ask

    def rows(opened: Store) -> list[dict[str, Any]]:
        ask.check(opened)
        return ask.top(opened, n).to_dicts()

    _tell(
        store, watch, as_json, lambda opened: {"assets": rows(opened)}, lambda opened: insights_view.top(rows(opened))
    )


@app.command()
def asset(
    store: StoreAddress,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="Which asset.")],
    since: Since = None,
    watch: Watch = None,
    as_json: Json = False,
) -> None:
    """Tell how an asset is and was: its last reading, its sensors' statistics, its score over a day, its alerts."""
    from tocsin.cli import insights_view
    from tocsin.insights import ask

    def found(opened: Store) -> tuple[ask.Asset, list[dict[str, Any]]]:
        start = None if since is None else moment(since, ask.latest(opened, key).time)
        return ask.asset(opened, key, start), ask.alerts(opened, start, key, insights_view.ALERTS_OF_ASSET).to_dicts()

    def plain(opened: Store) -> dict[str, Any]:
        about, alerts = found(opened)
        state = about.latest
        names = ("key", "values", "score", "threshold", "p_value", "alert", "version", "rows", "alerts")
        when = insights_view.moment_of(state.time)
        return {
            **{name: getattr(state, name) for name in names},
            "time": when,
            "windows": about.windows.to_dicts(),
            "series": about.series.to_dicts(),
            "drift": about.drift,
            "latest_alerts": alerts,
        }

    _tell(store, watch, as_json, plain, lambda opened: insights_view.asset(*found(opened)))


@app.command()
def alerts(
    store: StoreAddress,
    key: Annotated[str | None, typer.Option("--asset", metavar="KEY", help="Of one asset only.")] = None,
    since: Since = None,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many, the newest first.")] = 20,
    watch: Watch = None,
    as_json: Json = False,
) -> None:
    """Tell what was alerted of, newest first, and why."""
    from tocsin.cli import insights_view
    from tocsin.insights import ask

    def rows(opened: Store) -> list[dict[str, Any]]:
        ask.check(opened)
        start = None if since is None else moment(since, ask.newest(opened))
        return ask.alerts(opened, start, key, n).to_dicts()

    _tell(
        store,
        watch,
        as_json,
        lambda opened: {"alerts": rows(opened)},
        lambda opened: insights_view.alerts(rows(opened)),
    )


@app.command()
def ops(
    store: StoreAddress,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many of the last seconds.")] = 60,
    watch: Watch = None,
    as_json: Json = False,
) -> None:
    """Tell how the stream itself does: rates, delays, what waits, what was late or could not be read."""
    from tocsin.cli import insights_view
    from tocsin.insights import ask

    def rows(opened: Store) -> list[dict[str, Any]]:
        return ask.ops(opened, most=n).to_dicts()

    _tell(
        store,
        watch,
        as_json,
        lambda opened: {"seconds": rows(opened), "lag_unit": ask.lag_unit(opened), "bytes": opened.size},
        lambda opened: insights_view.ops(rows(opened), opened.size, ask.lag_unit(opened)),
    )


@app.command()
def drift(
    store: StoreAddress,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many assets.")] = 20,
    watch: Watch = None,
    as_json: Json = False,
) -> None:
    """Tell which assets have drifted most from what their models take for normal, and in which sensor."""
    from tocsin.cli import insights_view
    from tocsin.insights import ask

    def rows(opened: Store) -> list[dict[str, Any]]:
        ask.check(opened)
        return ask.drift(opened, n).to_dicts()

    _tell(
        store,
        watch,
        as_json,
        lambda opened: {"assets": rows(opened)},
        lambda opened: insights_view.drift(rows(opened)),
    )


@app.command()
def trials(
    store: StoreAddress,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many, the newest first.")] = 10,
    as_json: Json = False,
) -> None:
    """Tell what came of the last nights: which models took over, which wait, and why."""
    from tocsin.cli import trials as shown
    from tocsin.stream.adapting import versions

    def rows(opened: Store) -> list[dict[str, Any]]:
        return versions.trials(opened, n)

    _tell(
        store, None, as_json, lambda opened: {"trials": shown.plain(rows(opened))},
        lambda opened: shown.nights(rows(opened)),
    )  # fmt: skip


def _tell(
    address: str,
    watch: float | None,
    as_json: bool,
    plain: Callable[[Store], dict[str, Any]],
    drawn: Callable[[Store], RenderableType],
) -> None:
    """Print an answer once, or draw it again and again."""
    from tocsin.cli import view
    from tocsin.cli.machine import print_json
    from tocsin.insights.catalog import open_store

    if watch is not None and as_json:
        raise ParameterError("--watch draws on a terminal; leave it or --json out")
    store = open_store(address)
    try:
        if as_json:
            print_json(plain(store))
        elif watch is None:
            view.stdout().print(drawn(store))
        else:
            _watch(lambda: drawn(store), watch)
    finally:
        store.close()


def _watch(drawn: Callable[[], RenderableType], seconds: float) -> None:
    from rich.live import Live

    from tocsin.cli import view

    console = view.stdout()
    if not console.is_terminal:
        raise ParameterError("--watch draws on a terminal; leave it out here")
    try:
        with Live(drawn(), console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                time.sleep(seconds)
                live.update(drawn(), refresh=True)
    except KeyboardInterrupt:
        return


def moment(text: str, newest: int) -> int:
    """Return a time, or how long before the newest one it is, in nanoseconds since 1970 UTC."""
    from datetime import UTC, datetime

    from tocsin import quantities

    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        try:
            return newest - int(quantities.seconds(text) * 1e9)
        except ParameterError:
            raise ParameterError(
                f"{text!r} is neither a time such as 2026-01-31T12:00 nor a duration such as 6h or 2d"
            ) from None
    when = given if given.tzinfo else given.replace(tzinfo=UTC)
    return int(when.timestamp()) * 10**9

"""`tocsin confirm`, `promote` and `rollback`: what people tell a stream about its models, through its store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli.insights import StoreAddress
from tocsin.errors import ParameterError

if TYPE_CHECKING:
    from tocsin.insights.base import Store
    from tocsin.stream.adapting.requests import Kind

NOTHING = 1
"""The exit code where there is nothing to do."""
Wait = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for the stream to say what came of it.")
]


def confirm(
    store: StoreAddress,
    asset: Annotated[str, typer.Argument(metavar="ASSET", show_default=False, help="Which asset.")],
    fault: Annotated[bool, typer.Option("--fault", help="Its alarm is real: it must not become normal.")] = False,
    normal: Annotated[bool, typer.Option("--normal", help="Its alarm is false: what is new is normal.")] = False,
    at: Annotated[
        str | None,
        typer.Option(
            "--time", metavar="WHEN", help="When its alarm was, such as 2026-01-31T12:00; by default the last."
        ),
    ] = None,
    wait: Wait = 10.0,
) -> None:
    """Tell a stream whether an asset's alarm is a fault, or a change of regime that is normal from now on."""
    from tocsin.cli.insights import moment as moment_of
    from tocsin.insights import ask

    if fault == normal:
        raise ParameterError("say what the alarm is: either --fault or --normal")

    def moment(opened: Store) -> int | None:
        latest = ask.latest(opened, asset).time
        if at is not None:
            return moment_of(at, latest)
        last = ask.alerts(opened, None, asset, 1)
        return None if last.is_empty() else int(last["time"].to_physical()[0])

    _tell(store, "confirm-fault" if fault else "confirm-normal", wait, asset, moment)


def promote(
    store: StoreAddress,
    show: Annotated[
        bool, typer.Option("--show", help="Only show the trial of the models that wait, or were last made.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw that trial, as PNG, SVG or PDF.")
    ] = None,
    wait: Wait = 10.0,
) -> None:
    """Let new models take over that wait since a night, between two batches of the stream."""
    if show or picture is not None:
        _show(store, picture)
    else:
        _tell(store, "promote", wait)


def rollback(store: StoreAddress, wait: Wait = 10.0) -> None:
    """Bring the former models back, between two batches of the stream; may be called again, for those before."""
    _tell(store, "rollback", wait)


def _nothing_to(kind: Kind, store: Store) -> str | None:
    """Return why there is nothing to promote or to go back to, None if there may be."""
    from tocsin.stream.adapting import requests
    from tocsin.stream.adapting.versions import Versions

    versions, before = Versions.load(store) or Versions(), {request.kind for request in requests.asked(store)[0]}
    if kind == "promote" and versions.waiting is None and "rollback" not in before:
        return "no new models wait; tocsin insights trials tells what came of the last nights"
    if kind == "rollback" and not versions.past and "promote" not in before:
        return "there are no former models to go back to"
    return None


def _tell(
    address: str,
    kind: Kind,
    seconds: float,
    asset: str | None = None,
    moment: Callable[[Store], int | None] | None = None,
) -> None:
    """Ask a stream for something, and print what came of it."""
    from tocsin.insights.catalog import open_store
    from tocsin.stream.adapting import requests

    open_store(address).close()  # what is to be written would be made if it were not there
    store = open_store(address, write=True)
    try:
        nothing = _nothing_to(kind, store)
        if nothing is not None:
            print(nothing)
            raise typer.Exit(NOTHING)
        request = requests.ask(store, kind, asset, None if moment is None else moment(store))
        if not requests.runs(store):
            print("no stream runs on this store; it will be done when one starts")
            return
        said = requests.wait(store, request, seconds)
        print("the stream has not answered yet; it will do it between two batches" if said is None else said)
    finally:
        store.close()


def _show(address: str, picture: Path | None) -> None:
    from tocsin.cli import trials, view
    from tocsin.insights.catalog import open_store
    from tocsin.stream.adapting import versions
    from tocsin.stream.adapting.verdict import Trial

    store = open_store(address)
    try:
        kept, state = versions.trials(store), versions.Versions.load(store)
    finally:
        store.close()
    waiting = None if state is None else state.waiting
    kept = [trial for trial in kept if trial["trial"] is not None]
    chosen = next((trial for trial in kept if trial["version"] == waiting), next(iter(kept), None))
    if chosen is None:
        print("no models have been on trial yet")
        return
    found = Trial.of_json(chosen["trial"])
    trials.show(view.stdout(), found, chosen["fate"])
    if picture is not None:
        from tocsin.report.trial import draw_trial

        draw_trial(found, picture, chosen["fate"])

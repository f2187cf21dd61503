"""`tocsin stream`: a fleet at work on readings as they come, from a pipe, a file, a folder, Kafka or MQTT."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from inspect import Parameter, Signature
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from tocsin.cli.options import Json
from tocsin.errors import ParameterError, UnavailableError

if TYPE_CHECKING:
    from types import FrameType

    from pydantic.fields import FieldInfo

    from tocsin.stream.session import Session, Summary
    from tocsin.stream.settings import Settings

PANELS = {
    "Where": {"from": "ADDRESS", "to": "ADDRESS", "store": "ADDRESS"},
    "What the fields mean": dict.fromkeys(("key", "time", "sensor", "value"), "FIELD"),
    "How readings are taken": {"late": "DURATION", "linger": "DURATION", "rows": "N", "explain": "N", "threads": "N"},
    "How models learn, and when alarms are raised": {
        "policy": "frozen|online|nightly",
        "learn_after": "N",
        "nightly_at": "HH:MM",
        "nightly_how": "update|refit",
        "nightly_window": "DURATION",
        "nightly_drift": "SHARE",
        "budget": "RATE",
    },
    "Operation": {
        "retain": "DURATION",
        "beside": "PATH",
        "waiting": "N",
        "dead_letters": "FILE",
        "dead_letters_size": "SIZE",
        "metrics": "[HOST:]PORT",
        "log": "debug|info|warning|error|none",
    },
}
"""The flags by the names of settings, with what they take; types, defaults and help are those of the settings."""
GRACE = 1.5
"""Seconds after which a stream that was asked to stop is left where its last commit is."""
DONE, INTERRUPTED = 0, 130
SHOW_CURSOR = b"\x1b[?25h\n"
"""What undoes the hiding of a terminal's cursor by a live table."""

Fleet = Annotated[
    Path | None,
    typer.Argument(metavar="FLEET", show_default=False, help="The folder of a fleet that [bold]fit[/] has saved."),
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings in TOML, by the names of the flags; flags win over them."),
]
Demo = Annotated[
    bool, typer.Option("--demo", help="Show it on a made-up fleet with known faults, without a server or files.")
]
Seconds = Annotated[
    float, typer.Option(metavar="SECONDS", min=1.0, max=3600.0, help="How long the demo's readings take to come.")
]


def stream(fleet: Path | None, config: Path | None, demo: bool, seconds: float, as_json: bool, **flags: Any) -> None:
    """Score readings as they come, send alerts on, learn, and keep insights for [bold]insights[/] to tell."""
    given = {"fleet": None if fleet is None else str(fleet), **flags}
    given = {name.removesuffix("_"): value for name, value in given.items() if value not in (None, [], ())}
    if demo:
        from tocsin.cli.stream_demo import show

        if given or config is not None:
            name = "--config" if config is not None else "FLEET" if fleet else f"--{next(iter(given))}"
            raise ParameterError(f"--demo makes its own fleet and readings; leave {name.replace('_', '-')} out")
        show(seconds, as_json=as_json)
        return
    from tocsin.stream.settings import Settings

    settings = Settings.load(config, given)
    if as_json and "-" in settings.sinks:
        raise ParameterError("--json prints its summary where --to - prints alerts; leave one of them out")
    run(settings, as_json=as_json)


def run(settings: Settings, *, as_json: bool | None = None) -> Summary:
    """Run a stream to its end, and say what it has done: as JSON, as text, or not at all if `as_json` is None.

    Raises
    ------
    typer.Exit
        If it was ended by Ctrl-C, or while it still waited for a server.
    """
    _use(settings.threads)
    with stopping() as end:
        from tocsin.cli import stream_view
        from tocsin.stream.logs import logging_to
        from tocsin.stream.session import Session

        live = stream_view.wanted(settings)
        with logging_to(sys.stderr, settings.log or ("none" if live else "info")):
            end.session = session = Session(settings)
            try:
                with session:
                    with stream_view.table(session) if live else nullcontext():
                        summary = session.run()
                    if as_json is not None:
                        tell(summary, settings, as_json=as_json)
            except UnavailableError as error:
                if not end.came:
                    raise
                _say(f"stopped while waiting: {error}")
                raise typer.Exit(end.code) from None
    if end.came and end.code != DONE:
        raise typer.Exit(end.code)
    return summary


def tell(summary: Summary, settings: Settings, *, as_json: bool) -> None:
    """Print what a stream has done: where its alerts go, or else on standard output."""
    from tocsin.cli import stream_view
    from tocsin.cli.machine import print_json

    if as_json:
        print_json(summary.to_dict())
    else:
        stream_view.tell(summary, aside="-" in settings.sinks)


class End:
    """How a stream ends that is told to: on SIGTERM or Ctrl-C after its micro-batch, on a second Ctrl-C at once.

    A micro-batch that takes too long is left as if the process had been killed, which loses nothing.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        """What is to be stopped, once it is there."""
        self.came: list[int] = []

    @property
    def code(self) -> int:
        """The exit code."""
        return DONE if self.came[0] == signal.SIGTERM else INTERRUPTED

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self.came.append(number)
        if self.session is None:
            self._leave("stopped before it began")
        elif len(self.came) == 1:
            self.session.stop()
            timer = Timer(GRACE, self._leave, ["stopped in the middle of a batch, which will be read again"])
            timer.daemon = True
            timer.start()
        elif number == signal.SIGINT:
            self._leave("interrupted again; started anew, the stream goes on from its last commit")

    def _leave(self, said: str) -> None:
        if os.isatty(2):
            os.write(2, SHOW_CURSOR)
        _say(said)
        os._exit(self.code)


@contextmanager
def stopping() -> Iterator[End]:
    """Give who takes the signals as long as the context lasts."""
    end = End()
    before = [(number, signal.signal(number, end)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield end
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _say(said: str) -> None:
    os.write(2, f"tocsin: {said}\n".encode())


def _use(threads: int | None) -> None:
    """Keep this process to so many cores."""
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _signature() -> Signature:
    """Return the flags as Typer reads them: those of the command itself, and one for each setting."""
    from tocsin.stream.settings import Settings

    kind = Parameter.KEYWORD_ONLY
    fields = {field.alias or name: field for name, field in Settings.model_fields.items()}
    parameters = [
        Parameter("fleet", kind, default=None, annotation=Fleet),
        *(
            Parameter(f"{name}_", kind, default=None, annotation=_flag(name, takes, panel, fields[name]))
            for panel, flags in PANELS.items()
            for name, takes in flags.items()
        ),
        Parameter("config", kind, default=None, annotation=Config),
        Parameter("demo", kind, default=False, annotation=Demo),
        Parameter("seconds", kind, default=20.0, annotation=Seconds),
        Parameter("as_json", kind, default=False, annotation=Json),
    ]
    return Signature(parameters)


def _flag(name: str, takes: str, panel: str, field: FieldInfo) -> Any:
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=takes,
        help=f"{field.description}{_usual(takes, field)}",
        rich_help_panel=panel,
        show_default=False,
    )
    plain: Any = list[str] if name == "to" else int if takes == "N" else str
    return Annotated[plain | None, option]


def _usual(takes: str, field: FieldInfo) -> str:
    """Return what is said of a default that the help does not tell of itself."""
    from tocsin.cli.text import duration, size

    default = field.default
    if field.is_required() or default in (None, "", ()):
        return ""
    said: dict[str, Callable[[Any], str]] = {"DURATION": lambda value: duration(value) if value else "0", "SIZE": size}
    told = said.get(takes, lambda value: f"{value:%H:%M}" if takes == "HH:MM" else str(value))
    return f" By default {told(default)}."


class StreamCommand(typer.core.TyperCommand):
    """The command, whose flags are made when somebody asks for them: other commands need not load what knows them."""

    @cached_property
    def _whole(self) -> typer.core.TyperCommand:
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        stream.__signature__ = _signature()  # type: ignore[attr-defined]
        app.command()(stream)
        command = typer.main.get_command(app)
        assert isinstance(command, typer.core.TyperCommand)
        return command

    @property
    def params(self) -> list[Any]:
        """The arguments and options."""
        found: list[Any] = self._whole.params
        return found

    @params.setter
    def params(self, given: list[Any]) -> None:
        """Leave aside those that are known without settings: there are none."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command with what was given."""
        return self._whole.invoke(ctx)


def placeholder() -> None:
    """Stand for `stream` until its flags are asked for."""


placeholder.__doc__ = stream.__doc__

"""The entry point: commands are gathered here, and every mistake becomes one line that says what to do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tocsin.cli.adapting import confirm, promote, rollback
from tocsin.cli.billion import billion
from tocsin.cli.compete import compete
from tocsin.cli.demo import demo
from tocsin.cli.detect import detect
from tocsin.cli.explain import explain
from tocsin.cli.features import features
from tocsin.cli.fit import fit
from tocsin.cli.generate import generate
from tocsin.cli.info import info
from tocsin.cli.insights import app as insights
from tocsin.cli.score import score
from tocsin.cli.stream import StreamCommand
from tocsin.cli.stream import placeholder as stream
from tocsin.cli.update import update
from tocsin.cli.wording import in_options
from tocsin.errors import TocsinError

DONE, BUG, MISTAKE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

app = typer.Typer(
    name="tocsin",
    help="Find what is wrong in fleets of assets, and say why: one small anomaly detector for each asset.",
    epilog="Start with: tocsin demo",
    add_completion=False,
    rich_markup_mode="rich",
)
for command in (
    demo,
    fit,
    score,
    explain,
    compete,
    features,
    detect,
    generate,
    billion,
    info,
    update,
    confirm,
    promote,
    rollback,
):
    app.command()(command)
app.command(name="stream", cls=StreamCommand)(stream)
app.add_typer(insights, name="insights")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns
    -------
    int
        0 done; 2 a mistake of the caller's; 130 interrupted; 141 whoever read the output has left; 1 a bug of ours.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if arguments is None and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Polars stops at Ctrl-C even where it is ignored, as in the background of a script, and says nothing of it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return PIPE_CLOSED
    if code == INTERRUPTED and arguments is None:
        # Polars' threads may still be reading, and complain of an interpreter that goes away under them.
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(given: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("tocsin", given) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        raise
    except typer.TyperException as error:
        return _fail(_usage(error), MISTAKE)
    except TocsinError as error:
        return _fail(in_options(str(error)), MISTAKE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", MISTAKE)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; nothing was saved", INTERRUPTED)
    except Exception as error:
        if os.environ.get("TOCSIN_TRACEBACK"):
            raise
        return _fail(
            f"this is a bug in Tocsin, please report it: {type(error).__name__}: {error} "
            "(TOCSIN_TRACEBACK=1 shows where it happened)",
            BUG,
        )
    return DONE


def _usage(error: typer.TyperException) -> str:
    """Say what is wrong with the arguments, and where to read how they are meant."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "tocsin"
    message = error.format_message().replace("Value error, ", "").strip().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see {command} --help"


def _fail(message: str, code: int) -> int:
    print("tocsin:", " ".join(message.split()), file=sys.stderr)
    return code


def _silence() -> None:
    """Let the interpreter flush what nobody reads any more into the void, not into an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

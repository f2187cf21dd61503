"""The commands and their options as a page of documentation: ``python -m tocsin.cli.reference docs/cli.md``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tocsin.cli.main import app

MARK = "<!-- What follows is written by python -m tocsin.cli.reference docs/cli.md -->\n"


def reference() -> str:
    """Return every command with its arguments and options, in Markdown."""
    return "\n".join(_command(name, command) for name, command in commands("tocsin", typer.main.get_command(app)))


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Give a command and those in it, each with all the words that call it."""
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {word}", inner)


def renew(page: str) -> str:
    """Return the page with the part after the mark written anew."""
    return page.partition(MARK)[0] + MARK + "\n" + reference()


def _command(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join(
        [name, "[OPTIONS]", *map(_argument, arguments), *(["COMMAND"] if hasattr(command, "commands") else [])]
    )
    lines = [f"## `{name}`", "", _plain(command.help or ""), "", "```text", usage, "```", ""]
    lines += ["| | |", "| --- | --- |"]
    lines += [_parameter(parameter) for parameter in command.params]
    lines.append("| `--help` | Show this and exit. |")
    return "\n".join(lines) + "\n"


def _argument(parameter: Any) -> str:
    name = parameter.metavar + ("..." if parameter.nargs != 1 else "")
    return name if parameter.required else f"[{name}]"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{_argument(parameter)}`"
    else:
        takes = "" if parameter.is_bool_flag else f" {parameter.metavar or parameter.name.upper()}"
        name = ", ".join(f"`{option}{takes}`" for option in parameter.opts)
    told = _plain(parameter.help or "")
    if parameter.required:
        told += " Required."
    elif parameter.default not in (None, False, [], ()):
        told += f" Default: `{getattr(parameter.default, 'value', parameter.default)}`."
    return f"| {name} | {told} |"


def _plain(text: str) -> str:
    """Return help without the terminal's markup, fit for a cell of a table."""
    code = re.sub(r"\[bold\](.*?)\[/\]", r"`\1`", " ".join(text.split()))
    return re.sub(r"(--[a-z][a-z-]+)", r"`\1`", code).replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(renew(path.read_text(encoding="utf-8")), encoding="utf-8")

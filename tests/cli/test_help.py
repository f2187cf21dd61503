"""Every command and option is explained, on the terminal and in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from tocsin.cli.main import app
from tocsin.cli.reference import commands, renew

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS: dict[str, Any] = {
    name.removeprefix("tocsin "): command
    for name, command in commands("tocsin", typer.main.get_command(app))
    if name != "tocsin"
}


def test_the_commands_are_those_of_the_plan():
    planned = [
        "demo",
        "fit",
        "score",
        "explain",
        "compete",
        "features",
        "detect",
        "generate",
        "billion",
        "info",
        "update",
        "confirm",
        "promote",
        "rollback",
        "stream",
        "insights",
        *(f"insights {question}" for question in ("top", "asset", "alerts", "ops", "drift", "trials")),
    ]
    assert list(COMMANDS) == planned


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_sentence_of_help(name):
    command = COMMANDS[name]
    assert command.help.endswith(".")
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.name


def test_the_docs_are_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert page == renew(page), "run: python -m tocsin.cli.reference docs/cli.md"
    for name, command in COMMANDS.items():
        assert f"## `tocsin {name}`" in page
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert f"`{option}" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_help_works(run, name):
    ran = run(*name.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"tocsin {name}" in ran.out


def test_without_arguments_help_is_shown(run):
    assert run().out == run("--help").out
    assert "tocsin demo" in run().out


def test_version(run):
    ran = run("--version")
    assert ran.code == 0
    assert ran.out.startswith("tocsin 0.")

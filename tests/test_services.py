"""What `make services` installs, and how: as root, by sudo, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.services import __main__ as services
from tests.services import kafka

Calls = list[list[str]]
Machine = Callable[..., Calls]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make up a machine by its commands, its user, and whether sudo asks for no password; what is called is noted."""

    def made(*commands: str, user: int, trusted: bool = True) -> Calls:
        called: Calls = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
            called.append(command)
            return subprocess.CompletedProcess(command, 0 if trusted else 1)

        monkeypatch.setattr(shutil, "which", lambda name, path=None: name if name in commands else None)
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(kafka, "fetch", lambda: None)
        return called

    return made


SERVERS = ("java", "mosquitto", "mvn", "openssl")


@pytest.mark.parametrize(("user", "before"), [(0, []), (1000, ["sudo", "-n"])], ids=["as root", "by sudo"])
def test_only_what_is_missing_is_installed(machine: Machine, user: int, before: list[str]) -> None:
    called = machine(*SERVERS[1:], "apt-get", "sudo", user=user)
    services.main()
    command = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    wanted = ["default-jre-headless", "redis-server"]
    assert called[-2:] == [
        [*command, "update", "-qq"],
        [*command, "install", "-y", "-qq", "--no-install-recommends", *wanted],
    ]


def test_valkey_is_a_redis(machine: Machine) -> None:
    machine(*SERVERS, "valkey-server", user=1000)
    assert services.missing() == []


@pytest.mark.parametrize("commands", [(), ("apt-get",), ("apt-get", "sudo"), ("sudo",)], ids=", ".join)
def test_what_may_not_be_installed_is_told_of(
    machine: Machine, commands: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    called = machine(*SERVERS, *commands, user=1000, trusted=False)
    services.main()
    assert not any("install" in command for command in called)
    said = capsys.readouterr().out
    assert "The tests miss redis-server; install it" in said
    assert "mosquitto" not in said

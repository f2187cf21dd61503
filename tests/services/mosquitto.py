"""A real MQTT broker for the tests, with an open, a password and a TLS listener; its sessions outlive a restart."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import pytest

from tests.services.servers import HOST, Server, certify, free_ports, listens

MISSING = "no mosquitto for the tests; make services installs it, or says what it needs"
SETTINGS = """
user {user}
per_listener_settings true
persistence true
persistence_location {folder}/
autosave_interval 0
max_queued_messages 100000
listener {open} {host}
allow_anonymous true
listener {locked} {host}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/rights
listener {tls} {host}
allow_anonymous true
certfile {folder}/server.pem
keyfile {folder}/server.key
"""
RIGHTS = """
user reader
topic readwrite #
user stranger
topic readwrite elsewhere/#
"""


class Mosquitto(Server):
    """One broker."""

    name = "mosquitto"
    password = "open-sesame"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self.locked_port, self.tls_port = free_ports(3)
        self.open, self.locked, self.tls = (f"{HOST}:{port}" for port in (self.port, self.locked_port, self.tls_port))
        self.certificate, _ = certify(folder)
        (folder / "passwords").write_text("")
        for user in ("reader", "stranger"):
            job = ["mosquitto_passwd", "-b", str(folder / "passwords"), user, self.password]
            subprocess.run(job, capture_output=True, check=True)
        (folder / "rights").write_text(RIGHTS)
        (folder / "mosquitto.conf").write_text(
            SETTINGS.format(
                folder=folder, host=HOST, open=self.port, locked=self.locked_port, tls=self.tls_port, user=getuser()
            )
        )  # fmt: skip

    def command(self) -> list[str]:
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(self.folder / "mosquitto.conf")]

    def answers(self) -> bool:
        return listens(self.port)


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Return a mosquitto that runs; one for all tests of a worker process."""
    if not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()):
        pytest.skip(MISSING)
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    server.start()
    yield server
    server.kill()

"""A Redis of the tests' own, on a free port of loopback, gone when the tests are."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest


class Server(NamedTuple):
    """Where a server listens, and its process."""

    host: str
    port: int
    socket: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"redis://{self.host}:{self.port}/0"


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(64)[:1] in (b"+", b"-")
    except OSError:
        return False


@contextmanager
def running(folder: Path, *settings: str, port: int | None = None) -> Iterator[Server]:
    """Run a server with the settings, ready to answer, until the context ends."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no redis-server; install the Debian package redis-server")
    port, path = port or free_port(), folder / "redis.sock"
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    command += ["--unixsocket", str(path), *settings]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "redis.log").read_text()[-2000:])
            time.sleep(0.02)
        yield Server("127.0.0.1", port, path, process)
    finally:
        process.kill()
        process.wait()

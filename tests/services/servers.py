"""What servers of tests have in common: free ports, a process that ends with the tests, waiting until it is ready."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

HOST = "127.0.0.1"


def free_ports(n: int) -> list[int]:
    """Return ports of the loopback that nobody listens on."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Server(ABC):
    """A server process on the loopback, with a folder of its own; what it keeps there outlives a restart."""

    name: str
    patience = 60.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return what to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether it is ready to serve."""

    def start(self) -> None:
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*guard, *self.command()], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + self.patience
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{self.name} does not come up:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to leave."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a failing machine would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


def certify(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of the loopback that signs itself, and its key."""
    job = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout server.key -out server.pem -subj /CN=localhost"
    names = ["-addext", f"subjectAltName=IP:{HOST},DNS:localhost"]
    subprocess.run([*job.split(), *names], cwd=folder, capture_output=True, check=True)
    return folder / "server.pem", folder / "server.key"


def listens(port: int) -> bool:
    """Return whether a server takes connections at a port of the loopback."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True

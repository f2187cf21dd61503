"""Installs the servers that the tests need, where it may, and says of the others what is missing; never fails."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.services import kafka

PACKAGES = {
    "java": "default-jre-headless",
    "mosquitto": "mosquitto",
    "mvn": "maven",
    "openssl": "openssl",
    "redis-server": "redis-server",
}
"""Debian's packages by a command of each."""


ALTERNATIVES = {"redis-server": "valkey-server"}
"""Commands that do as well."""


def missing() -> list[str]:
    """Return the packages whose commands are not there."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])

    def there(command: str | None) -> bool:
        return command is not None and shutil.which(command, path=path) is not None

    return [
        package for command, package in PACKAGES.items() if not there(command) and not there(ALTERNATIVES.get(command))
    ]


def apt_get() -> list[str] | None:
    """Return how to call Debian's package manager, as root or by sudo without a password; None if that cannot be."""
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    command = ["env", "DEBIAN_FRONTEND=noninteractive", apt]
    if os.geteuid() == 0:
        return command
    sudo = shutil.which("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
        return None
    return [sudo, "-n", *command]


def install(packages: list[str]) -> None:
    """Ask the package manager, if it is there and we may."""
    command = apt_get() if packages else None
    if command is None:
        return
    print(f"Installing {' '.join(packages)}", flush=True)
    for job in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([*command, *job], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    """Install what is missing, fetch Kafka, and say in one line each what could not be had."""
    install(missing())
    for package in missing():
        print(f"The tests miss {package}; install it with your package manager, or the tests that need it are skipped")
    if not kafka.cache().exists():
        print(f"Fetching Kafka {kafka.VERSION} into {kafka.cache()}", flush=True)
        if kafka.fetch() is None:
            print("Kafka cannot be fetched with Maven; its tests are skipped")


if __name__ == "__main__":
    main()

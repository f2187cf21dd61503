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


def missing() -> list[str]:
    """Return the packages whose commands are not there."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    return [package for command, package in PACKAGES.items() if not shutil.which(command, path=path)]


def install(packages: list[str]) -> None:
    """Ask Debian's package manager, if it is there and we may."""
    apt = shutil.which("apt-get")
    if not packages or apt is None or os.geteuid() != 0:
        return
    print(f"Installing {' '.join(packages)}", flush=True)
    settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for job in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([apt, *job], env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def main() -> None:
    """Install what is missing, fetch Kafka, and say in one line each what could not be had."""
    install(missing())
    for package in missing():
        print(f"The tests miss {package}; install it with your package manager, or their tests are skipped")
    if not kafka.cache().exists():
        print(f"Fetching Kafka {kafka.VERSION} into {kafka.cache()}", flush=True)
        if kafka.fetch() is None:
            print("Kafka cannot be fetched with Maven; its tests are skipped")


if __name__ == "__main__":
    main()

"""People and channels, through Apprise: the only place that knows it."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

from tocsin.errors import ParameterError, UnavailableError, did_you_mean
from tocsin.extras import need

if TYPE_CHECKING:
    from apprise import Apprise

Kind = Literal["info", "success", "warning", "failure"]


class _Channel(NamedTuple):
    name: str
    """What may be shown: its place among the addresses, and which service it is."""
    service: Apprise
    secrets: tuple[str, ...]


class Channels:
    """Addresses to send messages to, checked when they are named, not when the first message is due.

    Parameters
    ----------
    urls : sequence of str
        Addresses as Apprise knows them, such as ``mailto://...``, ``slack://...`` or ``json://localhost:8080``.

    Raises
    ------
    ParameterError
        If there is no such service, an address of it is not complete, or Apprise is not installed. The message tells
        which address it is by its place, and nothing of what may be secret in it.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._channels = [_channel(place, url) for place, url in enumerate(urls, 1)]

    def send(self, title: str, body: str, *, kind: Kind = "warning") -> None:
        """Send a message to all of them, one after the other; plain text.

        Raises
        ------
        UnavailableError
            If one or more did not take it, after all have been tried.
        """
        library = _library()
        failures = []
        for name, service, secrets in self._channels:
            with library.LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:
                sent = service.notify(
                    title=title, body=body, notify_type=library.NotifyType(kind), body_format=library.NotifyFormat.TEXT
                )
            if not sent:
                said = (captured.getvalue().strip().splitlines() or ["it gave no reason"])[-1]
                failures.append(f"{name} did not take a message: {_without(said, secrets)}")
        if failures:
            raise UnavailableError("; ".join(failures))


def notify(urls: Sequence[str], title: str, body: str, *, kind: Kind = "warning") -> None:
    """Send a message to people and channels, once; who sends many keeps `Channels`, which see for what may go wrong."""
    Channels(urls).send(title, body, kind=kind)


@cache
def schemes() -> frozenset[str]:
    """Return the schemes of all services that Apprise knows, none if it is not installed; the first call loads it."""
    if find_spec("apprise") is None:
        return frozenset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its services are loaded now, some with old modules
        entries = _library().Apprise().details()["schemas"]
    return frozenset(name for entry in entries for name in _names(entry))


def _library() -> ModuleType:
    return need("apprise", "notify", "Sending messages")


def _names(entry: dict[str, object]) -> list[str]:
    found: list[str] = []
    for protocols in (entry["protocols"], entry["secure_protocols"]):
        found += [str(each) for each in protocols] if isinstance(protocols, list | tuple | set | frozenset) else []
    return found


def _channel(place: int, url: str) -> _Channel:
    known, library = schemes(), _library()
    scheme, found, rest = url.strip().partition("://")
    if not found:
        raise ParameterError(f"notification address {place} has no ://; write one such as mailto://user:password@host")
    asset = library.AppriseAsset(app_id="Tocsin", app_desc="Tocsin", app_url="", storage_mode="memory")
    service = library.Apprise(asset=asset)
    if not service.add(url.strip()):
        if scheme.lower() not in known and not scheme.lower().startswith("http"):
            raise ParameterError(f"notification address {place}: no service {scheme}://{did_you_mean(scheme, known)}")
        raise ParameterError(
            f"notification address {place}, of {scheme}://, is not complete or has a part that makes no sense; "
            "Apprise's documentation shows how it is written"
        )
    secrets = tuple(sorted((part for part in re.split(r"[/@:?&=#,+]+", rest) if len(part) > 3), key=len, reverse=True))
    return _Channel(f"notification address {place} ({service[0].service_name})", service, secrets)


def _without(said: str, secrets: Sequence[str]) -> str:
    """Return what a service said without any part of its address."""
    for secret in secrets:
        said = said.replace(secret, "***")
    return said.strip().rstrip(".")

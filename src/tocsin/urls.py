"""Addresses of streams and stores as people write them, with passwords that never show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tocsin.errors import ParameterError, did_you_mean

PLAIN = "-"
"""Standard input or output, as is usual on a command line."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream comes from or goes to.

    Parameters
    ----------
    scheme : str
        ``"kafka"`` of ``kafka://``; ``"-"`` for standard input or output; empty for a plain path.
    host : str
        One or several, with ports, as written: ``"one:9092,two:9092"``.
    path : str
        What follows the host, or a plain path.
    user, password : str, optional
        Before the host. A password is shown as ``***``.
    options : mapping of str to str
        What follows a question mark: ``?group=night&format=avro``.

    Examples
    --------
    >>> address = Address.of("kafka://me:secret@localhost:9092/readings?group=night")
    >>> address.host, address.path, address.options["group"]
    ('localhost:9092', 'readings', 'night')
    >>> print(address)
    kafka://me:***@localhost:9092/readings?group=night
    """

    scheme: str
    host: str = ""
    path: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """Take an address apart; what has no ``://`` is a plain path.

        Raises
        ------
        ParameterError
            If it is empty, or an option is given twice.
        """
        if not text.strip():
            raise ParameterError("an address is empty; give a path, or one such as kafka://localhost:9092/readings")
        if text == PLAIN:
            return cls(PLAIN)
        if "://" not in text:
            return cls("", path=text)
        parts = urlsplit(text)
        login, _, host = parts.netloc.rpartition("@")
        user, colon, password = login.partition(":")
        options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in options:
                raise ParameterError(f"option {name!r} is given twice in an address; give it once")
            options[name] = value
        return cls(
            parts.scheme.lower(),
            host,
            unquote(parts.path.removeprefix("/") if host else parts.path),
            unquote(user) or None,
            unquote(password) if colon else None,
            options,
        )

    def __str__(self) -> str:
        """Return the address as it may be shown."""
        if self.scheme in ("", PLAIN):
            return self.path or PLAIN
        login = f"{self.user or ''}{':***' if self.password is not None else ''}"
        path = f"/{self.path}" if self.path and self.host else self.path
        asked = "&".join(f"{name}={_masked(name, value)}" for name, value in self.options.items())
        return f"{self.scheme}://{login}{'@' if login else ''}{self.host}{path}{'?' if asked else ''}{asked}"

    def check_options(self, known: Iterable[str]) -> None:
        """Raise a `ParameterError` for an option that is not among those known."""
        names = sorted(known)
        for name in self.options:
            if name not in names:
                raise ParameterError(f"{self.scheme}:// has no option {name!r}{did_you_mean(name, names)}")


def _masked(name: str, value: str) -> str:
    return "***" if any(word in name.lower() for word in ("password", "secret", "token", "key")) else value

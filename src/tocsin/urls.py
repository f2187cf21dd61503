"""Addresses of streams and stores as people write them, with passwords that never show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

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
    text : str
        The whole as it was written, secrets and all, for libraries with addresses of their own; not compared.

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
    text: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """Take an address apart; what has no ``://`` is a plain path.

        Raises
        ------
        ParameterError
            If it is empty, an option is given twice, or a bracket is missing.
        """
        if not text.strip():
            raise ParameterError("an address is empty; give a path, or one such as kafka://localhost:9092/readings")
        if text == PLAIN:
            return cls(PLAIN, text=text)
        if "://" not in text:
            return cls("", path=text, text=text)
        try:
            parts = urlsplit(text)
        except ValueError:
            scheme = text.partition("://")[0]
            raise ParameterError(
                f"an address of {scheme}:// has a host that makes no sense; check its brackets"
            ) from None
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
            text,
        )

    @property
    def place(self) -> Path:
        """The path of a file or folder, of ``file://readings.csv`` and ``~/readings.csv`` as well."""
        return Path(f"{self.host}/{self.path}" if self.host and self.path else self.host or self.path).expanduser()

    def __str__(self) -> str:
        """Return the address as it may be shown."""
        if self.scheme in ("", PLAIN):
            return self.path or PLAIN
        login = f"{self.user or ''}{':***' if self.password is not None else ''}"
        path = f"/{self.path}" if self.path and self.host else self.path
        asked = "&".join(f"{name}={_masked(name, value)}" for name, value in self.options.items())
        return f"{self.scheme}://{login}{'@' if login else ''}{self.host}{path}{'?' if asked else ''}{asked}"

    def check_path(self, scheme: str = "file") -> None:
        """Raise a `ParameterError` for a plain path that ends in options, which only an address with a scheme has.

        A path of which something is there is taken at its word. Values are not shown, as they may be secret.

        >>> Address.of("a.csv?follow=no").check_path()
        Traceback (most recent call last):
        tocsin.errors.ParameterError: a plain path takes no options; write file://a.csv?follow=...
        """
        found = _OPTIONS.search(self.path) if self.scheme == "" else None
        if found is not None and not self.place.exists():
            bare = self.path[: found.start()] + re.sub(r"=[^&]*", "=...", found[0])
            raise ParameterError(f"a plain path takes no options; write {scheme}://{bare}")

    def check_options(self, known: Iterable[str]) -> None:
        """Raise a `ParameterError` for an option that is not among those known."""
        names = sorted(known)
        for name in self.options:
            if name not in names:
                raise ParameterError(f"{self.scheme}:// has no option {name!r}{did_you_mean(name, names)}")

    def choice(self, name: str, *choices: str) -> str:
        """Return an option that is one of a few words, the first of which is meant where it is not given.

        Raises
        ------
        ParameterError
            If it is another.
        """
        value = self.options.get(name, choices[0]).lower()
        if value not in choices:
            raise ParameterError(f"{name}={value} makes no sense; {name} is {' or '.join(choices)}")
        return value


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Put variables of the environment into an address: ``$NAME`` or ``${NAME}``; ``$$`` is a dollar.

    Before the ``@`` and in options a value may hold any characters, as it is quoted there; elsewhere it is put in as it
    is, so that it may be several hosts, or a whole address.

    Raises
    ------
    ParameterError
        If there is no such variable.

    Examples
    --------
    >>> expanded("kafka://me:$PASSWORD@$BROKERS/t", {"PASSWORD": "p@ss/word", "BROKERS": "one:9092,two:9092"})
    'kafka://me:p%40ss%2Fword@one:9092,two:9092/t'
    """
    start = text.find("://") + 3 if "://" in text else len(text)
    host_end = next((place for place in range(start, len(text)) if text[place] in "/?#"), len(text))
    login_end = text.rfind("@", start, host_end)
    options = text.find("?", host_end) if start < len(text) else -1

    def value(found: re.Match[str]) -> str:
        name = found["braced"] or found["name"]
        if name is None:
            return "$"
        if name not in environment:
            raise ParameterError(
                f"there is no environment variable {name}, which an address asks for; set it, or write $$ for a dollar"
            )
        place = found.start()
        quoted = start <= place < login_end or 0 <= options < place
        return quote(environment[name], safe="") if quoted else environment[name]

    return _VARIABLE.sub(value, text)


def masked(text: str) -> str:
    """Return a text without the passwords of addresses in it.

    >>> masked("no answer from kafka://me:secret@localhost:9092/t?api_key=word&group=a")
    'no answer from kafka://me:***@localhost:9092/t?api_key=***&group=a'
    """
    return _SECRET_OPTION.sub(r"\1***", _LOGIN.sub(r"\1***\2", text))


_OPTIONS = re.compile(r"\?[A-Za-z_]+=[^/]*$")
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)\}|(?P<name>[A-Za-z_]\w*))")
_LOGIN = re.compile(r"(://[^\s/?#:@]*:)[^\s/?#]*(@)")
_SECRET_OPTION = re.compile(r"([?&][^\s=&]*(?:password|secret|token|key)[^\s=&]*=)[^\s&#]+", re.IGNORECASE)


def _masked(name: str, value: str) -> str:
    return "***" if any(word in name.lower() for word in ("password", "secret", "token", "key")) else value

"""Alerts to a web server of one's own: each call is one POST of a JSON array."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from typing import IO, ClassVar, Never, Self
from urllib.parse import urlsplit

import pyarrow as pa

from tocsin.errors import OutputError, ParameterError, UnavailableError
from tocsin.stream.alerts import json_lines
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address

TIMEOUT = 10.0
MAY_PASS = frozenset({408, 421, 425, 429})
"""Answers below 500 after which the same call may succeed later."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, which hands over nothing."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


class Webhook(Sink):
    """POST to an ``http://`` or ``https://`` address: a JSON array of alerts.

    The header ``Idempotency-Key`` is the same when a call is repeated, so that a server can tell. Any answer from 200
    to 299 says that the alerts are safe; one from 500 on, that they may be sent again. A name and password before the
    host are sent as HTTP's basic authentication.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    def __init__(self, address: Address) -> None:
        parts = urlsplit(address.text)
        self._url = parts._replace(netloc=address.host, fragment="").geturl()
        self._name = self.shown(address)
        self._headers = {"Content-Type": "application/json", "User-Agent": "tocsin"}
        if address.user is not None:
            login = f"{address.user}:{address.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirect)

    @classmethod
    def shown(cls, address: Address) -> str:
        """See `Sink.shown`: paths of webhooks are often secret."""
        return f"{address.scheme}://{address.host}" + ("/***" if address.path or address.options else "")

    @classmethod
    def open(cls, address: Address) -> Self:
        """See `Sink.open`; nothing is sent yet."""
        parts = urlsplit(address.text)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or port == 0:
            raise ParameterError(f"{cls.shown(address)} is no address of a web server; write https://host:port/path")
        return cls(address)

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """See `Sink.write`."""
        body = b"[" + b",".join(json_lines(alerts)) + b"]"
        key = f"{sequence}-{alerts['id'][0].as_py()}"
        request = urllib.request.Request(self._url, body, self._headers | {"Idempotency-Key": key}, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
        except urllib.error.URLError as error:
            raise UnavailableError(f"{self._name} does not answer: {_reason(error.reason)}") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{self._name} does not answer: {_reason(error)}") from None

    def _refused(self, error: urllib.error.HTTPError) -> Never:
        said = f"{self._name} answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
        if error.code >= 500 or error.code in MAY_PASS:
            raise UnavailableError(said)
        hint = {401: "check name and password", 403: "check name and password", 404: "check the path"}
        moved = "it has moved; give its new address" if error.code < 400 else "it takes no alerts"
        raise OutputError(f"{said}; {hint.get(error.code, moved)}")

    def close(self) -> None:
        """See `Sink.close`; nothing is open between calls."""


def _reason(error: object) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].lower()

"""Alerts to an MQTT broker, a topic for each asset if wanted; at least once, as MQTT knows no transactions."""

from __future__ import annotations

import re
import zlib
from time import monotonic
from typing import ClassVar, Self

import pyarrow as pa

from tocsin.errors import OutputError, ParameterError, TocsinError, UnavailableError
from tocsin.stream.alerts import json_lines
from tocsin.stream.mqtt import OPTIONS, PATIENCE, Connection, Reason
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address

IN_FLIGHT = 1_000
KEY = "{key}"


class MqttTopic(Sink):
    """Messages of quality of service 1: ``mqtt://user:password@host:1883/alerts/{key}``; a JSON object each.

    ``{key}`` stands for the asset; what has a meaning in topics (``/``, ``+``, ``#``) is written as in web addresses,
    ``%2F``. A call returns once the broker has confirmed all of it. After a crash, or where the broker goes within a
    call, alerts may arrive again, with the same ids.
    """

    schemes: ClassVar[tuple[str, ...]] = ("mqtt", "mqtts")

    def __init__(self, address: Address) -> None:
        if "#" in address.text:
            raise ParameterError(f"{address} is no topic to publish to; # stands for many")
        address.check_options(OPTIONS)
        if not address.path or "+" in address.path or "\0" in address.path:
            raise ParameterError(f"{address} names no topic to publish to; write mqtt://host:1883/alerts/{KEY}")
        self._address, self._topic = address, address.path
        # a name that is not that of a source of the same address, which would be put out
        self._name = address.options.get("name") or f"tocsin-alerts-{zlib.crc32(address.path.encode()):08x}"
        self._connection: Connection | None = None
        self._open: set[int] = set()
        self._refused: Reason | None = None

    @classmethod
    def open(cls, address: Address) -> Self:
        """Connect; see the class for the topic."""
        sink = cls(address)
        sink._connect()
        return sink

    def _connect(self) -> Connection:
        made = Connection(self._address, self._name, OutputError)
        made.client.max_inflight_messages_set(IN_FLIGHT)
        made.client.on_publish = self._on_publish
        made.connect()
        self._connection = made
        return made

    def _on_publish(self, _client: object, _data: object, mid: int, reason: Reason, _more: object) -> None:
        self._open.discard(mid)
        if reason.is_failure:
            self._refused = reason

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """Publish alerts and wait until the broker has confirmed them; whatever was left of another call is dropped."""
        connection = self._alive() or self._connect()
        self._refused = None
        try:
            for key, line in zip(alerts["key"].to_pylist(), json_lines(alerts), strict=True):
                self._open.add(connection.client.publish(self._topic.replace(KEY, _level(key)), line, 1).mid)
            self._wait(connection)
        except ValueError as error:
            raise OutputError(f"{connection.where} cannot take an alert: {str(error).splitlines()[0]}") from None
        except TocsinError:
            self._connection = None
            connection.abandon()
            raise
        finally:
            self._open.clear()

    def _alive(self) -> Connection | None:
        """Return the connection, unless it was lost; brokers end one on which nothing is said for long."""
        if self._connection is not None:
            try:
                self._connection.serve(0)
            except UnavailableError:
                self._connection = None
        return self._connection

    def _wait(self, connection: Connection) -> None:
        deadline = monotonic() + PATIENCE
        while self._open:
            connection.serve(0.1)
            if monotonic() > deadline:
                raise UnavailableError(f"{connection.where} does not answer: no confirmation in time")
        if self._refused is not None:
            raise OutputError(f"{connection.where} refuses alerts: {str(self._refused).lower()}; ask for the right")

    def close(self) -> None:
        """Leave."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _level(key: str) -> str:
    """Return a key as one level of a topic.

    >>> _level("north/pump #1")
    'north%2Fpump %231'
    """
    return re.sub(r"[%/+#\0]", lambda found: f"%{ord(found[0]):02X}", key)

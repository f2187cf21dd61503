"""Readings from an MQTT broker, topics as assets and sensors; what is not committed comes again."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode, b64encode
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from time import monotonic, time_ns
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import numpy as np

from tocsin.errors import DataError, ParameterError, UnavailableError
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.mqtt import OPTIONS as COMMON
from tocsin.stream.mqtt import PATIENCE, Connection, Reason
from tocsin.stream.sources.base import Fetched, Positions, Shape, Source
from tocsin.urls import Address

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

OPTIONS = (*COMMON, "format", "inflight", "key", "schema", "sensor")
UNCONFIRMED = 2_000
"""So many messages may be on their way between the broker's sending and our commit."""
KEY, SENSOR = "@key", "@sensor"
"""The fields that levels of a topic become."""
_TAKEN = np.dtype([("mid", "<u2"), ("digest", "<u4")])


class Levels(NamedTuple):
    """Which levels of a topic, counted from 0, make up the asset and the sensor."""

    key: tuple[int, ...] = ()
    sensor: tuple[int, ...] = ()


class MqttSource(Source):
    """Messages of a topic filter: ``mqtt://user:password@host:1883/plant/+/+?key=2&sensor=3``.

    With ``?key=2`` the second level of a message's topic is the asset (``1,2`` joins levels), with ``?sensor=3`` the
    third is the sensor, and readings are long: the payload is a number, whose time is when it came, or a JSON object
    with the fields for value and time. Without them all is in the payload.

    The broker keeps a session by ``?name=`` (made of the topic filter) for a week. Messages published with quality of
    service 1 or 2 are confirmed once they are committed; until then the broker holds them and sends them again after a
    crash, at least once. Those that were committed but not yet confirmed are known then, by their number in the session
    and their content, and dropped: positions hold both for the last ``?inflight=2000`` messages, which is also how many
    may be unconfirmed at a time. So readings count once, unless the broker itself lost its session. Messages of quality
    of service 0 are the broker's to lose, as are those beyond its own queue (mosquitto: ``max_queued_messages``).
    Positions cannot go back further than what is not confirmed.
    """

    schemes: ClassVar[tuple[str, ...]] = ("mqtt", "mqtts")

    def __init__(self, connection: Connection, address: Address, decoder: Decoder, wrap: Wrapping, most: int) -> None:
        self._connection, self._filter, self._decoder, self._wrap = connection, address.path, decoder, wrap
        self._most = most
        self._waiting: deque[MQTTMessage] = deque()
        self._taken: OrderedDict[int, int] = OrderedDict()
        self._unconfirmed: dict[int, int] = {}
        self._count = 0
        self._granted: Sequence[Reason] | None = None
        connection.client.on_message = self._on_message
        connection.client.on_subscribe = self._on_subscribe

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Self:
        """Open the session; see the class for the options."""
        if "#" in address.text:  # which elsewhere begins a fragment
            address = Address.of(address.text.replace("#", "%23"))
        address.check_options(OPTIONS)
        options = address.options
        if not address.path:
            raise ParameterError(f"{address} names no topic; write mqtt://host:1883/plant/+/+")
        levels = Levels(_levels(options, "key"), _levels(options, "sensor"))
        deepest = len(address.path.split("/")) if not address.path.endswith("#") else 1 << 16
        if max((*levels.key, *levels.sensor), default=0) >= deepest:
            raise ParameterError(f"the topics {address.path!r} have {deepest} levels; key and sensor count them from 1")
        form = options.get("format", "json")
        if form != "json" and any(levels):
            raise ParameterError(f"key and sensor of the topic need messages in JSON, and format={form} was asked for")
        try:
            most = int(options.get("inflight", UNCONFIRMED))
        except ValueError:
            most = 0
        if not 0 < most < 1 << 16:
            raise ParameterError(f"inflight={options['inflight']} makes no sense; it is a number from 1 to 65535")
        wrap = Wrapping(levels, shape)
        decoder = Decoder(wrap.shape, form, schema=options.get("schema"))
        name = options.get("name") or f"tocsin-{zlib.crc32(address.path.encode()):08x}"
        connection = Connection(address, name, DataError, lasting=True, unconfirmed=most)
        source = cls(connection, address, decoder, wrap, most)
        source._come()
        return source

    def _come(self) -> None:
        """Take the session up, or begin one."""
        self._connection.connect()
        if not self._connection.resumed:
            self._taken.clear()
            self._unconfirmed.clear()
        self._granted = None
        paho = self._connection.paho
        options = paho.SubscribeOptions(qos=1, retainHandling=paho.SubscribeOptions.RETAIN_DO_NOT_SEND)
        try:
            self._connection.client.subscribe(self._filter, options=options)
        except ValueError:
            self._connection.close()
            raise ParameterError(
                f"{self._filter!r} is no topic filter; + and # stand for whole levels, # last"
            ) from None
        deadline = monotonic() + PATIENCE
        while (granted := self._word()) is None:
            if monotonic() > deadline:
                raise UnavailableError(f"{self._connection.where} does not answer: no word on the topics in time")
            self._connection.serve(0.1)
        if any(reason.is_failure for reason in granted):
            self._connection.close()
            raise DataError(
                f"{self._connection.where} does not let us hear {self._filter!r}: {str(granted[0]).lower()}"
            )

    def _word(self) -> Sequence[Reason] | None:
        return self._granted

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self._waiting.append(message)

    def _on_subscribe(
        self, _client: object, _data: object, _mid: int, reasons: Sequence[Reason], _more: object
    ) -> None:
        self._granted = reasons

    def seek(self, positions: Positions) -> None:
        """Know again what was committed, if the broker still has the session; else there is nothing to know again."""
        self._count = int(positions.get("count", 0))
        if self._connection.resumed and "taken" in positions:
            pairs = np.frombuffer(b64decode(positions["taken"]), _TAKEN)
            self._taken = OrderedDict(zip(pairs["mid"].tolist(), pairs["digest"].tolist(), strict=True))

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return what has come: about `most` messages."""
        deadline = monotonic() + wait
        if not self._connection.connected:
            self._waiting = deque(message for message in self._waiting if message.qos == 0)  # others come again
            self._come()
        taken: list[MQTTMessage] = []
        while not taken:
            self._receive(most, max(deadline - monotonic(), 0))
            while self._waiting and len(taken) < most:
                if self._take(message := self._waiting.popleft()):
                    taken.append(message)
            if not taken and monotonic() >= deadline:
                return None
        return self._decoded(taken)

    def _receive(self, most: int, wait: float) -> None:
        """Read from the line what is there, without going on for ever where messages come faster than that."""
        self._connection.serve(0 if self._waiting else wait)
        before = -1
        while before < len(self._waiting) < most:
            before = len(self._waiting)
            self._connection.client.loop_read()

    def _take(self, message: MQTTMessage) -> bool:
        """Return whether a message is new; confirm one that was committed before and is sent again."""
        if message.qos == 0:
            return True
        digest = zlib.crc32(message.payload, zlib.crc32(message.topic.encode()))
        if message.dup and self._taken.get(message.mid) == digest:
            if message.mid not in self._unconfirmed:
                self._connection.client.ack(message.mid, 1)
            return False
        self._count += 1
        self._taken.pop(message.mid, None)
        self._taken[message.mid] = digest
        self._unconfirmed[message.mid] = self._count
        self._most = max(self._most, len(self._unconfirmed))  # some brokers send more than they were allowed to
        while len(self._taken) > 2 * self._most:
            self._taken.popitem(last=False)
        return True

    def _decoded(self, messages: list[MQTTMessage]) -> Fetched:
        payloads = [self._wrap.payload(message.topic, message.payload) for message in messages]
        decoded = self._decoder.decode(payloads)
        pairs = np.array(list(self._taken.items()), np.int64).reshape(-1, 2)
        packed = np.empty(len(pairs), _TAKEN)
        packed["mid"], packed["digest"] = pairs[:, 0], pairs[:, 1]
        return Fetched(
            decoded.frame,
            {"count": self._count, "taken": b64encode(packed.tobytes()).decode()},
            sum(len(message.payload) for message in messages),
            decoded.dead,
            None,
            decoded.strange,
            decoded.mended,
        )

    def committed(self, positions: Positions) -> None:
        """Confirm to the broker what is in the store."""
        safe = int(positions["count"])
        for mid in [mid for mid, count in self._unconfirmed.items() if count <= safe]:
            del self._unconfirmed[mid]
            if self._connection.connected:  # else it is sent again, and known
                self._connection.client.ack(mid, 1)

    def close(self) -> None:
        """Leave; the broker keeps the session."""
        self._connection.close()


class Wrapping:
    """Puts what a topic says into a message's JSON, so that the decoder finds all in one place."""

    def __init__(self, levels: Levels, shape: Shape) -> None:
        self._levels = levels
        self._value = shape.value or "value"
        self._time = shape.time
        key = KEY if levels.key else shape.key
        self.shape = Shape(shape.features, key, shape.time, shape.sensor, shape.value)
        if levels.sensor:
            self.shape = Shape(shape.features, key, shape.time, SENSOR, self._value)
        self._head = lru_cache(1 << 16)(self._head_of)

    def payload(self, topic: str, payload: bytes) -> bytes:
        """Return a message with the asset and the sensor of its topic in it.

        >>> shape = Shape(("heat",), "asset", "at")
        >>> Wrapping(Levels((1,), (2,)), shape).payload("plant/pump 7/heat", b'{"value": 5.5, "at": 1700000000}')
        b'{"@key": "pump 7", "@sensor": "heat", "value": 5.5, "at": 1700000000}'
        >>> Wrapping(Levels((1,)), shape).payload("plant/pump 7", b'{"heat": 5.5, "at": 1700000000}')
        b'{"@key": "pump 7", "heat": 5.5, "at": 1700000000}'
        """
        if not any(self._levels):
            return payload
        bare = payload.strip()
        if bare.startswith(b"{"):
            return self._head(topic) + bare[1:].lstrip()
        if not self._levels.sensor:
            return payload
        now = b"" if self._time is None else b', "%s": %d' % (json.dumps(self._time)[1:-1].encode(), time_ns())
        return self._head(topic) + b'"%s": %s%s}' % (json.dumps(self._value)[1:-1].encode(), _plain(bare), now)

    def _head_of(self, topic: str) -> bytes:
        parts = topic.split("/")
        named = {KEY: self._levels.key, SENSOR: self._levels.sensor}
        fields = {
            name: "/".join(parts[level] for level in levels if level < len(parts)) or None
            for name, levels in named.items()
            if levels
        }
        return json.dumps(fields, ensure_ascii=False)[:-1].encode() + b", "


def _plain(payload: bytes) -> bytes:
    """Return a number as it may stand in JSON, and anything else as a text, in which the decoder finds no number."""
    if re.fullmatch(rb"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?|true|false|null|NaN|-?Infinity", payload):
        return payload
    return json.dumps(payload.decode(errors="replace")).encode()


def _levels(options: Mapping[str, str], name: str) -> tuple[int, ...]:
    """Return the levels that an option names, counted from 0."""
    text = options.get(name)
    if text is None:
        return ()
    try:
        levels = tuple(int(part) - 1 for part in text.split(","))
    except ValueError:
        levels = (-1,)
    if min(levels) < 0:
        raise ParameterError(f"{name}={text} makes no sense; it is the number of a topic's level, from 1, or 1,2")
    return levels

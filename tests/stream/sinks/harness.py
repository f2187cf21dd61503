"""What the tests of all sinks need of each: an address, its far side, and a way to make it go away and come back.

A new sink adds one class here, or in a file of its own that this one imports, and its name to `READERS`.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedWriter, FileIO, TextIOWrapper
from queue import SimpleQueue
from threading import Event, Thread
from urllib.parse import unquote
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.services.mosquitto import HOST
from tocsin.stream.alerts import headline, json_lines
from tocsin.stream.sinks.base import ALERTS


def alerts(first: int, many: int, key: str = "pump") -> pa.Table:
    """Return alerts whose ids and times count from `first`; every third has no explanation."""
    rows = []
    for number in range(first, first + many):
        reason = {
            "feature": "heat, mean of the last 5", "sensor": "heat", "value": 91.5 + number, "low": 20.0, "high": 60.0,
            "direction": "above", "contribution": 3.5, "sentence": f"heat was {91 + number}, above its usual 20 to 60.",
        }  # fmt: skip
        rows.append(
            {
                "id": f"{number:016x}", "key": f"{key} {number % 3} – «ü»", "time": 1_700_000_000_123_456_789 + number,
                "score": 9.0 + number, "p_value": 1e-4 if number % 2 else None, "threshold": 4.5, "version": number,
                "explanations": [reason, reason | {"feature": "speed", "sensor": None}] if number % 3 else [],
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=ALERTS)


def plain(table: pa.Table) -> list[dict]:
    """Return alerts as JSON objects."""
    return [json.loads(line) for line in json_lines(table)]


class Reader(ABC):
    """The far side of a sink, in a place of its own for each test."""

    once = False
    """Whether a call that is repeated after a crash leaves nothing double."""
    strict = False
    """Whether options that it does not know are refused; webhooks pass theirs on, and a path has none."""

    address: str
    """Where the sink is."""

    @abstractmethod
    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        """Start what is needed; `stack` ends it."""

    @abstractmethod
    def read(self) -> list[dict]:
        """Return all that has arrived so far, as JSON objects."""

    def count(self, alert: dict) -> int:
        """Return how often an alert (of `plain`) has arrived whole."""
        return self.read().count(alert)

    @abstractmethod
    def go(self) -> None:
        """Be away, until `come`."""

    @abstractmethod
    def come(self) -> None:
        """Be back."""


class StandardOutputReader(Reader):
    address = "-"

    def __init__(self, request, stack):
        self._captured = request.getfixturevalue("capfd")
        self._seen = ""
        self._away = stack.enter_context(pytest.MonkeyPatch.context())

    def read(self):
        self._seen += self._captured.readouterr().out
        return [json.loads(line) for line in self._seen.split("\n")[:-1]]

    def go(self):
        self._full = TextIOWrapper(BufferedWriter(FileIO("/dev/full", "w")))
        self._away.setattr(sys, "stdout", self._full)

    def come(self):
        self._away.undo()
        self._full.close()


class NDJSONReader(Reader):
    once = strict = True

    def __init__(self, request, stack):
        self._folder = request.getfixturevalue("tmp_path") / "folder"
        self._folder.mkdir()
        self.address = f"file://{self._folder}/alerts.ndjson"

    def read(self):
        return [json.loads(line) for line in (self._folder / "alerts.ndjson").read_bytes().split(b"\n")[:-1]]

    def go(self):
        self._folder.rename(self._folder.with_name("away"))

    def come(self):
        self._folder.with_name("away").rename(self._folder)


class ParquetReader(Reader):
    once = strict = True

    def __init__(self, request, stack):
        self._folder = request.getfixturevalue("tmp_path") / "alerts"
        self.address = f"parquet://{self._folder}"

    def read(self):
        files = sorted(self._folder.glob("*/*.parquet"), key=lambda path: int(path.name.split("-")[1]))
        return plain(pl.read_parquet(files).to_arrow().cast(ALERTS))

    def go(self):
        self._folder.rename(self._folder.with_name("away"))
        self._folder.touch()

    def come(self):
        self._folder.unlink()
        self._folder.with_name("away").rename(self._folder)


class WebServer:
    """A web server that keeps what is posted to it, and answers as it is told."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict, bytes]] = []
        self.answer = 200
        posts, server = self.posts, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if server.answer < 300:
                    posts.append((self.path, dict(self.headers), body))
                self.send_response(server.answer)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[WebServer]:
        server = cls()
        thread = Thread(target=server._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server._server.shutdown()
            thread.join()
            server._server.server_close()


class WebhookReader(Reader):
    strict = False

    def __init__(self, request, stack):
        self._server = stack.enter_context(WebServer.started())
        self.address = f"http://me:p%40ss@{self._server.host}/hooks/x?a=1&b=%20"

    def read(self):
        return [alert for _, _, body in self._server.posts for alert in json.loads(body)]

    def go(self):
        self._server.answer = 503

    def come(self):
        self._server.answer = 204


class MessagesReader(WebhookReader):
    """Messages have a line for each alert, and not all that is known of it."""

    def __init__(self, request, stack):
        super().__init__(request, stack)
        self.address = f"json://me:p%40ss@{self._server.host}/hooks/x?at_most=100/s"

    def read(self):
        return [json.loads(body) for _, _, body in self._server.posts]

    def count(self, alert):
        line = headline(alert | {"time": records_time(alert)})
        return sum(said["message"].split("\n").count(line) for said in self.read())


def records_time(alert: dict) -> int:
    """Return the time of an alert (of `plain`) in nanoseconds."""
    return int(pl.Series([alert["time"]]).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns").to_physical()[0])


class KafkaReader(Reader):
    once = strict = True

    def __init__(self, request, stack):
        self._kafka = request.getfixturevalue("kafka")
        self._topic = self._kafka.topic(2)
        self.address = f"kafka://{self._kafka.open}/{self._topic}"
        settings = {"bootstrap.servers": self._kafka.open, "group.id": "reader", "enable.auto.commit": False}
        self._consumer = Consumer(settings | {"enable.partition.eof": True, "fetch.wait.max.ms": 10, "log_level": 0})
        stack.callback(self._consumer.close)

    def read(self):
        """Return all that is committed, from the beginning."""
        self._consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in range(2)])
        found, ends = [], set()
        while len(ends) < 2:
            message = self._consumer.poll(30)
            assert message is not None
            if message.error() is None:
                found.append(json.loads(message.value()))
                assert message.key().decode() == found[-1]["key"]
            elif message.error().name() == "_PARTITION_EOF":
                ends.add(message.partition())
        return found

    def go(self):
        self._kafka.kill()

    def come(self):
        self._kafka.start()


class MqttReader(Reader):
    strict = True

    def __init__(self, request, stack):
        self._mosquitto = request.getfixturevalue("mosquitto")
        self._root = uuid4().hex[:12]
        self.address = f"mqtt://{self._mosquitto.open}/{self._root}/{{key}}"
        self._seen, self._marks = [], SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, self._root, protocol=MQTTv5)
        self._client.on_message = lambda client, data, message: self._hear(message)
        self._client.on_connect = lambda *_: self._client.subscribe(f"{self._root}/#", qos=1)
        subscribed = Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        week = Properties(PacketTypes.CONNECT)
        week.SessionExpiryInterval = 604_800
        self._client.connect(HOST, self._mosquitto.port, clean_start=False, properties=week)
        self._client.loop_start()
        stack.callback(self._client.loop_stop)
        stack.callback(self._client.disconnect)
        assert subscribed.wait(10)

    def _hear(self, message):
        if message.topic == self._root:
            self._marks.put(message.payload)
        else:
            self._seen.append(message)

    def read(self):
        """Wait for a mark of its own, as subscribers are told after publishers, and of all in order."""
        mark = uuid4().bytes
        self._client.publish(self._root, mark, qos=1)
        while self._marks.get(timeout=30) != mark:
            pass
        for message in self._seen:
            level = message.topic.removeprefix(f"{self._root}/")
            assert unquote(level) == json.loads(message.payload)["key"]
        return [json.loads(message.payload) for message in self._seen]

    def go(self):
        self.read()
        self._mosquitto.stop()

    def come(self):
        self._mosquitto.start()
        deadline = time.monotonic() + 30
        while not self._client.is_connected():
            assert time.monotonic() < deadline
            time.sleep(0.05)


READERS: dict[str, type[Reader]] = {
    "KafkaTopic": KafkaReader,
    "Messages": MessagesReader,
    "MqttTopic": MqttReader,
    "NDJSON": NDJSONReader,
    "ParquetFolder": ParquetReader,
    "StandardOutput": StandardOutputReader,
    "Webhook": WebhookReader,
}
"""By the names of the sinks."""

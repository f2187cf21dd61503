"""Readings that are published to an MQTT broker, which holds them for the session of the source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Self
from uuid import uuid4

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

from tests.services.mosquitto import HOST, Mosquitto
from tests.stream.sources.harness import PATIENCE, SHAPE, Publisher, Row
from tocsin.stream.sources.catalog import open_source


class MqttPublisher(Publisher):
    schemes = ("mqtt", "mqtts")
    resumes = "committed"

    def __init__(self, mosquitto: Mosquitto) -> None:
        self._mosquitto, self.root = mosquitto, uuid4().hex[:12]
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.connect(HOST, mosquitto.port)
        self._client.loop_start()
        open_source(self.address, SHAPE).close()  # from now on the broker holds what is published

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("mosquitto"))

    @property
    def address(self) -> str:
        return f"mqtt://{self._mosquitto.open}/{self.root}/+"

    def nowhere(self) -> str:
        return f"mqtt://{HOST}:1/{self.root}"

    def publish(self, rows: Sequence[Row]) -> None:
        sent = [self._client.publish(f"{self.root}/{row['asset']}", json.dumps(row).encode(), qos=1) for row in rows]
        for each in sent:
            each.wait_for_publish(PATIENCE)

    def publish_bytes(self, payload: bytes) -> None:
        self._client.publish(f"{self.root}/any", payload, qos=1).wait_for_publish(PATIENCE)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

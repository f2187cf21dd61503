"""Readings that are sent to a Kafka topic of three partitions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Self

import pytest

from tests.services.kafka import Kafka
from tests.stream.sources.harness import Publisher, Row


class KafkaPublisher(Publisher):
    schemes = ("kafka",)

    def __init__(self, kafka: Kafka) -> None:
        self._kafka, self.topic = kafka, kafka.topic(3)
        self._producer = kafka.producer()

    @classmethod
    def start(cls, request: pytest.FixtureRequest) -> Self:
        return cls(request.getfixturevalue("kafka"))

    @property
    def address(self) -> str:
        return f"kafka://{self._kafka.open}/{self.topic}?group={self.topic}"

    def nowhere(self) -> str:
        return f"kafka://{self._kafka.open}/no-{self.topic}"

    def publish(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._producer.produce(self.topic, json.dumps(row).encode(), key=str(row["asset"]))
        self._producer.flush()

    def publish_bytes(self, payload: bytes) -> None:
        self._producer.produce(self.topic, payload)
        self._producer.flush()

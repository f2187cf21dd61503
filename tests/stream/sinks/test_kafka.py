"""What only Kafka has: transactions that hold through kill -9, names that shut others out, and rights."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.services.kafka import Kafka
from tests.stream.sinks.harness import KafkaReader, alerts, plain
from tests.stream.sinks.kafka_writer import EACH, write
from tocsin.errors import OutputError, ParameterError, TocsinError, UnavailableError
from tocsin.stream.sinks.base import ALERTS
from tocsin.stream.sinks.catalog import open_sink

ROOT = Path(__file__).parents[3]


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> Iterator[KafkaReader]:
    with ExitStack() as stack:
        yield KafkaReader(request, stack)


def test_each_alert_arrives_once_however_often_the_stream_is_killed(reader: KafkaReader, tmp_path: Path) -> None:
    cursor, draw = tmp_path / "cursor", np.random.default_rng(5)
    cursor.write_text("1")
    last = 0
    for _ in range(5):
        command = [sys.executable, "-m", "tests.stream.sinks.kafka_writer", reader.address, str(cursor)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(int(draw.integers(4, 30))):
                last = max(last, int(process.stdout.readline()))
            time.sleep(draw.uniform(0, 0.01))
            process.kill()
            last = max([last, *map(int, process.stdout.read().split())])
    assert int(cursor.read_text()) <= last + 1
    last += 3
    write(reader.address, cursor, last + 1)
    found, sent = reader.read(), plain(alerts(EACH, EACH * last))
    assert len(found) == len(sent)
    assert sorted(alert["id"] for alert in found) == sorted(alert["id"] for alert in sent)


def test_a_stream_that_was_replaced_is_shut_out(reader: KafkaReader) -> None:
    zombie = open_sink(reader.address)
    zombie.write(alerts(0, 2), 1)
    heir = open_sink(reader.address)
    assert heir.delivered == 1
    heir.write(alerts(2, 2), 2)
    for _ in range(2):
        with pytest.raises(OutputError, match=r"another stream uses the same name .* \?name=") as caught:
            zombie.write(alerts(2, 2), 2)
        assert "\n" not in str(caught.value)
    heir.write(alerts(4, 2), 3)
    assert [reader.count(alert) for alert in plain(alerts(0, 6))] == [1] * 6
    zombie.close()
    heir.close()


def test_names_keep_streams_apart(reader: KafkaReader) -> None:
    one, two = (open_sink(f"{reader.address}?name={reader.address[-12:]}-{name}") for name in ("one", "two"))
    one.write(alerts(0, 2), 5)
    two.write(alerts(2, 2), 1)
    one.write(alerts(4, 2), 6)
    assert (one.delivered, two.delivered) == (6, 1)
    assert [reader.count(alert) for alert in plain(alerts(0, 6))] == [1] * 6
    one.close()
    two.close()


def test_alerts_of_a_store_that_begins_anew_are_not_taken_for_old_ones(reader: KafkaReader) -> None:
    before = open_sink(reader.address)
    for sequence in (7, 8, 9):
        before.write(alerts(sequence, 1), sequence)
    before.close()
    after = open_sink(reader.address)
    after.write(alerts(100, 1), 8)
    assert after.delivered == 8
    after.close()
    again = open_sink(reader.address)
    assert again.delivered == 8
    again.write(alerts(100, 1), 8)
    again.close()
    assert [reader.count(alert) for alert in plain(alerts(7, 3))] == [1] * 3
    assert reader.count(plain(alerts(100, 1))[0]) == 1


def test_an_alert_that_is_too_large_is_refused_for_good(reader: KafkaReader) -> None:
    sink = open_sink(reader.address)
    row = alerts(1, 1).to_pylist()[0]
    row["explanations"][0]["sentence"] = "o" * 2_000_000
    with pytest.raises(OutputError, match="too large") as caught:
        sink.write(pa.Table.from_pylist([row], schema=ALERTS), 1)
    assert "\n" not in str(caught.value)
    sink.close()


def test_what_is_wrong_with_an_address_is_said_in_one_line(kafka: Kafka) -> None:
    topic = kafka.topic()
    for address, kind, words in (
        (f"kafka://{kafka.open}/{topic[:-1]}", OutputError, f"did you mean '{topic}'"),
        (f"kafka://reader:wrong@{kafka.sasl}/{topic}", OutputError, "Invalid username or password"),
        (f"kafka://stranger:open-sesame@{kafka.sasl}/{topic}", OutputError, f"no right to topic '{topic}'"),
        ("kafka://127.0.0.1:1/alerts", UnavailableError, "Connection refused"),
        (f"kafka://{kafka.open}", ParameterError, "kafka://host:9092/topic"),
        (f"kafka://{kafka.open}/{topic}?no.such=1", ParameterError, "no.such"),
    ):
        with pytest.raises(TocsinError) as caught:
            open_sink(address)
        assert isinstance(caught.value, kind)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "open-sesame" not in str(caught.value)

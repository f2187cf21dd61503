"""What only MQTT has: a topic for each asset, rights to publish, and logins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.services.mosquitto import Mosquitto
from tests.stream.sinks.harness import MqttReader, alerts, plain
from tocsin.errors import OutputError, ParameterError, TocsinError, UnavailableError
from tocsin.stream.sinks.catalog import open_sink


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> Iterator[MqttReader]:
    with ExitStack() as stack:
        yield MqttReader(request, stack)


def test_keys_with_signs_of_topics_arrive(reader: MqttReader) -> None:
    sink, sent = open_sink(reader.address), alerts(1, 6, key="north/50 % +#")
    sink.write(sent, 1)
    sink.close()
    assert [reader.count(alert) for alert in plain(sent)] == [1] * 6


def test_many_alerts_arrive_in_one_call(reader: MqttReader) -> None:
    sink, sent = open_sink(reader.address), alerts(1, 3_000)
    sink.write(sent, 1)
    sink.close()
    assert len(reader.read()) == 3_000


def test_a_line_that_was_lost_between_two_calls_is_made_anew(reader: MqttReader) -> None:
    sink = open_sink(reader.address)
    sink.write(alerts(1, 2), 1)
    reader.go()
    reader.come()
    sink.write(alerts(3, 2), 2)
    sink.close()
    assert all(reader.count(alert) for alert in plain(alerts(1, 4)))  # the one whose receipt was lost comes again


def test_what_is_wrong_with_an_address_is_said_in_one_line(mosquitto: Mosquitto) -> None:
    for address, kind, words in (
        (f"mqtt://reader:wrong@{mosquitto.locked}/t", OutputError, "lets us not in"),
        (f"mqtts://{mosquitto.tls}/t", OutputError, "cannot be trusted"),
        ("mqtt://127.0.0.1:1/t", UnavailableError, "Connection refused"),
        (f"mqtt://{mosquitto.open}", ParameterError, "names no topic"),
        (f"mqtt://{mosquitto.open}/a/#", ParameterError, "no topic to publish to"),
        (f"mqtt://{mosquitto.open}/a/+", ParameterError, "no topic to publish to"),
    ):
        with pytest.raises(TocsinError) as caught:
            open_sink(address)
        assert isinstance(caught.value, kind)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_who_may_not_publish_is_told_so(mosquitto: Mosquitto) -> None:
    sink = open_sink(f"mqtt://stranger:open-sesame@{mosquitto.locked}/alerts/{{key}}")
    with pytest.raises(OutputError, match="refuses alerts: not authorized") as caught:
        sink.write(alerts(1, 2), 1)
    assert "\n" not in str(caught.value)
    sink.close()
    allowed = open_sink(f"mqtts://{mosquitto.tls}/alerts/{{key}}?ca={mosquitto.certificate}")
    allowed.write(alerts(1, 2), 1)
    allowed.close()

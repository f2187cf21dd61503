"""What only MQTT has: topics that are assets and sensors, confirmations, sessions, and a broker that comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from polars.testing import assert_frame_equal

from tests.services.mosquitto import HOST, Mosquitto
from tests.stream.sources.harness import PATIENCE, SHAPE, Got, by_asset, drain, expected, made_up
from tests.stream.sources.reader import committed, read
from tocsin.errors import DataError, ParameterError, TocsinError, UnavailableError
from tocsin.stream.sources.base import Positions, Shape, Source
from tocsin.stream.sources.catalog import open_source

ROOT = Path(__file__).parents[3]
ROWS = made_up(300)


class Plant:
    """Someone who publishes below a topic of its own; sources that it opens are closed after the test."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.mosquitto, self.root = mosquitto, uuid4().hex[:12]
        self.sources: list[Source] = []
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.client.connect(HOST, mosquitto.port)
        self.client.loop_start()

    def send(self, topic: str, payload: str | bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.client.publish(f"{self.root}/{topic}", payload, qos, retain).wait_for_publish(PATIENCE)

    def publish(self, rows: list[dict]) -> None:
        for each in [self.client.publish(f"{self.root}/{row['asset']}", json.dumps(row), 1) for row in rows]:
            each.wait_for_publish(PATIENCE)

    def open(self, tail: str = "+", positions: Positions | None = None, shape: Shape = SHAPE) -> Source:
        source = open_source(f"mqtt://{self.mosquitto.open}/{self.root}/{tail}", shape)
        self.sources.append(source)
        source.seek(positions or {})
        return source

    def close(self) -> None:
        for source in self.sources:
            source.close()
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def plant(mosquitto: Mosquitto) -> Iterator[Plant]:
    made = Plant(mosquitto)
    yield made
    made.close()


def test_topics_are_assets_and_sensors(plant: Plant) -> None:
    source = plant.open("#?key=2&sensor=3")
    before = time.time_ns()
    plant.send("pump 7/x", "1.5")
    plant.send("pump «8»/y", json.dumps({"value": -2, "at": 1_700_000_000_000}))
    plant.send("pump 7/y", b" 3e2\n")
    plant.send("pump 7/z", "4")
    plant.send("pump 7/x", "on")
    plant.send("pump 7", "6")
    plant.send("pump 7/x", '7, "@key": "other"')
    plant.send("pump 7/x", json.dumps({"value": 8, "at": 1_700_000_000_000, "@key": "other"}))
    got = drain(source, 4, dead=3)
    assert got.frame.drop("time").rows() == [
        ("pump 7", "x", 1.5), ("pump «8»", "y", -2.0), ("pump 7", "y", 300.0), ("pump 7", "x", 8.0)
    ]  # fmt: skip
    times = got.frame["time"].to_list()
    assert times[1] == times[3] == 1_700_000_000 * 10**9
    assert before <= times[0] <= times[2] <= time.time_ns()
    assert got.strange == {"z": 1}
    assert all("\n" not in letter.reason for letter in got.dead)


def test_a_level_is_the_asset_of_wide_readings(plant: Plant) -> None:
    source = plant.open("+/+/state?key=2,3")
    plant.send("north/pump 1/state", json.dumps({"at": 1_700_000_000, "x": 1.0}))
    plant.send("south/pump 1/state", json.dumps({"at": 1_700_000_001, "y": 2.0}))
    plant.send("south/pump 1/state", "5")
    got = drain(source, 2, dead=1)
    assert got.frame["key"].to_list() == ["north/pump 1", "south/pump 1"]
    assert got.frame["x"].to_list() == [1.0, None]


def test_readings_of_the_past_are_not_sent_to_newcomers(plant: Plant) -> None:
    plant.send("a", json.dumps(ROWS[0]), retain=True)
    source = plant.open()
    plant.publish(ROWS[1:5])
    assert_frame_equal(by_asset(drain(source, 4).frame), by_asset(expected(ROWS[1:5])))


def test_messages_of_no_quality_are_read_as_well(plant: Plant) -> None:
    source = plant.open()
    for row in ROWS[:50]:
        plant.send(row["asset"], json.dumps(row), qos=0)
    assert_frame_equal(by_asset(drain(source, 50).frame), by_asset(expected(ROWS[:50])))


def test_what_was_committed_but_not_confirmed_is_known_again(plant: Plant) -> None:
    source = plant.open()
    plant.publish(ROWS)
    got = drain(source, len(ROWS), most=50)
    source.close()  # as after a crash between the store's commit and the confirmation
    plant.publish(made_up(50, seed=2, start=ROWS[-1]["at"] + 100))
    again = plant.open(positions=got.parts[2].positions)
    seen = sum(part.frame.height for part in got.parts[:3])
    rest = drain(again, len(ROWS) - seen + 50)
    wanted = expected(ROWS + made_up(50, seed=2, start=ROWS[-1]["at"] + 100))
    both = pl.concat([part.frame for part in got.parts[:3]] + [rest.frame])
    assert_frame_equal(by_asset(both), by_asset(wanted))
    again.committed(rest.positions)
    again.close()
    assert plant.open(positions=rest.positions).poll(10, 0.3) is None


def test_no_more_is_unconfirmed_than_was_asked_for(plant: Plant) -> None:
    source = plant.open("+?inflight=40")
    plant.publish(ROWS)
    first = drain(source, 40)
    assert source.poll(1_000, 0.3) is None
    source.committed(first.positions)
    assert source.poll(1_000, 5) is not None


def test_a_broker_that_goes_and_comes_back_costs_nothing(plant: Plant) -> None:
    source = plant.open()
    plant.publish(ROWS[:100])
    got = drain(source, 100, most=30)
    source.committed(got.parts[0].positions)
    plant.mosquitto.stop()
    with pytest.raises(UnavailableError) as caught:
        source.poll(100, 5)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnavailableError, match="does not answer: Connection refused"):
        source.poll(100, 0.1)
    source.committed(got.parts[1].positions)
    plant.mosquitto.start()
    plant.client.reconnect()
    plant.publish(ROWS[100:])
    rest = drain(source, 200)
    source.committed(rest.positions)
    assert_frame_equal(by_asset(got.frame.vstack(rest.frame)), by_asset(expected(ROWS)))
    source.close()
    assert plant.open(positions=rest.positions).poll(10, 0.3) is None


def test_readings_count_once_however_often_the_stream_is_killed(plant: Plant, tmp_path: Path) -> None:
    folder, draw = tmp_path / "store", np.random.default_rng(11)
    folder.mkdir()
    address = f"mqtt://{plant.mosquitto.open}/{plant.root}/+?name={plant.root}"
    open_source(address, SHAPE).close()
    rows = made_up(4_000, seed=4)
    for part in range(5):
        plant.publish(rows[800 * part : 800 * (part + 1)])
        command = [sys.executable, "-m", "tests.stream.sources.reader", address, str(folder), "20"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(int(draw.integers(3, 25))):
                process.stdout.readline()
            time.sleep(draw.uniform(0, 0.005))
            process.kill()
    read(address, folder, 100, len(rows), PATIENCE)
    frames = committed(folder)
    found = pl.concat(frames)
    assert (found.height, found.unique().height) == (len(rows), len(rows))
    assert_frame_equal(by_asset(found), by_asset(expected(rows)))


def test_two_of_one_name_are_told_so(plant: Plant) -> None:
    one = plant.open("+?name=same")
    plant.open("+?name=same")
    with pytest.raises((DataError, UnavailableError), match=r"of the same name \(same\)|\?name=") as caught:
        one.poll(10, 5)
    assert "\n" not in str(caught.value)


def test_a_login_and_an_encrypted_line_work(plant: Plant) -> None:
    mosquitto = plant.mosquitto
    for number, address in enumerate(
        (f"mqtt://reader:open-sesame@{mosquitto.locked}/{plant.root}/+?name={plant.root}-1",
         f"mqtts://{mosquitto.tls}/{plant.root}/+?ca={mosquitto.certificate}&name={plant.root}-2")
    ):  # fmt: skip
        source = open_source(address, SHAPE)
        plant.sources.append(source)
        source.seek({})
        rows = ROWS[100 * number : 100 * (number + 1)]
        plant.publish(rows)
        assert_frame_equal(by_asset(drain(source, 100).frame), by_asset(expected(rows)))


def test_what_is_wrong_with_an_address_is_said_in_one_line(mosquitto: Mosquitto) -> None:
    for address, kind, words in (
        (f"mqtt://reader:wrong@{mosquitto.locked}/t", DataError, "lets us not in"),
        (f"mqtt://{mosquitto.locked}/t", DataError, "lets us not in"),
        (f"mqtts://{mosquitto.tls}/t", DataError, "cannot be trusted"),
        (f"mqtts://{mosquitto.open}/t", TocsinError, "mqtts://"),
        (f"mqtts://{mosquitto.tls}/t?ca=/no/such/file", ParameterError, "No such file"),
        ("mqtt://127.0.0.1:1/t", UnavailableError, "Connection refused"),
        ("mqtt://no-such-host.invalid/t", UnavailableError, "does not answer"),
        (f"mqtt://{mosquitto.open}", ParameterError, "names no topic"),
        (f"mqtt://{mosquitto.open}/a/+?key=3", ParameterError, "have 2 levels"),
        (f"mqtt://{mosquitto.open}/a/+?key=name", ParameterError, "key=name makes no sense"),
        (f"mqtt://{mosquitto.open}/a/+?key=2&format=arrow", ParameterError, "need messages in JSON"),
        (f"mqtt://{mosquitto.open}/a/+?inflight=many", ParameterError, "inflight=many"),
        (f"mqtt://{mosquitto.open}/a/b+/c", ParameterError, "no topic filter"),
        ("mqtt://host:port/t", ParameterError, "names no broker"),
    ):
        with pytest.raises(TocsinError) as caught:
            open_source(address, SHAPE).close()
        assert isinstance(caught.value, kind), caught.value
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_positions_are_small(plant: Plant) -> None:
    source, got = plant.open(), Got()
    plant.publish(ROWS)
    got = drain(source, len(ROWS))
    assert len(json.dumps(dict(got.positions))) < 9 * len(ROWS)

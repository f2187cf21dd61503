"""What only Kafka has: groups and members, offsets that are gone, transactions, logins, brokers that come back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import polars as pl
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from polars.testing import assert_frame_equal

from tests.services.kafka import Kafka
from tests.stream.sources.harness import PATIENCE, SHAPE, Got, by_asset, drain, expected, made_up
from tests.stream.sources.reader import committed, read
from tocsin.errors import DataError, ParameterError, TocsinError, UnavailableError
from tocsin.stream.sources.base import Positions, Shape, Source
from tocsin.stream.sources.catalog import open_source

ROOT = Path(__file__).parents[3]
ROWS = made_up(300)


class Writer:
    """Someone who writes to a topic of the tests' Kafka; sources that it opens are closed after the test."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.producer = kafka.producer()
        self.topic = kafka.topic(3)
        self.sources: list[Source] = []

    def write(self, rows: Iterable[dict[str, Any]], partition: int = -1) -> None:
        for row in rows:
            self.producer.produce(self.topic, json.dumps(row).encode(), key=str(row["asset"]), partition=partition)
        assert self.producer.flush(PATIENCE) == 0

    def open(self, options: str = "", positions: Positions | None = None, shape: Shape = SHAPE) -> Source:
        group = "" if "group=" in options else f"group={self.topic}&"
        source = open_source(f"kafka://{self.kafka.open}/{self.topic}?{group}{options}", shape)
        self.sources.append(source)
        source.seek(positions or {})
        return source

    def drop(self, partition: int, before: int) -> None:
        """Let a partition forget its oldest messages, as retention does."""
        for done in self.kafka.admin.delete_records([TopicPartition(self.topic, partition, before)]).values():
            done.result(PATIENCE)

    def offsets(self) -> dict[int, int]:
        """Return what the group has committed."""
        asked = ConsumerGroupTopicPartitions(self.topic)
        (found,) = self.kafka.admin.list_consumer_group_offsets([asked]).values()
        return {part.partition: part.offset for part in found.result(PATIENCE).topic_partitions}


@pytest.fixture
def writer(kafka: Kafka) -> Iterator[Writer]:
    made = Writer(kafka)
    yield made
    for source in made.sources:
        source.close()


def together(sources: Sequence[Source], count: int) -> list[Got]:
    """Poll several sources in turn until all rows are there, and none comes any more."""
    gots, deadline, quiet = [Got() for _ in sources], monotonic() + PATIENCE, 0
    while quiet < 5 and monotonic() < deadline:
        quiet += 1
        for source, got in zip(sources, gots, strict=True):
            if (fetched := source.poll(50, 0.1)) is not None:
                got.parts.append(fetched)
                source.committed(fetched.positions)
                quiet = 0
        if sum(got.frame.height for got in gots) < count:
            quiet = 0
    return gots


def test_members_of_a_group_share_the_partitions_and_take_over(writer: Writer) -> None:
    writer.write(ROWS)
    one = writer.open("heartbeat.interval.ms=200")
    first = drain(one, len(ROWS))
    one.committed(first.positions)
    two = writer.open("heartbeat.interval.ms=200")
    deadline = monotonic() + PATIENCE
    while not (two.lag == 0 and one.lag == 0) and monotonic() < deadline:  # both have partitions
        assert one.poll(10, 0.1) is None
        assert two.poll(10, 0.1) is None
    more = made_up(200, seed=8, start=ROWS[-1]["at"] + 100)
    writer.write(more)
    gots = together([one, two], len(more))
    assert all(got.parts for got in gots)
    both = by_asset(gots[0].frame.vstack(gots[1].frame))
    assert_frame_equal(both, by_asset(expected(more)))
    one.close()
    last = made_up(100, seed=9, start=more[-1]["at"] + 100)
    writer.write(last)
    (rest,) = together([two], len(last))
    assert_frame_equal(by_asset(rest.frame), by_asset(expected(last)))
    assert set(rest.positions) == {f"{writer.topic}/{number}" for number in range(3)}


def test_the_store_wins_over_the_group(writer: Writer) -> None:
    writer.write(ROWS, partition=1)
    source = writer.open()
    got = drain(source, len(ROWS), most=50)
    source.committed(got.positions)
    source.close()
    assert writer.offsets()[1] == len(ROWS)
    source = writer.open(positions={f"{writer.topic}/1": 100})
    assert_frame_equal(drain(source, 200).frame, expected(ROWS[100:]))


def test_without_a_store_the_group_knows(writer: Writer) -> None:
    writer.write(ROWS[:100])
    source = writer.open("name=one")
    got = drain(source, 100)
    source.committed(got.positions)
    deadline = monotonic() + PATIENCE
    while sum(each for each in writer.offsets().values() if each > 0) != 100 and monotonic() < deadline:
        source.poll(1, 0.1)
    source.close()
    writer.write(ROWS[100:])
    again = drain(writer.open("name=one"), 200)
    assert_frame_equal(by_asset(again.frame), by_asset(expected(ROWS[100:])))


def test_whoever_starts_at_the_latest_misses_nothing_from_then_on(writer: Writer) -> None:
    writer.write(ROWS[:100], partition=0)
    source = writer.open("start=latest")
    deadline = monotonic() + PATIENCE
    while source.lag is None and monotonic() < deadline:
        assert source.poll(10, 0.1) is None
    writer.write(ROWS[100:150], partition=0)
    got = drain(source, 50)
    assert_frame_equal(got.frame, expected(ROWS[100:150]))
    source.close()
    writer.write(ROWS[150:200], partition=0)
    writer.write(ROWS[200:], partition=2)
    again = drain(writer.open("start=latest&group=another", got.positions), 150)
    assert_frame_equal(again.frame.sort("time").fill_nan(None), expected(ROWS[150:]))


@pytest.mark.parametrize("options", ["", "partitions=0"])
def test_readings_that_are_gone_are_missed(writer: Writer, options: str) -> None:
    writer.write(ROWS, partition=0)
    writer.drop(0, 120)
    place = {f"{writer.topic}/0": 100}
    with pytest.raises(DataError, match="begins at 120 and the stream would go on at 100") as caught:
        drain(writer.open(options, place), len(ROWS))
    assert "\n" not in str(caught.value)
    writer.sources.pop().close()
    source = writer.open(f"{options}&lost=skip", place)
    assert_frame_equal(drain(source, 180).frame, expected(ROWS[120:]))


def test_a_topic_that_was_made_anew_is_noticed(writer: Writer) -> None:
    writer.write(ROWS[:10], partition=0)
    with pytest.raises(DataError, match="begins at 0 and the stream would go on at 5000"):
        drain(writer.open("partitions=0", {f"{writer.topic}/0": 5_000}), 10)


def test_positions_of_another_topic_are_refused(writer: Writer) -> None:
    with pytest.raises(DataError, match="holds positions of topic 'other'"):
        writer.open(positions={"other/0": 5})


def test_only_the_partitions_that_are_asked_for_are_read(writer: Writer) -> None:
    for number in range(3):
        writer.write(ROWS[100 * number : 100 * (number + 1)], partition=number)
    source = writer.open("partitions=0,2")
    got = drain(source, 200)
    assert_frame_equal(got.frame.sort("time").fill_nan(None), expected(ROWS[:100] + ROWS[200:]))
    assert source.lag == 0
    with pytest.raises(DataError, match="has no partition 3; it has 3, from 0 to 2"):
        writer.open("partitions=0-3")
    with pytest.raises(ParameterError, match="partitions=all makes no sense"):
        writer.open("partitions=all")


def test_partitions_that_are_added_are_read_from_their_beginning(writer: Writer) -> None:
    source = writer.open("start=latest&topic.metadata.refresh.interval.ms=300")
    deadline = monotonic() + PATIENCE
    while source.lag is None and monotonic() < deadline:
        assert source.poll(10, 0.1) is None
    writer.kafka.widen(writer.topic, 5)
    writer.producer.list_topics(writer.topic, timeout=PATIENCE)
    writer.write(ROWS[:50], partition=4)
    assert_frame_equal(drain(source, 50).frame, expected(ROWS[:50]))


def test_the_key_of_a_message_is_the_asset(writer: Writer) -> None:
    bare = [{name: value for name, value in row.items() if name != "asset"} for row in ROWS]
    for row, payload in zip(ROWS, bare, strict=True):
        writer.producer.produce(writer.topic, json.dumps(payload).encode(), key=row["asset"])
    writer.producer.produce(writer.topic, b"nonsense", key="pump-1")
    writer.producer.produce(writer.topic, json.dumps(bare[0]).encode())
    writer.producer.produce(writer.topic, json.dumps(bare[0]).encode(), key=b"\xff")
    assert writer.producer.flush(PATIENCE) == 0
    got = drain(writer.open("key=message"), len(ROWS), dead=3)
    assert_frame_equal(by_asset(got.frame), by_asset(expected(ROWS)))
    assert sum("has no key" in letter.reason for letter in got.dead) == 2
    with pytest.raises(ParameterError, match="needs a fleet with a key"):
        writer.open("key=message", shape=Shape(("x", "y"), time="at"))


def test_a_backlog_is_taken_in_pieces_and_given_as_one(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.stream.sources.kafka._TAKEN", 7)
    monkeypatch.setattr("tocsin.stream.sources.kafka._DECODED", 50)
    for number, row in enumerate(ROWS):
        payload = json.dumps({name: value for name, value in row.items() if name != "asset"}).encode()
        writer.producer.produce(writer.topic, payload, key=row["asset"], partition=0)
        if number in (20, 220):
            writer.producer.produce(writer.topic, b"nonsense %d" % number, key="b", partition=0)
            writer.producer.produce(writer.topic, None, key="c", partition=0)
    assert writer.producer.flush(PATIENCE) == 0
    source = writer.open("partitions=0&key=message", {f"{writer.topic}/0": 0})
    got = drain(source, len(ROWS), dead=2)
    assert max(part.frame.height for part in got.parts) > 100
    assert_frame_equal(got.frame, expected(ROWS))
    assert [letter.payload for letter in got.dead] == [b"nonsense 20", b"nonsense 220"]
    assert got.positions == {f"{writer.topic}/0": len(ROWS) + 4}


def test_what_was_never_committed_is_never_read(writer: Writer) -> None:
    sender = Producer({"bootstrap.servers": writer.kafka.open, "transactional.id": writer.topic, "log_level": 0})
    sender.init_transactions(PATIENCE)
    for end, rows in ((sender.commit_transaction, ROWS[:50]), (sender.abort_transaction, ROWS[50:100])):
        sender.begin_transaction()
        for row in rows:
            sender.produce(writer.topic, json.dumps(row).encode(), partition=0)
        sender.flush()
        end(PATIENCE)
    writer.write(ROWS[100:120], partition=0)
    got = drain(writer.open(), 70)
    assert_frame_equal(got.frame, expected(ROWS[:50] + ROWS[100:120]))


def test_a_tombstone_is_passed(writer: Writer) -> None:
    writer.write(ROWS[:5], partition=0)
    writer.producer.produce(writer.topic, None, key="pump-1", partition=0)
    writer.write(ROWS[5:10], partition=0)
    assert_frame_equal(drain(writer.open(), 10).frame, expected(ROWS[:10]))


def test_readings_count_once_however_often_the_stream_is_killed(writer: Writer, tmp_path: Path) -> None:
    folder, draw = tmp_path / "store", np.random.default_rng(11)
    folder.mkdir()
    address = f"kafka://{writer.kafka.open}/{writer.topic}?group={writer.topic}&name=one"
    rows = made_up(3_000, seed=4)
    for part in range(4):
        writer.write(rows[750 * part : 750 * (part + 1)])
        command = [sys.executable, "-m", "tests.stream.sources.reader", address, str(folder), "20"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(int(draw.integers(3, 25))):
                process.stdout.readline()
            time.sleep(draw.uniform(0, 0.005))
            process.kill()
    read(address, folder, 100, len(rows), PATIENCE)
    assert_frame_equal(by_asset(pl.concat(committed(folder))), by_asset(expected(rows)))


def test_two_of_one_name_are_told_so(writer: Writer) -> None:
    writer.write(ROWS)
    one = writer.open("name=same")
    drain(one, len(ROWS))
    two = writer.open("name=same", {f"{writer.topic}/{number}": 0 for number in range(3)})
    drain(two, len(ROWS))
    deadline = monotonic() + PATIENCE
    with pytest.raises(DataError, match=r"another stream uses the same name .* \?name=") as caught:  # noqa: PT012
        while monotonic() < deadline:
            one.poll(1, 0.1)
            two.poll(1, 0.1)
    assert "\n" not in str(caught.value)


def test_a_broker_that_goes_and_comes_back_costs_nothing(writer: Writer) -> None:
    writer.write(ROWS[:100])
    source = writer.open()
    before = drain(source, 100)
    writer.kafka.kill()
    deadline = monotonic() + PATIENCE
    with pytest.raises(UnavailableError, match="does not answer") as caught:  # noqa: PT012
        while monotonic() < deadline:
            assert source.poll(50, 0.1) is None
    assert "\n" not in str(caught.value)
    writer.kafka.start()
    writer.write(ROWS[100:])
    got, deadline = Got(before.parts), monotonic() + PATIENCE
    while got.frame.height < len(ROWS) and monotonic() < deadline:
        try:
            if (fetched := source.poll(50, 0.1)) is not None:
                got.parts.append(fetched)
        except UnavailableError:
            continue
    assert source.poll(50, 0.5) is None
    assert_frame_equal(by_asset(got.frame), by_asset(expected(ROWS)))


def test_lost_connections_do_not_move_positions(writer: Writer) -> None:
    writer.write(ROWS)
    got = drain(writer.open(), len(ROWS), most=37)
    assert sum(got.positions.values()) == len(ROWS)
    assert all(part.newest is not None and part.newest > 1.7e9 for part in got.parts)
    assert sum(part.size for part in got.parts) == sum(len(json.dumps(row)) for row in ROWS)


def refusal(address: str) -> TocsinError:
    """Return the one line with which an address is refused."""
    with pytest.raises(TocsinError) as caught:
        open_source(address, SHAPE)
    assert "\n" not in str(caught.value)
    assert "open-sesame" not in str(caught.value)
    return caught.value


def test_what_is_wrong_with_an_address_is_said_in_one_line(writer: Writer) -> None:
    kafka, topic = writer.kafka, writer.topic
    for address, kind, words in (
        (f"kafka://{kafka.open}/{topic[:-1]}", DataError, f"did you mean '{topic}'"),
        (f"kafka://reader:wrong@{kafka.sasl}/{topic}", DataError, "Invalid username or password"),
        (
            f"kafka://reader:open-sesame@{kafka.sasl}/{topic}?sasl=scram-sha-256",
            DataError,
            "Unsupported SASL mechanism",
        ),
        (f"kafka://stranger:open-sesame@{kafka.sasl}/{topic}", DataError, f"no right to topic '{topic}'"),
        (f"kafka://{kafka.tls}/{topic}?tls=yes", DataError, "cannot be trusted"),
        (f"kafka://{kafka.tls}/{topic}?ca=/no/such/file", ParameterError, "ca"),
        ("kafka://127.0.0.1:1/readings", UnavailableError, "Connection refused"),
        ("kafka://no-such-host.invalid:9092/readings", UnavailableError, "resolve"),
        (f"kafka://{kafka.open}", ParameterError, "kafka://host:9092/topic"),
        (f"kafka://{kafka.open}/{topic}?start=soon", ParameterError, "start=soon makes no sense"),
        (f"kafka://{kafka.open}/{topic}?format=xml", ParameterError, "format"),
        (f"kafka://{kafka.open}/{topic}?sasl=plain", ParameterError, "user and a password"),
        (f"kafka://{kafka.open}/{topic}?no.such=1", ParameterError, "no.such"),
        (f"kafka://{kafka.open}/{topic}?plugin.library.paths=x", ParameterError, "plugin"),
    ):
        error = refusal(address)
        assert isinstance(error, kind), error
        assert words in str(error)


def test_a_login_and_an_encrypted_line_work(writer: Writer) -> None:
    writer.write(ROWS)
    kafka = writer.kafka
    for where in (f"reader:open-sesame@{kafka.sasl}/{{}}", f"{kafka.tls}/{{}}?ca={kafka.certificate}"):
        sign = "&" if "?" in where else "?"
        source = open_source(f"kafka://{where.format(writer.topic)}{sign}partitions=0-2", SHAPE)
        writer.sources.append(source)
        source.seek({})
        assert_frame_equal(by_asset(drain(source, len(ROWS)).frame), by_asset(expected(ROWS)))

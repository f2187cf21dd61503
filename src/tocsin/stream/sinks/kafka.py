"""Alerts to a Kafka topic, each call a transaction that also says which call it was: exactly once, whatever crashes."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self, TypeVar

import pyarrow as pa

from tocsin.errors import OutputError, TocsinError, UnavailableError
from tocsin.extras import need
from tocsin.stream.alerts import json_lines
from tocsin.stream.kafka import LOG, PATIENCE, Complaints, let_go, names_of, partitions_of, refused, sentence, settings
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer

A = TypeVar("A")
OPTIONS = ("name",)
REMEMBERED = 64
"""So many of the last calls are told apart after a crash."""
_STEP = 1.0


class _Line(NamedTuple):
    """A producer, and the consumer that speaks for the group beside it."""

    producer: Producer
    consumer: Consumer


class KafkaTopic(Sink):
    """Messages of one topic: ``kafka://user:password@host:9092/alerts?name=night``; a JSON object each, keyed by asset.

    Each call is one transaction of the transactional id ``?name=`` (the topic's name). The same transaction commits the
    call's number as an offset of the topic's first partition, to the consumer group ``tocsin-`` and that name, with
    digests of the last calls beside it. So a call that is repeated after a crash is known and writes nothing, and
    whoever reads committed messages sees each alert once. Two streams need two names: the later one shuts the other
    out. Brokers forget a group that commits nothing for long (a week, unless told otherwise), and with it which call
    was last.
    """

    schemes: ClassVar[tuple[str, ...]] = ("kafka",)

    def __init__(self, address: Address, kafka: ModuleType) -> None:
        self._settings = settings(address, OPTIONS)
        self._where = f"kafka://{address.host}"
        _, self._topic = names_of(address)
        self._name = address.options.get("name") or self._topic
        self._kafka = kafka
        self._complaints = Complaints()
        self._line: _Line | None = None
        self._recent: dict[int, str] = {}
        self._lasting: TocsinError | None = None

    @classmethod
    def open(cls, address: Address) -> Self:
        """Open the topic, and end what an earlier process of the same name left half done."""
        sink = cls(address, need("confluent_kafka", "stream", "kafka://"))
        sink._connect()
        return sink

    def _connect(self) -> _Line:
        """Take the name over, which ends older transactions of it, and read which calls were written."""
        kafka, self._complaints = self._kafka, Complaints()
        ours = {"transactional.id": self._name, "compression.type": "lz4", "linger.ms": 1}
        ours |= {"transaction.timeout.ms": 15_000, "message.timeout.ms": 10_000}
        group = {"group.id": f"tocsin-{self._name}", "enable.auto.commit": False, "isolation.level": "read_committed"}
        heard = {"error_cb": self._complaints}
        try:
            producer = kafka.Producer(self._settings | ours | heard, logger=LOG)
            consumer = kafka.Consumer(self._settings | group | heard, logger=LOG)
        except (kafka.KafkaException, ValueError, TypeError) as error:
            raise refused(error) from None
        self._line = _Line(producer, consumer)
        try:
            partitions_of(producer, self._topic, self._where, self._complaints, kafka.KafkaException, OutputError)
            self._insist(producer.init_transactions)
            part = kafka.TopicPartition(self._topic, 0)
            # A group's coordinator that has to load first is asked anew within one call only, so this is a long one.
            try:
                (found,) = self._insist(lambda _: consumer.committed([part], timeout=PATIENCE))
            except UnavailableError:
                self._unlock(producer, consumer)
                (found,) = self._insist(lambda _: consumer.committed([part], timeout=PATIENCE))
        except TocsinError:
            self.close()
            raise
        self._recent = _read(found.metadata) if found.offset >= 0 else {}
        return self._line

    def _unlock(self, producer: Producer, consumer: Consumer) -> None:
        """End what a broker that was killed between a transaction and its marker holds to be open for ever.

        Its group's coordinator then answers no question for offsets until the same producer ends another transaction
        in that group, which ends the older one as it was decided: seen of Kafka 4.3.1.
        """
        try:
            producer.begin_transaction()
            part = self._kafka.TopicPartition(self._topic, 1, 0)
            group = consumer.consumer_group_metadata()
            self._insist(lambda timeout: producer.send_offsets_to_transaction([part], group, timeout))
            self._insist(producer.commit_transaction)
        except self._kafka.KafkaException as error:
            raise self._said(error.args[0]) from None

    def _insist(self, job: Callable[[float], A]) -> A:
        """Do a job that may have to be tried again, as long as a broker is there and patience lasts."""
        deadline = monotonic() + PATIENCE
        while True:
            try:
                return job(_STEP)
            except self._kafka.KafkaException as caught:
                error: KafkaError = caught.args[0]
                if self._line is not None:
                    self._line.producer.poll(0)
                trouble = self._said(self._complaints.denied or error)
                if self._complaints.down and self._complaints.away is not None:
                    trouble = self._said(self._complaints.away)
                again = error.retriable() or error.code() == self._kafka.KafkaError._TIMED_OUT
                passing = isinstance(trouble, UnavailableError) and again
                if not passing or self._complaints.down or monotonic() > deadline:
                    raise trouble from None

    def _said(self, error: KafkaError) -> TocsinError:
        return sentence(error, self._where, self._topic, OutputError)

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """Write alerts and the number of the call in one transaction; nothing if that call is there already."""
        if self._lasting is not None:
            raise self._lasting
        line = self._line or self._connect()
        keys = alerts["key"].to_pylist()
        lines = json_lines(alerts)
        digest = blake2b("\n".join(alerts["id"].to_pylist()).encode(), digest_size=6).hexdigest()
        if self._recent.get(sequence) == digest:
            return
        older = [each for each in self._recent.items() if each[0] != sequence]
        recent = dict([*older, (sequence, digest)][-REMEMBERED:])
        try:
            self._transact(line, keys, lines, sequence, _written(recent))
        except TocsinError as error:
            self.close()  # whether it was committed is known once the name is taken over anew
            if not isinstance(error, UnavailableError):
                self._lasting = error
            raise
        self._recent = recent

    def _transact(self, line: _Line, keys: list[str], lines: list[bytes], sequence: int, noted: str) -> None:
        producer, consumer = line
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None and not failed:
                failed.append(error)

        try:
            producer.begin_transaction()
            for key, payload in zip(keys, lines, strict=True):
                while True:
                    try:
                        producer.produce(self._topic, payload, key=key, on_delivery=delivered)
                        break
                    except BufferError:
                        producer.poll(0.1)
            part = self._kafka.TopicPartition(self._topic, 0, sequence + 1, noted)
            group = consumer.consumer_group_metadata()
            self._flush(producer)
            self._insist(lambda timeout: producer.send_offsets_to_transaction([part], group, timeout))
            self._insist(producer.commit_transaction)
        except self._kafka.KafkaException as error:
            raise self._said(error.args[0]) from None
        except TocsinError as trouble:
            raise (self._said(failed[0]) if failed else trouble) from None

    def _flush(self, producer: Producer) -> None:
        """Send what waits; the client's own calls below would wait for a lost broker much longer."""
        deadline = monotonic() + PATIENCE
        while producer.flush(0.1):
            if self._complaints.down or monotonic() > deadline:
                away = self._complaints.away
                raise self._said(away) if away else UnavailableError(f"{self._where} does not answer in time")

    @property
    def delivered(self) -> int | None:
        """The number of the last call that was committed, by whichever process of this name."""
        return next(reversed(self._recent), None)

    def close(self) -> None:
        """Let go of the connections; what was not committed never was."""
        if self._line is not None:
            lines, self._line = [self._line], None
            let_go(lambda: _drop(lines.pop()))


def _drop(line: _Line) -> None:
    """Let go of a producer by forgetting it: its own close() says on standard error what is left undone."""
    line.producer.purge()
    line.consumer.close()


def _written(calls: dict[int, str]) -> str:
    return " ".join(f"{sequence}:{digest}" for sequence, digest in calls.items())


def _read(text: str | None) -> dict[int, str]:
    """Return the calls that were noted.

    >>> _read("7:c0ffee 8:facade")
    {7: 'c0ffee', 8: 'facade'}
    """
    pairs = (each.partition(":") for each in (text or "").split())
    return {int(sequence): digest for sequence, _, digest in pairs if sequence.isdecimal()}

"""Readings from a Kafka topic, by consumer group or from partitions of one's own, fetched as fast as its client can."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np
import polars as pl

from tocsin.errors import DataError, ParameterError, TocsinError, UnavailableError
from tocsin.extras import need
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.decoding.readings import KEPT
from tocsin.stream.kafka import (
    LOG,
    PATIENCE,
    Complaints,
    KafkaTrouble,
    let_go,
    names_of,
    partitions_of,
    refused,
    sentence,
    settings,
)
from tocsin.stream.sources.base import KEY, DeadLetter, Fetched, Positions, Shape, Source, joined
from tocsin.urls import Address

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

A = TypeVar("A")
OPTIONS = ("format", "group", "key", "lost", "name", "partitions", "schema", "start")
FETCHING: dict[str, object] = {
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1_000,
    "session.timeout.ms": 10_000,
    "fetch.queue.backoff.ms": 10,
    "max.partition.fetch.bytes": 4 << 20,
    "queued.max.messages.kbytes": 64 << 10,
}
"""Positions are ours, not the client's; and what it holds ready beyond a batch is bounded."""

_STEP = 0.1
"""While nothing comes, so many seconds pass between looks at what else has happened."""
_STORED = -1001
_TAKEN = 4_096
"""So many messages are taken from the client at once: their objects are gone before they leave the caches."""
_DECODED = 16_384
"""So many are decoded at once: more would leave the caches, fewer would cost more by the call."""


@dataclass(slots=True)
class _Messages:
    """What is needed of messages, once they themselves are gone: payloads, keys, and the last of each partition."""

    payloads: list[bytes] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    last: dict[int, Message] = field(default_factory=dict)


class KafkaSource(Source):
    """Messages of one topic: ``kafka://user:password@host:9092/topic?group=night``.

    Positions are the next offset of each partition, and those that a store holds win over the group's. They are
    committed to the group besides, so that Kafka's own tools tell the lag. With ``?partitions=0-3`` these are read and
    no others; otherwise the members of a group share the partitions, and one that gets a partition goes on where its
    store says, else where the group says, else at the ``?start=`` (earliest). ``?name=`` names a member, which then
    comes back after a crash without a pause of some seconds; each member needs its own.

    What the topic no longer holds is an error, as readings are lost; with ``?lost=skip`` the source goes on at the
    oldest that is left. ``?format=`` is that of the messages, with ``?schema=`` where it needs one; with
    ``?key=message`` the asset is the message's key. Only committed transactions are read.
    """

    schemes: ClassVar[tuple[str, ...]] = ("kafka",)
    lag_unit = "messages"

    def __init__(
        self, kafka: ModuleType, consumer: Consumer, complaints: Complaints, decoder: Decoder, address: Address
    ) -> None:
        self._kafka, self._consumer, self._decoder = kafka, consumer, decoder
        self._message: type[Message] = kafka.Message
        self._where = f"kafka://{address.host}"
        _, self._topic = names_of(address)
        self._wanted = _numbers(address.options.get("partitions"))
        self._from_end = address.choice("start", "earliest", "latest") == "latest"
        self._there: set[int] = set()
        self._skips = address.choice("lost", "error", "skip") == "skip"
        self._keys = address.choice("key", "payload", "message") == "message"
        self._complaints = complaints
        self._next: dict[int, int] = {}
        self._unplaced: set[int] = set()
        self._adrift: set[int] = set()
        self._trouble: TocsinError | None = None
        self._closed = False

    @classmethod
    def open(cls, address: Address, shape: Shape) -> Self:
        """Open the topic; see the class for the options."""
        made = settings(address, OPTIONS) | FETCHING | {"group.id": address.options.get("group", "tocsin")}
        made |= {name: value for name, value in address.options.items() if "." in name}
        if "name" in address.options:
            made["group.instance.id"] = address.options["name"]
        form = address.choice("format", "json", "avro", "arrow")
        schema = address.options.get("schema")
        by_message = address.choice("key", "payload", "message") == "message"
        if by_message and shape.key is None:
            raise ParameterError("key=message needs a fleet with a key; this one is of one asset")
        decoder = Decoder(_without_key(shape) if by_message else shape, form, schema=schema)
        kafka = need("confluent_kafka", "stream", "kafka://")
        complaints = Complaints()
        try:
            consumer = kafka.Consumer(made | {"error_cb": complaints}, logger=LOG)
        except (kafka.KafkaException, ValueError, TypeError) as error:
            raise refused(error) from None
        try:
            source = cls(kafka, consumer, complaints, decoder, address)
            source._check(partitions_of(consumer, source._topic, source._where, complaints, kafka.KafkaException))
        except BaseException:
            let_go(consumer.close)
            raise
        return source

    def _check(self, there: list[int]) -> None:
        self._there = set(there)
        if missing := sorted(set(self._wanted or ()) - set(there)):
            raise DataError(
                f"topic {self._topic!r} has no partition {missing[0]}; it has {len(there)}, from 0 to {there[-1]}"
            )

    def seek(self, positions: Positions) -> None:
        """Go on at the next offsets of the partitions; those of other partitions are kept for when they come."""
        for name, offset in positions.items():
            topic, _, number = name.rpartition("/")
            if topic != self._topic:
                raise DataError(f"the store holds positions of topic {topic!r}, and the stream reads {self._topic!r}")
            self._next[int(number)] = int(offset)
        if positions:
            self._from_end = False
        if self._wanted is None:
            self._consumer.subscribe(
                [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            return
        parts = [self._part(number) for number in self._wanted]
        for part in parts:
            self._look(part)
        self._unplaced = set(self._wanted) - set(self._next)
        self._consumer.assign(parts)

    def _part(self, number: int, offset: int | None = None) -> TopicPartition:
        at = self._next.get(number, _STORED) if offset is None else offset
        return self._kafka.TopicPartition(self._topic, number, at)

    def _look(self, part: TopicPartition) -> None:
        """See that what comes next in a partition is still there; go on with what is left if that is wanted."""
        if part.offset < 0:
            return
        low, high = self._ask(self._consumer.get_watermark_offsets, part)
        if not low <= part.offset <= high:
            self._lose(part.partition, part.offset, low)
            part.offset = low

    def _ask(self, question: Callable[..., A | None], about: object) -> A:
        try:
            answer = question(about, timeout=PATIENCE)
        except self._kafka.KafkaException as error:
            raise sentence(error.args[0], self._where, self._topic) from None
        if answer is None:
            raise UnavailableError(f"{self._where} does not answer: no offsets of {self._topic!r} came in time")
        return answer

    def _lose(self, number: int, at: int, low: int) -> None:
        if not self._skips:
            raise DataError(
                f"partition {number} of topic {self._topic!r} begins at {low} and the stream would go on at {at}: "
                "what lies between is gone or was made anew; take ?lost=skip to go on with what is left"
            )
        self._next[number] = low

    def _assigned(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        numbers = [part.partition for part in parts]
        self._unplaced |= set(numbers) - set(self._next)
        consumer.incremental_assign([self._part(number) for number in numbers])

    def _revoked(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        numbers = {part.partition for part in parts}
        self._adrift -= numbers
        self._unplaced -= numbers
        consumer.incremental_unassign(parts)

    def _lost(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        self._revoked(consumer, parts)

    def poll(self, most: int, wait: float) -> Fetched | None:
        """Return what is there, decoded; at most `most` messages, of which one may hold several readings."""
        self._tell()
        deadline = monotonic() + wait
        self._set_out()
        messages = self._fetch(min(most, _DECODED), 0)
        while not messages.payloads:
            self._tell()
            left = deadline - monotonic()
            if self._complaints.down:
                self._ask_whether_it_is_back(left)
            if left <= 0:
                return None
            self._set_out()
            messages = self._fetch(min(most, _DECODED), min(left, _STEP))
        return joined(list(self._go_on(messages, most)))

    def _go_on(self, messages: _Messages, most: int) -> Iterator[Fetched]:
        """Decode what was fetched, then what else is there, until that is less than is decoded at once."""
        while count := len(messages.payloads):
            yield self._decoded(messages)
            most -= count
            if count < _DECODED or most <= 0:
                return
            messages = self._fetch(min(most, _DECODED), 0)

    def _tell(self) -> None:
        """Raise what went wrong while good messages were still coming."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def _fetch(self, most: int, wait: float) -> _Messages:
        """Return good messages that are there, else wait for a first one; nothing is lost where others are bad."""
        found, left = _Messages(), most
        try:
            if wait > 0:
                first = self._consumer.poll(wait)
                if first is None:
                    return found
                self._add([first], found)
                left -= 1
            with _no_collection():
                while left > 0:
                    asked = min(left, _TAKEN)
                    messages = self._consumer.consume(asked, 0)
                    self._add(messages, found)
                    left -= asked
                    if len(messages) < asked:
                        break
                    del messages
        except self._kafka.KafkaException as error:
            self._trouble = sentence(error.args[0], self._where, self._topic)
        if found.payloads:
            self._complaints.forget()
        return found

    def _add(self, messages: list[Message], found: _Messages) -> None:
        """Keep what is needed of messages, and hear what others are."""
        kind = self._message
        if any(map(kind.error, messages)):
            for message in messages:
                if (trouble := message.error()) is not None:
                    self._hear(trouble, message.partition())
            messages = [message for message in messages if message.error() is None]
        payloads = list(map(kind.value, messages))
        found.payloads += payloads if all(payloads) else [payload or b"" for payload in payloads]
        if self._keys:
            found.keys += map(kind.key, messages)
        found.last |= zip(map(kind.partition, messages), messages, strict=True)

    def _hear(self, error: KafkaTrouble, number: int) -> None:
        if error.name() in ("_AUTO_OFFSET_RESET", "_NO_OFFSET", "OFFSET_OUT_OF_RANGE"):
            self._adrift.add(number)
        elif error.name() not in ("_MAX_POLL_EXCEEDED", "_PARTITION_EOF"):
            trouble = sentence(error, self._where, self._topic)
            if not isinstance(trouble, UnavailableError):
                self._trouble = trouble

    def _set_out(self) -> None:
        """See where new partitions begin, and begin with those of which neither the store nor the group knew that."""
        if self._unplaced:
            for part in self._ask(self._consumer.committed, [self._part(number) for number in sorted(self._unplaced)]):
                if part.offset >= 0:
                    self._next.setdefault(part.partition, part.offset)
            self._unplaced.clear()
        for number in sorted(self._adrift):
            low, high = self._ask(self._consumer.get_watermark_offsets, self._part(number))
            if number in self._next:
                self._lose(number, self._next[number], low)
            latest = self._from_end and number in self._there  # what is added later began after us
            begin = self._part(number, self._next.get(number, high if latest else low))
            self._next[number] = begin.offset
            self._consumer.incremental_unassign([begin])
            self._consumer.incremental_assign([begin])
            self._adrift.discard(number)

    def _ask_whether_it_is_back(self, left: float) -> None:
        try:
            self._consumer.list_topics(self._topic, timeout=max(min(left, 1.0), 0.2))
        except self._kafka.KafkaException as error:
            trouble = self._complaints.denied or self._complaints.away or error.args[0]
            raise sentence(trouble, self._where, self._topic, UnavailableError) from None
        self._complaints.forget()

    def _decoded(self, messages: _Messages) -> Fetched:
        payloads = messages.payloads
        decoded = self._decoder.decode(payloads)
        frame, dead = decoded.frame, list(decoded.dead)
        if self._keys:
            keys = _texts(messages.keys)
            frame = frame.with_columns(keys[decoded.origins])
            if keys.null_count():
                nameless = np.unique(decoded.origins[frame[KEY].is_null().to_numpy()]).tolist()
                frame = frame.filter(pl.col(KEY).is_not_null())
                dead += [
                    DeadLetter("the message has no key, or one that is no text", payloads[i][:KEPT]) for i in nameless
                ]
        self._next |= {number: message.offset() + 1 for number, message in messages.last.items()}
        return Fetched(
            frame,
            {f"{self._topic}/{number}": offset for number, offset in sorted(self._next.items())},
            sum(map(len, payloads)),
            dead,
            max(message.timestamp()[1] for message in messages.last.values()) / 1_000,
            decoded.strange,
            decoded.mended,
        )

    def committed(self, positions: Positions) -> None:
        """Tell the group, for its tools; a partition that is no longer ours is left to whoever has it."""
        try:
            ours = {part.partition for part in self._consumer.assignment()}
            safe = {int(name.rpartition("/")[2]): offset for name, offset in positions.items()}
            if known := [self._part(number, offset) for number, offset in safe.items() if number in ours]:
                self._consumer.commit(offsets=known, asynchronous=True)
        except self._kafka.KafkaException:
            return  # the store knows better, and the next commit comes soon

    @property
    def lag(self) -> int | None:
        """How many messages wait, markers of transactions among them, as far as the server has told."""
        parts = [] if self._closed else self._consumer.assignment()
        found = [
            (bounds[1], self._next[part.partition])
            for part in parts
            if part.partition in self._next
            and (bounds := self._consumer.get_watermark_offsets(part, cached=True)) is not None
        ]
        known = [max(high - at, 0) for high, at in found if high >= 0]
        return sum(known) if known else None

    def close(self) -> None:
        """Leave the group."""
        if not self._closed:
            self._closed = True
            let_go(self._consumer.close)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: messages are many objects at once, and none lives long nor is in a cycle."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _numbers(text: str | None) -> list[int] | None:
    """Return the numbers in ``"0-3"`` or ``"0,2"``; None if none are asked for.

    >>> _numbers("0-2,5")
    [0, 1, 2, 5]
    """
    if text is None:
        return None
    numbers: set[int] = set()
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        try:
            numbers |= set(range(int(first), int(last if dash else first) + 1))
        except ValueError:
            raise ParameterError(f"partitions={text} makes no sense; write 0-3, or 0,2,5") from None
    return sorted(numbers)


def _texts(keys: list[bytes | None]) -> pl.Series:
    r"""Return the keys of messages as text, null where there is none or it is not UTF-8.

    >>> _texts([b"pump-1", None, b"\xff"]).to_list()
    ['pump-1', None, None]
    """
    try:
        return pl.Series(KEY, keys, dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        decoded = [None if key is None else key.decode(errors="replace") for key in keys]
        texts = [
            text if text is None or text.encode() == key else None for text, key in zip(decoded, keys, strict=True)
        ]
        return pl.Series(KEY, texts, dtype=pl.String)


def _without_key(shape: Shape) -> Shape:
    return Shape(shape.features, None, shape.time, shape.sensor, shape.value)

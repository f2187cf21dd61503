"""What must still be delivered: alerts wait in the store, and each sink takes them at its own pace.

A commit of the stream puts alerts into the outbox together with all else that it changed, so none is lost. How far each
sink has come is part of a later commit; after a crash in between it is handed the same calls again.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from threading import Condition, Event, Thread
from typing import NamedTuple, Self

import pyarrow as pa

from tocsin.errors import ParameterError, StoreError, UnavailableError
from tocsin.insights.base import Span, Store
from tocsin.stream.packing import table_bytes, table_of
from tocsin.stream.sinks.base import Sink
from tocsin.stream.sinks.catalog import sink_of
from tocsin.urls import Address

ENTRIES, CURSORS, NEXT = b"s/outbox/", b"s/sent/", b"s/outbox.next"
GATHERED = 10_000
"""So many alerts at most are handed together to a sink that gathers."""

Open = Callable[[], Sink]
Puts = list[tuple[bytes, bytes]]


class Target(NamedTuple):
    """Where alerts go: a name to show, an identity that lasts from run to run, and how to open it."""

    name: str
    identity: bytes
    open: Open

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the target at an address; nothing is opened yet.

        Raises
        ------
        ParameterError
            If nothing serves its scheme.
        """
        address = Address.of(text)
        kind = sink_of(address)
        lasting = re.sub(r"(://[^/?#:@]*):[^/?#]*@", r"\1@", text)  # a new password makes no new sink
        return cls(kind.shown(address), blake2b(lasting.encode(), digest_size=8).digest(), lambda: kind.open(address))


class _Delivery:
    """One sink, how far it has come, and what went wrong."""

    def __init__(self, target: Target, cursor: int) -> None:
        self.target, self.cursor = target, cursor
        self.saved: int | None = None
        """The cursor that the store holds."""
        self.sink: Sink | None = None
        self.failure: Exception | None = None
        self.thread: Thread | None = None


class Outbox:
    """Hands what waits in the store to several sinks, each in a thread of its own, so that a slow one delays no other.

    The stream calls, for each of its transactions, `put` and `delivered`, adds what they return to its commit, and then
    calls `committed`. If the commit fails it calls none, and may ask again.

    Parameters
    ----------
    store : Store
        Is read from several threads, and written by the caller only.
    targets : sequence of Target
        See `targets_of`; none is open until `start`.
    say : callable
        Is given a line when a sink goes away, as long as it stays away (ever more rarely), and when it is back; from
        any thread.
    most : int
        More waiting alerts than this make the outbox `full`.
    first_wait, longest_wait : float
        Seconds until a sink that was away is tried again, doubled each time up to the longest.
    """

    def __init__(
        self,
        store: Store,
        targets: Sequence[Target],
        say: Callable[[str], None],
        *,
        most: int = 100_000,
        first_wait: float = 0.25,
        longest_wait: float = 30.0,
    ) -> None:
        self._store, self._say, self._most = store, say, most
        self._first_wait, self._longest_wait = first_wait, longest_wait
        self._change, self._stop = Condition(), Event()
        cursors = {key: int.from_bytes(value, "big") for key, value in store.scan(Span.of_prefix(CURSORS))}
        wanted = {CURSORS + target.identity for target in targets}
        self._strange = [key for key in cursors if key not in wanted]
        """Cursors of sinks that an earlier run had."""
        found = store.get(NEXT)
        self._next = time.time_ns() // 1_000_000 if found is None else int.from_bytes(found, "big")
        """The sequence of the next entry; a new store begins above all that older ones have given to the same sinks."""
        self._entries: deque[tuple[int, int]] = deque()
        """Sequence and number of alerts of what is in the store, in order."""
        for key, value in store.scan(Span.of_prefix(ENTRIES)) if targets else ():
            self._entries.append((int.from_bytes(key[len(ENTRIES) :], "big"), table_of(value).num_rows))
        self._deliveries = [_Delivery(target, cursors.get(CURSORS + target.identity, -1)) for target in targets]
        for each in self._deliveries:
            each.saved = cursors.get(CURSORS + each.target.identity)
        self._staged: tuple[int, int] | None = None
        self._handed: list[tuple[_Delivery, int]] = []
        self._dropped = 0

    def start(self) -> None:
        """Open the sinks and begin to deliver. A sink that does not answer yet is tried again in the background.

        Raises
        ------
        OutputError
            If nothing can be written at one of them.
        """
        try:
            for each in self._deliveries:
                try:
                    self._open(each)
                except UnavailableError as error:
                    self._say(f"alerts for {each.target.name} wait: {error}; trying again")
        except BaseException:
            self.close()
            raise
        for each in self._deliveries:
            each.thread = Thread(target=self._deliver, args=(each,), name=f"to {each.target.name}", daemon=True)
            each.thread.start()

    # For the stream's commits -----------------------------------------------------------------------------------------

    def put(self, alerts: pa.Table) -> Puts:
        """Return what a commit must write so that alerts (of `ALERTS`) will be delivered; nothing if there are none."""
        self._staged = None
        if not self._deliveries or not alerts.num_rows:
            return []
        self._staged = self._next, alerts.num_rows
        return [(ENTRIES + _number(self._next), table_bytes(alerts)), (NEXT, _number(self._next + 1))]

    def delivered(self) -> tuple[Puts, list[bytes]]:
        """Return what a commit must write, and what it must delete, so that the store knows what has been delivered."""
        with self._change:
            self._handed = [(each, each.cursor) for each in self._deliveries if each.cursor not in (each.saved, -1)]
            done = min((each.cursor for each in self._deliveries), default=-1)
            gone = [sequence for sequence, _ in self._entries if sequence <= done]
        self._dropped = len(gone)
        puts = [(CURSORS + each.target.identity, _number(cursor)) for each, cursor in self._handed]
        return puts, [ENTRIES + _number(sequence) for sequence in gone] + self._strange

    def committed(self) -> None:
        """Hear that what `put` and `delivered` returned last is in the store."""
        with self._change:
            for each, cursor in self._handed:
                each.saved = cursor
            for _ in range(self._dropped):
                self._entries.popleft()
            if self._staged is not None:
                self._entries.append(self._staged)
                self._next = self._staged[0] + 1
            self._change.notify_all()
        self._staged, self._handed, self._dropped, self._strange = None, [], 0, []

    # How things stand -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many alerts wait for the slowest sink."""
        return self._waiting(min((each.cursor for each in self._deliveries), default=-1))

    @property
    def full(self) -> bool:
        """Whether so many wait that no more readings should be fetched."""
        return self.waiting > self._most

    def check(self) -> None:
        """Raise what a sink has failed with for ever, such as an `OutputError`; what waits stays in the store."""
        for each in self._deliveries:
            if each.failure is not None:
                raise each.failure

    def drain(self, seconds: float) -> bool:
        """Wait until all is delivered, or a sink has failed for ever; return whether nothing waits any more."""
        end = time.monotonic() + seconds
        with self._change:
            while True:
                behind = [each for each in self._deliveries if self._entries and each.cursor < self._entries[-1][0]]
                left = end - time.monotonic()
                if not behind or left <= 0 or any(each.failure for each in behind):
                    return not behind
                self._change.wait(left)

    def close(self, seconds: float = 1.0) -> None:
        """Stop delivering, and let go of the sinks; what waits stays in the store. May be called twice.

        A sink that is in the middle of a call has so many seconds to end it.
        """
        self._stop.set()
        with self._change:
            self._change.notify_all()
        end = time.monotonic() + seconds
        for each in self._deliveries:
            if each.thread is not None:
                each.thread.join(max(0.0, end - time.monotonic()))
            if each.sink is not None and (each.thread is None or not each.thread.is_alive()):
                each.sink.close()

    # In a thread for each sink ----------------------------------------------------------------------------------------

    def _deliver(self, delivery: _Delivery) -> None:
        """Hand over what comes, until told to stop or the sink fails for ever."""
        tries = 0 if delivery.sink is not None else 1
        while self._wait_for(delivery):
            try:
                if not self._hand_over(delivery):
                    continue
            except UnavailableError as error:
                tries += 1
                if tries & (tries - 1) == 0:  # 1, 2, 4, 8, ...
                    many = self._waiting(delivery.cursor)
                    self._say(f"alerts for {delivery.target.name} wait, {many:,} so far: {error}; trying again")
                self._stop.wait(min(self._first_wait * 2.0 ** min(tries - 1, 60), self._longest_wait))
            except Exception as error:  # is raised where the stream asks
                with self._change:
                    delivery.failure = error
                    self._change.notify_all()
                return
            else:
                if tries:
                    self._say(f"{delivery.target.name} takes alerts again")
                tries = 0

    def _wait_for(self, delivery: _Delivery) -> bool:
        """Wait until there is something to hand over; False if it is time to stop."""
        with self._change:
            self._change.wait_for(
                lambda: self._stop.is_set() or (bool(self._entries) and self._entries[-1][0] > delivery.cursor)
            )
        return not self._stop.is_set()

    def _hand_over(self, delivery: _Delivery) -> bool:
        """Hand over the next call's alerts; False if the sink wants a pause first, and it is taken."""
        sink = delivery.sink or self._open(delivery)
        if (pause := sink.pause) > 0.0:
            self._stop.wait(pause)
            return False
        sequences = self._due(delivery, gather=sink.gathers)
        if not sequences:  # it knew of all these itself
            return False
        values = self._store.get_many([ENTRIES + _number(sequence) for sequence in sequences])
        missing = [sequence for sequence, value in zip(sequences, values, strict=True) if value is None]
        if missing:
            raise StoreError(f"alerts {missing[0]} that wait for {delivery.target.name} are no longer in the store")
        sink.write(pa.concat_tables([table_of(value) for value in values if value is not None]), sequences[-1])
        self._advance(delivery, sequences[-1])
        return True

    def _open(self, delivery: _Delivery) -> Sink:
        sink = delivery.sink = delivery.target.open()
        if delivery.thread is None and (known := sink.delivered) is not None:  # later, `write` knows what is repeated
            self._advance(delivery, known)
            self._next = max(self._next, known + 1)
        return sink

    def _due(self, delivery: _Delivery, *, gather: bool) -> list[int]:
        with self._change:
            due = [entry for entry in self._entries if entry[0] > delivery.cursor]
        chosen: list[int] = []
        alerts = 0
        for sequence, many in due:
            if chosen and (not gather or alerts + many > GATHERED):
                break
            chosen.append(sequence)
            alerts += many
        return chosen

    def _advance(self, delivery: _Delivery, cursor: int) -> None:
        with self._change:
            delivery.cursor = max(delivery.cursor, cursor)
            self._change.notify_all()

    def _waiting(self, cursor: int) -> int:
        with self._change:
            return sum(many for sequence, many in self._entries if sequence > cursor)


def targets_of(addresses: Sequence[str]) -> list[Target]:
    """Return the targets at some addresses; nothing is opened yet.

    Raises
    ------
    ParameterError
        If an address is wrong or given twice.
    """
    targets: dict[bytes, Target] = {}
    for text in addresses:
        target = Target.of(text)
        if target.identity in targets:
            raise ParameterError(f"{target.name} is given twice; alerts are sent there once")
        targets[target.identity] = target
    return [*targets.values()]


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")

"""The outbox: alerts reach every sink at its own pace, and none is lost between two commits."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.sinks.harness import alerts
from tests.stream.stores import MemoryStore
from tocsin.errors import OutputError, ParameterError, StoreError, UnavailableError
from tocsin.stream.outbox import CURSORS, ENTRIES, Outbox, Target, targets_of
from tocsin.stream.sinks.base import ALERTS, Sink


class Recording(Sink):
    """Keeps what it is given; `fail` raises before the next calls."""

    schemes = ()

    def __init__(self, *, gathers=False, transactional=False):
        self.gathers = gathers
        self.calls, self.failures, self.closed, self.opened = [], [], 0, 0
        self.ready, self.wanted, self.entered = Event(), 0.0, Event()
        self.ready.set()
        self._transactional = transactional

    @classmethod
    def open(cls, address):
        raise NotImplementedError

    def write(self, alerts, sequence):
        self.entered.set()
        assert self.ready.wait(20)
        if self.failures:
            raise self.failures.pop(0)
        assert alerts.schema.equals(ALERTS)
        if not (self._transactional and self.calls and sequence <= self.calls[-1][0]):
            self.calls.append((sequence, alerts["id"].to_pylist()))

    @property
    def delivered(self):
        return self.calls[-1][0] if self._transactional and self.calls else None

    @property
    def pause(self):
        wanted, self.wanted = self.wanted, 0.0
        return wanted

    @property
    def ids(self):
        return [each for _, ids in self.calls for each in ids]

    def close(self):
        self.closed += 1


def started(store, *sinks, said=None, **settings):
    targets = [Target(f"sink {i}", bytes([i]), lambda sink=sink: sink) for i, sink in enumerate(sinks)]
    say = (said if said is not None else []).append
    outbox = Outbox(store, targets, say, first_wait=0.005, longest_wait=0.02, **settings)
    outbox.start()
    return outbox


def commit(store, outbox, table):
    puts = outbox.put(table)
    more, deletes = outbox.delivered()
    store.commit([*puts, *more], deletes)
    outbox.committed()


NOTHING = ALERTS.empty_table()


@pytest.fixture
def store():
    return MemoryStore()


def entries(store):
    return [key for key in store.contents if key.startswith(ENTRIES)]


def test_every_sink_gets_all_in_order_and_the_store_is_cleaned(store):
    first, second = Recording(), Recording()
    outbox = started(store, first, second)
    for start in range(0, 50, 5):
        commit(store, outbox, alerts(start, 5))
    assert outbox.drain(20)
    assert first.ids == second.ids == alerts(0, 50)["id"].to_pylist()
    assert len(first.calls) == 10
    commit(store, outbox, NOTHING)
    assert not entries(store)
    assert outbox.waiting == 0
    outbox.close()
    outbox.close()
    assert first.closed >= 1


def test_nothing_happens_without_alerts_or_sinks(store):
    outbox = started(store, Recording())
    assert outbox.put(NOTHING) == []
    outbox.close()
    none = started(store)
    assert none.put(alerts(0, 3)) == []
    assert none.drain(0.0)
    assert not none.full
    none.close()


def test_a_commit_that_fails_changes_nothing(store):
    sink = Recording()
    outbox = started(store, sink)
    first = outbox.put(alerts(0, 2))
    assert outbox.put(alerts(0, 2)) == first
    assert outbox.drain(0.0)
    commit(store, outbox, alerts(0, 2))
    assert outbox.drain(20)
    asked = outbox.delivered()
    assert outbox.delivered() == asked
    assert len(asked[1]) == 1
    outbox.close()
    assert sink.ids == alerts(0, 2)["id"].to_pylist()


def test_a_slow_sink_delays_no_other_and_fills_the_outbox(store):
    slow, quick = Recording(), Recording()
    slow.ready.clear()
    outbox = started(store, slow, quick, most=10)
    for start in range(0, 20, 4):
        commit(store, outbox, alerts(start, 4))
    slow.entered.wait(20)
    while len(quick.calls) < 5:
        assert not outbox.drain(0.01)
    assert outbox.waiting == 20
    assert outbox.full
    commit(store, outbox, NOTHING)
    assert len(entries(store)) == 5
    slow.ready.set()
    assert outbox.drain(20)
    assert not outbox.full
    outbox.close()
    assert slow.ids == quick.ids == alerts(0, 20)["id"].to_pylist()


def test_away_and_back(store):
    said: list[str] = []
    sink = Recording()
    sink.failures = [UnavailableError("the broker does not answer") for _ in range(9)]
    outbox = started(store, sink, said=said)
    commit(store, outbox, alerts(0, 3))
    commit(store, outbox, alerts(3, 1))
    assert outbox.drain(20)
    outbox.close()
    assert sink.ids == alerts(0, 4)["id"].to_pylist()
    assert said[0].startswith("alerts for sink 0 wait, ")
    assert said[0].endswith("so far: the broker does not answer; trying again")
    assert said[-1] == "sink 0 takes alerts again"
    assert len(said) == 5, "after 1, 2, 4 and 8 tries"


def test_sink_that_does_not_answer_at_the_start(store):
    said: list[str] = []
    sink, tries = Recording(), []

    def opens():
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("no answer")
        return sink

    outbox = Outbox(store, [Target("late", b"l", opens)], said.append, first_wait=0.005)
    outbox.start()
    assert said == ["alerts for late wait: no answer; trying again"]
    commit(store, outbox, alerts(0, 3))
    assert outbox.drain(20)
    outbox.close()
    assert sink.ids == alerts(0, 3)["id"].to_pylist()
    assert sink.closed == 1


@pytest.mark.parametrize("failure", [OutputError("no rights"), ZeroDivisionError("a bug")])
def test_failure_for_ever_is_raised_where_the_stream_asks(store, failure):
    broken, fine = Recording(), Recording()
    broken.failures = [failure]
    outbox = started(store, broken, fine)
    outbox.check()
    commit(store, outbox, alerts(0, 3))
    commit(store, outbox, alerts(3, 3))
    assert not outbox.drain(20)
    with pytest.raises(type(failure)) as caught:
        outbox.check()
    assert caught.value is failure
    while len(fine.calls) < 2:
        outbox.drain(0.01)
    commit(store, outbox, NOTHING)
    outbox.close()
    assert len(entries(store)) == 2
    again = started(store, broken, fine)
    assert again.drain(20)
    again.close()
    assert broken.ids == fine.ids == alerts(0, 6)["id"].to_pylist()


def test_a_store_that_is_older_than_what_a_sink_has_goes_on_above_it(store):
    sink = Recording(transactional=True)
    sink.calls = [(2**60, ["old"])]
    outbox = started(store, sink)
    commit(store, outbox, alerts(0, 2))
    assert outbox.drain(20)
    outbox.close()
    assert sink.calls[1:] == [(2**60 + 1, alerts(0, 2)["id"].to_pylist())]


def test_failure_to_open_closes_the_others(store):
    def fails():
        raise OutputError("there is no such folder")

    fine = Recording()
    outbox = Outbox(store, [Target("fine", b"f", lambda: fine), Target("bad", b"b", fails)], print)
    with pytest.raises(OutputError, match="no such folder"):
        outbox.start()
    assert fine.closed == 1


def test_what_waits_survives_a_crash_and_is_repeated_if_the_cursor_was_not_kept(store):
    sink = Recording()
    outbox = started(store, sink)
    commit(store, outbox, alerts(0, 2))
    assert outbox.drain(20)
    commit(store, outbox, alerts(2, 2))
    assert outbox.drain(20)
    crashed = MemoryStore(store.contents)
    outbox.close()
    after, untold = Recording(), Recording(transactional=True)
    untold.calls = list(sink.calls)
    again = started(crashed, after)
    assert again.drain(20)
    commit(crashed, again, alerts(4, 2))
    assert again.drain(20)
    again.close()
    assert after.calls[0] == sink.calls[1]
    assert after.ids == alerts(2, 4)["id"].to_pylist()

    knows = started(MemoryStore(store.contents), untold)
    assert knows.drain(20)
    knows.close()
    assert untold.calls == sink.calls


def test_sink_is_told_apart_by_its_address_and_leaves_when_it_is_no_longer_named(store, tmp_path):
    places = [str(tmp_path / "one.ndjson"), str(tmp_path / "two.ndjson")]
    outbox = Outbox(store, targets_of(places), print)
    outbox.start()
    commit(store, outbox, alerts(0, 2))
    assert outbox.drain(20)
    commit(store, outbox, NOTHING)
    outbox.close()
    assert len([key for key in store.contents if key.startswith(CURSORS)]) == 2
    again = Outbox(store, targets_of(places[1:]), print)
    again.start()
    commit(store, again, alerts(2, 1))
    assert again.drain(20)
    commit(store, again, NOTHING)
    again.close()
    assert len([key for key in store.contents if key.startswith(CURSORS)]) == 1
    texts = [Path(place).read_text() for place in places]
    lines = [[json.loads(line)["version"] for line in text.splitlines()] for text in texts]
    assert lines == [[0, 1], [0, 1, 2]]


def test_a_new_password_makes_no_new_sink():
    first, second, other = (
        Target.of(f"http://{login}@localhost/{path}") for login, path in [("me:a", "x"), ("me:b", "x"), ("me:a", "y")]
    )
    assert first.identity == second.identity != other.identity
    assert first.name == "http://localhost/***"


def test_sink_given_twice_is_refused(tmp_path):
    place = str(tmp_path / "one.ndjson")
    with pytest.raises(ParameterError, match="given twice"):
        targets_of([place, place])


def test_gathering_sink_takes_what_waits_together_after_its_pause(store):
    sink = Recording(gathers=True)
    sink.ready.clear()
    outbox = started(store, sink)
    commit(store, outbox, alerts(0, 1))
    sink.entered.wait(20)
    for start in range(1, 9):
        commit(store, outbox, alerts(start, 1))
    sink.wanted = 0.02
    sink.ready.set()
    assert outbox.drain(20)
    outbox.close()
    assert [len(ids) for _, ids in sink.calls] == [1, 8]
    assert sink.ids == alerts(0, 9)["id"].to_pylist()


def test_store_that_goes_away_is_waited_for(store):
    said: list[str] = []
    sink = Recording()
    outbox = started(store, sink, said=said)
    store.away = True
    commit(store, outbox, alerts(0, 1))
    assert not outbox.drain(0.05)
    store.away = False
    assert outbox.drain(20)
    outbox.close()
    assert "the store does not answer" in said[0]


def test_alerts_that_vanished_from_the_store_are_no_silence(store):
    sink = Recording()
    sink.ready.clear()
    outbox = started(store, sink)
    commit(store, outbox, alerts(0, 1))
    sink.entered.wait(20)
    commit(store, outbox, alerts(1, 1))
    store.commit([], [max(entries(store))])
    sink.ready.set()
    assert not outbox.drain(20)
    with pytest.raises(StoreError, match="no longer in the store"):
        outbox.check()
    outbox.close()


def test_close_does_not_wait_for_a_sink_that_hangs(store):
    sink = Recording()
    sink.ready.clear()
    outbox = started(store, sink)
    commit(store, outbox, alerts(0, 1))
    sink.entered.wait(20)
    closing = Thread(target=outbox.close, args=(0.05,))
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    assert sink.closed == 0, "it is in the middle of a call"
    sink.ready.set()
    assert len(entries(store)) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=12), st.booleans())
def test_no_alert_is_lost_or_disordered_whatever_happens(steps, transactional):
    """Each step commits some alerts, may be waited for, and may crash before the cursor is kept."""
    store, sink, first = MemoryStore(), Recording(transactional=transactional), 0
    outbox = started(store, sink)
    for many, waits, crashes in steps:
        commit(store, outbox, alerts(first, many))
        first += many
        if waits:
            assert outbox.drain(20)
        if crashes:
            store, old = MemoryStore(store.contents), outbox
            old.close()
            outbox = started(store, sink)
    assert outbox.drain(20)
    outbox.close()
    expected = alerts(0, first)["id"].to_pylist()
    assert sorted(set(sink.ids)) == expected
    by_sequence = dict(sink.calls)
    assert [each for sequence in sorted(by_sequence) for each in by_sequence[sequence]] == expected
    if transactional:
        assert sink.ids == expected
    assert len({tuple(ids) for _, ids in sink.calls}) == len(by_sequence), "a call that is repeated is the same"

"""Every sink in the catalog keeps the contract; a new one is tested by being there."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.stream.sinks.harness import READERS, Reader, alerts, plain
from tocsin.errors import ParameterError, UnavailableError
from tocsin.stream.sinks.base import Sink
from tocsin.stream.sinks.catalog import open_sink, sink_of, sinks
from tocsin.urls import Address


@pytest.fixture(params=sorted(READERS))
def reader(request):
    with ExitStack() as stack:
        yield READERS[request.param](request, stack)


@pytest.fixture
def opened(reader: Reader):
    """Return a function that opens the sink; what it opened is closed at the end."""
    with ExitStack() as stack:

        def open_it() -> Sink:
            sink = open_sink(reader.address)
            stack.callback(sink.close)
            return sink

        yield open_it


def arrived(reader, table):
    return [reader.count(alert) for alert in plain(table)]


def test_every_sink_has_a_reader():
    assert sorted(READERS) == sorted(sink.__name__ for sink in sinks())


def test_alerts_arrive_whole(reader, opened):
    sink, first, second = opened(), alerts(0, 5), alerts(5, 1)
    sink.write(first, 7)
    assert arrived(reader, first) == [1] * 5
    sink.write(second, 8)
    assert arrived(reader, first) == [1] * 5
    assert arrived(reader, second) == [1]


def test_calls_that_are_repeated_after_a_crash(reader, opened):
    parts = [alerts(0, 3), alerts(3, 2), alerts(5, 4)]
    before = opened()
    for sequence in (1, 2):
        before.write(parts[sequence - 1], sequence)
    after = opened()
    if after.delivered is not None:
        assert after.delivered == 2
    for sequence, part in enumerate(parts, 1):
        after.write(part, sequence)
    again = [2] if not reader.once else [1]
    assert arrived(reader, parts[0]) == again * 3
    assert arrived(reader, parts[1]) == again * 2
    assert arrived(reader, parts[2]) == [1] * 4


def test_away_and_back(reader, opened):
    sink = opened()
    sink.write(alerts(0, 1), 1)
    reader.go()
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            sink.write(alerts(1, 3), 2)
        assert "\n" not in str(caught.value)
        assert "p@ss" not in str(caught.value)
        assert "p%40ss" not in str(caught.value)
    reader.come()
    for tries in range(20):  # a server may need a while to know again what it knew
        try:
            sink.write(alerts(1, 3), 2)
            break
        except UnavailableError:
            assert tries < 19
    sink.write(alerts(4, 1), 3)
    assert arrived(reader, alerts(0, 5)) == [1] * 5


def test_close_twice(reader, opened):
    sink = opened()
    sink.write(alerts(0, 1), 1)
    sink.close()
    sink.close()
    assert arrived(reader, alerts(0, 1)) == [1]


STRICT = sorted(name for name, reader in READERS.items() if reader.strict)


@pytest.mark.parametrize("reader", STRICT, indirect=True)
def test_unknown_option(reader):
    with pytest.raises(ParameterError, match="no option 'colour'"):
        open_sink(reader.address + ("&" if "?" in reader.address else "?") + "colour=red")


def test_address_is_shown_without_secrets(reader):
    address = Address.of(reader.address)
    shown = sink_of(address).shown(address)
    assert "p@ss" not in shown
    assert "p%40ss" not in shown
    assert "\n" not in shown

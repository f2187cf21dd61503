"""What is away is tried again and told of once, until it is back or the stream is to stop."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from tocsin.errors import FleetError, StoreFullError, TocsinError, UnavailableError
from tocsin.stream import waiting
from tocsin.stream.waiting import patiently


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST", 0.0)


def failing(*errors: TocsinError) -> Callable[[], str]:
    left = [*errors]

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return action


def test_each_reason_is_told_of_once_and_then_that_it_is_back() -> None:
    said: list[str] = []
    action = failing(*(UnavailableError("it is away") for _ in range(3)), StoreFullError("it is full"))
    assert patiently(action, "the store", Event(), said.append) == "done"
    assert said == ["it is away; waiting", "it is full; waiting", "the store is back; going on"]
    assert patiently(failing(), "the store", Event(), said.append) == "done"
    assert len(said) == 3


def test_it_is_tried_once_by_a_stream_that_is_to_stop() -> None:
    stop, said = Event(), list[str]()
    stop.set()
    with pytest.raises(UnavailableError, match="away"):
        patiently(failing(UnavailableError("it is away")), "the store", stop, said.append)
    assert patiently(failing(), "the store", stop, said.append) == "done"
    assert said == []


@pytest.mark.parametrize("error", [FleetError("it is another"), StoreFullError("it is full")])
def test_other_errors_are_not_waited_for(error: TocsinError) -> None:
    said: list[str] = []
    with pytest.raises(type(error)):
        patiently(failing(error), "the store", Event(), said.append, (UnavailableError,))
    assert said == []

"""Waiting for what is away: it is tried again until it is back, or until the stream is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from tocsin.errors import StoreFullError, TocsinError, UnavailableError

T = TypeVar("T")
FIRST, LONGEST = 0.05, 5.0
"""Seconds until something is tried again, doubled each time up to the longest."""
AWAY: tuple[type[TocsinError], ...] = (UnavailableError, StoreFullError)


def patiently(
    action: Callable[[], T],
    what: str,
    stop: Event,
    say: Callable[[str], None],
    waits_for: tuple[type[TocsinError], ...] = AWAY,
) -> T:
    """Do something that may have to wait for a server, or for room.

    Parameters
    ----------
    action : callable
        Is called again as long as it raises one of `waits_for`.
    what : str
        What is waited for, such as "the store".
    stop : Event
        Once it is set, an action that fails is not tried again.
    say : callable
        Is given a line when something is waited for, once for each reason, and when it is back.

    Raises
    ------
    TocsinError
        What the action raised last, if it was told to stop.
    """
    pause, said = FIRST, ""
    while True:
        try:
            done = action()
        except waits_for as error:
            if stop.is_set():
                raise
            if str(error) != said:
                said = str(error)
                say(f"{said}; waiting")
            stop.wait(pause)
            pause = min(2 * pause, LONGEST)
        else:
            if said:
                say(f"{what} is back; going on")
            return done

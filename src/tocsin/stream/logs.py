"""What a stream says while it runs: lines of JSON on standard error, for programs that gather them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from tocsin.urls import masked

NAME = "tocsin.stream"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL + 1,
}
_FIELDS = "tocsin_fields"

logging.getLogger(NAME).addHandler(logging.NullHandler())


def log(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Say what happened: an event in a few fixed words, and what varies as fields. Cheap if nobody listens."""
    logging.getLogger(NAME).log(level, event, extra={_FIELDS: fields})


@contextmanager
def logging_to(stream: TextIO, level: str = "info") -> Iterator[None]:
    """Write events of a level and above to a stream for as long as the context lasts, a JSON object a line.

    Each has time, level, event, and the event's own fields. Passwords in addresses are masked wherever they are. Where
    a live table is shown, "none" keeps the terminal to it.
    """
    logger = logging.getLogger(NAME)
    before, spread = logger.level, logger.propagate
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    logger.addHandler(handler)
    logger.setLevel(LEVELS[level])
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = spread


class _Lines(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        fields = getattr(record, _FIELDS, {})
        return json.dumps({name: _plain(value) for name, value in (told | fields).items()}, ensure_ascii=False)


def _plain(value: object) -> object:
    """Return what JSON has a word for."""
    if isinstance(value, float) and value - value != 0.0:  # NaN, infinity
        return None
    return value if isinstance(value, int | float | None) else masked(str(value))

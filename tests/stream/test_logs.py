"""Logs: a JSON object a line, without secrets, and silent where nobody asked for them."""

from __future__ import annotations

import io
import json
import logging

import pytest

from tocsin.stream.logs import LEVELS, NAME, log, logging_to


def test_lines_are_json_with_fields():
    stream = io.StringIO()
    with logging_to(stream):
        log("sink is away", logging.WARNING, sink="kafka://me:hunter2@h/t", waiting=3, rate=float("nan"), lag=None)
        log("a detail", logging.DEBUG)
        log("100 % done\n", late=True)
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning",
        "event": "sink is away",
        "sink": "kafka://me:***@h/t",
        "waiting": 3,
        "rate": None,
        "lag": None,
    }
    assert second["event"] == "100 % done\n"
    assert second["late"] is True


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1), ("none", 0)])
def test_levels(level, lines):
    stream = io.StringIO()
    with logging_to(stream, level):
        for each in ("debug", "info", "warning", "error"):
            log(each, LEVELS[each])
    assert len(stream.getvalue().splitlines()) == lines


def test_nothing_is_left_behind_and_nothing_is_said_unasked(capfd):
    logger = logging.getLogger(NAME)
    before = logger.level, logger.propagate, list(logger.handlers)
    with pytest.raises(ZeroDivisionError), logging_to(io.StringIO(), "debug"):
        raise ZeroDivisionError
    assert (logger.level, logger.propagate, logger.handlers) == before
    log("nobody listens", logging.ERROR)
    assert capfd.readouterr() == ("", "")

"""Dead letters: kept whole, in bounded space, and told of by kind."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from tocsin.errors import OutputError
from tocsin.stream.dead_letters import MOST_KINDS, OTHER, DeadLetters
from tocsin.stream.sources.base import DeadLetter

NOW = datetime(2026, 1, 5, 10, 20, tzinfo=UTC)


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_letters_are_kept_whole(tmp_path):
    path = tmp_path / "dead.ndjson"
    letters = DeadLetters(path)
    letters.add([DeadLetter("not JSON", "{ü\n".encode()), DeadLetter("not JSON", b"\xff\x00")], NOW)
    letters.add([])
    DeadLetters(path).add([DeadLetter("no key \udc80", b"")], NOW)
    first, second, third = lines(path)
    assert first == {"time": "2026-01-05T10:20:00Z", "reason": "not JSON", "payload": "{ü\n"}
    assert base64.b64decode(second["base64"]) == b"\xff\x00"
    assert third["payload"] == ""
    assert letters.count == 2
    assert letters.unwritten == 0


def test_reasons_that_differ_in_numbers_and_names_are_one_kind():
    letters = DeadLetters()
    letters.add([DeadLetter(f"line {i}: field 'a{i}' is no number", b"") for i in range(5)], NOW)
    letters.add([DeadLetter("too large: 17,000,000 bytes", b"")], NOW)
    assert [tuple(kind) for kind in letters.kinds] == [
        (5, "line 0: field 'a0' is no number", NOW),
        (1, "too large: 17,000,000 bytes", NOW),
    ]
    for i in range(3 * MOST_KINDS):
        letters.add([DeadLetter("x" * i, b"")], NOW)
    assert len(letters.kinds) == MOST_KINDS + 1
    assert letters.kinds[0].many == 2 * MOST_KINDS + 2
    assert letters.kinds[0].reason == "x" * (MOST_KINDS - 2)
    assert OTHER not in [kind.reason for kind in letters.kinds]
    assert sum(kind.many for kind in letters.kinds) == letters.count == 6 + 3 * MOST_KINDS


def test_space_is_bounded_and_the_newest_are_kept(tmp_path):
    path = tmp_path / "dead.ndjson"
    letters = DeadLetters(path, most=4000)
    for first in range(0, 300, 30):
        letters.add([DeadLetter(f"{number}", b"x" * 100) for number in range(first, first + 30)], NOW)
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 4000
    kept = [int(each["reason"]) for name in ("dead.ndjson.1", "dead.ndjson") for each in lines(tmp_path / name)]
    assert kept == list(range(300 - len(kept), 300))
    assert len(kept) > 10
    DeadLetters(path, most=10).add([DeadLetter("larger than all", b"x" * 100)], NOW)
    assert len(lines(path)) == 1


def test_what_cannot_be_written_is_counted(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    letters = DeadLetters(folder / "dead.ndjson")
    (folder / "dead.ndjson").unlink()
    folder.rmdir()
    letters.add([DeadLetter("not JSON", b"x")] * 3, NOW)
    assert (letters.count, letters.unwritten) == (3, 3)
    folder.mkdir()
    letters.add([DeadLetter("not JSON", b"x")], NOW)
    assert len(lines(folder / "dead.ndjson")) == 1


def test_bad_place_is_one_line(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere" / "dead.ndjson"):
        with pytest.raises(OutputError, match="cannot write dead letters to ") as caught:
            DeadLetters(path)
        assert "\n" not in str(caught.value)

"""JSON decoded at once is JSON decoded row by row, whatever is among it and however it is cut."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tocsin.stream.decoding.base import Decoded
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.sources.base import Shape

SHAPE = Shape(("x", "y"), key="k", time="t")
LONG = Shape(("x", "y"), key="k", time="t", sensor="s", value="v")
MS = 1_700_000_000_000


def slow(messages: list[bytes]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Decode row by row; times are whole milliseconds or ISO text of the one form that is drawn."""
    rows, dead = [], []
    for place, message in enumerate(messages):
        if not message.strip():
            continue
        try:
            row = json.loads(message.decode(), parse_constant=lambda _: None)
            key, at, values = row["k"], row["t"], [row.get("x"), row.get("y")]
        except (ValueError, KeyError, TypeError):
            dead.append(place)
            continue
        kinds = {type(value) for value in values}
        good = kinds <= {type(None), int, float, bool} and isinstance(key, int | str)
        if isinstance(at, str):
            good = good and at.startswith("2023-11-14T")
            ns = int(at[20:23]) * 10**6 + MS * 10**6 if good else 0
        else:
            good = good and type(at) is int and 10**12 < at < time.time() * 1e3
            ns = at * 10**6 if good else 0
        if good:
            text = str(key).lower() if isinstance(key, bool) else str(key)
            rows.append((text, ns, *[None if value is None else float(value) for value in values]))
        else:
            dead.append(place)
    return rows, dead


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**20), 10**20), st.none(), st.booleans()
)
odd = st.one_of(numbers, st.just(float("nan")), st.text(max_size=3), st.lists(st.integers(), max_size=2))
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
keys = st.one_of(st.sampled_from(["a", "b", "[c]", "{", "NaN", ",NaN,", ":NaN,"]), st.integers(), texts)
times = st.one_of(st.integers(MS, MS + 10**6), st.integers(0, 999).map(lambda ms: f"2023-11-14T22:13:20.{ms:03d}Z"))


@st.composite
def good_messages(draw: st.DrawFn) -> bytes:
    row = {"k": draw(keys), "t": draw(times), "x": draw(numbers)}
    row |= draw(st.dictionaries(st.sampled_from(["y", "z", "note"]), numbers, max_size=2))
    return json.dumps(row, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def odd_messages(draw: st.DrawFn) -> bytes:
    row = draw(
        st.dictionaries(
            st.sampled_from(["k", "t", "x", "y", "z"]), st.one_of(odd, keys, times, st.just({})), max_size=5
        )
    )
    return json.dumps(row).encode()


broken = st.sampled_from(
    [
        b"",
        b"  ",
        b"{",
        b"[1]",
        b"5",
        b"null",
        b'"a"',
        b"{}{}",
        b"\xff",
        b"{'k': 1}",
        b'{"k": "a", "t": 1}',
        b"NaN",
        b"}",
    ]
)
mixtures = st.lists(st.one_of(good_messages(), good_messages(), odd_messages(), broken), max_size=12)


def rows_of(decoded: Decoded) -> list[tuple[Any, ...]]:
    return decoded.frame.rows()


@given(mixtures, st.integers(1, 12))
def test_all_at_once_is_one_by_one(messages: list[bytes], times_over: int) -> None:
    messages = messages * times_over
    rows, dead = slow(messages)
    decoded = Decoder(SHAPE).decode(messages)
    assert rows_of(decoded) == rows
    assert len(decoded.dead) == len(dead)
    assert set(decoded.origins.tolist()) == {
        place for place, each in enumerate(messages) if each.strip() and place not in dead
    }


@given(mixtures, st.lists(st.integers(0, 100), max_size=4))
def test_no_cutting_changes_the_readings(messages: list[bytes], cuts: list[int]) -> None:
    whole = Decoder(SHAPE).decode(messages)
    decoder, parts = Decoder(SHAPE), []
    bounds = sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in cuts)})
    for start, end in pairwise(bounds):
        parts.append(decoder.decode(messages[start:end]))
    assert [row for part in parts for row in rows_of(part)] == rows_of(whole)
    assert sum(len(part.dead) for part in parts) == len(whole.dead)
    assert sum(part.mended for part in parts) == whole.mended


@given(st.lists(good_messages(), max_size=12))
def test_lines_are_messages(messages: list[bytes]) -> None:
    text = b"\r\n".join(messages) + b"\n"
    assert rows_of(Decoder(SHAPE).decode(text)) == slow(messages)[0]


def message(**fields: Any) -> bytes:
    return json.dumps({"k": "a", "t": MS, "x": 1.0, **fields}).encode()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"k": "a", "t": 17', "not JSON"),
        (b"[" + message() + b"]", "an array; send one object a message"),
        (b'"x": 1.5, "y": 2}', "it is not JSON: "),
        (b"hello, world", "it is not JSON: "),
        (b"k,t,x", "looks like CSV; read it as a file that ends in .csv"),
        (b'"t";"value"\r', "looks like CSV"),
        (b"pump 1\t2026-01-05\t1.5", "looks like CSV"),
        (b"12", "not a JSON object but 12"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (message(x="1.5"), "'x' is the text '1.5'; write numbers without quotes"),
        (message(x="high"), "'x' is the text 'high'"),
        (message(y={"z": 1}), "'y' is nested"),
        (message(y=[1]), "'y' is a list"),
        (message(k=None), "key 'k' is null"),
        (message(k=["a"]), "key 'k' is a list"),
        (message(k={"a": 1}), "key 'k' is nested"),
        (b'{"t": 1700000000, "x": 1}', "no key 'k'; it has 't', 'x'"),
        (b'{"k": "a", "x": 1}', "no time 't'; it has 'k', 'x'"),
        (message(t=None), "time 't' is null"),
        (message(t="yesterday"), "time 't' is 'yesterday', which is no time between 1971 and tomorrow"),
        (message(t=0), "before 1971 or more than a day ahead"),
        (message(t=31_535_999), "before 1971"),
        (message(t="2300-01-01T00:00:00Z"), "no time between"),
        (message(t=10_413_792_000_000), "more than a day ahead"),
        (message(t=7_000_000_000), "more than a day ahead"),
        (message(t=True), "before 1971 or more than a day ahead"),
        (b'{"k": "a", "t": ' + b"9" * 5_000 + b"}", "too many digits"),
        (b'{"z":' * 3_000 + b"1" + b"}" * 3_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_and_harms_no_other(bad: bytes, reason: str) -> None:
    good = [message(t=MS + i) for i in range(200)]
    decoded = Decoder(SHAPE).decode([*good[:77], bad, *good[77:]])
    assert rows_of(decoded) == slow(good)[0]
    assert decoded.origins.tolist() == [*range(77), *range(78, 201)]
    (letter,) = decoded.dead
    assert reason in letter.reason
    assert "\n" not in letter.reason
    assert len(letter.reason) < 200
    assert letter.payload == bad[:4096]


def test_numbers_that_json_does_not_know_are_missing_and_counted() -> None:
    texts = ["NaN", "Infinity", "-Infinity", "1e999"]
    messages = [b'{"k": "a", "t": 1700000000, "x" : %s, "y": 2}' % text.encode() for text in texts] * 50
    decoded = Decoder(SHAPE).decode(messages)
    assert set(decoded.frame["x"]) == {None}
    assert set(decoded.frame["y"]) == {2.0}
    assert decoded.mended == 200
    assert not decoded.dead


def test_names_that_look_like_them_stay() -> None:
    odd_keys = ['":NaN,', '\\":NaN,', '"', ":NaN}", ": Infinity ,"]
    messages = [message(k=key) for key in odd_keys] + [message(x=float("nan"))]
    assert Decoder(SHAPE).decode(messages).frame["key"].to_list() == [*odd_keys, "a"]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (1_700_000_000, 1_700_000_000 * 10**9),
        (1_700_000_000_123, 1_700_000_000_123 * 10**6),
        (1_700_000_000_123_456, 1_700_000_000_123_456 * 10**3),
        (1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (1_700_000_000.25, 1_700_000_000_250_000_000),
        (1_700_000_000.123456, 1_700_000_000_123_456_000),
        (1_700_000_000_123.5, 1_700_000_000_123_500_000),
        ("1700000000", 1_700_000_000 * 10**9),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * 10**9),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000 * 10**9),
        ("2023-11-14T22:13", 1_699_999_980 * 10**9),
        ("1971-01-01", 31_536_000 * 10**9),
        (31_536_000, 31_536_000 * 10**9),
        (31_536_000_000, 31_536_000 * 10**9),
    ],
)
def test_times_are_read_by_their_looks(text: Any, ns: int) -> None:
    assert Decoder(SHAPE).decode([message(t=text)]).frame["time"].to_list() == [ns]
    mixed = Decoder(SHAPE).decode([message(), message(t="2023-11-14T22:13:20+00:00"), message(t=text)])
    assert mixed.frame["time"].to_list() == [MS * 10**6, MS * 10**6, ns]


def test_long_messages_hold_one_sensor_each() -> None:
    rows = [{"k": 7, "t": MS, "s": "x", "v": 1}, {"k": 7, "t": MS, "s": "z", "v": 2}, {"k": 7, "t": MS, "s": "y"}]
    decoded = Decoder(LONG).decode([json.dumps(row).encode() for row in [*rows, {"k": 7, "t": MS, "v": 1}]])
    assert_frame_equal(
        decoded.frame,
        pl.DataFrame({"key": ["7", "7"], "time": [MS * 10**6] * 2, "sensor": ["x", "y"], "value": [1.0, None]}),
    )
    assert decoded.origins.tolist() == [0, 2]
    assert decoded.strange == {"z": 1}
    assert decoded.dead[0].reason == "no sensor 's'; it has 'k', 't', 'v'"


def test_without_key_and_time_all_is_of_one_asset_and_now() -> None:
    before = time.time_ns()
    decoded = Decoder(Shape(("x",))).decode([b'{"x": 1}', b'{"x": null, "k": "a"}'])
    assert decoded.frame["key"].to_list() == ["", ""]
    assert decoded.frame["x"].to_list() == [1.0, None]
    assert before <= decoded.frame["time"][0] <= time.time_ns()


def test_a_message_may_hold_several_lines_or_be_spread_over_some() -> None:
    two = message(t=MS + 1) + b"\n\n" + message(t=MS + 2) + b"\n"
    spread = json.dumps(json.loads(message(t=MS + 3)), indent=2).encode()
    for messages in ([message(), two, message(t=MS + 3)], [message(), two, spread]):
        decoded = Decoder(SHAPE).decode(messages)
        assert decoded.frame["time"].to_list() == [(MS + i) * 10**6 for i in range(4)]
        assert decoded.origins.tolist() == [0, 1, 1, 2]
        assert not decoded.dead


def test_a_large_message_is_not_looked_at() -> None:
    large = message(note="a" * 3_000)
    for payloads in ([message(), large, message()], b"\n".join([message(), large, message()])):
        decoded = Decoder(SHAPE, most_bytes=2_000).decode(payloads)
        assert decoded.frame.height == 2
        assert decoded.dead[0].payload == large
        assert "0.0 MB" in decoded.dead[0].reason
    assert Decoder(SHAPE, most_bytes=2_000).decode([message(), large, message()]).origins.tolist() == [0, 2]


def test_the_first_field_of_a_name_counts() -> None:
    twice = b'{"k": "a", "k": "b", "t": 1700000000, "x": 1, "x": 2}'
    assert rows_of(Decoder(SHAPE).decode([twice])) == rows_of(Decoder(SHAPE).decode([twice, b"{"]))


def test_sensors_of_nobody_are_found() -> None:
    messages = [message(z=1.0, site="north", on=True) if i % 2 else message() for i in range(1_000)]
    strange = Decoder(SHAPE).decode(messages).strange
    assert set(strange) == {"z"}
    assert 100 < strange["z"] < 900


def test_switches_are_read_at_once_after_the_first_call() -> None:
    draw = np.random.default_rng(0)
    messages = [message(x=bool(draw.integers(2))) for _ in range(500)]
    decoder = Decoder(SHAPE)
    assert rows_of(decoder.decode(messages)) == slow(messages)[0]
    assert rows_of(decoder.decode([*messages, message(x=0.5)])) == slow([*messages, message(x=0.5)])[0]

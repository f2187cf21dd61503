"""Plain JSON is read as Python reads it, to the bit, and nothing else is taken for plain."""

from __future__ import annotations

import json
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.stream.decoding.plain_json import PlainJson
from tocsin.stream.sources.base import Shape

SHAPE = Shape(("x", "a longer name", "z"), key="asset", time="at")
PLAIN = PlainJson(SHAPE)
BARE = PlainJson(Shape(("x",)))
FILLING = b'{"nothing": "%s"}' % (b"." * 64)
"""A line without any field of `BARE`, as short texts are left aside."""


def bits(texts: list[str]) -> list[int] | None:
    """Return the bits of numbers as they are read; None if one is not plain."""
    lines = [b'{"x":%s}' % text.encode() for text in texts]
    table = BARE.read(b"\n".join([*lines, FILLING]), len(texts) + 1)
    return None if table is None else [int(each) for each in table["x"][:-1].to_numpy().view(np.int64)]


def nearest(texts: list[str]) -> list[int]:
    """Return the bits of numbers as Python reads them."""
    return [int(each) for each in np.array([float(text) for text in texts]).view(np.int64)]


def halfway(draw: np.random.Generator) -> str:
    """Return a number exactly between two doubles."""
    value = Fraction(2 * int(draw.integers(1 << 52, 1 << 53)) + 1) * Fraction(2) ** int(draw.integers(-4, 8))
    whole, part = divmod(value, 1)
    return str(whole) if not part else f"{whole}.{int(part * 10**4):04d}".rstrip("0")


def test_numbers_are_the_nearest_doubles() -> None:
    draw = np.random.default_rng(11)
    values = [*draw.standard_normal(600), *(draw.standard_normal(600) * 10.0 ** draw.integers(-40, 40, 600))]
    texts = [repr(float(value)) for value in values]
    texts += [f"{w}e{q}" for w, q in zip(draw.integers(1, 2**63 - 1, 600), draw.integers(-64, 64, 600), strict=True)]
    texts += [f"{w}E{q:+d}" for w in (1, 5, 9007199254740993) for q in range(-64, 65)]
    exact = [text for text in (halfway(draw) for _ in range(600)) if sum(map(str.isdigit, text)) <= 19]
    assert len(exact) > 300
    assert bits(texts) == nearest(texts)
    assert bits(exact) == nearest(exact)


def test_zeros_keep_their_sign_where_they_have_one() -> None:
    texts = ["0", "0.0", "-0.0", "0e5", "-0.000", "0.00000000000000000000000001", "-0.1", "123456789012345678"]
    assert bits(texts) == nearest(texts)
    assert bits(["-0"]) == nearest(["0"])


@pytest.mark.parametrize(
    "text",
    ["01", "1.", ".5", "-", "+1", "1e", "1e+", "1e65", "1e-65", "1e00001", "0x1", "12345678901234567890", "1_0", "1 2",
     "0.12345678901234567891", "1.2345678901234567890", "NaN", "Infinity", "tru", "nul", "fals", "truf", '"1"', "[1]",
     "{}", ""],
)  # fmt: skip
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    assert bits(["1", text]) is None


def message(**fields: object) -> bytes:
    return json.dumps({"asset": "pump", "at": 17, "x": 1.5, "a longer name": -2, "z": None, **fields}).encode()


GOOD = message()


@pytest.mark.parametrize(
    "bad",
    [
        message(asset=None), message(asset=7), message(asset="\u00e9"), message(asset='"'), message(at=1.0),
        message(at=None), message(at=2**63), message(at="17"), message(x="1"), message(x=[1]), message(other={"x": 1}),
        message(other="\n"), GOOD[:-1], GOOD + b"}", GOOD + GOOD, GOOD + b",", b"[" + GOOD + b"]", b"17", b"{}",
        b'{"asset": "pump"}', GOOD.replace(b"{", b'{"x": 1, '), GOOD.replace(b":", b";"), GOOD.replace(b",", b"\n,"),
        GOOD.replace(b"}", b",}"), GOOD.replace(b'"x"', b"x"), GOOD.replace(b"pump", b"pu\x00mp"), b"\xff", b'{"',
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused(bad: bytes) -> None:
    assert PLAIN.read(b"\n".join([GOOD, GOOD]), 2) is not None
    assert PLAIN.read(b"\n".join([GOOD, GOOD, bad]), 3) is None
    assert PLAIN.read(b"\n".join([bad, GOOD, GOOD]), 3) is None


def test_the_last_field_counts_too() -> None:
    for name in SHAPE.features:
        last = b'{"asset": "pump", "at": 1, "%s":2}' % name.encode()
        table = PLAIN.read(b"\n".join([GOOD, GOOD, last]), 3)
        assert table is not None
        assert table.row(2) == ("pump", 1, *(2.0 if each == name else None for each in SHAPE.features))


def test_no_more_lines_are_read_than_asked_for() -> None:
    assert PLAIN.read(b"\n".join([GOOD] * 3), 2) is None


@pytest.mark.parametrize("names", [('a"b',), ("a\\b",), ("a\nb",), ("a", "a")])
def test_names_that_json_would_escape_are_left_to_others(names: tuple[str, ...]) -> None:
    assert PlainJson(Shape(names)).read(FILLING, 1) is None


plain = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=12)
numbers = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**19) + 1, 10**19 - 1), st.floats(-1e30, 1e30).map(lambda x: round(x, 9))
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"asset": plain, "at": st.integers(-(2**63) + 1, 2**63 - 1)},
            optional={"x": numbers, "a longer name": numbers, "z": numbers, "other": numbers, "a longer nam": plain},
        ),
        min_size=2,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]),
)
def test_fields_in_any_order_are_those_of_json(
    rows: list[dict[str, object]], order: Random, marks: tuple[str, str]
) -> None:
    lines = []
    for row in rows:
        items = list(row.items())
        order.shuffle(items)
        lines.append(json.dumps(dict(items), separators=marks).encode())
    table = PLAIN.read(b" " * 64 + b"\n \n" + b"\r\n".join(lines), len(lines))
    assert table is not None
    known = {"asset": str, "at": int, **dict.fromkeys(SHAPE.features, float)}
    expected = [
        tuple(None if row.get(name) is None else kind(row[name]) for name, kind in known.items()) for row in rows
    ]
    assert table.select(*known).rows() == expected

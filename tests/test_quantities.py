"""Durations, sizes and rates: read as people write them, or refused in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ParameterError
from tocsin.quantities import Rate, seconds, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200ms", 0.2),
        (" 10 s ", 10.0),
        ("1.5h", 5400.0),
        ("2 hours 30 minutes", 9000.0),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("5M", 300.0),
        (".5 min", 30.0),
        ("0", 0.0),
        ("0.0", 0.0),
        ("250µs", 0.00025),
        ("10 Days", 864_000.0),
    ],
)
def test_durations(text, expected):
    assert seconds(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "10", "ten s", "-1s", "1s later", "1e3s", "s", "nan s", "9" * 400 + "s", "1 parsec"]
)
def test_no_durations(text):
    with pytest.raises(ParameterError, match="no duration") as caught:
        seconds(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512", 512),
        ("10GB", 10**10),
        ("1.5kB", 1500),
        ("1 KiB", 1024),
        ("2g", 2 * 10**9),
        ("1TiB", 2**40),
        ("3 bytes", 3),
    ],
)
def test_sizes(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "10 apples", "1e9", "nan", "9" * 400])
def test_no_sizes(text):
    with pytest.raises(ParameterError, match="no size"):
        size(text)


@pytest.mark.parametrize("text", ["20/day", "20 / d", "20 per day", "20/Days"])
def test_rates(text):
    assert Rate.of(text) == Rate(20.0, 86_400.0)
    assert str(Rate.of(text)) == "20/day"


@pytest.mark.parametrize("text", ["", "20", "/day", "20/", "-20/day", "20/year", "many/day", "9" * 400 + "/day"])
def test_no_rates(text):
    with pytest.raises(ParameterError, match="no rate"):
        Rate.of(text)


def said(reads, text):
    try:
        reads(text)
    except ParameterError as error:
        return str(error)
    return ""


@given(st.text(max_size=12))
def test_anything_else_is_refused_in_one_line(text):
    for reads in (seconds, size, Rate.of):
        assert len(said(reads, text).splitlines()) <= 1

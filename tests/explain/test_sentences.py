"""Sentences that a person can read aloud."""

from __future__ import annotations

import polars as pl
import pytest

from tocsin.explain.sentences import plain, sentence

BASE = {
    "feature": "vibration",
    "value": 97.31,
    "low": 21.0,
    "high": 42.617,
    "direction": "above",
    "tail_probability": 1 / 1441,
    "limit": 55.1,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {},
            "vibration was 97.31, above its usual 21 to 42.62; about 1 reading in 1441 is as high. "
            "At 55.1 there would have been no alert.",
        ),
        (
            {"value": -3.0, "direction": "below", "limit": None},
            "vibration was -3, below its usual 21 to 42.62; about 1 reading in 1441 is as low.",
        ),
        (
            {"value": 42.0, "tail_probability": 0.1, "limit": None},
            "vibration was 42, near the upper end of its usual 21 to 42.62; about 1 reading in 10 is as high.",
        ),
        (
            {"low": 0.0, "high": 0.0, "limit": 0.0},
            "vibration was 97.31, above its usual 0; about 1 reading in 1441 is as high. "
            "At 0 there would have been no alert.",
        ),
        (
            {"value": 25.0, "tail_probability": 0.9, "limit": None, "direction": "below"},
            "vibration was 25, near the lower end of its usual 21 to 42.62.",
        ),
    ],
)
def test_sentence(change, said):
    frame = pl.DataFrame([{**BASE, **change}], schema_overrides={"limit": pl.Float64})
    assert frame.select(sentence()).item() == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0.0, "0"),
        (5.0, "5"),
        (-12.34567, "-12.35"),
        (123456.7, "123457"),
        (0.01234567, "0.01235"),
        (1.23456e-7, "1.23e-7"),
        (1e22, "1e+22"),
    ],
)
def test_plain_numbers(number, said):
    assert pl.DataFrame({"x": [number]}).select(plain("x")).item() == said

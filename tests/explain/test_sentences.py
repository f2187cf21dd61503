"""Sentences that a person can read aloud."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from tocsin import ECOD, PCA
from tocsin.explain.sentences import decimals, plain, sentences

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
            "vibration was 25, within its usual 21 to 42.62.",
        ),
        (
            {"value": 30.0, "tail_probability": 0.6, "limit": 28.0},
            "vibration was 30, high for the other features, within its usual 21 to 42.62. "
            "At 28 there would have been no alert.",
        ),
        (
            {"value": 30.0, "tail_probability": 0.3, "limit": 33.0, "direction": "below"},
            "vibration was 30, low for the other features, within its usual 21 to 42.62. "
            "At 33 there would have been no alert.",
        ),
        (
            {"tail_probability": 0.3, "limit": None},
            "vibration was 97.31, above its usual 21 to 42.62; about 1 reading in 3 is as high.",
        ),
    ],
)
def test_sentence(change, said):
    frame = pl.DataFrame([{**BASE, **change}], schema_overrides={"limit": pl.Float64})
    assert sentences(frame).item() == said


def test_a_broken_relation_of_usual_values_names_no_end_of_a_range():
    load = np.random.default_rng(0).normal(size=(500, 1))
    detector = PCA().fit(load + 0.05 * np.random.default_rng(1).normal(size=(500, 3)))
    said = detector.explain([[-0.5, 0.5, -0.5]], top=1)["sentence"].item()
    assert said.startswith("x1 was 0.5, high for the other features, within its usual ")
    assert " is as " not in said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0.0, "0"),
        (5.0, "5"),
        (-12.34567, "-12.35"),
        (123456.7, "123457"),
        (0.01234567, "0.01235"),
        (1.23456e-7, "1.235e-7"),
        (-0.0, "0"),
        (1e22, "1e+22"),
    ],
)
def test_plain_numbers(number, said):
    assert said_of(number) == said


@pytest.mark.parametrize(
    ("number", "gap", "said"),
    [
        (26.0949, 30.0, "26.09"),
        (26.0949, 0.02, "26.095"),
        (101325.3, 0.3, "101325.3"),
        (1 / 3, 1e-30, "0.333333333333333"),
        (0.0, 1e-9, "0"),
    ],
)
def test_numbers_that_lie_close_show_more_digits(number, gap, said):
    assert said_of(number, gap) == said


def said_of(number, gap=None):
    column = pl.lit(number, pl.Float64)
    return pl.select(plain(column, decimals(column, pl.lit(gap, pl.Float64)))).item()


SCALES = {
    "narrow": lambda rng, size: rng.normal(100, 0.05, size),
    "pressure": lambda rng, size: rng.normal(101325, 0.3, size),
    "mains": lambda rng, size: rng.normal(50, 0.0003, size),
    "tiny": lambda rng, size: rng.normal(0, 1e-7, size),
    "huge": lambda rng, size: rng.normal(1e17, 1e13, size),
    "cauchy": lambda rng, size: rng.standard_cauchy(size),
    "lattice": lambda rng, size: rng.gamma(2, 1, size).round(1),
    "constant": lambda rng, size: np.where(rng.random(size) < 0.002, rng.normal(50, 1, size), 0.12345678901),
    "far": lambda rng, size: np.where(rng.random(size) < 0.01, 2e5, rng.normal(100050.5, 0.03, size)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("scale", SCALES)
def test_what_a_sentence_says_is_true(scale, width, dtype):
    """The printed numbers alone, put back, are outside the range and no alert."""
    matrix = SCALES[scale](np.random.default_rng(7), (2000, width)).astype(dtype)
    detector = ECOD(contamination=0.02).fit(matrix)
    alerts = matrix[detector.predict(matrix) == 1]
    told = detector.explain(alerts, top=width).filter(pl.col("limit").is_not_null())
    assert len(told) > 0
    mended = []
    for row in told.iter_rows(named=True):
        numbers = re.findall(r"(?:was|usual|to|At) (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)", row["sentence"])
        value, *usual, limit = map(float, numbers)
        assert value != limit
        if not row["low"] <= row["value"] <= row["high"]:
            assert not usual[0] <= value <= usual[-1]
        if not row["low"] < row["limit"] < row["high"]:  # inside, it may be that one value alone is no alert
            reading = alerts[row["row"]].copy()
            reading[int(row["feature"][1:])] = limit
            mended.append(reading)
    assert len(mended) > 0
    assert not detector.predict(np.array(mended)).any()

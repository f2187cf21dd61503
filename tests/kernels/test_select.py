"""Counting digits finds order statistics exactly, whatever the values and however they are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels import select


def find(parts, rank, center=None):
    prefix = 0
    for step in range(select.PASSES):
        counts = np.zeros((1, 1 << select.DIGIT_BITS), np.int64)
        for part in parts:
            known = np.array([prefix], np.uint64)
            select.count_digits(part, center or 0.0, center is not None, known, step, counts)
        upto = counts[0].cumsum()
        digit = int(np.searchsorted(upto, rank, side="right"))
        rank -= upto[digit - 1] if digit else 0
        prefix = prefix << select.DIGIT_BITS | digit
    return select.value_of(np.uint64(prefix))


@settings(max_examples=20)
@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.data())
def test_any_value_at_any_rank(values, data):
    x = np.array(values)
    present = np.sort(x[~np.isnan(x)])
    if not len(present):
        return
    rank = data.draw(st.integers(0, len(present) - 1))
    cut = data.draw(st.integers(0, len(x)))
    for dtype in (np.float32, np.float64):
        assert find([x[:cut].astype(dtype), x[cut:].astype(dtype)], rank) == present[rank]
    if np.isfinite(present).all():
        assert find([x[:cut], x[cut:]], rank, 1.5) == np.sort(np.abs(present - 1.5))[rank]


def test_several_prefixes_are_counted_apart():
    x = np.array([1.0, -1.0, 1.0, 2.0, np.nan, -np.nan])
    keys = np.array([0xBFF0, 0xC000], np.uint64)
    counts = np.zeros((2, 1 << select.DIGIT_BITS), np.int64)
    select.count_digits(x, 0.0, False, keys, 1, counts)
    assert counts.sum(axis=1).tolist() == [2, 1]


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e300, -5e-324, np.inf])
def test_a_key_is_the_value_again(value):
    assert find([np.array([value])], 0) == value

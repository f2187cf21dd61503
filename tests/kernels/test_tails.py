"""Logarithms of many are those of one by one; few values are located and priced as many are."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.logarithm import minus_log
from tocsin.kernels.tails import (
    STEPWISE,
    locate,
    locate_few,
    pad_knots,
    rarer_shares,
    slots_for,
    tail_share,
)


def test_logarithms_are_good_to_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.random(2_000), 1.0 - rng.random(2_000) ** 8, 10.0 ** -rng.uniform(0, 300, 2_000), [1.0, 0.5]]
    )
    found = x.copy()
    minus_log(found, np.empty_like(x), np.empty_like(x))
    expected = -np.log(x)
    assert (np.abs(found - expected) <= 2 * np.spacing(np.abs(expected))).all()
    assert found[-2] == 0.0


@pytest.mark.parametrize("rows", [1, STEPWISE - 1, STEPWISE, 40])
@pytest.mark.parametrize("size", [1, 2, 7, 8, 100])
def test_few_values_are_found_where_many_are(size: int, rows: int):
    rng = np.random.default_rng(size * 100 + rows)
    knots = np.sort(rng.integers(0, size, size).astype(float))
    x = np.concatenate([rng.choice(knots, rows), rng.uniform(-1, size + 1, rows), [np.nan]])[-rows - 1 :]
    for values in (x, rng.choice(knots, rows)):
        width = slots_for(size)
        padded, many, few = np.empty(width + 1), np.empty(len(values), np.uint32), np.empty(len(values), np.uint32)
        pad_knots(knots, width, padded)
        locate(values, padded, width, many)
        locate_few(values, knots, width, few)
        np.testing.assert_array_equal(few, many)


@pytest.mark.parametrize("learned", [False, True])
def test_the_rarer_share_is_the_smaller_of_both_tails_bit_for_bit(learned: bool):
    rng = np.random.default_rng(3)
    upto = np.cumsum(rng.integers(1, 9, 60)).astype(float)
    below = np.append(0.0, upto[:-1])
    total = float(upto[-1])
    lows, highs = np.append(0.0, upto), np.append(below, total)
    expected = [
        min(tail_share(below, upto, total, u, side, learned) for side in (False, True)) for u in range(len(lows))
    ]
    found = np.empty(len(lows))
    rarer_shares(lows, highs, np.full(len(lows), total), learned, found)
    np.testing.assert_array_equal(found, expected)
    rarer_shares(np.array([0.25]), np.array([-1.0]), np.array([9.0]), learned, found[:1])
    assert found[0] == 0.25

"""Sketches keep their promise: the bounds hold the truth and are as narrow as stated, after anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.sketch import COMPLETE, grid, merge, quantile, thin


def ratio(error):
    return (1 + error) / (1 - error)


@pytest.mark.parametrize("error", [0.0, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("count", [1, 2, 17, 256, 257, 300, 1440, 20_000])
def test_grid_is_what_thin_keeps(count, error):
    upto = np.arange(1.0, count + 1)
    keep = np.empty(count, np.int64)
    kept = thin(upto - 1, upto, float(count), ratio(error), 0.0, keep)
    np.testing.assert_array_equal(grid(count, ratio(error)), keep[:kept] + 1)


def test_grid_keeps_few_and_the_ends():
    ranks = grid(1440, ratio(0.05))
    assert len(ranks) <= 100
    assert ranks[:9].tolist() == list(range(1, 10))
    assert ranks[-9:].tolist() == list(range(1432, 1441))
    assert len(grid(COMPLETE, ratio(0.05))) == COMPLETE
    assert len(grid(10_000_000, ratio(0.05))) < 300


def sketch_of(values, weights, error, slack=0.0):
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    below = np.concatenate([[0.0], upto[:-1]])
    keep = np.empty(len(values), np.int64)
    kept = keep[: thin(below, upto, upto[-1] if len(upto) else 0.0, ratio(error), slack, keep)]
    return values[order][kept], below[kept], upto[kept], float(weights.sum())


def merged(a, b, scale, error, slack=0.0):
    size = len(a[0]) + len(b[0])
    knots, below, upto = np.empty(size), np.empty(size), np.empty(size)
    merge(*a, scale, *b, knots, below, upto)
    total = a[3] * scale + b[3]
    keep = np.empty(size, np.int64)
    kept = keep[: thin(below, upto, total, ratio(error), slack, keep)]
    return knots[kept], below[kept], upto[kept], total


def check(sketch, values, weights, error, slack, around):
    """The true weight on either side of any point lies within the bounds, and these within the ratio."""
    knots, below, upto, total = sketch
    assert total == pytest.approx(weights.sum(), rel=1e-9)
    for x in around:
        u, strictly = np.searchsorted(knots, x, side="right"), np.searchsorted(knots, x, side="left")
        low = upto[u - 1] if u else 0.0
        high = below[u] if u < len(knots) else total
        assert low - 1e-6 <= weights[values <= x].sum() <= high + 1e-6
        under = upto[strictly - 1] if strictly else 0.0
        over = below[strictly] if strictly < len(knots) else total
        assert under - 1e-6 <= weights[values < x].sum() <= over + 1e-6
        assert high + slack <= ratio(error) * (low + slack) + 1e-6
        assert total - under + slack <= ratio(error) * (total - over + slack) + 1e-6


@st.composite
def batches(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = st.sampled_from(["normal", "heavy", "tied", "trend"])
    made = []
    for step, size in enumerate(draw(st.lists(st.integers(1, 400), min_size=1, max_size=8))):
        kind = draw(kinds)
        if kind == "normal":
            made.append(rng.normal(size=size))
        elif kind == "heavy":
            made.append(rng.standard_cauchy(size))
        elif kind == "tied":
            made.append(rng.integers(0, 6, size).astype(float))
        else:
            made.append(step + np.linspace(0, 1, size))
    return made


@given(batches(), st.sampled_from([0.02, 0.05, 0.2]), st.sampled_from([1.0, 0.9, 0.5]))
def test_any_sequence_of_updates(parts, error, scale):
    slack = 0.0 if scale == 1.0 else 1.0
    values, weights = parts[0], np.ones(len(parts[0]))
    sketch = sketch_of(values, weights, error, slack)
    for part in parts[1:]:
        rows = sketch_of(part, np.ones(len(part)), 0.0)
        sketch = merged(sketch, rows, scale, error, slack)
        values, weights = np.concatenate([values, part]), np.concatenate([weights * scale, np.ones(len(part))])
    around = np.concatenate([values[::7], values[::11] + 1e-3, [-1e9, 1e9]])
    check(sketch, values, weights, error, slack, around)


@given(batches(), st.sampled_from([0.02, 0.05, 0.2]))
def test_any_tree_of_merges(parts, error):
    sketches = [sketch_of(part, np.ones(len(part)), error) for part in parts]
    while len(sketches) > 1:
        sketches.append(merged(sketches.pop(0), sketches.pop(0), 1.0, error))
    values = np.concatenate(parts)
    around = np.concatenate([values[::7], values[::11] + 1e-3, [-1e9, 1e9]])
    check(sketches[0], values, np.ones(len(values)), error, 0.0, around)


def test_many_small_updates_stay_small():
    rng = np.random.default_rng(0)
    sketch = sketch_of(rng.normal(size=1440), np.ones(1440), 0.05)
    for _ in range(300):
        part = rng.normal(size=20)
        sketch = merged(sketch, sketch_of(part, np.ones(20), 0.0), 1.0, 0.05)
    assert len(sketch[0]) < 2.5 * len(grid(1440 + 6000, ratio(0.05)))


@given(st.integers(1, 256), st.floats(0, 1))
def test_quantile_of_a_complete_sketch_is_numpys(count, share):
    values = np.sort(np.random.default_rng(count).normal(size=count))
    upto = np.arange(1.0, count + 1)
    assert quantile(values, upto - 1, upto, float(count), share) == pytest.approx(np.quantile(values, share), abs=1e-12)

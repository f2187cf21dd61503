"""Surprises are those of books and distances kept as lists, limits are exact, and alerts rest."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import novelty as reference
from tocsin.kernels import novelty as kernels


def fresh(values, offsets, block=3, length=2, keep=8):
    cells = len(values) * (len(offsets) - 1)
    memory = kernels.Memory(
        np.empty((cells, 2)),
        np.zeros((cells, 1), np.int64),
        np.zeros((cells, block)),
        np.zeros((cells, block * length)),
        np.zeros((cells, 2 + length, keep), np.float32),
        np.full((cells, 3, keep), kernels.NEVER, np.int32),
        np.zeros((cells, 3), np.int64),
        np.zeros((cells, 3, kernels.CLASSES), np.uint32),
    )
    kernels.settle(values, offsets, memory.place)
    return memory


def follow(values, offsets, memory, most=None, goals=None):
    surprises, none = np.empty(values.shape), np.empty((len(values), 0))
    found = np.full(values.shape, np.nan)
    asked = kernels.Asked(none, np.empty(0), none) if most is None else kernels.Asked(most, goals, found)
    kernels.follow(values, offsets, True, memory, asked, surprises)
    return surprises, found


def wandering(rows, seed):
    rng = np.random.default_rng(seed)
    x = np.where(np.arange(rows) // 9 % 2 == 0, 5.0, 8.0) + np.round(rng.normal(0.0, 0.5, rows), 1)
    x[rng.integers(0, rows, 3)] += 40.0
    x[rng.integers(0, rows, 3)] = np.nan
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("keep", [4, 64])
def test_surprises_are_those_of_lists(keep, dtype):
    values = np.stack([wandering(120, 0), wandering(120, 1)]).astype(dtype)
    offsets = np.array([0, 80, 120])
    memory = fresh(values, offsets, keep=keep)
    surprises, _ = follow(values, offsets, memory)
    for asset in range(2):
        for feature in range(2):
            rows = slice(offsets[asset], offsets[asset + 1])
            x = values[feature, rows].astype(np.float64)
            center, unit = memory.place[asset * 2 + feature]
            expected, _ = reference.novelty(x, center, unit, block=3, length=2, keep=keep)
            np.testing.assert_allclose(surprises[feature, rows], expected, atol=1e-12)
    assert memory.written.max() > 4
    assert surprises.max() > 2.5


def test_training_counts_distances_once_books_are_full():
    x, offsets, sizes = wandering(120, 5), np.array([0, 120]), {"block": 3, "length": 2, "keep": 8}
    memory, surprises = fresh(x[None], offsets), np.empty((1, 120))
    kernels.begin(x[None], offsets, memory, surprises)
    _, books = reference.novelty(x, *memory.place[0], **sizes)
    expected, _ = reference.novelty(x, *memory.place[0], **sizes, books=books)
    np.testing.assert_allclose(surprises[0], expected, atol=1e-12)
    assert memory.seen[0, 0] == np.isfinite(x).sum()
    assert memory.reached[0, 0, 0] == np.isfinite(x).sum()


def test_going_on_is_as_going_at_once():
    x = wandering(90, 2)[None]
    memory, again = (fresh(x, np.array([0, 90])) for _ in range(2))
    whole, _ = follow(x, np.array([0, 90]), memory)
    first, _ = follow(x[:, :33], np.array([0, 33]), again)
    then, _ = follow(np.ascontiguousarray(x[:, 33:]), np.array([0, 57]), again)
    np.testing.assert_array_equal(np.hstack([first, then]), whole)
    for one, other in zip(memory, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_limit_is_the_nearest_value_that_surprises_no_more():
    x = np.append(wandering(80, 3), 21.0)
    x[70:80] = 5.0
    offsets, most, goals = np.array([0, 81]), np.full((1, 81), np.nan), np.array([5.0])
    most[0, 80] = 1.5
    before, found = follow(x[None], offsets, fresh(x[None], offsets), most, goals)
    limit = found[0, 80]
    assert np.isnan(found[0, :80]).all()
    assert before[0, 80] > 1.5
    assert 5.0 < limit < 21.0
    place = fresh(x[None], offsets).place
    for value, loud in ((limit, False), (np.nextafter(limit, 99.0), True)):
        tried = np.append(x[:80], value)
        memory = fresh(x[None], offsets)
        np.testing.assert_array_equal(memory.place, place)
        assert (follow(tried[None], offsets, memory)[0][0, 80] > 1.5) == loud


def test_of_a_constant_every_other_value_is_news_once():
    x = np.full(60, 7.0)
    x[[40, 50]] = 7.1
    surprises, _ = follow(x[None], np.array([0, 60]), fresh(x[None], np.array([0, 60])))
    assert surprises[0, 40] > 1.5
    assert surprises[0, :40].max() == 0.0
    assert surprises[0, 50] < 1.0


def test_numbers_of_any_size_are_told_apart_or_not():
    x = np.array([[1e200, -1e200, 1e308, 0.0, 1e-308, 0.0, -1e308]])
    memory = fresh(x[:, 3:6], np.array([0, 3]))
    with np.errstate(over="ignore"):
        surprises, _ = follow(x, np.array([0, 7]), memory)
    assert np.isfinite(surprises).all()
    assert np.isfinite(memory.books).all()


def test_rows_after_an_alert_are_held():
    scores = np.array([1.0, 3.0, 4.0, 1.0, 5.0, 3.0, 3.0])
    resting = np.array([[2, 0], [2, 1]])
    kernels.silence(scores, np.array([0, 5, 7]), 2.0, resting)
    assert scores.tolist() == [1.0, 3.0, 2.0, 1.0, 5.0, 2.0, 3.0]
    assert resting.tolist() == [[2, 2], [2, 2]]

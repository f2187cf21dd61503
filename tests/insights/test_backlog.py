"""Rows that wait are given once, asset by asset, in the order in which they came."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.insights.backlog import Backlog, Rows

N = 6
STEP = st.tuples(
    st.booleans(),
    st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True).map(sorted),
)


def rows(number: int, slots: list[int]) -> Rows:
    """Return a batch that has one row of some slots; its times say which."""
    count = len(slots)
    times = 100 * number + np.array(slots)
    return Rows(np.array(slots), np.arange(count + 1), times, times / 2.0, times % 2 == 0, times[None] / 4.0)


def taken(backlog: Backlog, slots: np.ndarray) -> dict[int, list[int]]:
    """Return the times of the rows of each slot."""
    found = backlog.take(slots)
    np.testing.assert_array_equal(found.score, found.times / 2.0)
    np.testing.assert_array_equal(found.alert, found.times % 2 == 0)
    np.testing.assert_array_equal(found.values, found.times[None] / 4.0)
    assert found.slots.tolist() == slots.tolist()
    parts = np.split(found.times, found.offsets[1:-1])
    return {slot: part.tolist() for slot, part in zip(slots.tolist(), parts, strict=True)}


@given(steps=st.lists(STEP, max_size=30))
def test_each_row_is_given_once_in_its_order(steps: list[tuple[bool, list[int]]]) -> None:
    backlog, came, given_ = Backlog(), [list[int]() for _ in range(N)], [list[int]() for _ in range(N)]
    for number, (adds, slots) in enumerate(steps):
        if adds:
            backlog.add(rows(number, slots))
            for slot in slots:
                came[slot].append(100 * number + slot)
        else:
            asked = np.array(slots)
            waiting = backlog.waiting(asked)
            assert waiting.tolist() == [slot for slot in asked.tolist() if len(came[slot]) > len(given_[slot])]
            if len(waiting):
                for slot, times in taken(backlog, waiting).items():
                    given_[slot] += times
            assert all(given_[slot] == came[slot] for slot in asked.tolist())
            assert not len(backlog.waiting(asked))
    left = backlog.waiting(np.arange(N))
    for slot, times in taken(backlog, left).items() if len(left) else ():
        given_[slot] += times
    assert given_ == came
    assert len(backlog) == 0


def test_a_batch_goes_when_all_of_its_assets_were_taken() -> None:
    backlog = Backlog()
    for number, slots in enumerate([[0, 1], [1, 2], [0, 2]]):
        backlog.add(rows(number, slots))
    lengths = []
    for slot in (1, 0, 2):
        assert len(taken(backlog, np.array([slot]))[slot]) == 2
        lengths.append(len(backlog))
    assert lengths == [3, 2, 0]

"""How unlike all that was seen before a feature's value, its level and its course are, learned from row to row.

Each of the three views has a book of what was new in it, and counts how far from their nearest in the book things were.
What resembles an entry is not written down, so that a book stays short however long a stream is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import variance
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

VALUE, LEVEL, COURSE = range(3)
VIEWS = 3
NEW = 1.0
"""How surprising a thing must be, as a power of ten, to be written down: the most distant tenth."""
FINENESS = 8
"""Into how many classes distances are counted between one and twice as much."""
NEAREST, FARTHEST = -20, 12
"""The least and the largest distance that are told apart, as powers of two, in standard deviations."""
CLASSES = (FARTHEST - NEAREST) * FINENESS + 1
"""Class 0 is of all distances under the least."""
ABSENT, FIRST = -2, -1
"""The class of a thing that cannot be seen yet, and of one with which nothing can be compared yet."""
NEVER = -1
"""The mark of an entry that is still empty."""
CONSTANT = 1e-9
"""The unit of a feature that was constant, as a share of its value."""
LARGEST = 1e30
"""The largest number of units that is told apart; it fits into single precision."""
STEPS = 32
"""At how many places between a value and the usual one it is tried before the nearest is made exact."""


class Memory(NamedTuple):
    """What is known of each cell (asset by feature), the first axis of all arrays.

    `place` is the centre and the unit of readings, (2,), and `seen` how many there were, (1,). `readings` (block,) and
    `levels` (block * length,) are the latest ones, in rings. `books` (2 + length, keep) hold a value, a level and a
    course in each column, and `marks` (VIEWS, keep) the reading at which each was written; `written` (VIEWS,) counts
    them, and the oldest make room. `reached` (VIEWS, CLASSES) counts the distances of each class and of those above it.
    """

    place: Floats
    seen: NDArray[np.int64]
    readings: Floats
    levels: Floats
    books: NDArray[np.float32]
    marks: NDArray[np.int32]
    written: NDArray[np.int64]
    reached: NDArray[np.uint32]


class Look(NamedTuple):
    """What a reading looks like: its views in one column (2 + length,), and the class and surprise of each (VIEWS,)."""

    views: Floats
    classes: NDArray[np.int64]
    surprise: Floats
    room: Floats


class Asked(NamedTuple):
    """Limits to be found: the largest surprise that is no alert, (n_features, n_rows), NaN where nothing is asked.

    `goals` (n_cells,) is where a value is usual, and `found` has the shape of `most`.
    """

    most: Floats
    goals: Floats
    found: Floats


@kernel
def settle(values: NDArray[Any], offsets: NDArray[np.int64], place: Floats) -> None:
    """Write the centre and the unit of each cell's readings, (n_cells, 2)."""
    moments = np.empty((len(place), 3))
    variance.learn(values, offsets, moments)
    for cell in range(len(place)):
        weight = moments[cell, 0]
        center = moments[cell, 1] if weight > 0.0 else 0.0
        unit = np.sqrt(moments[cell, 2] / weight) if weight > 0.0 else 0.0
        smallest = CONSTANT * max(abs(center), 1.0)
        place[cell, 0], place[cell, 1] = center, unit if smallest < unit < np.inf else smallest


@kernel
def _one(memory: Memory, cell: int) -> Memory:
    """Return the memory of one cell, without the first axis."""
    return Memory(
        memory.place[cell],
        memory.seen[cell],
        memory.readings[cell],
        memory.levels[cell],
        memory.books[cell],
        memory.marks[cell],
        memory.written[cell],
        memory.reached[cell],
    )


@kernel
def _class_of(square: float) -> int:
    """Return the class of a squared distance."""
    if square == np.inf:
        return FIRST
    if square == 0.0:
        return 0
    found = int(np.floor((0.5 * np.log2(square) - NEAREST) * FINENESS)) + 1
    return min(max(found, 0), CLASSES - 1)


@kernel
def _surprise(found: int, reached: NDArray[np.uint32]) -> float:
    """Return how rare so large a distance was, as a power of ten; beyond all, twice as far is twice as rare."""
    if found < 0:
        return 0.0
    surprise = np.log10((reached[0] + 1.0) / (reached[found] + 1.0))
    if reached[found] == 0 and reached[0] > 0:
        largest = found - 1
        while reached[largest] == 0:
            largest -= 1
        surprise += np.log10(2.0) / FINENESS * (found - largest)
    return surprise


@kernel
def _nearest(
    views: Floats, books: NDArray[np.float32], marks: NDArray[np.int32], now: int, span: int, room: Floats
) -> float:
    """Return the squared distance from the nearest entry that is at least `span` readings away; infinity without."""
    room[:] = 0.0
    for part in range(len(views)):
        own, others = views[part], books[part]
        for i in range(len(room)):
            apart = own - others[i]
            room[i] += apart * apart
    best = np.inf
    for i in range(len(room)):
        if marks[i] != NEVER and abs(now - marks[i]) >= span and room[i] < best:
            best = room[i]
    return best


@kernel
def _look(x: float, own: Memory, look: Look) -> float:
    """Say what a next reading would look like, and return the largest surprise of its views."""
    block, ring, now = len(own.readings), len(own.levels), own.seen[0]
    scaled = min(max((x - own.place[0]) / own.place[1], -LARGEST), LARGEST)
    total = 0.0
    for i in range(block):
        total += scaled if i == now % block else own.readings[i]
    look.views[0], look.views[1], look.views[2] = scaled, total / block, total / block
    for part in range(1, ring // block):
        look.views[2 + part] = own.levels[(now - part * block) % ring]
    most, first, span = 0.0, 0, 1
    for view in range(VIEWS):
        last = len(look.views) if view == COURSE else first + 1
        look.classes[view], look.surprise[view] = ABSENT, 0.0
        if now >= span - 1:
            books = own.books[first:last]
            square = _nearest(look.views[first:last], books, own.marks[view], now, span, look.room)
            look.classes[view] = _class_of(square)
            look.surprise[view] = _surprise(look.classes[view], own.reached[view])
            most = max(most, look.surprise[view])
        first, span = last, block if view == VALUE else ring
    return most


@kernel
def _learn(own: Memory, look: Look, writes: bool) -> None:
    """Learn the reading that was looked at; what is new in it is written down if the memory `writes`."""
    now, keep, first = own.seen[0], own.marks.shape[1], 0
    for view in range(VIEWS):
        last = len(look.views) if view == COURSE else first + 1
        found = look.classes[view]
        if found >= 0:
            own.reached[view, : found + 1] += np.uint32(1)
        if writes and (found == FIRST or (found >= 0 and look.surprise[view] >= NEW)):
            column = own.written[view] % keep
            own.books[first:last, column] = look.views[first:last]
            own.marks[view, column] = now
            own.written[view] += 1
        first = last
    own.readings[now % len(own.readings)] = look.views[0]
    own.levels[now % len(own.levels)] = look.views[1]
    own.seen[0] = now + 1


@kernel
def _limit(x: float, goal: float, most: float, own: Memory, look: Look) -> float:
    """Return the value nearest to x, on the way to a usual one, that surprises no more than `most`; else NaN."""
    loud, quiet, reached = x, x, False
    for step in range(1, STEPS + 1):
        quiet = x + (goal - x) * (step / STEPS)
        if _look(quiet, own, look) <= most:
            reached = True
            break
        loud = quiet
    if not reached:
        return np.nan
    while True:
        middle = quiet + (loud - quiet) / 2.0
        if middle in (quiet, loud):
            return quiet
        if _look(middle, own, look) <= most:
            quiet = middle
        else:
            loud = middle


@kernel
def follow(
    values: NDArray[Any], offsets: NDArray[np.int64], writes: bool, memory: Memory, asked: Asked, surprises: Floats
) -> None:
    """Write how surprising each value is, (n_features, n_rows), and learn it; a missing one says nothing.

    Unless it `writes`, distances are counted and books stay as they are. Limits are found where they are `asked` for,
    if its arrays are not empty. Cost: about half a nanosecond for each number in the books of a cell, a value, and some
    100 times that for a limit.
    """
    n_features, keep = values.shape[0], memory.marks.shape[2]
    look = Look(np.empty(memory.books.shape[1]), np.empty(VIEWS, np.int64), np.empty(VIEWS), np.empty(keep))
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            own = _one(memory, cell)
            for row in range(offsets[asset], offsets[asset + 1]):
                x = float(values[feature, row])
                if x != x:
                    surprises[feature, row] = 0.0
                    continue
                if asked.most.shape[1] > 0 and asked.most[feature, row] == asked.most[feature, row]:
                    asked.found[feature, row] = _limit(x, asked.goals[cell], asked.most[feature, row], own, look)
                surprises[feature, row] = _look(x, own, look)
                _learn(own, look, writes)


@kernel
def begin(values: NDArray[Any], offsets: NDArray[np.int64], memory: Memory, surprises: Floats) -> None:
    """Fill memories that know nothing, and write how surprising each value is among all of them.

    Books are filled first, and distances counted in a second walk: while books are short, distances are long, and for
    a long time no later one would be rare among these. A thing is then compared with later ones, too.
    """
    none = np.empty((len(values), 0))
    asked = Asked(none, np.empty(0), none)
    settle(values, offsets, memory.place)
    follow(values, offsets, True, memory, asked, surprises)
    memory.reached[:] = 0
    memory.seen[:] = 0
    follow(values, offsets, False, memory, asked, surprises)


@kernel
def silence(scores: Floats, offsets: NDArray[np.int64], threshold: float, resting: NDArray[np.int64]) -> None:
    """Hold the scores of the rows after an alert at the threshold.

    `resting` (n_assets, 2) is for how many rows, and for how many of the next ones, as it is after them on return.
    """
    for asset in range(len(offsets) - 1):
        for row in range(offsets[asset], offsets[asset + 1]):
            if resting[asset, 1] > 0:
                resting[asset, 1] -= 1
                scores[row] = min(scores[row], threshold)
            elif scores[row] > threshold:
                resting[asset, 1] = resting[asset, 0]

"""What is learned from one long series, in passes over it: by all cores, in bounded memory, however it is cut.

Sums are taken over blocks of fixed size and merged in their order, and order statistics are counted. So neither the
size of the chunks nor the number of threads changes a number, not even in its last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.zscore import location
from tocsin.errors import DataError
from tocsin.fleet.engines import local
from tocsin.fleet.report import Progress
from tocsin.kernels import deviation, mad, select, variance
from tocsin.tables.series import Series

T = TypeVar("T")
Floats = NDArray[np.float64]

CHUNK, TASK = 1 << 16, 1 << 20
"""Samples a chunk, unless the caller says otherwise, few enough to stay in cache; and samples a core takes in a row."""


class Meter:
    """Tells how far work has come, in samples, where each sample is looked at in several passes."""

    def __init__(self, progress: Progress | None, length: int, passes: float) -> None:
        self._progress, self._length, self._passes = progress, length, passes
        self._done = 0.0

    def add(self, samples: int, weight: float = 1.0) -> None:
        """Count samples of one pass, which may weigh more or less than others."""
        self._done += samples * weight
        if self._progress is not None:
            self._progress(min(int(self._done / self._passes), self._length), self._length)


@dataclass(frozen=True, slots=True)
class Passes:
    """A series, and how to pass over it.

    Parameters
    ----------
    series : Series
        What is read.
    chunk : int
        Samples a chunk, a multiple of the block over which sums are taken.
    threads : int, optional
        How many cores to use; default all.
    meter : Meter
        Who is told.
    """

    series: Series
    chunk: int
    threads: int | None
    meter: Meter

    def run(self, work: Callable[[int, int], T], weight: float = 1.0) -> Iterator[T]:
        """Yield the result of `work` on the ends of each chunk, in order.

        A core takes several small chunks in a row, so that handing them out costs little.
        """
        length, many = len(self.series), max(TASK // self.chunk, 1)

        def several(start: int) -> list[tuple[int, T]]:
            stop = min(start + many * self.chunk, length)
            ends = ((at, min(at + self.chunk, stop)) for at in range(start, stop, self.chunk))
            return [(end - at, work(at, end)) for at, end in ends]

        for results in local.run(range(0, length, many * self.chunk), several, self.threads):
            for samples, result in results:
                self.meter.add(samples, weight)
                yield result


def survey(passes: Passes) -> Floats:
    """Return weight, mean and sum of squares about the mean of what is not missing, shape (3,)."""

    def look(start: int, stop: int) -> Floats:
        blocks = np.empty((-(-(stop - start) // variance.BLOCK), 3))
        variance.blocks(passes.series.read(start, stop), blocks)
        return blocks

    moments = np.empty(3)
    variance.merged(np.concatenate(list(passes.run(look))), moments)
    return moments


def refuse_infinite(passes: Passes) -> None:
    """Raise the error that says where the first infinite value is, or that values are too large to be squared."""

    def look(start: int, stop: int) -> tuple[int, int]:
        rows = np.flatnonzero(np.isinf(passes.series.read(start, stop)))
        return len(rows), start + int(rows[0]) if len(rows) else -1

    found = list(passes.run(look))
    count = sum(number for number, _ in found)
    name = passes.series.name
    if not count:
        raise DataError(f"{name} holds values so large that their squares overflow; scale them down")
    first = min(place for _, place in found if place >= 0)
    raise DataError(
        f"{name} has {count:,} infinite value{'s' if count > 1 else ''}, the first at index {first:,}; "
        "infinite='missing' takes them as missing"
    )


def order_statistics(passes: Passes, ranks: Sequence[int], center: float | None = None) -> list[float]:
    """Return the values at ranks from 0, exactly; with `center` those of the distances from it."""
    passes = replace(passes, chunk=max(passes.chunk, TASK))  # counts are longer than a small chunk
    left = [int(rank) for rank in ranks]
    prefixes = [0] * len(left)
    for step in range(select.PASSES):
        known = np.unique(np.array(prefixes, np.uint64))

        def count(start: int, stop: int, known: NDArray[np.uint64] = known, step: int = step) -> NDArray[np.int64]:
            counts = np.zeros((len(known), 1 << select.DIGIT_BITS), np.int64)
            values = passes.series.read(start, stop)
            select.count_digits(values, center or 0.0, center is not None, known, step, counts)
            return counts

        counts = np.zeros((len(known), 1 << select.DIGIT_BITS), np.int64)
        for part in passes.run(count):
            counts += part
        upto = counts.cumsum(axis=1)
        for i, (rank, prefix) in enumerate(zip(left, prefixes, strict=True)):
            own = upto[np.searchsorted(known, np.uint64(prefix))]
            digit = int(np.searchsorted(own, rank, side="right"))
            left[i] = rank - (int(own[digit - 1]) if digit else 0)
            prefixes[i] = prefix << select.DIGIT_BITS | digit
    return [select.value_of(np.uint64(prefix)) for prefix in prefixes]


def usual(moments: Floats) -> tuple[float, float]:
    """Return mean and standard deviation."""
    center, scale = location(moments[None, :], 1)
    return float(center.item()), float(scale.item())


def robust_usual(passes: Passes, present: int) -> tuple[float, float]:
    """Return median and scale of a series of which `present` samples are not missing, as `kernels.mad.robust` does."""
    middle = ((present - 1) // 2, present // 2)
    center = _between(order_statistics(passes, middle))
    scale = mad.NORMAL_MEDIAN * _between(order_statistics(passes, middle, center))
    if scale == 0.0:
        scale = mad.NORMAL_MEAN * _mean_distance(passes, center)
    return center, scale


def _between(values: Sequence[float]) -> float:
    return 0.5 * (values[0] + values[-1])


def _mean_distance(passes: Passes, center: float) -> float:
    def look(start: int, stop: int) -> Floats:
        blocks = np.empty((-(-(stop - start) // variance.BLOCK), 3))
        variance.blocks(np.abs(passes.series.read(start, stop) - np.float64(center)), blocks)
        return blocks

    moments = np.empty(3)
    variance.merged(np.concatenate(list(passes.run(look))), moments)
    return float(moments[1])


def scores(values: NDArray[np.floating], center: float, scale: float) -> Floats:
    """Return how many scales each value lies from the centre, by the kernel of the detectors of that kind."""
    found = np.empty(len(values))
    ends = np.array([0, len(values)], np.int64)
    deviation.score(values[None, :], ends, np.array([[center]]), np.array([[scale]]), found)
    return found

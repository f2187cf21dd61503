"""The seasonal naive forecast: what a reading was one cycle ago, and how far from that readings usually are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.charts import LARGEST, Told, steepness, tell
from tocsin.kernels.jit import kernel
from tocsin.kernels.mad import NORMAL_MEAN, NORMAL_MEDIAN
from tocsin.kernels.online_stl import median

SEEN, SCALE, SHARE = range(3)
"""How many differences were seen, their scale, and the mean of their bounded sizes in scales."""
NUMBERS = 3
BOUND = 3.0
"""How many scales a difference counts for at most in what is learned after training."""


class Cycles(NamedTuple):
    """The latest cycle of each feature of each asset, NaN where there was no reading, and what is known of differences.

    `last` has a cell's values from ``starts[cell]`` on, one for each point of its cycle; `numbers` has shape
    (n_cells, NUMBERS).
    """

    starts: NDArray[np.int64]
    last: NDArray[np.float64]
    numbers: NDArray[np.float64]


@kernel
def begin(values: NDArray[Any], offsets: NDArray[np.int64], ticks: NDArray[np.int64], cycles: Cycles) -> None:
    """Find the scale of each cell's differences: 1.4826 of their median size, or 1.2533 of the mean if that is 0."""
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        sizes = np.empty(last - first)
        for feature in range(n_features):
            cell = asset * n_features + feature
            held = cycles.last[cycles.starts[cell] : cycles.starts[cell + 1]]
            held[:] = np.nan
            count = 0
            for row in range(first, last):
                x, point = float(values[feature, row]), ticks[row] % len(held)
                if x != x:
                    continue
                if held[point] == held[point]:
                    sizes[count] = min(abs(x - held[point]), LARGEST)
                    count += 1
                held[point] = x
            scale = 0.0
            if count > 0:
                scale = NORMAL_MEDIAN * median(sizes[:count])
                scale = scale if scale > 0.0 else NORMAL_MEAN * float(np.mean(sizes[:count]))
            share = 1.0 / NORMAL_MEAN
            if scale > 0.0:
                share = float(np.mean(np.minimum(sizes[:count] / scale, BOUND)))
            numbers = cycles.numbers[cell]
            numbers[SEEN], numbers[SCALE], numbers[SHARE] = count, scale, share
            held[:] = np.nan


@kernel
def follow(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    ticks: NDArray[np.int64],
    learns: bool,
    least: float,
    cycles: Cycles,
    told: Told,
) -> None:
    """Go on over rows, and say of each value how many scales it is from the latest one at its point of the cycle.

    Parameters
    ----------
    ticks : (n_rows,) where each row stands in time, in sampling intervals
    learns : whether the scales follow, too
    least : the least share of a difference in them
    cycles : as they are after the rows on return
    """
    n_features = values.shape[0]
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            held, numbers = cycles.last[cycles.starts[cell] : cycles.starts[cell + 1]], cycles.numbers[cell]
            for row in range(offsets[asset], offsets[asset + 1]):
                x, point = float(values[feature, row]), ticks[row] % len(held)
                if x != x:
                    tell(told, feature, row, 0.0, 0.0, 0.0, 0.0)
                    continue
                before = held[point]
                held[point] = x
                if before != before:
                    tell(told, feature, row, x, x, 0.0, 0.0)
                    continue
                if numbers[SEEN] > 0.0:
                    tell(told, feature, row, x, before, steepness(numbers[SCALE]), 0.0)
                else:
                    tell(told, feature, row, x, x, 0.0, 0.0)
                if learns:
                    _learn_scale(min(abs(x - before), LARGEST), least, numbers)


@kernel
def _learn_scale(size: float, least: float, numbers: NDArray[np.float64]) -> None:
    """Move a scale towards one more difference, by its share among all that were seen, or the `least` if that is more.

    Of differences like those of training the scale does not move but by chance, however they are distributed.
    """
    numbers[SEEN] += 1.0
    share, scale = max(1.0 / numbers[SEEN], least), numbers[SCALE]
    if scale > 0.0:
        numbers[SCALE] = min(scale * (1.0 + share * (min(size / scale, BOUND) / numbers[SHARE] - 1.0)), LARGEST)
    else:
        numbers[SCALE] = share * NORMAL_MEAN * size

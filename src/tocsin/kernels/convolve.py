"""Filters and moving averages: the two loops in which a decomposition spends its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

_TILE = 512
_RESTART = 1024


@kernel
def add_filtered(x: Floats, taps: Floats, stride: int, out: Floats) -> None:
    """Add to `out[i]` the sum of `taps[j] * x[i + j * stride]`.

    Eight taps at a time go over a tile of `out` that stays in the nearest cache: 16 multiplications and additions a
    nanosecond, which is what the machine can do. Indices are unsigned, or the loops would not become vectors.
    """
    n, count, step = np.uint64(out.size), np.uint64(taps.size), np.uint64(stride)
    start, tile = np.uint64(0), np.uint64(_TILE)
    while start < n:
        stop = min(start + tile, n)
        j = np.uint64(0)
        while j + np.uint64(8) <= count:
            _add_eight(x, taps, j, step, out, start, stop)
            j += np.uint64(8)
        if j + np.uint64(4) <= count:
            _add_four(x, taps, j, step, out, start, stop)
            j += np.uint64(4)
        while j < count:
            tap, shift = taps[j], j * step
            for i in range(start, stop):
                out[i] += tap * x[i + shift]
            j += np.uint64(1)
        start = stop


@kernel
def _add_eight(
    x: Floats, taps: Floats, j: np.uint64, step: np.uint64, out: Floats, start: np.uint64, stop: np.uint64
) -> None:
    a, b, c, d = taps[j], taps[j + np.uint64(1)], taps[j + np.uint64(2)], taps[j + np.uint64(3)]
    e, f, g, h = taps[j + np.uint64(4)], taps[j + np.uint64(5)], taps[j + np.uint64(6)], taps[j + np.uint64(7)]
    shift = j * step
    for i in range(start, stop):
        k = i + shift
        left = (a * x[k] + b * x[k + step]) + (c * x[k + np.uint64(2) * step] + d * x[k + np.uint64(3) * step])
        right = e * x[k + np.uint64(4) * step] + f * x[k + np.uint64(5) * step]
        right += g * x[k + np.uint64(6) * step] + h * x[k + np.uint64(7) * step]
        out[i] += left + right


@kernel
def _add_four(
    x: Floats, taps: Floats, j: np.uint64, step: np.uint64, out: Floats, start: np.uint64, stop: np.uint64
) -> None:
    a, b, c, d = taps[j], taps[j + np.uint64(1)], taps[j + np.uint64(2)], taps[j + np.uint64(3)]
    shift = j * step
    for i in range(start, stop):
        k = i + shift
        out[i] += (a * x[k] + b * x[k + step]) + (c * x[k + np.uint64(2) * step] + d * x[k + np.uint64(3) * step])


@kernel
def moving_average(x: Floats, length: int, out: Floats) -> None:
    """Set `out[i]` to the mean of `x[i : i + length]`, for as many as fit.

    The sum is carried along, and begun afresh every so often, so that what a huge value leaves behind is soon gone.
    """
    n = x.size - length + 1
    fresh, share = max(_RESTART, 2 * length), 1.0 / length
    for start in range(0, n, fresh):
        total = 0.0
        for j in range(start, start + length):
            total += x[j]
        out[start] = total * share
        ahead, behind = x[start + length : min(start + fresh, n) + length - 1], x[start:]
        slot = out[start + 1 :]
        for i in range(ahead.size):
            total += ahead[i] - behind[i]
            slot[i] = total * share

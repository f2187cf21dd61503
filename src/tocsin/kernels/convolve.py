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

    A sum is carried along, and begun afresh every so often, so that what a huge value leaves behind is soon gone. Four
    stretches go side by side, because each sum waits for the one before.
    """
    n = x.size - length + 1
    most = 4 * max(_RESTART, length)
    for start in range(0, n, most):
        left = min(most, n - start)
        _four_means(x[start : start + left + length - 1], length, (left + 3) // 4, out[start : start + left])


@kernel
def _four_means(x: Floats, length: int, stretch: int, out: Floats) -> None:
    """Write the means in four stretches, of which the last begins early where they would be too long."""
    share, last = 1.0 / length, out.size - stretch
    one, two = min(stretch, last), min(2 * stretch, last)
    x0, x1, x2, x3 = x, x[one:], x[two:], x[last:]
    out0, out1, out2, out3 = out, out[one:], out[two:], out[last:]
    a = b = c = d = 0.0
    for i in range(length):
        a, b, c, d = a + x0[i], b + x1[i], c + x2[i], d + x3[i]
    out0[0], out1[0], out2[0], out3[0] = a * share, b * share, c * share, d * share
    for i in range(np.uint64(1), np.uint64(stretch)):
        j, k = i - np.uint64(1), i - np.uint64(1) + np.uint64(length)
        a, b, c, d = a + (x0[k] - x0[j]), b + (x1[k] - x1[j]), c + (x2[k] - x2[j]), d + (x3[k] - x3[j])
        out0[i], out1[i], out2[i], out3[i] = a * share, b * share, c * share, d * share

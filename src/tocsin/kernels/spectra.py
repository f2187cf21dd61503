"""The energy of the last rows in bands of frequencies, at each row.

The Fourier sum of a window at one frequency is that of its first half and, turned, that of its second. So it is put
together like the windows of `tocsin.kernels.windows`, all rows of a block side by side, at the cost of a fast Fourier
transform or less, for windows of any size, and each result comes from its own window alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

TILE = 512

Floats = NDArray[np.float64]


@kernel
def _join(near: Floats, far: Floats, other: Floats, cos: float, sin: float, out: Floats) -> None:
    """Write one part of pieces and of later ones turned back by an angle; `other` is the other part of these."""
    for i in range(len(out)):
        out[i] = near[i] + (far[i] * cos + other[i] * sin)


@kernel
def _transform(x: Floats, size: int, rows: int, turn: int, circle: Floats, work: Floats, out: Floats) -> None:
    """Write the Fourier sum of each window at `turn` cycles a window, real and imaginary, to the rows of `out`."""
    width, done = 1, 0
    re, im, next_re, next_im = work[0], work[1], work[2], work[3]
    re[: rows + size - 1] = x[: rows + size - 1]
    im[: rows + size - 1] = 0.0
    own_re, own_im = out[0, :rows], out[1, :rows]
    own_re[:], own_im[:] = 0.0, 0.0
    while True:
        if size & width:
            angle, end = turn * done % size, done + rows
            _join(own_re, re[done:end], im[done:end], circle[0, angle], circle[1, angle], own_re)
            _join(own_im, im[done:end], re[done:end], circle[0, angle], -circle[1, angle], own_im)
            done += width
        if 2 * width > size:
            return
        n, angle = rows + size - 2 * width, turn * width % size
        far_re, far_im = re[width : width + n], im[width : width + n]
        _join(re[:n], far_re, far_im, circle[0, angle], circle[1, angle], next_re[:n])
        _join(im[:n], far_im, far_re, circle[0, angle], -circle[1, angle], next_im[:n])
        re, im, next_re, next_im = next_re, next_im, re, im
        width *= 2


@kernel
def _add_power(
    before_re: Floats, before_im: Floats, at_re: Floats, at_im: Floats, after_re: Floats, after_im: Floats,
    scale: float, out: Floats,
) -> None:  # fmt: skip
    """Add the power of a frequency under a Hann window, from the sums at it and at its neighbours."""
    for i in range(len(out)):
        re = 0.5 * at_re[i] - 0.25 * (before_re[i] + after_re[i])
        im = 0.5 * at_im[i] - 0.25 * (before_im[i] + after_im[i])
        out[i] += (re * re + im * im) * scale


@kernel
def bands(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    size: int,
    limits: NDArray[np.int64],
    circle: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write the energy of the last `size` values in each band at each row that has so many.

    Parameters
    ----------
    values, offsets, chosen, out, out_offsets : arrays
        As in `tocsin.kernels.windows.statistics`. A window with a missing value gives NaN.
    limits : int64 array of shape (n_bands, 2)
        First and last frequency of each band, in cycles a window, from 0 to ``size // 2``.
    circle : float64 array of shape (2, size)
        Cosine and sine of the angles ``2 * pi * i / size``.
    targets : int64 array of shape (n_chosen, n_bands)

    Notes
    -----
    It is the power of a Hann window after the mean is taken away, one-sided, summed over the frequencies of the band:
    all frequencies together give the variance. Cost: some 4 ns a value and frequency for 64 rows.
    """
    tile = max(TILE, size)
    x, work = np.empty(tile + size), np.empty((4, tile + size))
    ring, energy = np.empty((3, 2, tile)), np.empty((len(limits), tile))
    lowest, highest = limits[:, 0].min(), limits[:, 1].max()
    whole = 8.0 / (3.0 * size * size)
    for asset in range(len(offsets) - 1):
        first, rows = offsets[asset], offsets[asset + 1] - offsets[asset] - (size - 1)
        for column in range(len(chosen)):
            for begin in range(0, rows, tile):
                n, to = min(tile, rows - begin), out_offsets[asset] + begin
                x[: n + size - 1] = values[chosen[column], first + begin : first + begin + n + size - 1]
                energy[:] = 0.0
                for turn in range(lowest - 1, highest + 2):
                    own = ring[(turn + 3) % 3]
                    if turn == 0:
                        own[:] = 0.0
                    else:
                        _transform(x, size, n, (turn + size) % size, circle, work, own)
                    at = turn - 1
                    if at < lowest:
                        continue
                    scale = whole if at == 0 or 2 * at == size else 2.0 * whole
                    for band in range(len(limits)):
                        if limits[band, 0] <= at <= limits[band, 1]:
                            before, now = ring[(at + 2) % 3], ring[at % 3]
                            _add_power(
                                before[0, :n], before[1, :n], now[0, :n], now[1, :n], own[0, :n], own[1, :n],
                                scale, energy[band, :n],
                            )  # fmt: skip
                for band in range(len(limits)):
                    out[targets[column, band], to : to + n] = energy[band, :n]

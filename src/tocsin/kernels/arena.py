"""Copy entries of differing lengths out of one large buffer and into it, where each asset's has a place of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def gather(
    values: NDArray[Any],
    starts: NDArray[np.int64],
    slots: NDArray[np.int64],
    out: NDArray[Any],
    offsets: NDArray[np.int64],
) -> None:
    """Copy the entries of some slots one after the other; `offsets` says where each begins in `out`."""
    for i in range(len(slots)):
        first, to = starts[slots[i]], offsets[i]
        for k in range(offsets[i + 1] - to):
            out[to + k] = values[first + k]


@kernel
def scatter(
    given: NDArray[Any],
    offsets: NDArray[np.int64],
    slots: NDArray[np.int64],
    values: NDArray[Any],
    starts: NDArray[np.int64],
) -> None:
    """Undo `gather`: copy entries to the places of their slots, which have room for them."""
    for i in range(len(slots)):
        first, to = offsets[i], starts[slots[i]]
        for k in range(offsets[i + 1] - first):
            values[to + k] = given[first + k]


@kernel
def append(
    given: NDArray[Any],
    offsets: NDArray[np.int64],
    firsts: NDArray[np.int64],
    counts: NDArray[np.int64],
    slots: NDArray[np.int64],
    values: NDArray[Any],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> None:
    """Add rows of a panel at the end of entries that hold rows, one after the other, and have room for them.

    Of the panel's asset ``i`` these are `counts[i]` rows from `firsts[i]` on, counted within the asset.
    """
    width = given.shape[0]
    for i in range(len(slots)):
        first, to = offsets[i] + firsts[i], starts[slots[i]] + sizes[slots[i]]
        for column in range(width):
            source = given[column]
            for k in range(counts[i]):
                values[to + k * width + column] = source[first + k]
        sizes[slots[i]] += counts[i] * width


@kernel
def transposed(rows: NDArray[Any], out: NDArray[Any]) -> None:
    """Write rows that lie one after the other, shape (n_rows * width,), as the features of a panel, (width, n_rows)."""
    width, n_rows = out.shape
    for row in range(n_rows):
        for column in range(width):
            out[column, row] = rows[row * width + column]

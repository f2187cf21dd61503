"""Put rows that come in any order of assets into the order of a panel, and find those that come too late."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

NEVER = np.iinfo(np.int64).min
"""The newest time of an asset of which nothing has come."""


@kernel
def count(slots: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Write how many rows each slot has; `counts` comes as zeros."""
    for row in range(len(slots)):
        counts[slots[row]] += 1


@kernel
def order(
    slots: NDArray[np.int64],
    times: NDArray[np.int64],
    bound: int,
    firsts: NDArray[np.int64],
    newest: NDArray[np.int64],
    rows: NDArray[np.int64],
    late: NDArray[np.bool_],
) -> None:
    """Group rows by slot in the order in which they came, and follow each slot's newest time.

    `firsts` says where each slot's rows begin, and is used up. A row is late if it lies more than `bound` before the
    newest one that came before it, of its own slot.
    """
    for row in range(len(slots)):
        slot, time = slots[row], times[row]
        rows[firsts[slot]] = row
        firsts[slot] += 1
        if newest[slot] == NEVER or time > newest[slot]:
            newest[slot] = time
        late[row] = time < newest[slot] - bound


@kernel
def pick(values: NDArray[Any], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Write the given rows of one column."""
    for i in range(len(rows)):
        out[i] = values[rows[i]]


@kernel
def pivot(cells: NDArray[np.int64], sensors: NDArray[np.int64], values: NDArray[np.float64], out: NDArray[Any]) -> None:
    """Write each value to its row and sensor; of several for one cell the last one stays."""
    for i in range(len(cells)):
        out[sensors[i], cells[i]] = values[i]

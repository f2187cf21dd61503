"""What values of a feature are usual, for detectors that do not keep its distribution anyway."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch
from tocsin.kernels.sketch import Cells, cell_of, longest


@kernel
def learn(values: NDArray[Any], offsets: NDArray[np.int64], ranks: NDArray[np.int64], cells: Cells) -> None:
    """Fill the knots of `cells` with the values at the given ranks.

    Cost: one sort of each cell, 5 to 8 ns a value.
    """
    n_features = values.shape[0]
    most = longest(offsets)
    work = scratch(most)
    rows, ordered = np.empty(most, np.int32), np.empty(most, values.dtype)
    for asset in range(len(offsets) - 1):
        for feature in range(n_features):
            cell = asset * n_features + feature
            argsort(values[feature, offsets[asset] : offsets[asset + 1]], work, rows, ordered)
            knots, _, _ = cell_of(cells, cell)
            for i in range(len(knots)):
                knots[i] = ordered[ranks[cells.bounds[cell] + i] - 1]

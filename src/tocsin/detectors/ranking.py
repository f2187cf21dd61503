"""Contributions of all features as those that weigh most, for detectors that have them all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.heaviest import name_heaviest
from tocsin.panel import Contributions


def named(parts: NDArray[np.float64], top: int | None) -> Contributions:
    """Return the `top` largest parts of each row with their features, or with None all in the order of the features."""
    n_rows, n_features = parts.shape
    if top == 0:
        return Contributions(np.empty((n_rows, 0), np.int32), np.empty((n_rows, 0)))
    shape = (n_rows, n_features if top is None else min(top, n_features))
    features, contributions = np.empty(shape, np.int32), np.empty(shape)
    name_heaviest(np.ascontiguousarray(parts.T), top is None, features, contributions)
    return Contributions(features, contributions)

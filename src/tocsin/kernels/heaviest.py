"""The features that weigh most in each row, from the contributions of all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def name_heaviest(
    parts: NDArray[np.float64], dense: bool, features: NDArray[np.int32], contributions: NDArray[np.float64]
) -> None:
    """Name the features with the largest `parts`, shape (n_features, n_rows), largest first; of equals the earlier.

    Results have shape (n_rows, top); where a part is 0 nothing is named, and the feature is -1. If `dense` there are as
    many columns as features, and these are in their own order.
    """
    n_features, n_rows = parts.shape
    top = features.shape[1]
    for row in range(n_rows):
        if dense:
            for feature in range(n_features):
                features[row, feature], contributions[row, feature] = feature, parts[feature, row]
            continue
        kept = 0
        for feature in range(n_features):
            part = parts[feature, row]
            if kept == top and not (top > 0 and part > contributions[row, top - 1]):
                continue
            place = kept if kept < top else top - 1
            while place > 0 and contributions[row, place - 1] < part:
                features[row, place] = features[row, place - 1]
                contributions[row, place] = contributions[row, place - 1]
                place -= 1
            features[row, place], contributions[row, place] = feature, part
            kept = min(kept + 1, top)
        for place in range(top):
            if place >= kept or contributions[row, place] == 0.0:
                features[row, place], contributions[row, place] = -1, 0.0

"""The features that weigh most in each row, from the contributions of all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def heaviest(parts: NDArray[np.float64], features: NDArray[np.int32], contributions: NDArray[np.float64]) -> None:
    """Name the largest parts of each row, largest first; of equals the earlier one, and none where a part is 0.

    Parameters
    ----------
    parts : ndarray of shape (n_rows, n_features)
    features, contributions : ndarray of shape (n_rows, top)
        Where to write; -1 and 0 where nothing is named.
    """
    n_rows, n_features = parts.shape
    top = features.shape[1]
    for row in range(n_rows):
        found = 0
        for feature in range(n_features):
            part = parts[row, feature]
            if found == top and not (top > 0 and part > contributions[row, top - 1]):
                continue
            place = found if found < top else top - 1
            while place > 0 and part > contributions[row, place - 1]:
                contributions[row, place] = contributions[row, place - 1]
                features[row, place] = features[row, place - 1]
                place -= 1
            contributions[row, place] = part
            features[row, place] = feature
            found = min(found + 1, top)
        for place in range(top):
            if place >= found or contributions[row, place] == 0.0:
                features[row, place] = -1
                contributions[row, place] = 0.0

"""How well scores rank anomalous rows above normal ones: both areas in one walk down the sorted scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.order import argsort, scratch


@kernel
def areas(labels: NDArray[np.int8], scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the area under the ROC curve and the average precision; rows with equal scores pass a threshold together.

    Parameters
    ----------
    labels : array of shape (n_rows,), int8
        1 anomalous, 0 normal; there must be both among the rows with a score.
    scores : array of shape (n_rows,), float64
        NaN is left out, infinity ranks where it belongs.
    """
    rows, ordered = np.empty(len(scores), np.int32), np.empty(len(scores))
    count = argsort(scores, scratch(len(scores)), rows, ordered)
    hits, false, hits_before, false_before = 0, 0, 0, 0
    under_roc, under_pr = 0.0, 0.0
    for at in range(count - 1, -1, -1):
        anomalous = labels[rows[at]] == 1
        hits += np.int64(anomalous)
        false += np.int64(not anomalous)
        if at == 0 or ordered[at - 1] != ordered[at]:
            under_roc += (false - false_before) * (hits + hits_before) / 2.0
            under_pr += (hits - hits_before) * (hits / (hits + false))
            hits_before, false_before = hits, false
    return under_roc / (float(hits) * float(false)), under_pr / hits

"""Faults put into one asset's readings, a row at a time."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.faults import CORRELATION, DRIFT, SHIFT, SPIKE, STUCK


def injected(values, kind, onset, end, source, size):
    """Return one feature's readings with one fault; what chance has a part in is NaN, to be judged by other means."""
    out = values.astype(np.float64)
    for row in range(onset, end):
        if np.isnan(values[row]):
            continue
        if kind in (SPIKE, SHIFT):
            out[row] += size
        elif kind == DRIFT:
            out[row] += size * (row + 1 - onset) / (end - onset)
        elif kind == STUCK:
            before = values[: onset + 1][~np.isnan(values[: onset + 1])]
            out[row] = before[-1] if len(before) else values[row]
        elif kind == CORRELATION:
            shown = values[source + row - onset]
            out[row] = values[row] if np.isnan(shown) else shown
        else:
            out[row] = np.nan
    return out


def correlations(values):
    """Return each feature's largest absolute correlation with another, over rows where neither is missing."""
    found = np.zeros(len(values))
    for i, x in enumerate(values):
        for j, y in enumerate(values):
            both = ~np.isnan(x) & ~np.isnan(y)
            if i != j and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
                found[i] = max(found[i], abs(np.corrcoef(x[both], y[both])[0, 1]))
    return found

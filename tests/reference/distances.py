"""Principal components, histograms and nearest neighbours as the formulas read."""

from __future__ import annotations

import numpy as np


def t2_and_q(z, loadings, variances):
    """Hotelling's T2 and the squared length of what the components leave over, of standard scores as rows."""
    along = z @ loadings.T
    return (along**2 / variances).sum(1), ((z - along @ loadings) ** 2).sum(1)


def neighbour_distances(query, rows, count):
    """Euclidean distances to the nearest rows; with gaps those of shared features, scaled to all of them."""
    found = []
    for one in query:
        squares = (rows - one) ** 2
        shared = (~np.isnan(squares)).sum(1)
        with np.errstate(all="ignore"):
            distances = np.sqrt(np.nansum(squares, axis=1) * rows.shape[1] / shared)
        found.append(np.sort(distances[shared > 0])[:count])
    return found


def histogram(x, exponent):
    """How many values lie in each bin of a grid of width 2**exponent, from that of the lowest value on."""
    places = np.floor(x[~np.isnan(x)] / 2.0**exponent).astype(int)
    return np.bincount(places - places.min())

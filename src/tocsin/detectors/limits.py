"""How far a feature would have had to be from where it was for its row to be no alert, found by trying."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tocsin.models import Models
from tocsin.panel import Panel

Floats = NDArray[np.float64]

STEPS = 32
"""At how many places between a value and the usual one a row is tried before the nearest is made exact."""


def limits(
    score: Callable[[Models, Panel], Floats],
    models: Models,
    panel: Panel,
    features: NDArray[np.int32],
    usual: Floats,
    rows: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return the nearest value of each named feature, on the way to its usual one, with which its row is no alert.

    For detectors that take each row by itself and whose score has no simple inverse: a row is scored with the feature
    at `STEPS` places on the way, and between the first place where it is no alert and the one before, the way is halved
    until two neighbouring numbers are left. A narrower gap than a step may be passed over.

    Parameters
    ----------
    score : callable
        Scores a panel by models, one number a row.
    models, panel
        Models of the panel's assets, and their rows.
    features : ndarray of shape (n_rows, top), int32
        The named features, -1 for none.
    usual : ndarray of shape (n_assets, n_features)
        Where each feature usually is, such as its median.
    rows : ndarray of shape (n_rows,), bool, optional
        Which rows are asked for; default those that are alerts. Others get NaN.

    Returns
    -------
    ndarray of shape (n_rows, top)
        NaN where no place on the way would do, or the row is no alert.

    Notes
    -----
    Cost: some 100 scores for each named feature of a row that is asked for.
    """
    found = np.full(features.shape, np.nan)
    assets = panel.asset_of_row
    over = score(models, panel) > models.threshold[assets]
    asked = over if rows is None else over & rows
    row, place = np.nonzero(asked[:, None] & (features >= 0))
    feature, asset = features[row, place], assets[row]
    start = panel.values[feature, row].astype(np.float64)
    goal = usual[asset, feature]
    known = np.isfinite(start) & np.isfinite(goal)
    row, place, feature, asset = row[known], place[known], feature[known], asset[known]
    start, goal = start[known], goal[known]
    if not len(row):
        return found
    trials = panel.take_rows(row)

    def alerts(values: Floats) -> NDArray[np.bool_]:
        trials.values[feature, np.arange(len(row))] = values
        return np.asarray(score(models, trials) > models.threshold[asset])

    outer, inner = start, np.full(len(row), np.nan)
    for step in range(1, STEPS + 1):
        here = start + (goal - start) * (step / STEPS)
        quiet = ~alerts(here)
        searching = np.isnan(inner)
        inner = np.where(searching & quiet, here, inner)
        outer = np.where(searching & ~quiet, here, outer)
    reached = ~np.isnan(inner)
    inner = np.where(reached, inner, goal)
    while True:
        middle = (0.5 * (outer + inner)).astype(panel.values.dtype).astype(np.float64)
        between = reached & (middle != outer) & (middle != inner)
        if not between.any():
            break
        loud = alerts(np.where(between, middle, inner))
        outer = np.where(between & loud, middle, outer)
        inner = np.where(between & ~loud, middle, inner)
    found[row[reached], place[reached]] = inner[reached]
    return found

"""ECOD as its definition reads, slowly: the twin of the kernels."""

from __future__ import annotations

import numpy as np
from scipy.stats import skew


def tails(X, x):
    """Return (count at or under, count at or over, rows) of each value of `x` among the columns of `X`."""
    return (X <= x).sum(0), (X >= x).sum(0), (~np.isnan(X)).sum(0)


def costs(X, x, *, new):
    """Return -log of both tail probabilities of each feature of one row; a missing value costs nothing."""
    left, right, rows = tails(X, x)
    more = 1 if new else 0
    rows = np.maximum(rows + more, 1)
    missing = np.isnan(x) | (rows == more)
    left, right = (np.where(missing, rows, count + more) for count in (left, right))
    return -np.log(left / rows), -np.log(right / rows)


def present(X):
    """Return the values of each column that are not missing."""
    return [column[~np.isnan(column)] for column in X.T]


def symmetric(X):
    """Tell which columns have a sample skewness of exactly 0 (or none)."""
    result = np.zeros(X.shape[1], bool)
    for j, column in enumerate(present(X)):
        with np.errstate(all="ignore"):
            result[j] = len(column) > 0 and np.nan_to_num(skew(column, axis=0)) == 0
    return result


def contributions(X, x, *, new, summed=False):
    """Return what each feature adds to the score of row `x`, learned from the rows of `X`."""
    left, right = costs(X, x, new=new)
    if not summed:
        grown = np.vstack([X, x]) if new else X
        return np.where(symmetric(grown), left + right, np.maximum(left, right))
    skews = np.array([np.sum((column - np.mean(column)) ** 3) if len(column) else 0.0 for column in present(X)])
    sides = [left, right, np.where(skews < 0, left, right)]
    return max(sides, key=np.sum)


def scores(X, rows, *, new, summed=False):
    """Return the score of each row."""
    return np.array([contributions(X, x, new=new, summed=summed).sum() for x in rows])

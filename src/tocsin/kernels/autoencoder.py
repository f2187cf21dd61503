"""What a trained autoencoder says of rows, and the windows that it is trained on.

A window of the last rows is cut into patches. One layer codes each patch by itself, with the same weights, a second
codes all of them together; two more undo this. With a window of one row that is an ordinary dense autoencoder. Numbers
inside are standardised; what is missing counts as the mean.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

TILE = 64
"""Rows that are taken through the layers side by side."""
BEYOND = 1e9
"""Stands for an infinity of standard deviations."""


class Layout(NamedTuple):
    """The sizes of a network: patches of a window, rows of a patch, features, units a patch, and units of the code."""

    patches: int
    rows: int
    features: int
    hidden: int
    code: int

    @property
    def window(self) -> int:
        """How many rows a window has."""
        return self.patches * self.rows

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes of the four weight matrices, (out, in); each is stored row by row and followed by its biases."""
        patch, whole = self.rows * self.features, self.patches * self.hidden
        return (self.hidden, patch), (self.code, whole), (whole, self.code), (patch, self.hidden)

    @property
    def size(self) -> int:
        """How many numbers a network has."""
        return sum(out * (inputs + 1) for out, inputs in self.shapes)


@kernel
def gather(
    values: NDArray[Any],
    first: int,
    rows: NDArray[np.int64],
    past: Floats,
    center: Floats,
    scale: Floats,
    out: NDArray[Any],
) -> None:
    """Write the standardised windows that end at some rows of one asset, a column each; NaN is missing.

    Parameters
    ----------
    values : ndarray of shape (n_features, n_rows)
    first : int
        The asset's first row; before it lies `past`.
    past : ndarray of shape (window - 1, n_features)
        The readings before the first row, NaN where there were none.
    center, scale : ndarray of shape (n_features,)
        A scale that is not finite and above 0 says that the feature is not looked at.
    out : ndarray of shape (window * n_features, >= len(rows))
        Oldest row first.
    """
    n_features, before = len(center), past.shape[0]
    for back in range(before + 1):
        for feature in range(n_features):
            unit = scale[feature]
            target = out[(before - back) * n_features + feature]
            usable = math.isfinite(unit) and unit > 0.0
            for column in range(len(rows)):
                row = rows[column] - back
                value = values[feature, row] if row >= first else past[before + row - first, feature]
                z = (value - center[feature]) / unit
                target[column] = min(max(z, -BEYOND), BEYOND) if usable and z == z else np.nan


@kernel
def errors(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    past: Floats,
    centers: Floats,
    scales: Floats,
    weights: NDArray[np.float32],
    layout: Layout,
    out: Floats,
) -> None:
    """Write the squared error with which each feature of each row is made again from the window that ends there.

    Parameters
    ----------
    past : ndarray of shape (n_assets, window - 1, n_features)
        The readings before each asset's first.
    centers, scales : ndarray of shape (n_assets, n_features)
    weights : ndarray of shape (n_assets, layout.size)
    out : ndarray of shape (n_rows, n_features)
        0 where a value is missing.
    """
    width = layout.patches * layout.rows * layout.features
    window = np.empty((width, TILE))
    coded = np.empty((layout.patches * layout.hidden, TILE))
    code, last = np.empty((layout.code, TILE)), np.empty((layout.hidden, TILE))
    made = np.empty((layout.features, TILE))
    rows = np.empty(TILE, np.int64)
    for asset in range(len(offsets) - 1):
        start, stop = offsets[asset], offsets[asset + 1]
        own = weights[asset].astype(np.float64)
        for first in range(start, stop, TILE):
            count = min(TILE, stop - first)
            for i in range(TILE):
                rows[i] = first + min(i, count - 1)
            gather(values, start, rows, past[asset], centers[asset], scales[asset], window)
            make_again(window, own, layout, coded, code, last, made)
            newest = window[width - layout.features :]
            for feature in range(layout.features):
                for i in range(count):
                    error = made[feature, i] - newest[feature, i]
                    out[first + i, feature] = error * error if error == error else 0.0


@kernel
def weigh(offsets: NDArray[np.int64], usual: Floats, parts: Floats, scores: Floats) -> None:
    """Divide squared errors, in place, by what is usual of each feature and by the number of features, and add them up.

    Parameters
    ----------
    usual : ndarray of shape (n_assets, n_features)
    parts : ndarray of shape (n_rows, n_features)
    scores : ndarray of shape (n_rows,)
    """
    n_features = parts.shape[1]
    for asset in range(len(offsets) - 1):
        units = 1.0 / (usual[asset] * n_features)
        for row in range(offsets[asset], offsets[asset + 1]):
            scores[row] = 0.0
            for feature in range(n_features):
                parts[row, feature] *= units[feature]
                scores[row] += parts[row, feature]


@kernel
def make_again(
    window: Floats, weights: Floats, layout: Layout, coded: Floats, code: Floats, last: Floats, made: Floats
) -> None:
    """Take TILE windows through all layers, and make the newest row of each again."""
    patch, hidden, features = layout.rows * layout.features, layout.hidden, layout.features
    at = 0
    for k in range(layout.patches):
        _layer(window[k * patch : (k + 1) * patch], weights, at, 0, hidden, coded[k * hidden : (k + 1) * hidden])
        _bend(coded[k * hidden : (k + 1) * hidden])
    at += hidden * (patch + 1)
    _layer(coded, weights, at, 0, layout.code, code)
    at += layout.code * (layout.patches * hidden + 1)
    _layer(code, weights, at, (layout.patches - 1) * hidden, layout.patches * hidden, last)
    _bend(last)
    at += layout.patches * hidden * (layout.code + 1)
    _layer(last, weights, at, patch - features, patch, made)


@kernel
def _layer(x: Floats, weights: Floats, at: int, begin: int, out: int, y: Floats) -> None:
    """Write units `begin` to `out` of a layer whose weights begin at `at`; what is NaN counts as 0."""
    inputs = x.shape[0]
    for unit in range(begin, out):
        bias, target = weights[at + out * inputs + unit], y[unit - begin]
        target[:] = bias
        for i in range(inputs):
            weight, source = weights[at + unit * inputs + i], x[i]
            for column in range(TILE):
                value = source[column]
                target[column] += weight * (value if value == value else 0.0)


@kernel
def _bend(x: Floats) -> None:
    for unit in range(x.shape[0]):
        for column in range(x.shape[1]):
            x[unit, column] = math.tanh(x[unit, column])

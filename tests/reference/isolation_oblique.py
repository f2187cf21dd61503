"""Oblique isolation trees the slow way: a row is followed down one tree at a time, in plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def path_lengths(x, starts, threshold, left, axes, normals, path):
    """Return the sum of path lengths over all trees of each row; splits are numbered in the order of the nodes."""
    number = np.cumsum(~np.isinf(threshold)) - 1
    sums = np.zeros(len(x))
    for row, given in enumerate(x):
        for begin, end in pairwise(starts):
            node = begin
            while not np.isinf(threshold[node]):
                split, along = number[node], np.float32(0.0)
                for axis, normal in zip(axes[split], normals[split], strict=True):
                    along = np.float32(along + np.float32(normal * given[axis]))
                node = begin + left[node] + int(along > threshold[node])
            assert node < end
            sums[row] += float(path[node])
    return sums

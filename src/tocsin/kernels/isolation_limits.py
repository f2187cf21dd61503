"""The nearest value of a feature with which a row would have been no alert to an isolation forest, exactly.

With its other features as they are, a row's path lengths are a step function of one feature. Walking both ways at each
split on that feature finds all steps; their sums are exact, so what is found is what scoring that value would say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import isolation
from tocsin.kernels.isolation import LARGEST, Floats, Ints, Packed, Singles, Trees
from tocsin.kernels.isolation_scores import asset_trees, to_score
from tocsin.kernels.jit import kernel


@kernel
def limits(
    values: NDArray[Any],
    offsets: Ints,
    centers: Floats,
    packed: Packed,
    n_trees: int,
    nodes: Ints,
    splits: Ints,
    leaves: Ints,
    thresholds: Floats,
    features: NDArray[np.int32],
    above: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    limit: Floats,
) -> None:
    """Write the limit of each named feature of the rows that are asked for, on the side where it is usual.

    `above` says on which side a value is unusual. Cost: a walk of all trees and a sort of some hundred steps.
    """
    x = isolation.blocks(1, values.shape[0])
    for asset in range(len(offsets) - 1):
        if not asked[offsets[asset] : offsets[asset + 1]].any():
            continue
        trees = asset_trees(packed, asset, n_trees, nodes, splits, leaves)
        path = np.empty(len(trees.feature), np.float32)
        isolation.paths(trees, path)
        edges, jumps = np.empty(2 * len(path), np.float32), np.empty(2 * len(path))
        cell = np.empty(1, values.dtype)
        for row in range(offsets[asset], offsets[asset + 1]):
            if not asked[row]:
                continue
            isolation.center(values, row, row + 1, centers[asset], x)
            for place in range(features.shape[1]):
                feature = features[row, place]
                value = float(values[max(feature, 0), row])
                if feature >= 0 and value == value:
                    high = above[row, place]
                    total, count = steps(x[0, :, 0], feature, high, trees, path, edges, jumps)
                    edge = _first_quiet(total, edges[:count], jumps[:count], high, trees, thresholds[asset])
                    if edge == edge:
                        limit[row, place] = _nearest(value, centers[asset, feature], edge, high, cell)


@kernel
def steps(
    x: Singles, feature: int, high: bool, trees: Trees, path: Singles, edges: Singles, jumps: Floats
) -> tuple[float, int]:
    """Return the row's sum of path lengths, and how it changes where one feature alone goes down, or up if not `high`.

    An edge is a threshold that the value passes on its way, in no order, a jump what this adds to the sum. How many
    there are comes second.
    """
    count, total, value = 0, 0.0, x[feature]
    stack = np.empty(len(path), np.int64)
    lows, highs = np.empty(len(path), np.float32), np.empty(len(path), np.float32)
    for tree in range(len(trees.starts) - 1):
        begin, size = trees.starts[tree], 1
        stack[0], lows[0], highs[0] = begin, -np.inf, np.inf
        while size > 0:
            size -= 1
            node, low, upto = stack[size], lows[size], highs[size]
            threshold, left = trees.threshold[node], begin + trees.left[node]
            if left == node:
                length = float(path[node])
                inside = low < value <= upto
                total += length if inside else 0.0
                near, far = (upto, low) if high else (low, upto)
                if not inside:
                    edges[count], jumps[count] = near, length
                    count += 1
                if not np.isinf(far):
                    edges[count], jumps[count] = far, -length
                    count += 1
            elif trees.feature[node] != feature:
                stack[size] = left + np.int64(x[trees.feature[node]] > threshold)
                size += 1
            else:
                if high or value <= threshold:
                    stack[size], lows[size], highs[size] = left, low, min(upto, threshold)
                    size += 1
                if not high or value > threshold:
                    stack[size], lows[size], highs[size] = left + 1, max(low, threshold), upto
                    size += 1
    return total, count


@kernel
def _first_quiet(total: float, edges: Singles, jumps: Floats, high: bool, trees: Trees, threshold: float) -> float:
    """Return the first edge beyond which a row is no alert; NaN if there is none."""
    order = np.argsort(-edges if high else edges)
    n_trees, size = len(trees.starts) - 1, trees.mass[0]
    for i in range(len(order)):
        edge = edges[order[i]]
        total += jumps[order[i]]
        last = i + 1 == len(order) or edges[order[i + 1]] != edge
        if last and to_score(total, n_trees, size) <= threshold:
            return edge
    return np.nan


@kernel
def _nearest(value: float, center: float, edge: float, high: bool, cell: NDArray[Any]) -> float:
    """Return the value nearest to the given one that lies beyond an edge, of the precision of `cell`."""
    outer, step = value, 1e-7 * (abs(center) + abs(edge)) + 1e-300
    cell[0] = center + edge
    while not _beyond(cell, center, edge, high):
        cell[0] = center + edge - step if high else center + edge + step
        step *= 2.0
    inner = float(cell[0])
    while True:
        cell[0] = 0.5 * outer + 0.5 * inner
        middle = float(cell[0])
        if middle in (outer, inner):
            return inner
        if _beyond(cell, center, edge, high):
            inner = middle
        else:
            outer = middle


@kernel
def _beyond(cell: NDArray[Any], center: float, edge: float, high: bool) -> bool:
    apart = np.float32(min(max(float(cell[0]) - center, -LARGEST), LARGEST))
    return (apart <= edge) == high

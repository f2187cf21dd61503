"""Fleets of isolation forests: fit, score, and credit each feature with its part of a score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import isolation, isolation_sweep
from tocsin.kernels.isolation import Floats, Ints, Packed, Singles, Trees, average_path
from tocsin.kernels.jit import kernel
from tocsin.kernels.lanes import WORD
from tocsin.kernels.philox import Keys
from tocsin.kernels.sketch import longest

FEW_ROWS = 12
"""Fewer rows of an asset are walked down its trees one by one."""

FOREST = np.int64(1)
"""The stream of random words that trees are grown from."""


@kernel
def fit(
    values: NDArray[Any],
    offsets: Ints,
    centers: Floats,
    most: int,
    n_trees: int,
    keys: Keys,
    scores: Floats,
) -> tuple[Packed, Ints, Ints, Ints]:
    """Grow the forest of each asset and score its own rows.

    Returns
    -------
    Packed
        The trees of all assets.
    nodes, splits, leaves : ndarray of shape (n_assets + 1,)
        Where each asset's entries begin in `feature`, `threshold` and `mass`.
    """
    n_assets, n_features = len(offsets) - 1, values.shape[0]
    room = n_trees * max(2 * min(most, longest(offsets)) - 1, 1)
    ends = np.zeros((3, n_assets + 1), np.int64)
    packed = room_for(n_assets * n_trees, room)
    buffer = isolation.blocks(longest(offsets), n_features)
    for asset in range(n_assets):
        first, last = offsets[asset], offsets[asset + 1]
        while len(packed.feature) < ends[0, asset] + room:
            packed = doubled(packed)
        own = asset_packed(packed, asset, n_trees, ends[0], ends[1], ends[2])
        size, nodes = min(most, last - first), 0
        own.nodes[:] = 0
        if size > 0:
            x = buffer[: (last - first + WORD - 1) // WORD]
            isolation.center(values, first, last, centers[asset], x)
            nodes = isolation.grow(x, last - first, size, keys, FOREST, own)
            path_sums(x, own, scores[first:last])
            to_scores(scores[first:last], n_trees, size)
        splits = max(nodes - n_trees, 0) // 2
        ends[0, asset + 1] = ends[0, asset] + nodes
        ends[1, asset + 1] = ends[1, asset] + splits
        ends[2, asset + 1] = ends[2, asset] + nodes - splits
    return packed, ends[0], ends[1], ends[2]


@kernel
def room_for(n_trees: int, size: int) -> Packed:
    """Return room for packed trees that have `size` nodes together."""
    half = size // 2 + n_trees + 1
    return Packed(
        np.empty(n_trees, np.int32), np.empty(size, np.int16), np.empty(half, np.float32), np.empty(half, np.uint16)
    )


@kernel
def doubled(packed: Packed) -> Packed:
    """Return packed trees in twice the room."""
    larger = room_for(len(packed.nodes), 2 * len(packed.feature))
    larger.nodes[:] = packed.nodes
    larger.feature[: len(packed.feature)] = packed.feature
    larger.threshold[: len(packed.threshold)] = packed.threshold
    larger.mass[: len(packed.mass)] = packed.mass
    return larger


@kernel
def asset_packed(packed: Packed, asset: int, n_trees: int, nodes: Ints, splits: Ints, leaves: Ints) -> Packed:
    """Return the packed trees of one asset, with what lies behind them."""
    return Packed(
        packed.nodes[asset * n_trees : (asset + 1) * n_trees],
        packed.feature[nodes[asset] :],
        packed.threshold[splits[asset] :],
        packed.mass[leaves[asset] :],
    )


@kernel
def asset_trees(packed: Packed, asset: int, n_trees: int, nodes: Ints, splits: Ints, leaves: Ints) -> Trees:
    """Return the trees of one asset."""
    return isolation.unpack(asset_packed(packed, asset, n_trees, nodes, splits, leaves))


@kernel
def score(
    values: NDArray[Any],
    offsets: Ints,
    centers: Floats,
    packed: Packed,
    n_trees: int,
    nodes: Ints,
    splits: Ints,
    leaves: Ints,
    wanted: bool,
    scores: Floats,
    parts: Floats,
) -> None:
    """Score the rows of each asset, and if `wanted` write all contributions, shape (n_rows, n_features)."""
    buffer = isolation.blocks(longest(offsets), values.shape[0])
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        if last == first:
            continue
        own = asset_packed(packed, asset, n_trees, nodes, splits, leaves)
        x = buffer[: (last - first + WORD - 1) // WORD]
        isolation.center(values, first, last, centers[asset], x)
        path_sums(x, own, scores[first:last])
        to_scores(scores[first:last], n_trees, isolation.sample_size(own))
        if wanted:
            contributions(x, isolation.unpack(own), scores[first:last], parts[first:last])


@kernel
def to_score(total: float, n_trees: int, size: int) -> float:
    """Return the score of a row from the sum of its path lengths; 1/2 of an average path."""
    unit = average_path(float(size))
    return 0.5 if unit == 0.0 else 2.0 ** (-total / (n_trees * unit))


@kernel
def to_scores(scores: Floats, n_trees: int, size: int) -> None:
    """Turn sums of path lengths into scores, in place."""
    for row in range(len(scores)):
        scores[row] = to_score(scores[row], n_trees, size)


@kernel
def path_sums(x: Singles, packed: Packed, out: Floats) -> None:
    """Write the sum of the path lengths of each row of `x`, which is in blocks, in whichever way is faster."""
    if len(out) < FEW_ROWS or isolation.depth_limit(isolation.sample_size(packed)) > isolation_sweep.DEEPEST:
        _walk(x, isolation.unpack(packed), out)
    else:
        isolation_sweep.path_sums(x, packed, out)


@kernel
def _walk(x: Singles, trees: Trees, out: Floats) -> None:
    """Write the sum of each row's path lengths, following it from node to node."""
    path = np.empty(trees.starts[-1], np.float32)
    isolation.paths(trees, path)
    out[:] = 0.0
    for tree in range(len(trees.starts) - 1):
        begin, end = trees.starts[tree], trees.starts[tree + 1]
        feature, threshold, left = trees.feature[begin:end], trees.threshold[begin:end], trees.left[begin:end]
        for row in range(len(out)):
            own, node = x[row // WORD, :, row % WORD], np.int64(0)
            while left[node] != node:
                node = left[node] + np.int64(own[feature[node]] > threshold[node])
            out[row] += float(path[begin + node])


@kernel
def contributions(x: Singles, trees: Trees, scores: Floats, parts: Floats) -> None:
    """Share each row's score among the features that split its paths.

    A split is credited with the cube of the information that it gave, the logarithm of how many times fewer rows are
    left after it: the few splits that set a row apart outweigh the many that halve what is there.
    """
    n_features = x.shape[1]
    rarity = np.empty(len(trees.mass), np.float64)
    for node in range(len(rarity)):
        rarity[node] = -np.log(max(float(trees.mass[node]), 0.5))
    for row in range(len(scores)):
        given, own = x[row // WORD, :, row % WORD], parts[row]
        own[:] = 0.0
        total = 0.0
        for tree in range(len(trees.starts) - 1):
            begin = trees.starts[tree]
            node = begin
            while trees.left[node] != node - begin:
                feature = trees.feature[node]
                child = begin + trees.left[node] + np.int64(given[feature] > trees.threshold[node])
                credit = (rarity[child] - rarity[node]) ** 3
                own[feature] += credit
                total += credit
                node = child
        for feature in range(n_features):
            own[feature] = scores[row] * own[feature] / total if total > 0.0 else scores[row] / n_features

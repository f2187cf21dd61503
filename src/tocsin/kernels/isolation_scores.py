"""Fleets of isolation forests: fit, score, and credit each feature with its part of a score.

A block of rows goes through a tree node by node, each row keeping the node where it is: rows stand side by side in a
vector register, and no row waits for a branch. It looks at all nodes, a few dozen, where a walk looks at eight, and is
still several times faster. A few rows, or trees with very many nodes, are walked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import isolation
from tocsin.kernels.isolation import Floats, Ints, Packed, Singles, Trees, average_path
from tocsin.kernels.jit import kernel
from tocsin.kernels.philox import Keys
from tocsin.kernels.sketch import longest

BLOCK = 512
"""How many rows go through a tree together: enough to be worth the start of a loop, few enough to stay in cache."""
FEW_ROWS = 12
MANY_NODES = 2048

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
    trees = isolation.empty_trees(n_trees, room)
    ends = np.zeros((3, n_assets + 1), np.int64)
    packed = room_for(n_assets * n_trees, room)
    ones = np.ones(n_features)
    path = np.empty(room, np.float32)
    buffer = np.empty(n_features * longest(offsets), np.float32)
    for asset in range(n_assets):
        first, last = offsets[asset], offsets[asset + 1]
        trees.starts[:] = 0
        if last > first:
            x = buffer[: n_features * (last - first)].reshape((n_features, last - first))
            isolation.center(values[:, first:last], centers[asset], ones, x)
            size = min(most, last - first)
            isolation.grow(x, size, int(np.ceil(np.log2(max(size, 2)))), keys, FOREST, n_trees, trees)
            isolation.paths(trees, path)
            path_sums(x, trees, path, scores[first:last])
            to_scores(scores[first:last], n_trees, size)
        for tree in range(n_trees):
            packed.nodes[asset * n_trees + tree] = trees.starts[tree + 1] - trees.starts[tree]
        while len(packed.feature) < ends[0, asset] + room:
            packed = doubled(packed)
        upto = isolation.pack(trees, ends[0, asset], ends[1, asset], ends[2, asset], packed)
        for i in range(3):
            ends[i, asset + 1] = upto[i]
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
def asset_trees(packed: Packed, asset: int, n_trees: int, nodes: Ints, splits: Ints, leaves: Ints) -> Trees:
    """Return the trees of one asset."""
    return isolation.unpack(
        Packed(
            packed.nodes[asset * n_trees : (asset + 1) * n_trees],
            packed.feature[nodes[asset] : nodes[asset + 1]],
            packed.threshold[splits[asset] : splits[asset + 1]],
            packed.mass[leaves[asset] : leaves[asset + 1]],
        )
    )


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
    n_features = values.shape[0]
    ones = np.ones(n_features)
    buffer = np.empty(n_features * longest(offsets), np.float32)
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        if last == first:
            continue
        trees = asset_trees(packed, asset, n_trees, nodes, splits, leaves)
        path = np.empty(len(trees.feature), np.float32)
        isolation.paths(trees, path)
        x = buffer[: n_features * (last - first)].reshape((n_features, last - first))
        isolation.center(values[:, first:last], centers[asset], ones, x)
        own = scores[first:last]
        path_sums(x, trees, path, own)
        to_scores(own, n_trees, trees.mass[0] if len(trees.mass) else 0)
        if wanted:
            contributions(x, trees, own, parts[first:last])


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
def path_sums(x: Singles, trees: Trees, path: Singles, out: Floats) -> None:
    """Write the sum of each row's path lengths over all trees; any order of additions gives the same."""
    n_trees, n_rows = len(trees.starts) - 1, x.shape[1]
    place = np.empty(BLOCK, np.int32)
    block = np.empty((x.shape[0], BLOCK), np.float32)  # of one known stride, so that it is read as vectors
    for start in range(0, n_rows, BLOCK):
        count = min(BLOCK, n_rows - start)
        for feature in range(x.shape[0]):
            for i in range(count):
                block[feature, i] = x[feature, start + i]
        total = out[start : start + count]
        total[:] = 0.0
        for tree in range(n_trees):
            begin, end = trees.starts[tree], trees.starts[tree + 1]
            feature, threshold, left = trees.feature[begin:end], trees.threshold[begin:end], trees.left[begin:end]
            if count < FEW_ROWS or end - begin > MANY_NODES:
                _walk(block, feature, threshold, left, place[:count])
            else:
                _sweep(block, feature, threshold, left, place[:count])
            length = path[begin:end]
            for i in range(count):
                total[i] += float(length[place[i]])


@kernel
def _sweep(
    block: Singles, feature: NDArray[np.int32], threshold: Singles, left: NDArray[np.int32], place: NDArray[np.int32]
) -> None:
    """Find the leaf of each row by going through all nodes once."""
    place[:] = 0
    for node in range(len(feature)):
        if left[node] == node:
            continue
        own, bound = block[feature[node]], threshold[node]
        here, child = np.int32(node), left[node]
        for i in range(len(place)):
            there = np.int32(child + np.int32(own[i] > bound))
            place[i] = there if place[i] == here else place[i]


@kernel
def _walk(
    block: Singles, feature: NDArray[np.int32], threshold: Singles, left: NDArray[np.int32], place: NDArray[np.int32]
) -> None:
    """Find the leaf of each row by following it from node to node."""
    for i in range(len(place)):
        node = np.int64(0)
        while left[node] != node:
            node = left[node] + np.int64(block[feature[node], i] > threshold[node])
        place[i] = node


@kernel
def contributions(x: Singles, trees: Trees, scores: Floats, parts: Floats) -> None:
    """Share each row's score among the features that split its paths.

    A split is credited with the cube of the information that it gave, the logarithm of how many times fewer rows are
    left after it: the few splits that set a row apart outweigh the many that halve what is there.
    """
    n_features = x.shape[0]
    rarity = np.empty(len(trees.mass), np.float64)
    for node in range(len(rarity)):
        rarity[node] = -np.log(max(float(trees.mass[node]), 0.5))
    for row in range(x.shape[1]):
        own = parts[row]
        own[:] = 0.0
        total = 0.0
        for tree in range(len(trees.starts) - 1):
            begin = trees.starts[tree]
            node = begin
            while trees.left[node] != node - begin:
                feature = trees.feature[node]
                child = begin + trees.left[node] + np.int64(x[feature, row] > trees.threshold[node])
                credit = (rarity[child] - rarity[node]) ** 3
                own[feature] += credit
                total += credit
                node = child
        for feature in range(n_features):
            own[feature] = scores[row] * own[feature] / total if total > 0.0 else scores[row] / n_features

"""Isolation trees with oblique splits, whose directions are made again from the seed instead of being kept.

Where a row's scaled differences from the centers, times the normal values of a split's direction, add up to more than a
threshold, the row goes right. A direction is a function of the seed, the tree and how many splits came before it, so
that a model keeps of a tree what it keeps of one with splits along the axes, and nothing for each feature of a split.

S. Hariri, M. Carrasco Kind and R. J. Brunner, Extended Isolation Forest, TKDE 33, 2021, doi:10.1109/TKDE.2019.2947676,
section 3; a direction over some of the features is their extension level of section 3.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import isolation
from tocsin.kernels.isolation import Floats, Ints, Packed, Singles, Trees, below, depth_limit, draw, sample, share
from tocsin.kernels.isolation_scores import asset_trees, doubled, room_for, to_scores
from tocsin.kernels.jit import kernel
from tocsin.kernels.noise import NORMAL, add_noise
from tocsin.kernels.philox import WORDS, Keys, Words
from tocsin.kernels.sketch import longest

COMPONENTS = 8
"""How many features a direction has at most."""
FARTHEST = 1e30
"""Scaled differences are cut to this, so that their sums are finite."""
BLOCK = 64
"""How many rows go through a tree together."""

ROWS, NORMALS, AXES = np.int64(3), np.int64(4), np.int64(5)
"""The streams of random words: for sub-samples and intercepts, for directions, and for the features of each."""


class Directions(NamedTuple):
    """The directions of splits, both arrays of shape (n_splits, n_components): which features, and how much of each."""

    axes: NDArray[np.int32]
    normals: Singles


@kernel
def fit(
    values: NDArray[Any], offsets: Ints, centers: Floats, most: int, n_trees: int, keys: Keys, scores: Floats
) -> tuple[Packed, Ints, Ints, Ints, Floats]:
    """Grow the forest of each asset and score its own rows.

    Returns what `isolation_scores.fit` does, and what each feature is scaled by, shape (n_assets, n_features).
    """
    n_assets, n_features = len(offsets) - 1, values.shape[0]
    largest = min(most, longest(offsets))
    room = n_trees * (2 << depth_limit(largest))
    trees = isolation.empty_trees(n_trees, room)
    ends, scales = np.zeros((3, n_assets + 1), np.int64), np.zeros((n_assets, n_features))
    packed, path = room_for(n_assets * n_trees, room), np.empty(room, np.float32)
    for asset in range(n_assets):
        first, last = offsets[asset], offsets[asset + 1]
        trees.starts[:] = 0
        own, size = values[:, first:last], min(most, last - first)
        x = np.empty((last - first, n_features), np.float32)
        inverse_deviations(own, centers[asset], scales[asset])
        standardize(own, centers[asset], scales[asset], x)
        used = np.flatnonzero(scales[asset])
        if size > 0:
            grow(x, size, depth_limit(size), keys, used, n_trees, trees)
        for tree in range(n_trees):
            packed.nodes[asset * n_trees + tree] = trees.starts[tree + 1] - trees.starts[tree]
        while len(packed.feature) < ends[0, asset] + room:
            packed = doubled(packed)
        upto = isolation.pack(trees, ends[0, asset], ends[1, asset], ends[2, asset], packed)
        for i in range(3):
            ends[i, asset + 1] = upto[i]
        isolation.paths(trees, path)
        path_sums(x, trees, directions(trees, keys, used), path, scores[first:last])
        to_scores(scores[first:last], n_trees, size)
    return packed, ends[0], ends[1], ends[2], scales


@kernel
def score(
    values: NDArray[Any],
    offsets: Ints,
    centers: Floats,
    scales: Floats,
    keys: NDArray[np.uint64],
    packed: Packed,
    n_trees: int,
    nodes: Ints,
    splits: Ints,
    leaves: Ints,
    wanted: bool,
    scores: Floats,
    parts: Floats,
) -> None:
    """Score the rows of each asset, and if `wanted` write all contributions, shape (n_rows, n_features).

    `keys` are of shape (n_assets, 20), those that each asset's forest was grown with.
    """
    for asset in range(len(offsets) - 1):
        first, last = offsets[asset], offsets[asset + 1]
        if last == first:
            continue
        trees = asset_trees(packed, asset, n_trees, nodes, splits, leaves)
        path = np.empty(len(trees.feature), np.float32)
        isolation.paths(trees, path)
        x = np.empty((last - first, values.shape[0]), np.float32)
        standardize(values[:, first:last], centers[asset], scales[asset], x)
        way = directions(trees, keys[asset], np.flatnonzero(scales[asset]))
        own = scores[first:last]
        path_sums(x, trees, way, path, own)
        to_scores(own, n_trees, trees.mass[0] if len(trees.mass) else 0)
        if wanted:
            contributions(x, trees, way, own, parts[first:last])


@kernel
def inverse_deviations(values: NDArray[Any], centers: Floats, out: Floats) -> None:
    """Write the inverse of each feature's standard deviation, of shape (n_features,); 0 where no two values differ."""
    for feature in range(values.shape[0]):
        own, middle = values[feature], centers[feature]
        count, total, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
        for row in range(len(own)):
            apart = float(own[row]) - middle
            if apart == apart:
                count += 1
                total += apart
                squares += apart * apart
                low, high = min(low, apart), max(high, apart)
        variance = (squares - total * total / count) / count if low < high else 0.0
        out[feature] = 1.0 / np.sqrt(variance) if variance > 0.0 else 0.0


@kernel
def standardize(values: NDArray[Any], centers: Floats, scales: Floats, out: Singles) -> None:
    """Write scaled differences, shape (n_rows, n_features), of values the other way round; of missing ones 0."""
    for feature in range(values.shape[0]):
        middle, scale, given = centers[feature], scales[feature], values[feature]
        for row in range(len(given)):
            apart = (float(given[row]) - middle) * scale
            apart = min(max(apart, -FARTHEST), FARTHEST)
            out[row, feature] = np.float32(apart) if apart == apart else np.float32(0.0)


@kernel
def directions(trees: Trees, keys: Keys, used: Ints) -> Directions:
    """Return the directions of all splits of an asset's trees, and number the splits in `trees.feature`."""
    n_splits = 0
    for node in range(trees.starts[-1]):
        trees.feature[node] = 0
        if not np.isinf(trees.threshold[node]):
            trees.feature[node] = n_splits
            n_splits += 1
    width, begin = min(COMPONENTS, len(used)), 0
    way = Directions(np.empty((n_splits, width), np.int32), np.empty((n_splits, width), np.float32))
    scratch = np.empty(2 * WORDS, np.uint32)
    for tree in range(len(trees.starts) - 1):
        end = begin + (trees.starts[tree + 1] - trees.starts[tree]) // 2
        tree_directions(keys, tree, used, scratch, way.axes[begin:end], way.normals[begin:end])
        begin = end
    return way


@kernel
def tree_directions(
    keys: Keys, tree: int, used: Ints, scratch: Words, axes: NDArray[np.int32], normals: Singles
) -> None:
    """Write the first directions of a tree, each over a random choice of the features in `used`.

    `scratch` is of shape (2 * WORDS,).
    """
    n_splits, width = axes.shape
    flat = normals.reshape(n_splits * width)
    flat[:] = np.float32(0.0)
    add_noise(NORMAL, 1.0, 0.0, keys, np.int64(0), tree, NORMALS, np.int64(0), scratch, flat)
    order, word, drawn = used.copy(), 0, scratch[:WORDS]
    for split in range(n_splits):
        for i in range(width):
            if width < len(order):
                j = i + below(draw(keys, tree, AXES, word, drawn), len(order) - i)
                word += 1
                feature = order[i]
                order[i] = order[j]
                order[j] = feature
            axes[split, i] = order[i]


@kernel
def grow(x: Singles, size: int, limit: int, keys: Keys, used: Ints, n_trees: int, trees: Trees) -> None:
    """Grow all trees of one asset from rows of shape (n_rows, n_features), each from `size` of them.

    A node whose rows are alike in all features of its direction is a leaf; a side of a split may be empty.
    """
    rows = np.arange(x.shape[0]).astype(np.int32)
    first, last = np.empty(2 << limit, np.int32), np.empty(2 << limit, np.int32)
    along, right = np.empty(size, np.float32), np.empty(size, np.int32)
    drawn, scratch = np.empty(WORDS, np.uint32), np.empty(2 * WORDS, np.uint32)
    most, width = (1 << limit) - 1, min(COMPONENTS, len(used))
    axes, normals = np.empty((most, width), np.int32), np.empty((most, width), np.float32)
    for tree in range(n_trees):
        word = size
        sample(rows, size, keys, tree, ROWS, drawn)
        tree_directions(keys, tree, used, scratch, axes, normals)
        at = trees.starts[tree]
        first[0], last[0], trees.depth[at] = 0, size, 0
        node, end = 0, 1
        while node < end:
            begin, here, split = first[node], at + node, end // 2
            part = rows[begin : last[node]]
            threshold = np.float32(np.inf)
            if len(part) > 1 and trees.depth[here] < limit:
                threshold = _intercept(x, part, axes[split], normals[split], keys, tree, word, drawn, along)
                word += width
            trees.mass[here], trees.feature[here], trees.threshold[here] = len(part), 0, threshold
            trees.left[here] = node
            if not np.isinf(threshold):
                kept = partition(part, along, threshold, right)
                trees.left[here] = end
                first[end], last[end], first[end + 1], last[end + 1] = begin, begin + kept, begin + kept, last[node]
                trees.depth[at + end], trees.depth[at + end + 1] = trees.depth[here] + 1, trees.depth[here] + 1
                end += 2
            node += 1
        trees.starts[tree + 1] = at + end


@kernel
def partition(part: NDArray[Any], values: Singles, threshold: float, right: NDArray[Any]) -> int:
    """Move rows whose value is above the threshold to the end, in their order; return how many are not."""
    kept, moved = np.uint64(0), np.uint64(0)
    for i in range(len(part)):
        row, above = part[i], np.uint64(values[i] > threshold)
        part[kept] = row
        right[moved] = row
        moved += above
        kept += np.uint64(1) - above
    for i in range(moved):
        part[kept + i] = right[i]
    return np.int64(kept)


@kernel
def _intercept(
    x: Singles,
    part: NDArray[np.int32],
    axes: NDArray[np.int32],
    normals: Singles,
    keys: Keys,
    tree: int,
    word: int,
    drawn: Words,
    along: Singles,
) -> float:
    """Return how far along a direction a uniform point in the box of some rows lies; infinity if the box is a point.

    One word a component is drawn, from number `word` on. `along` receives how far the rows lie, added up in the order
    in which `path_sums` does.
    """
    vary, point = False, np.float32(0.0)
    along[: len(part)] = np.float32(0.0)
    for k in range(len(axes)):
        axis, normal = axes[k], normals[k]
        low, high = x[part[0], axis], x[part[0], axis]
        for i in range(len(part)):
            value = x[part[i], axis]
            low, high = min(low, value), max(high, value)
            along[i] += normal * value
        apart = share(draw(keys, tree, ROWS, word + k, drawn)) * (float(high) - float(low))
        point += normal * np.float32(float(low) + apart)
        vary |= low < high
    return point if vary else np.float32(np.inf)


@kernel
def path_sums(x: Singles, trees: Trees, way: Directions, path: Singles, out: Floats) -> None:
    """Write the sum of each row's path lengths over all trees.

    Rows of a block go down level by level, those in a leaf staying there, so that no row waits for a branch.
    """
    width, place = way.axes.shape[1], np.empty(BLOCK, np.int32)
    out[:] = 0.0
    for start in range(0, x.shape[0], BLOCK):
        block, total = x[start : start + BLOCK], out[start : start + BLOCK]
        for tree in range(len(trees.starts) - 1):
            begin, end = trees.starts[tree], trees.starts[tree + 1]
            if end == begin:
                continue
            split, threshold, left = trees.feature[begin:end], trees.threshold[begin:end], trees.left[begin:end]
            length = path[begin:end]
            place[:] = 0
            for _ in range(trees.depth[end - 1]):
                for i in range(len(block)):
                    node = place[i]
                    axes, normals, along = way.axes[split[node]], way.normals[split[node]], np.float32(0.0)
                    for k in range(width):
                        along += normals[k] * block[i, axes[k]]
                    place[i] = left[node] + np.int32(along > threshold[node])
            for i in range(len(block)):
                total[i] += float(length[place[i]])


@kernel
def contributions(x: Singles, trees: Trees, way: Directions, scores: Floats, parts: Floats) -> None:
    """Share each row's score among the features that took it to its sides of the splits.

    A split has the credit that `isolation_scores.contributions` gives it, shared by how far each feature's difference
    from its center went towards that side along the direction.
    """
    width = way.axes.shape[1]
    push, rarity = np.empty(width, np.float32), np.empty(len(trees.mass))
    for node in range(len(rarity)):
        rarity[node] = -np.log(max(float(trees.mass[node]), 0.5))
    for row in range(x.shape[0]):
        given, own = x[row], parts[row]
        own[:] = 0.0
        total = 0.0
        for tree in range(len(trees.starts) - 1):
            begin = node = trees.starts[tree]
            while trees.left[node] != node - begin:
                axes, normals = way.axes[trees.feature[node]], way.normals[trees.feature[node]]
                along = np.float32(0.0)
                for k in range(width):
                    push[k] = normals[k] * given[axes[k]]
                    along += push[k]
                right = along > trees.threshold[node]
                child = begin + trees.left[node] + np.int64(right)
                side, whole = np.float32(1.0) if right else np.float32(-1.0), 0.0
                for k in range(width):
                    push[k] = max(side * push[k], np.float32(0.0))
                    whole += float(push[k])
                if whole > 0.0:
                    credit = (rarity[child] - rarity[node]) ** 3
                    total += credit
                    for k in range(width):
                        own[axes[k]] += credit / whole * float(push[k])
                node = child
        for feature in range(len(own)):
            own[feature] = scores[row] * own[feature] / total if total > 0.0 else scores[row] / len(own)

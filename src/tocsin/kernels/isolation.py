"""Isolation trees: grown on sub-samples of an asset, packed as a model keeps them, and unpacked to be walked.

The nodes of a tree lie level by level, so that the two children of a node are neighbours and the place of a child
follows from how many nodes before have split. A leaf is its own child under an infinite threshold: who walks on stays.

Values are differences from a center of each feature in single precision, and a missing one is 0: at each split it goes
to the side on which the center lies, which is where most of the rows are.

F. T. Liu, K. M. Ting and Z.-H. Zhou, Isolation Forest, ICDM 2008, doi:10.1109/ICDM.2008.17; and Isolation-based
anomaly detection, TKDD 6, 2012, doi:10.1145/2133360.2133363.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.philox import WORDS, Keys, Words, words

EULER = 0.5772156649015329
LARGEST = 3.0e38
"""Differences are cut to what single precision can hold."""
FRACTION = 65536.0
"""Path lengths are whole multiples of its inverse: single precision holds them, and sums of them are exact."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]


class Trees(NamedTuple):
    """The trees of one asset; tree ``t`` has the nodes ``starts[t]:starts[t + 1]``, and `left` counts from there."""

    starts: Ints
    feature: NDArray[np.int32]
    threshold: Singles
    left: NDArray[np.int32]
    mass: NDArray[np.int32]
    depth: NDArray[np.int32]


class Packed(NamedTuple):
    """The trees of many assets; see `pack` for what is kept of a node."""

    nodes: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: Singles
    mass: NDArray[np.uint16]


@kernel
def average_path(count: float) -> float:
    """Return the mean length of an unsuccessful search in a binary search tree of `count` values, c(n) of the paper."""
    if count <= 1.0:
        return 0.0
    if count <= 2.0:
        return 1.0
    return 2.0 * (np.log(count - 1.0) + EULER) - 2.0 * (count - 1.0) / count


@kernel
def empty_trees(n_trees: int, n_nodes: int) -> Trees:
    """Return room for trees that have `n_nodes` together."""
    return Trees(
        np.zeros(n_trees + 1, np.int64),
        np.empty(n_nodes, np.int32),
        np.empty(n_nodes, np.float32),
        np.empty(n_nodes, np.int32),
        np.empty(n_nodes, np.int32),
        np.empty(n_nodes, np.int32),
    )


@kernel
def center(values: NDArray[Any], centers: Floats, scales: Floats, out: Singles) -> None:
    """Write the scaled differences of values of shape (n_features, n_rows) from the centers; of missing ones 0."""
    for feature in range(values.shape[0]):
        middle, scale, given, own = centers[feature], scales[feature], values[feature], out[feature]
        for row in range(len(given)):
            apart = (float(given[row]) - middle) * scale
            known = apart == apart
            apart = LARGEST if apart > LARGEST else apart
            apart = -LARGEST if apart < -LARGEST else apart
            own[row] = np.float32(apart) if known else np.float32(0.0)


@inlined
def below(word: Any, count: Any) -> Any:
    """Return a whole number under `count` from a random word."""
    return np.int64((np.uint64(word) * np.uint64(count)) >> np.uint64(32))


@kernel
def draw(keys: Keys, tree: int, stream: int, place: Ints, drawn: Words) -> Any:
    """Return the next random word of a tree; `place` is where its sequence is."""
    at = place[0] & (WORDS - 1)
    if at == 0:
        words(keys, np.int64(0), tree, stream, place[0] // WORDS, drawn)
    place[0] += 1
    return drawn[at]


@kernel
def sample(rows: NDArray[Any], size: int, keys: Keys, tree: int, stream: int, place: Ints, drawn: Words) -> None:
    """Bring a random choice of `size` rows to the front, without replacement.

    One word a row, as `draw` would return them. Places are unsigned, which spares a look whether they count from the
    end.
    """
    at = np.uint64(place[0])
    for i in range(np.uint64(size)):
        word = at & np.uint64(WORDS - 1)
        if word == 0:
            words(keys, np.int64(0), tree, stream, np.int64(at // np.uint64(WORDS)), drawn)
        at += np.uint64(1)
        j = i + np.uint64(below(drawn[word], len(rows) - np.int64(i)))
        row = rows[i]
        rows[i] = rows[j]
        rows[j] = row
    place[0] = np.int64(at)


@kernel
def varying(x: Singles) -> Ints:
    """Return which features have more than one value."""
    found, count = np.empty(x.shape[0], np.int64), 0
    for feature in range(x.shape[0]):
        own = x[feature]
        for row in range(1, len(own)):
            if own[row] != own[0]:
                found[count] = feature
                count += 1
                break
    return found[:count]


@kernel
def grow(x: Singles, size: int, limit: int, keys: Keys, stream: int, n_trees: int, trees: Trees) -> None:
    """Grow all trees of one asset from values of shape (n_features, n_rows), each from `size` of the rows.

    A node draws a feature until one has two values there, and splits uniformly between the smallest and the largest.
    """
    features, rows = varying(x), np.arange(x.shape[1]).astype(np.uint32)
    first, last = np.empty(2 * size, np.int32), np.empty(2 * size, np.int32)
    values, right = np.empty(size, np.float32), np.empty(size, np.uint32)
    place, drawn = np.zeros(1, np.int64), np.empty(WORDS, np.uint32)
    for tree in range(n_trees):
        place[0] = 0
        sample(rows, size, keys, tree, stream, place, drawn)
        at = trees.starts[tree]
        first[0], last[0], trees.depth[at] = 0, size, 0
        node, end = 0, 1
        while node < end:
            begin = first[node]
            part = rows[begin : last[node]]
            count, here = len(part), at + node
            feature, low, high = np.int64(-1), np.float32(0.0), np.float32(0.0)
            if count > 1 and trees.depth[here] < limit:
                feature, low, high = _choose(x, part, features, keys, tree, stream, place, drawn, values)
            trees.mass[here] = count
            if feature < 0:
                trees.feature[here], trees.threshold[here], trees.left[here] = 0, np.inf, node
            else:
                share = (float(draw(keys, tree, stream, place, drawn)) + 0.5) * 2.0**-32
                threshold = np.float32(float(low) + share * (float(high) - float(low)))
                threshold = threshold if threshold < high else low
                kept = partition(part, values, threshold, right)
                trees.feature[here], trees.threshold[here], trees.left[here] = feature, threshold, end
                first[end], last[end], first[end + 1], last[end + 1] = begin, begin + kept, begin + kept, last[node]
                trees.depth[at + end], trees.depth[at + end + 1] = trees.depth[here] + 1, trees.depth[here] + 1
                end += 2
            node += 1
        trees.starts[tree + 1] = at + end


@kernel
def _choose(
    x: Singles,
    part: NDArray[np.uint32],
    features: Ints,
    keys: Keys,
    tree: int,
    stream: int,
    place: Ints,
    drawn: Words,
    values: Singles,
) -> tuple[int, float, float]:
    """Return a random feature that has two values among some rows, and its extremes; -1 if there is none.

    Features that were tried in vain move to the end of `features` and are not tried again here. `values` receives the
    rows' values.
    """
    left = len(features)
    while left > 0:
        pick = below(draw(keys, tree, stream, place, drawn), left)
        feature = features[pick]
        low, high = _gather(x[feature], part, values)
        if low < high:
            return feature, low, high
        left -= 1
        features[pick] = features[left]
        features[left] = feature
    return np.int64(-1), np.float32(0.0), np.float32(0.0)


@kernel
def _gather(column: Singles, part: NDArray[np.uint32], values: Singles) -> tuple[float, float]:
    """Copy a feature's values of some rows, and return their extremes, taken of every fourth value side by side."""
    a = column[part[0]]
    b, c, d, e, f, g, h = a, a, a, a, a, a, a
    even = len(part) & -4
    for i in range(0, even, 4):
        at = np.uint64(i)
        p, q = column[part[at]], column[part[at + np.uint64(1)]]
        r, s = column[part[at + np.uint64(2)]], column[part[at + np.uint64(3)]]
        values[at], values[at + np.uint64(1)], values[at + np.uint64(2)], values[at + np.uint64(3)] = p, q, r, s
        a, b, c, d = p if p < a else a, q if q < b else b, r if r < c else c, s if s < d else d
        e, f, g, h = p if p > e else e, q if q > f else f, r if r > g else g, s if s > h else h
    for i in range(even, len(part)):
        last = column[part[i]]
        values[i] = last
        a, e = last if last < a else a, last if last > e else e
    return min(a, b, c, d), max(e, f, g, h)


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
def paths(trees: Trees, out: Singles) -> None:
    """Write the path length of each leaf, its depth and what its mass would add, and 0 elsewhere."""
    for node in range(trees.starts[-1]):
        out[node] = 0.0
        if np.isinf(trees.threshold[node]):
            exact = trees.depth[node] + average_path(float(trees.mass[node]))
            out[node] = np.float32(np.rint(exact * FRACTION) / FRACTION)


@kernel
def pack(trees: Trees, first: int, splits: int, leaves: int, packed: Packed) -> tuple[int, int, int]:
    """Append one asset's trees to the packed ones; return where the next one's begin.

    Of each node there is the feature, -1 for a leaf, of each split the threshold, and of each leaf the mass.
    """
    for node in range(trees.starts[-1]):
        if np.isinf(trees.threshold[node]):
            packed.feature[first + node] = -1
            packed.mass[leaves] = trees.mass[node]
            leaves += 1
        else:
            packed.feature[first + node] = trees.feature[node]
            packed.threshold[splits] = trees.threshold[node]
            splits += 1
    return first + trees.starts[-1], splits, leaves


@kernel
def unpack(packed: Packed) -> Trees:
    """Return one asset's trees as `pack` was given them."""
    trees = empty_trees(len(packed.nodes), len(packed.feature))
    splits, leaves = 0, 0
    for tree in range(len(packed.nodes)):
        at = trees.starts[tree]
        trees.starts[tree + 1] = at + packed.nodes[tree]
        trees.depth[at] = 0
        end = 1
        for node in range(packed.nodes[tree]):
            here = at + node
            feature = packed.feature[here]
            if feature < 0:
                trees.feature[here], trees.threshold[here], trees.left[here] = 0, np.inf, node
                trees.mass[here] = packed.mass[leaves]
                leaves += 1
            else:
                trees.feature[here], trees.threshold[here] = feature, packed.threshold[splits]
                trees.left[here], trees.mass[here] = end, 0
                trees.depth[at + end], trees.depth[at + end + 1] = trees.depth[here] + 1, trees.depth[here] + 1
                end += 2
                splits += 1
        for node in range(packed.nodes[tree] - 1, -1, -1):
            left = trees.left[at + node]
            if left != node:
                trees.mass[at + node] = trees.mass[at + left] + trees.mass[at + left + 1]
    return trees

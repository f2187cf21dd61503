"""Isolation trees: grown on sub-samples of an asset, kept packed, and unpacked to be walked.

The nodes of a tree lie level by level, so that the two children of a node are neighbours and the place of a child
follows from how many nodes before have split. Unpacked, a leaf is its own child under an infinite threshold: who walks
on stays.

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
from tocsin.kernels.lanes import LANES, WORD, aligned, gather, largest, pick, smallest
from tocsin.kernels.philox import WORDS, Keys, Words, words

EULER = 0.5772156649015329
LARGEST = 3.0e38
"""Differences are cut to what single precision can hold."""
_CUT, _NONE = np.float32(LARGEST), np.float32(0.0)
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
    """The trees of one asset, or of many: how many nodes each has, and what is kept of a node.

    Of each node there is the feature, -1 for a leaf, of each split the threshold, and of each leaf the mass. A tree has
    one leaf more than splits, so that where each array begins follows from the number of nodes before.
    """

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
def blocks(n_rows: int, n_features: int) -> Singles:
    """Return room for values in blocks of rows, shape (n_blocks, n_features, WORD).

    A block of some hundred features stays in the nearest cache while it goes through all trees.
    """
    n_blocks = (n_rows + WORD - 1) // WORD
    return aligned(n_blocks * n_features * WORD).reshape((n_blocks, n_features, WORD))


@kernel
def center(values: NDArray[Any], first: int, last: int, centers: Floats, out: Singles) -> None:
    """Write the differences of some rows' values from the centers, in blocks; of missing ones 0.

    `values` has the shape (n_features, n_rows), contiguous, and is not sliced to rows before: a compiler would no
    longer know that a feature's values lie side by side.
    """
    whole = (last - first) // WORD
    for feature in range(values.shape[0]):
        middle, given = centers[feature], values[feature][first:last]
        for block in range(whole):
            own = out[block, feature]
            for i in range(WORD):
                own[i] = _apart(given[np.uint64(block * WORD + i)], middle)
        for i in range(len(given) - whole * WORD):
            out[whole, feature, i] = _apart(given[whole * WORD + i], middle)


@inlined
def _apart(value: Any, middle: Any) -> Any:
    apart = np.float32(float(value) - middle)
    apart = _CUT if apart > _CUT else apart
    apart = -_CUT if apart < -_CUT else apart
    return apart if apart == apart else _NONE


@inlined
def below(word: Any, count: Any) -> Any:
    """Return a whole number under `count` from a random word."""
    return np.int64((np.uint64(word) * np.uint64(count)) >> np.uint64(32))


@inlined
def share(word: Any) -> Any:
    """Return a number between 0 and 1 from a random word."""
    return (float(word) + 0.5) * 2.0**-32


@inlined
def draw(keys: Keys, tree: int, stream: int, at: int, drawn: Words) -> Any:
    """Return random word number `at` of a tree; `drawn` keeps those around it."""
    if at & (WORDS - 1) == 0:
        words(keys, np.int64(0), tree, stream, at // WORDS, drawn)
    return drawn[at & (WORDS - 1)]


@kernel
def sample(rows: NDArray[Any], size: int, keys: Keys, tree: int, stream: int, drawn: Words) -> None:
    """Bring a random choice of `size` rows to the front, without replacement.

    One word a row, from the first on, as `draw` would return them. Places are unsigned, which spares a look whether
    they count from the end.
    """
    for i in range(np.uint64(size)):
        word = i & np.uint64(WORDS - 1)
        if word == 0:
            words(keys, np.int64(0), tree, stream, np.int64(i // np.uint64(WORDS)), drawn)
        j = i + np.uint64(below(drawn[word], len(rows) - np.int64(i)))
        row = rows[i]
        rows[i] = rows[j]
        rows[j] = row


@kernel
def varying(x: Singles, n_rows: int) -> Ints:
    """Return which features have more than one value."""
    found, count = np.empty(x.shape[1], np.int64), 0
    for feature in range(x.shape[1]):
        for row in range(1, n_rows):
            if x[row // WORD, feature, row % WORD] != x[0, feature, 0]:
                found[count] = feature
                count += 1
                break
    return found[:count]


@kernel
def depth_limit(size: int) -> int:
    """Return how deep trees grown from so many rows are at most."""
    return int(np.ceil(np.log2(max(size, 2))))


class Room(NamedTuple):
    """Working memory of a tree that grows.

    `places` are where the values of rows begin in the blocks: those of this level's nodes and, in its other half, of
    the next level's, node by node. `begins` and `counts` say where in a half a node's are. `values` are those of one
    node and feature, and `low` and `high` their extremes.
    """

    places: NDArray[np.uint32]
    begins: Ints
    counts: Ints
    values: Singles
    low: Singles
    high: Singles
    drawn: Words


@kernel
def room_to_grow(size: int) -> Room:
    """Return the working memory for trees grown from `size` rows."""
    return Room(
        np.zeros(2 * (size + LANES), np.uint32),
        np.empty(2 * size, np.int64),
        np.empty(2 * size, np.int64),
        np.empty(size + LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(WORDS, np.uint32),
    )


@kernel
def grow(x: Singles, n_rows: int, size: int, keys: Keys, stream: int, packed: Packed) -> int:
    """Grow all trees of one asset from blocks of values, each from `size` of the rows; return their number of nodes.

    A node draws a feature until one has two values there, and splits uniformly between the smallest and the largest.
    `packed` is given with room enough.
    """
    features, rows, room = varying(x, n_rows), np.arange(n_rows).astype(np.uint32), room_to_grow(size)
    flat, width = x.reshape(-1), np.uint32(x.shape[1] * WORD)
    nodes = 0
    for tree in range(len(packed.nodes)):
        sample(rows, size, keys, tree, stream, room.drawn)
        for i in range(size):
            room.places[i] = rows[i] // np.uint32(WORD) * width + rows[i] % np.uint32(WORD)
        splits = (nodes - tree) // 2
        packed.nodes[tree] = _grow_tree(
            flat,
            features,
            size,
            keys,
            tree,
            stream,
            room,
            packed.feature[nodes:],
            packed.threshold[splits:],
            packed.mass[nodes - splits :],
        )
        nodes += packed.nodes[tree]
    return nodes


@kernel
def _grow_tree(
    flat: Singles,
    features: Ints,
    size: int,
    keys: Keys,
    tree: int,
    stream: int,
    room: Room,
    feature: NDArray[np.int16],
    threshold: Singles,
    mass: NDArray[np.uint16],
) -> int:
    """Grow one tree from the rows whose places come first in `room`; return its number of nodes.

    Arrays are not sliced on the way: that would count who holds them, at each node and for all threads to see.
    """
    begins, counts, near, far = room.begins, room.counts, 0, size + LANES
    begins[0], counts[0] = 0, size
    level, limit, upto = 0, depth_limit(size), 1
    node, end, splits, word = 0, 1, 0, size
    while node < end:
        if node == upto:
            level, upto, near, far = level + 1, end, far, near
        begin, count, left = begins[node], counts[node], len(features)
        chosen, low, high = np.int64(-1), np.float32(0.0), np.float32(0.0)
        while left > 0 and count > 1 and level < limit:
            at = below(draw(keys, tree, stream, word, room.drawn), left)
            chosen, word = features[at], word + 1
            low, high = _extremes(flat, chosen * WORD, near + begin, count, room)
            if low < high:
                break
            chosen, left = np.int64(-1), left - 1  # tried in vain: to the end, where it is not tried again here
            features[at], features[left] = features[left], features[at]
        feature[node] = chosen
        if chosen < 0:
            mass[node - splits] = count
        else:
            drawn = share(draw(keys, tree, stream, word, room.drawn))
            bound = np.float32(float(low) + drawn * (float(high) - float(low)))
            bound = bound if bound < high else low
            kept = _divide(near + begin, count, bound, far + begin, room)
            threshold[splits] = bound
            begins[end], counts[end], begins[end + 1], counts[end + 1] = begin, kept, begin + kept, count - kept
            end, splits, word = end + 2, splits + 1, word + 1
        node += 1
    return end


@kernel
def _extremes(flat: Singles, shift: int, begin: int, count: int, room: Room) -> tuple[float, float]:
    """Copy a feature's values of a node's rows to `room.values`, and return the smallest and the largest."""
    for lane in range(LANES):
        room.low[lane], room.high[lane] = np.float32(np.inf), np.float32(-np.inf)
    for at in range(0, count, LANES):
        gather(flat, shift, room.places, begin + at, count - at, room.values, at, room.low, room.high)
    return smallest(room.low), largest(room.high)


@kernel
def _divide(begin: int, count: int, bound: float, out: int, room: Room) -> int:
    """Copy the places of rows whose values are at most a bound, then of those above it; return how many are not."""
    to = out
    for at in range(0, count, LANES):
        to += pick(room.places, begin + at, count - at, room.values, at, bound, False, to)
    kept = to - out
    for at in range(0, count, LANES):
        to += pick(room.places, begin + at, count - at, room.values, at, bound, True, to)
    return kept


@kernel
def path_length(depth: int, mass: int) -> float:
    """Return the length of a path that ends in a leaf: its depth and what its mass would add."""
    return np.float32(np.rint((depth + average_path(float(mass))) * FRACTION) / FRACTION)


@kernel
def paths(trees: Trees, out: Singles) -> None:
    """Write the path length of each leaf, and 0 elsewhere."""
    for node in range(trees.starts[-1]):
        leaf = np.isinf(trees.threshold[node])
        out[node] = path_length(trees.depth[node], trees.mass[node]) if leaf else np.float32(0.0)


@kernel
def sample_size(packed: Packed) -> int:
    """Return from how many rows an asset's trees were grown."""
    n_leaves = (packed.nodes[0] + 1) // 2 if len(packed.nodes) else 0
    return int(packed.mass[:n_leaves].sum())


@kernel
def pack(trees: Trees, first: int, splits: int, leaves: int, packed: Packed) -> tuple[int, int, int]:
    """Append one asset's trees to the packed ones; return where the next one's begin."""
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
    trees = empty_trees(len(packed.nodes), packed.nodes.sum())
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

"""Online isolation trees: histograms that grow where rows come and shrink where the oldest leave a sliding window.

A tree is a heap: node ``k`` has the children ``2 * k + 1`` and ``2 * k + 2``, and a leaf has the feature -1. Only
leaves keep a box around their rows. A leaf at depth ``d`` splits when it has ``max_leaf * 2 ** d`` rows; which these
were it does not know, so the children are given what as many points, uniform in its box, would give them: a count and a
box each, both drawn from their own distributions without drawing the points.

F. Leveni, G. W. Cassales, B. Pfahringer, A. Bifet and G. Boracchi, Online Isolation Forest, ICML 2024.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.isolation import LARGEST, Floats, Ints, Singles
from tocsin.kernels.jit import kernel
from tocsin.kernels.philox import Keys, uniform_at

ONLINE = np.int64(2)
"""The stream of random words that online trees split by."""
BLOCK = 64
"""How many rows are learned at once where that does not change a tree's shape."""
FEW = 4
"""How many rows are learned one by one where it may."""

Bounds = tuple[Singles, Singles]


class Forest(NamedTuple):
    """The forests of a panel's assets; the second axis is the tree, the third the node."""

    centers: Floats
    means: Floats
    seen: Ints
    drawn: Ints
    feature: NDArray[np.int16]
    cut: Singles
    mass: NDArray[np.int32]
    low: Singles
    high: Singles


class Tree(NamedTuple):
    """The arrays of one tree of a forest; `drawn` has one entry."""

    drawn: Ints
    feature: NDArray[np.int16]
    cut: Singles
    mass: NDArray[np.int32]
    low: Singles
    high: Singles


@kernel
def _tree(forest: Forest, asset: int, tree: int) -> Tree:
    return Tree(
        forest.drawn[asset, tree : tree + 1],
        forest.feature[asset, tree],
        forest.cut[asset, tree],
        forest.mass[asset, tree],
        forest.low[asset, tree],
        forest.high[asset, tree],
    )


@kernel
def depth_limit(count: int, max_leaf: int) -> float:
    """Return how deep a leaf of `count` rows would be split, log4 of how many times `max_leaf` they are."""
    return np.log(count / max_leaf) / np.log(4.0) if count > max_leaf else 0.0


@kernel
def learn(
    values: NDArray[Any],
    offsets: Ints,
    old: Singles,
    old_ends: Ints,
    window: int,
    max_leaf: int,
    keys: Keys,
    forest: Forest,
) -> tuple[Singles, Ints]:
    """Learn each row and forget the one that leaves the window; return the rows of the new windows, and their ends."""
    n_features, n_assets = values.shape[0], len(offsets) - 1
    ends = np.zeros(n_assets + 1, np.int64)
    for asset in range(n_assets):
        held = (old_ends[asset + 1] - old_ends[asset]) // n_features + offsets[asset + 1] - offsets[asset]
        ends[asset + 1] = ends[asset] + min(held, window) * n_features
    kept = np.empty(ends[-1], np.float32)
    for asset in range(n_assets):
        before, new = old_ends[asset + 1] - old_ends[asset], offsets[asset + 1] - offsets[asset]
        had = before // n_features
        rows = np.empty((had + new, n_features), np.float32)
        rows.reshape(-1)[:before] = old[old_ends[asset] : old_ends[asset + 1]]
        for i in range(new):
            row = rows[had + i]
            _read(values[:, offsets[asset] + i], forest.centers[asset], forest.means[asset], window, row)
        columns = _turned(rows)
        extents = _extents(columns, had)
        for tree in range(forest.feature.shape[1]):
            own = _tree(forest, asset, tree)
            _slide(rows, columns, had, forest.seen[asset] - had, extents, window, max_leaf, own, tree, keys)
        forest.seen[asset] += new
        kept[ends[asset] : ends[asset + 1]] = rows.reshape(-1)[rows.size - (ends[asset + 1] - ends[asset]) :]
    return kept, ends


@kernel
def _read(values: NDArray[Any], centers: Floats, means: Floats, window: int, row: Singles) -> None:
    """Write the differences of one row from the centers, which are the first values there were.

    A missing value is taken as the mean of late, a mean that forgets as fast as the window does.
    """
    for feature in range(len(row)):
        value = float(values[feature])
        if value == value:
            if centers[feature] != centers[feature]:
                centers[feature] = value
            apart = min(max(value - centers[feature], -LARGEST), LARGEST)
            means[feature] += (apart - means[feature]) / window
            row[feature] = apart
        else:
            row[feature] = means[feature]


@kernel
def _turned(rows: Singles) -> Singles:
    """Return the columns of rows."""
    columns = np.empty((rows.shape[1], rows.shape[0]), np.float32)
    for i in range(rows.shape[0]):
        for feature in range(rows.shape[1]):
            columns[feature, i] = rows[i, feature]
    return columns


@kernel
def _slide(
    rows: Singles,
    columns: Singles,
    had: int,
    before: int,
    extents: Bounds,
    window: int,
    max_leaf: int,
    own: Tree,
    tree: int,
    keys: Keys,
) -> None:
    """Learn the rows from `had` on, and forget those that leave the window: many at once, or where a split is due few.

    `before` is how many rows were learned before the first of `rows`.
    """
    start, size = had, BLOCK
    while start < len(rows):
        block = (start - had) // BLOCK
        end = min(start + size, had + (block + 1) * BLOCK, len(rows))
        limit = depth_limit(min(before + end, window), max_leaf)
        bounds = extents[0][block], extents[1][block]
        if end - start > 1 and _shift(columns, start, end, bounds, window, max_leaf, limit, own):
            start, size = end, min(2 * size, BLOCK)
        elif end - start > FEW:
            size = (end - start) // 2
        else:
            for i in range(start, end):
                _add(rows[i], own, tree, max_leaf, depth_limit(min(before + i + 1, window), max_leaf), keys)
                if i >= window:
                    _remove(rows[i - window], own, max_leaf)
            start = end


@kernel
def _shift(
    columns: Singles, start: int, end: int, bounds: Bounds, window: int, max_leaf: int, limit: float, own: Tree
) -> bool:
    """Add rows and remove those that leave the window for them, at once, if no order of it changes a tree's shape.

    Return whether that is so; if not, nothing is done.
    """
    mass, n_nodes = own.mass, len(own.mass)
    leaves, added, removed = np.empty(end - start, np.int32), np.zeros(n_nodes, np.int32), np.zeros(n_nodes, np.int32)
    first, last = max(start - window, 0), max(end - window, 0)
    _find(columns, first, last, own, leaves)
    for i in range(last - first):
        removed[leaves[i]] += 1
    _find(columns, start, end, own, leaves)
    for i in range(end - start):
        added[leaves[i]] += 1
    depth, beyond = 0, 1
    for node in range(n_nodes):
        if node >= beyond:
            depth += 1
            beyond = 2 * beyond + 1
        due = added[node] > 0 and mass[node] + added[node] >= max_leaf << depth
        if removed[node] > mass[node] or (due and depth < limit and 2 * node + 2 < n_nodes):
            return False
    for node in range(n_nodes // 2 - 1, -1, -1):
        added[node] += added[2 * node + 1] + added[2 * node + 2]
        removed[node] += removed[2 * node + 1] + removed[2 * node + 2]
    depth, beyond = 0, 1
    for node in range(n_nodes // 2):
        if node >= beyond:
            depth += 1
            beyond = 2 * beyond + 1
        if own.feature[node] >= 0 and removed[node] > 0 and mass[node] - removed[node] < max_leaf << depth:
            return False
    for node in range(n_nodes):
        mass[node] += added[node] - removed[node]
    _widen(columns, start, leaves, added, bounds, own)
    return True


@kernel
def _find(columns: Singles, first: int, last: int, own: Tree, leaves: NDArray[np.int32]) -> None:
    """Write the leaves of the rows from `first` to `last`: one node after the other, since rows fill a register."""
    count = last - first
    for i in range(count):
        leaves[i] = 0
    for node in range(len(own.mass) // 2):
        if own.feature[node] >= 0:
            column, bound, here = columns[own.feature[node], first:last], own.cut[node], np.int32(node)
            left, right = np.int32(2 * node + 1), np.int32(2 * node + 2)
            for i in range(count):
                child = right if column[i] > bound else left
                leaves[i] = child if leaves[i] == here else leaves[i]


@kernel
def _extents(columns: Singles, first: int) -> tuple[Singles, Singles]:
    """Return the least and the most of each column in each block of rows from `first` on."""
    n_features, n_rows = columns.shape
    blocks = (n_rows - first + BLOCK - 1) // BLOCK
    least = np.full((blocks, n_features), np.float32(np.inf), np.float32)
    most = np.full((blocks, n_features), np.float32(-np.inf), np.float32)
    for feature in range(n_features):
        for i in range(first, n_rows):
            block, value = (i - first) // BLOCK, columns[feature, i]
            least[block, feature] = min(least[block, feature], value)
            most[block, feature] = max(most[block, feature], value)
    return least, most


@kernel
def _widen(
    columns: Singles, start: int, leaves: NDArray[np.int32], added: NDArray[np.int32], bounds: Bounds, own: Tree
) -> None:
    """Make the boxes of leaves hold their new rows; few of all rows lie outside, and few blocks have one that may."""
    least, most = bounds
    none, one = np.int32(0), np.int32(1)
    for node in range(len(added)):
        if added[node] == 0 or own.feature[node] >= 0:
            continue
        low, high, here = own.low[node], own.high[node], np.int32(node)
        for feature in range(len(low)):
            bottom, top = low[feature], high[feature]
            if not (least[feature] < bottom or most[feature] > top):
                continue
            column, outside = columns[feature, start : start + len(leaves)], none
            for i in range(len(leaves)):
                apart = one if (column[i] < bottom) | (column[i] > top) else none
                outside = np.int32(outside + (apart if leaves[i] == here else none))
            if outside > 0:
                for i in range(len(leaves)):
                    if leaves[i] == here:
                        low[feature] = min(low[feature], column[i])
                        high[feature] = max(high[feature], column[i])


@kernel
def _add(row: Singles, own: Tree, tree: int, max_leaf: int, limit: float, keys: Keys) -> None:
    node, depth = 0, 0
    feature, cut, mass = own.feature, own.cut, own.mass
    mass[0] += 1
    while feature[node] >= 0:
        node = 2 * node + 1 + np.int64(row[feature[node]] > cut[node])
        mass[node] += 1
        depth += 1
    low, high = own.low[node], own.high[node]
    for i in range(len(row)):
        low[i] = row[i] if row[i] < low[i] else low[i]
        high[i] = row[i] if row[i] > high[i] else high[i]
    if mass[node] >= max_leaf << depth and depth < limit:
        _split(own, tree, node, depth, max_leaf, limit, keys)


@kernel
def _split(own: Tree, tree: int, start: int, start_depth: int, max_leaf: int, limit: float, keys: Keys) -> None:
    """Split a leaf, and those of its children that are due as well."""
    feature, cut, mass = own.feature, own.cut, own.mass
    low, high = own.low, own.high
    n_features = low.shape[1]
    stack, depths, size = np.empty(64, np.int64), np.empty(64, np.int64), 1
    stack[0], depths[0] = start, start_depth
    at, tree_word = own.drawn[0], np.int64(tree)
    while size > 0:
        size -= 1
        node, depth = stack[size], depths[size]
        if mass[node] < max_leaf << depth or depth >= limit or 2 * node + 2 >= len(mass):
            continue
        first = np.int64(uniform_at(keys, np.int64(0), tree_word, ONLINE, at) * n_features)
        at += 1
        chosen = np.int64(-1)
        for turn in range(n_features):
            if chosen < 0 and high[node, (first + turn) % n_features] > low[node, (first + turn) % n_features]:
                chosen = (first + turn) % n_features
        if chosen < 0:
            continue
        begin, wide = float(low[node, chosen]), float(high[node, chosen]) - float(low[node, chosen])
        bound = np.float32(begin + wide * uniform_at(keys, np.int64(0), tree_word, ONLINE, at))
        at += 1
        bound = bound if bound < high[node, chosen] else low[node, chosen]
        lefts, share = 0, (float(bound) - begin) / wide
        for _ in range(mass[node]):
            lefts += np.int64(uniform_at(keys, np.int64(0), tree_word, ONLINE, at) < share)
            at += 1
        feature[node], cut[node] = chosen, bound
        for side in range(2):
            child = 2 * node + 1 + side
            feature[child], mass[child] = -1, (mass[node] - lefts if side else lefts)
            for i in range(n_features):
                bottom, top = float(low[node, i]), float(high[node, i])
                bottom = float(bound) if i == chosen and side == 1 else bottom
                top = float(bound) if i == chosen and side == 0 else top
                one = uniform_at(keys, np.int64(0), tree_word, ONLINE, at)
                other = uniform_at(keys, np.int64(0), tree_word, ONLINE, at + 1)
                at += 2
                low[child, i], high[child, i] = _extremes(bottom, top, mass[child], one, other)
            stack[size], depths[size] = child, depth + 1
            size += 1
    own.drawn[0] = at


@kernel
def _extremes(bottom: float, top: float, count: int, one: float, other: float) -> tuple[float, float]:
    """Return the smallest and the largest of `count` uniform numbers, from two uniform ones."""
    if count <= 0:
        return np.inf, -np.inf
    largest = one ** (1.0 / count)
    smallest = largest if count == 1 else largest * (1.0 - other ** (1.0 / (count - 1.0)))
    return bottom + (top - bottom) * smallest, bottom + (top - bottom) * largest


@kernel
def _remove(row: Singles, own: Tree, max_leaf: int) -> None:
    """Forget one row; what is left too empty for its split becomes a leaf again, boxed around all boxes below."""
    feature, cut, mass = own.feature, own.cut, own.mass
    low, high = own.low, own.high
    node, depth = 0, 0
    while True:
        mass[node] = max(mass[node] - 1, 0)
        if feature[node] < 0:
            return
        if mass[node] < max_leaf << depth:
            break
        node = 2 * node + 1 + np.int64(row[feature[node]] > cut[node])
        depth += 1
    low[node], high[node] = np.inf, -np.inf
    stack, size = np.empty(64, np.int64), 1
    stack[0] = node
    while size > 0:
        size -= 1
        below = stack[size]
        if feature[below] >= 0:
            feature[below] = -1
            stack[size], stack[size + 1] = 2 * below + 1, 2 * below + 2
            size += 2
        else:
            for i in range(low.shape[1]):
                low[node, i] = min(low[node, i], low[below, i])
                high[node, i] = max(high[node, i], high[below, i])


@kernel
def score(
    values: NDArray[Any],
    offsets: Ints,
    window: int,
    max_leaf: int,
    forest: Forest,
    wanted: bool,
    scores: Floats,
    parts: Floats,
) -> None:
    """Score the rows of each asset, and if `wanted` write all contributions, shape (n_rows, n_features).

    A split is credited with the cube of the information that it gave, as in `isolation_scores.contributions`.
    """
    n_features, n_trees, n_nodes = values.shape[0], forest.feature.shape[1], forest.feature.shape[2]
    length = np.empty((n_trees, n_nodes))
    parts[:] = 0.0
    for asset in range(len(offsets) - 1):
        for tree in range(n_trees):
            depth, last = 0, 1
            for node in range(n_nodes):
                if node >= last:
                    depth += 1
                    last = 2 * last + 1
                length[tree, node] = depth + depth_limit(forest.mass[asset, tree, node], max_leaf)
        unit = n_trees * depth_limit(min(forest.seen[asset], window), max_leaf)
        first, last = offsets[asset], offsets[asset + 1]
        rows = np.empty((last - first, n_features), np.float32)
        credits = np.zeros(last - first)
        for i in range(last - first):
            for feature in range(n_features):
                apart = float(values[feature, first + i]) - forest.centers[asset, feature]
                apart = min(max(apart, -LARGEST), LARGEST)
                rows[i, feature] = apart if apart == apart else forest.means[asset, feature]
        columns, leaves = _turned(rows), np.empty(last - first, np.int32)
        totals = scores[first:last]
        totals[:] = 0.0
        for tree in range(n_trees):
            own, along = _tree(forest, asset, tree), length[tree]
            if wanted:
                _credit(rows, own, parts[first:last], credits)
            for start in range(0, last - first, BLOCK):
                end = min(start + BLOCK, last - first)
                _find(columns, start, end, own, leaves)
                for i in range(end - start):
                    totals[start + i] += along[leaves[i]]
        for i in range(last - first):
            totals[i] = 2.0 ** (-totals[i] / unit) if unit > 0.0 else 0.5
            if wanted:
                for feature in range(n_features):
                    share = parts[first + i, feature] / credits[i] if credits[i] > 0.0 else 1.0 / n_features
                    parts[first + i, feature] = totals[i] * share


@kernel
def _credit(rows: Singles, own: Tree, parts: Floats, credits: Floats) -> None:
    for i in range(len(rows)):
        node = 0
        while own.feature[node] >= 0:
            child = 2 * node + 1 + np.int64(rows[i, own.feature[node]] > own.cut[node])
            credit = np.log(max(own.mass[node] / max(float(own.mass[child]), 0.5), 1.0)) ** 3
            parts[i, own.feature[node]] += credit
            credits[i] += credit
            node = child

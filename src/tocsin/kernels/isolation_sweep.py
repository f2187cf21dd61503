"""The path lengths of many rows in isolation trees, without a branch: a word of bits says which rows are at a node.

A block of rows goes through all splits of a tree. One comparison of a feature's values with a threshold gives the word
of those rows that go right, and two operations on words the rows at both children. Which level a row went right at is
a code of its leaf, and a table has the path length of each code. All splits are looked at, a few dozen, where a walk
looks at eight, and yet it takes a fraction of the time: 64 rows share each look.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.isolation import Floats, Ints, Packed, Singles, depth_limit, path_length, sample_size
from tocsin.kernels.jit import kernel
from tocsin.kernels.lanes import WORD, bits_above, mark_where

GROUP = 64
"""How many trees are read at once, few enough that they and a block stay in cache."""
DEEPEST = 11
"""The codes of deeper trees would be too many; there a walk is better anyway, whose time does not grow with nodes."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Splits(NamedTuple):
    """The splits of some trees; tree ``t`` has ``starts[t]:starts[t + 1]`` of them, on `levels[t]` levels.

    `column` is where a feature's values begin in a block, `parent` and `child` are places of nodes in their tree, and
    `length`, of shape (n_trees, n_codes), has the path length of each leaf under its code.
    """

    starts: Ints
    levels: Ints
    column: NDArray[np.uint32]
    threshold: Singles
    parent: NDArray[np.uint16]
    child: NDArray[np.uint16]
    level: NDArray[np.uint8]
    length: Singles


@kernel
def path_sums(x: Singles, packed: Packed, out: Floats) -> None:
    """Write the sum of each row's path lengths over all trees; any order of additions gives the same.

    `x` is in blocks of rows. Trees are at most DEEPEST levels deep.
    """
    n_trees = len(packed.nodes)
    deepest = depth_limit(sample_size(packed))
    splits = _room(min(GROUP, n_trees), deepest)
    member, codes = np.empty(2 << deepest, np.uint64), np.empty(2 << deepest, np.uint16)
    out[:] = 0.0
    nodes = 0
    for first in range(0, n_trees, GROUP):
        own = packed.nodes[first : first + GROUP]
        before = (nodes - first) // 2
        nodes += _read(
            Packed(own, packed.feature[nodes:], packed.threshold[before:], packed.mass[nodes - before :]), codes, splits
        )
        for block in range(len(x)):
            _sweep(x[block].reshape(-1), len(own), splits, member, out[block * WORD : (block + 1) * WORD])


@kernel
def _room(n_trees: int, deepest: int) -> Splits:
    most = n_trees * ((1 << deepest) - 1)
    return Splits(
        np.zeros(n_trees + 1, np.int64),
        np.zeros(n_trees, np.int64),
        np.empty(most, np.uint32),
        np.empty(most, np.float32),
        np.empty(most, np.uint16),
        np.empty(most, np.uint16),
        np.empty(most, np.uint8),
        np.empty((n_trees, 1 << deepest), np.float32),
    )


@kernel
def _read(packed: Packed, codes: NDArray[np.uint16], splits: Splits) -> int:
    """Read some trees into `splits`, and return how many nodes they have; `codes` is room for a code a node."""
    at, split, leaf = 0, 0, 0
    for tree in range(len(packed.nodes)):
        level, upto, end = 0, 1, 1
        codes[0] = 0
        for node in range(packed.nodes[tree]):
            if node == upto:
                level, upto = level + 1, end
            feature = packed.feature[at + node]
            if feature < 0:
                splits.length[tree, codes[node]] = path_length(level, packed.mass[leaf])
                leaf += 1
            else:
                splits.column[split], splits.threshold[split] = feature * WORD, packed.threshold[split]
                splits.parent[split], splits.child[split], splits.level[split] = node, end, level
                codes[end], codes[end + 1] = codes[node], codes[node] | np.uint16(1 << level)
                end += 2
                split += 1
        at += packed.nodes[tree]
        splits.starts[tree + 1], splits.levels[tree] = split, level
    return at


@kernel
def _sweep(block: Singles, n_trees: int, splits: Splits, member: NDArray[np.uint64], out: Floats) -> None:
    """Add the path lengths of a block's rows in some trees."""
    right, code, total = np.zeros(DEEPEST, np.uint64), np.empty(WORD, np.uint16), np.zeros(WORD)
    for tree in range(n_trees):
        begin, end = splits.starts[tree], splits.starts[tree + 1]
        column, threshold, level = splits.column[begin:end], splits.threshold[begin:end], splits.level[begin:end]
        parent, child = splits.parent[begin:end], splits.child[begin:end]
        member[0], right[:] = _ALL, 0
        for split in range(len(column)):
            here, to = member[parent[split]], child[split]
            above = here & bits_above(block, np.int64(column[split]), threshold[split])
            member[to], member[to + np.uint16(1)] = here ^ above, above
            right[level[split]] |= above
        code[:] = 0
        for height in range(splits.levels[tree]):
            mark_where(code, right[height], np.uint16(1 << height))
        length = splits.length[tree]
        for i in range(WORD):
            total[i] += float(length[code[i]])
    for i in range(len(out)):
        out[i] += total[i]

"""Oblique isolation trees hold their rows, and their directions are made again as they were."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.isolation_oblique import path_lengths
from tocsin.kernels import isolation, isolation_oblique
from tocsin.kernels.isolation_oblique import COMPONENTS
from tocsin.kernels.philox import WORDS, keys

SIZE, DEPTH, TREES = 16, 4, 3


def grown(width, rows=30, seed=0):
    """Return rows, trees grown from them, and the directions of their splits."""
    x = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    used = np.arange(width)
    trees = isolation.empty_trees(TREES, TREES * (2 << DEPTH))
    isolation_oblique.grow(x, SIZE, DEPTH, keys(seed), used, TREES, trees)
    return x, trees, isolation_oblique.directions(trees, keys(seed), used)


@pytest.mark.parametrize("width", [2, 11])
def test_rows_are_followed_as_a_slow_twin_follows_them(width):
    x, trees, way = grown(width)
    path = np.empty(len(trees.feature), np.float32)
    isolation.paths(trees, path)
    found = np.empty(len(x))
    isolation_oblique.path_sums(x, trees, way, path, found)
    slow = path_lengths(x, trees.starts, trees.threshold[: trees.starts[-1]], trees.left, *way, path)
    np.testing.assert_array_equal(found, slow)


def test_sides_of_a_split_have_its_rows_and_none_is_below_the_depth():
    _, trees, way = grown(5)
    splits = 0
    for tree in range(TREES):
        begin = trees.starts[tree]
        assert trees.mass[begin] == SIZE
        for node in range(begin, trees.starts[tree + 1]):
            assert trees.depth[node] <= DEPTH
            if not np.isinf(trees.threshold[node]):
                left = begin + trees.left[node]
                assert trees.mass[left] + trees.mass[left + 1] == trees.mass[node] > 1
                assert trees.feature[node] == splits
                splits += 1
            elif trees.depth[node] < DEPTH:
                assert trees.mass[node] <= 1
    assert splits == len(way.axes) == len(way.normals)


def test_rows_of_the_sample_fall_into_the_leaves_that_hold_them():
    x, trees, way = grown(3, rows=SIZE)  # all rows are in the sample
    one = trees._replace(starts=trees.starts[:2])
    mark = np.arange(len(trees.feature), dtype=np.float32)
    leaf = np.empty(SIZE)
    isolation_oblique.path_sums(x, one, way, mark, leaf)
    found, counts = np.unique(leaf.astype(int), return_counts=True)
    np.testing.assert_array_equal(trees.mass[found], counts)


def test_the_first_directions_do_not_depend_on_how_many_are_made():
    used, scratch = np.arange(3, 15), np.empty(2 * WORDS, np.uint32)
    made = []
    for count in (5, 200):
        axes, normals = np.empty((count, COMPONENTS), np.int32), np.empty((count, COMPONENTS), np.float32)
        isolation_oblique.tree_directions(keys(1), 2, used, scratch, axes, normals)
        made.append((axes, normals))
    for few, many in zip(*made, strict=True):
        np.testing.assert_array_equal(few, many[:5])
    axes, normals = made[1]
    assert all(len(set(line)) == COMPONENTS for line in axes.tolist())
    assert set(np.unique(axes)) == set(used)
    assert abs(normals.mean()) < 0.1
    assert abs(normals.std() - 1.0) < 0.1


def test_scales_are_inverse_standard_deviations_of_what_is_there():
    values = np.array([[1.0, 2.0, np.nan, 4.0], [7.0, 7.0, 7.0, 7.0], [np.nan] * 4])
    scales = np.empty(3)
    isolation_oblique.inverse_deviations(values, np.array([2.0, 7.0, np.nan]), scales)
    np.testing.assert_allclose(scales, [1.0 / np.std([1.0, 2.0, 4.0]), 0.0, 0.0])
    x = np.empty((4, 3), np.float32)
    isolation_oblique.standardize(values, np.array([2.0, 7.0, np.nan]), scales, x)
    np.testing.assert_allclose(x[:, 0], np.array([-1.0, 0.0, 0.0, 2.0]) * scales[0], rtol=1e-6)
    assert (x[:, 1:] == 0.0).all()

"""Eigenvalues are NumPy's, and their vectors are orthogonal and belong to them, whatever the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import eigen


def decompose(matrix):
    n = len(matrix)
    work, mirrors, diagonal, beside, turns = eigen.room(n)
    work[:] = matrix
    eigen.tridiagonal(work, mirrors, diagonal, beside)
    count, turns = eigen.eigenvalues(diagonal, beside, turns[:1])
    vectors = np.empty((n, n))
    eigen.eigenvectors(np.arange(n), turns, count, mirrors, vectors)
    return diagonal, vectors


@pytest.mark.parametrize(
    "matrix",
    [
        *(np.atleast_2d(np.corrcoef(np.random.default_rng(n).normal(size=(n, 3 * n)))) for n in (1, 2, 3, 8, 13)),
        np.eye(5),
        np.ones((4, 4)),
        np.zeros((3, 3)),
        np.diag([3.0, 1.0, 2.0]),
        np.kron(np.eye(3), np.ones((2, 2))),
        np.array([[1.0, -1e-9], [-1e-9, 1.0]]),
        1e150 * np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]),
    ],
    ids=lambda matrix: f"{len(matrix)}",
)
def test_equals_numpy(matrix):
    values, vectors = decompose(matrix)
    size = max(np.abs(matrix).max(), 1e-300)
    np.testing.assert_allclose(np.sort(values) / size, np.linalg.eigvalsh(matrix) / size, atol=1e-13)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(matrix)), atol=1e-13)
    np.testing.assert_allclose(vectors.T @ matrix @ vectors / size, np.diag(values) / size, atol=1e-13)


def test_only_the_vectors_that_are_asked_for():
    matrix = np.corrcoef(np.random.default_rng(0).normal(size=(9, 40)))
    work, mirrors, diagonal, beside, turns = eigen.room(9)
    work[:] = matrix
    eigen.tridiagonal(work, mirrors, diagonal, beside)
    count, turns = eigen.eigenvalues(diagonal, beside, turns)
    which = np.argsort(-diagonal)[:2]
    vectors = np.empty((9, 2))
    eigen.eigenvectors(which, turns, count, mirrors, vectors)
    np.testing.assert_allclose(matrix @ vectors, vectors * diagonal[which], atol=1e-13)

"""Eigenvalues are NumPy's, and their vectors are orthogonal and belong to them, whatever the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import eigen


def decompose(matrix, wanted, unit=1.0):
    n = len(matrix)
    work = eigen.room(n)
    work.matrix[:n, :n] = matrix
    eigen.tridiagonal(work)
    with np.errstate(divide="ignore"):  # a pivot of 0 is as good as any, and plain Python warns
        for first in range(0, wanted, eigen.ABREAST):
            eigen.bisect(work, first)
    which = np.empty(n, np.int64)
    found, count, turns = eigen.split(work, wanted, np.empty((1, 3)), which)
    assert found == wanted
    vectors, sums = np.empty((wanted, n)), np.empty(3)
    eigen.eigenvectors(work, which[:wanted], turns, count, vectors)
    eigen.powers(work, which[:wanted], unit, sums)
    return work.values[:wanted], work.diagonal[which[:wanted]], vectors, sums


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
    size, n = max(np.abs(matrix).max(), 1e-300), len(matrix)
    for wanted in {1, (n + 1) // 2, n}:
        bisected, values, vectors, sums = decompose(matrix, wanted, size)
        expected = np.linalg.eigvalsh(matrix / size)[::-1]
        np.testing.assert_allclose(bisected / size, expected[:wanted], atol=1e-13)
        np.testing.assert_allclose(values / size, expected[:wanted], atol=1e-13)
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(wanted), atol=1e-13)
        np.testing.assert_allclose((vectors @ matrix / size).T, vectors.T * (values / size), atol=1e-13)
        rest = [(expected[wanted:] ** power).sum() for power in (1, 2, 3)]
        np.testing.assert_allclose(sums, rest, atol=1e-12)


@pytest.mark.parametrize("faint", [1e-3, 1e-6])
def test_powers_of_what_is_next_to_nothing(faint):
    """The rest adds little to the traces of the whole matrix, from which it is not told as a difference."""
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    values = np.append([30.0, 20.0, 10.0], faint * rng.uniform(1.0, 2.0, size=17))
    *_, sums = decompose(turn @ np.diag(values) @ turn.T, 3)
    expected = [(values[3:] ** power).sum() for power in (1, 2, 3)]
    np.testing.assert_allclose(sums, expected, rtol=1e-14 / faint * 10)

"""The largest eigenvalues of a symmetric matrix and their vectors, for thousands of small matrices.

A matrix is made tridiagonal by reflections (Householder), and its eigenvalues are found by implicit QL steps; only then
is it known which vectors are wanted, and the rotations of the steps are turned on these alone. Nothing here starts
threads of its own, which would fight those that run over assets, and the result does not depend on a library.

J. H. Wilkinson and C. Reinsch, Handbook for Automatic Computation II: Linear Algebra, 1971, contributions II/2 to II/4,
doi:10.1007/978-3-642-86940-2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.fma import fma
from tocsin.kernels.jit import kernel

Floats = NDArray[np.float64]

EPSILON = 2.0**-52
MOST_STEPS = 60
"""QL steps for one eigenvalue; it takes two or three."""


@kernel
def _reflect(row: Floats, mirror: Floats) -> float:
    """Write the vector whose reflection leaves only the last entry of `row`, and return what is left there.

    The vector is followed by 2 over its squared length, or by 0 where there was nothing to reflect.
    """
    k = len(row)
    others = 0.0
    for j in range(k - 1):
        others += row[j] * row[j]
        mirror[j] = row[j]
    last = row[k - 1]
    if others == 0.0:
        mirror[k] = 0.0
        return last
    length = np.sqrt(others + last * last)
    left = -length if last > 0.0 else length
    mirror[k - 1] = last - left
    mirror[k] = 1.0 / (length * (length + abs(last)))
    return left


@kernel
def tridiagonal(matrix: Floats, mirrors: Floats, diagonal: Floats, beside: Floats) -> None:
    """Reduce a full symmetric matrix, which is destroyed, to its diagonal and what stands beside it.

    Row ``k`` of `mirrors` gets the reflection that treats row ``k``; ``beside[k]`` stands between rows ``k`` and
    ``k - 1``. What a reflection changes in a row is put off until the row is read for the next one, so that the matrix
    is passed once for each of its rows.
    """
    n = len(matrix)
    mirror, other, image = np.zeros(n), np.zeros(n), np.empty(n)
    for k in range(n - 1, 0, -1):
        row, own = matrix[k], mirrors[k]
        for j in range(k + 1):
            row[j] = fma(-mirror[k], other[j], fma(-other[k], mirror[j], row[j]))
        diagonal[k] = row[k]
        beside[k] = _reflect(row[:k], own)
        factor = own[k]
        image[:k] = 0.0
        for i in range(0, k - 1, 2):
            a, b = matrix[i], matrix[i + 1]
            mirror_a, mirror_b, other_a, other_b = -mirror[i], -mirror[i + 1], -other[i], -other[i + 1]
            own_a, own_b = own[i], own[i + 1]
            for j in range(k):
                new_a = fma(mirror_a, other[j], fma(other_a, mirror[j], a[j]))
                new_b = fma(mirror_b, other[j], fma(other_b, mirror[j], b[j]))
                a[j], b[j] = new_a, new_b
                image[j] = fma(own_b, new_b, fma(own_a, new_a, image[j]))
        if k % 2 == 1:
            a = matrix[k - 1]
            for j in range(k):
                a[j] = fma(-mirror[k - 1], other[j], fma(-other[k - 1], mirror[j], a[j]))
                image[j] = fma(own[k - 1], a[j], image[j])
        along = 0.0
        for j in range(k):
            image[j] *= factor
            along += image[j] * own[j]
        for j in range(k):
            mirror[j] = own[j] if factor > 0.0 else 0.0
            other[j] = image[j] - 0.5 * factor * along * own[j] if factor > 0.0 else 0.0
    diagonal[0] = matrix[0, 0] - 2.0 * mirror[0] * other[0]
    beside[0] = 0.0


@kernel
def _grown(turns: Floats) -> Floats:
    """Return the turns in an array twice as long."""
    more = np.empty((2 * len(turns), 3))
    more[: len(turns)] = turns
    return more


@kernel
def eigenvalues(diagonal: Floats, beside: Floats, turns: Floats) -> tuple[int, Floats]:
    """Put the eigenvalues of a tridiagonal matrix in place of its diagonal; `beside` is destroyed.

    Returns how many rotations that took and what they were, (cosine, sine, place) each: `turns`, or a longer array.
    """
    n, count = len(diagonal), 0
    for i in range(1, n):
        beside[i - 1] = beside[i]
    beside[n - 1] = 0.0
    for low in range(n):
        for _ in range(MOST_STEPS):
            high = low
            while high < n - 1 and abs(beside[high]) > EPSILON * (abs(diagonal[high]) + abs(diagonal[high + 1])):
                high += 1
            if high == low:
                break
            while count + n > len(turns):
                turns = _grown(turns)
            half = (diagonal[low + 1] - diagonal[low]) / (2.0 * beside[low])
            root = np.sqrt(half * half + 1.0)
            at = diagonal[high] - diagonal[low] + beside[low] / (half + (root if half >= 0.0 else -root))
            sine, cosine, shift = 1.0, 1.0, 0.0
            i = high - 1
            while i >= low:
                over, across = sine * beside[i], cosine * beside[i]
                length = np.sqrt(over * over + at * at)
                beside[i + 1] = length
                if length == 0.0:
                    break
                sine, cosine = over / length, at / length
                base = diagonal[i + 1] - shift
                twist = (diagonal[i] - base) * sine + 2.0 * cosine * across
                shift = sine * twist
                diagonal[i + 1] = base + shift
                at = cosine * twist - across
                turns[count, 0], turns[count, 1], turns[count, 2] = cosine, sine, i
                count += 1
                i -= 1
            if i >= low:  # the matrix fell apart on the way
                diagonal[i + 1] -= shift
            else:
                diagonal[low] -= shift
                beside[low] = at
            beside[high] = 0.0
    return count, turns


@kernel
def eigenvectors(which: NDArray[np.int64], turns: Floats, count: int, mirrors: Floats, vectors: Floats) -> None:
    """Write the vectors of chosen eigenvalues as columns of `vectors`, shape (n, len(which))."""
    n, wanted = vectors.shape
    vectors[:] = 0.0
    for column in range(wanted):
        vectors[which[column], column] = 1.0
    for turn in range(count - 1, -1, -1):
        cosine, sine, place = turns[turn, 0], turns[turn, 1], int(turns[turn, 2])
        a, b = vectors[place], vectors[place + 1]
        for column in range(wanted):
            old = a[column]
            a[column] = cosine * old + sine * b[column]
            b[column] = cosine * b[column] - sine * old
    along = np.empty(wanted)
    for k in range(1, n):
        mirror, factor = mirrors[k], mirrors[k, k]
        if factor == 0.0:
            continue
        along[:] = 0.0
        for i in range(k):
            part, here = mirror[i] * factor, vectors[i]
            for column in range(wanted):
                along[column] += part * here[column]
        for i in range(k):
            part, here = mirror[i], vectors[i]
            for column in range(wanted):
                here[column] -= part * along[column]


@kernel
def room(n: int) -> tuple[Any, ...]:
    """Return the arrays that `decompose` works in."""
    return np.empty((n, n)), np.empty((n, n)), np.empty(n), np.empty(n), np.empty((2 * n * n + n, 3))

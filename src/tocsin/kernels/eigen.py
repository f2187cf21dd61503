"""The largest eigenvalues of a symmetric matrix and their vectors, for thousands of small matrices.

A matrix is made tridiagonal by reflections (Householder). Its largest eigenvalues are found by bisection, sixteen side
by side, until it is known how many are wanted. Only these are then split off by QR steps, which they shift at once, and
only their vectors are turned back. What is left is a smaller tridiagonal matrix, whose powers have traces that are
found without its eigenvalues. Nothing here starts threads of its own, which would fight those that run over assets, and
the result does not depend on a library.

J. H. Wilkinson and C. Reinsch, Handbook for Automatic Computation II: Linear Algebra, 1971, contributions II/2, II/3
and II/5, doi:10.1007/978-3-642-86940-2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel
from tocsin.kernels.registers import LANES, fill, fused, load, store, total

Floats = NDArray[np.float64]

EPSILON = 2.0**-52
ABREAST = 16
"""Eigenvalues that are bisected side by side."""
HALVINGS = 53
"""Times until an interval from -1 to 1 is as small as rounding errors are."""
FAINT = 1e-290
"""What stands for 0 beside the diagonal, so that a pivot of 0 makes the next one infinite, and no NaN."""
SLIGHT = 4.0 * EPSILON
"""Up to this share of the largest eigenvalue, what stands beside the diagonal is rounding."""
MOST_STEPS = 60
"""QR steps for one eigenvalue; it takes one or two."""


class Room(NamedTuple):
    """What is known of a matrix on the way, of `n` rows and columns, `m` of them with the padding to whole vectors.

    `matrix`, shape (m, m), 0 in the padding: in its lower triangle, and also above the diagonal within squares of eight
    by eight along it, stands what is to be decomposed. It is destroyed. `mirrors`, shape (m, m), and `factors` hold the
    reflections: row ``k`` is treated by subtracting ``factors[k]`` times the product with ``mirrors[k]``. ``beside[k]``
    stands between rows ``k`` and ``k - 1`` of the tridiagonal matrix. `values` are eigenvalues, largest first, as far
    as they were asked for.
    """

    matrix: Floats
    mirrors: Floats
    factors: Floats
    diagonal: Floats
    beside: Floats
    values: Floats


@kernel
def room(n: int) -> Room:
    """Return the arrays for matrices of `n` rows and columns."""
    m = (n + LANES - 1) // LANES * LANES
    matrix, mirrors = np.zeros((m, m)), np.zeros((m, m))
    return Room(matrix, mirrors, np.empty(n), np.empty(n), np.empty(n), np.empty(n + ABREAST))


@kernel
def _reflect(row: Floats, k: int, mirror: Floats) -> tuple[float, float]:
    """Write the vector whose reflection leaves only the last of the first `k` entries of a row.

    Returns what is left there, and 2 over the vector's squared length, or 0 where there is nothing to reflect.
    """
    last = row[k - 1]
    mirror[:] = 0.0
    mirror[: k - 1] = row[: k - 1]
    squares = fill(0.0)
    for j in range(0, k, LANES):
        part = load(mirror, j)
        squares = fused(part, part, squares)
    others = total(squares)
    if others == 0.0:
        return last, 0.0
    length = np.sqrt(others + last * last)
    left = -length if last > 0.0 else length
    mirror[k - 1] = last - left
    return left, 1.0 / (length * (length + abs(last)))


@kernel
def _change(row: Floats, k: int, at: int, mirror: Floats, other: Floats) -> None:
    """Do to the first `k` entries of row `at` what the reflection of an earlier row changes in them."""
    m, o = fill(-mirror[at]), fill(-other[at])
    for j in range(0, k, LANES):
        store(row, j, fused(m, load(other, j), fused(o, load(mirror, j), load(row, j))))


@kernel
def _pass(matrix: Floats, k: int, mirror: Floats, other: Floats, own: Floats, image: Floats) -> None:
    """Do to the first `k` rows what an earlier reflection changes, and write their products with the next one's vector.

    Each entry below the squares on the diagonal stands for that above them, too.
    """
    for j in range(0, k, LANES):
        store(image, j, fill(0.0))
    for i in range(0, k, 4):
        a, b, c, d = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
        ma, mb, mc, md = fill(-mirror[i]), fill(-mirror[i + 1]), fill(-mirror[i + 2]), fill(-mirror[i + 3])
        oa, ob, oc, od = fill(-other[i]), fill(-other[i + 1]), fill(-other[i + 2]), fill(-other[i + 3])
        wa, wb, wc, wd = fill(own[i]), fill(own[i + 1]), fill(own[i + 2]), fill(own[i + 3])
        ta, tb, tc, td = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
        square = i // LANES * LANES
        for j in range(0, square + LANES, LANES):
            x, y = load(other, j), load(mirror, j)
            na = fused(ma, x, fused(oa, y, load(a, j)))
            nb = fused(mb, x, fused(ob, y, load(b, j)))
            nc = fused(mc, x, fused(oc, y, load(c, j)))
            nd = fused(md, x, fused(od, y, load(d, j)))
            store(a, j, na)
            store(b, j, nb)
            store(c, j, nc)
            store(d, j, nd)
            store(image, j, fused(wd, nd, fused(wc, nc, fused(wb, nb, fused(wa, na, load(image, j))))))
            if j < square:
                w = load(own, j)
                ta, tb, tc, td = fused(w, na, ta), fused(w, nb, tb), fused(w, nc, tc), fused(w, nd, td)
        image[i] += total(ta)
        image[i + 1] += total(tb)
        image[i + 2] += total(tc)
        image[i + 3] += total(td)


@kernel
def tridiagonal(work: Room) -> None:
    """Reduce the matrix to a diagonal and what stands beside it.

    What a reflection changes in a row is put off until the row is read for the next one, so that the lower triangle is
    passed once for each of its rows.
    """
    matrix, n = work.matrix, len(work.diagonal)
    mirror, other, image = np.zeros(len(matrix)), np.zeros(len(matrix)), np.zeros(len(matrix))
    for k in range(n - 1, 0, -1):
        row, own = matrix[k], work.mirrors[k]
        _change(row, k + 1, k, mirror, other)
        work.diagonal[k] = row[k]
        work.beside[k], factor = _reflect(row, k, own)
        work.factors[k] = factor
        _pass(matrix, k, mirror, other, own, image)
        along = fill(0.0)
        for j in range(0, k, LANES):
            along = fused(load(image, j), load(own, j), along)
        half = fill(-0.5 * factor * factor * total(along))
        mirror[:], other[:] = 0.0, 0.0
        if factor > 0.0:
            mirror[:k] = own[:k]
            for j in range(0, k, LANES):
                store(other, j, fused(half, load(own, j), fill(factor) * load(image, j)))
            other[k:] = 0.0
    work.diagonal[0] = matrix[0, 0] - 2.0 * mirror[0] * other[0]
    work.beside[0] = 0.0


@kernel
def _reach(work: Room) -> float:
    """Return what no eigenvalue exceeds in size (Gershgorin), of the tridiagonal matrix."""
    n, most = len(work.diagonal), 0.0
    for i in range(n):
        after = abs(work.beside[i + 1]) if i + 1 < n else 0.0
        most = max(most, abs(work.diagonal[i]) + abs(work.beside[i]) + after)
    return most


@kernel
def _count(diagonal: Floats, squares: Floats, x: Floats, pivots: Floats, below: Floats) -> None:
    """Count the eigenvalues below each of sixteen numbers: they are as many as there are negative pivots."""
    n = len(diagonal)
    whole = n // 4 * 4
    pivots[:], below[:] = 1.0, 0.0
    for i in range(0, whole, 4):
        a, b, c, d = diagonal[i], diagonal[i + 1], diagonal[i + 2], diagonal[i + 3]
        ab, bb, cb, db = squares[i], squares[i + 1], squares[i + 2], squares[i + 3]
        for lane in range(ABREAST):
            first = (a - x[lane]) - ab / pivots[lane]
            second = (b - x[lane]) - bb / first
            third = (c - x[lane]) - cb / second
            fourth = (d - x[lane]) - db / third
            pivots[lane] = fourth
            negative = (1.0 if first < 0.0 else 0.0) + (1.0 if second < 0.0 else 0.0)
            negative += (1.0 if third < 0.0 else 0.0) + (1.0 if fourth < 0.0 else 0.0)
            below[lane] += negative
    for i in range(whole, n):
        for lane in range(ABREAST):
            pivots[lane] = (diagonal[i] - x[lane]) - squares[i] / pivots[lane]
            below[lane] += 1.0 if pivots[lane] < 0.0 else 0.0


@kernel
def bisect(work: Room, first: int) -> None:
    """Write the next sixteen eigenvalues of the tridiagonal matrix into `values`, after the `first` largest ones."""
    n, reach = len(work.diagonal), _reach(work)
    scale = 1.0 / reach if reach > 0.0 else 0.0
    diagonal, squares = work.diagonal * scale, (work.beside * scale) ** 2 + FAINT
    low, high, middle = np.full(ABREAST, -1.0), np.full(ABREAST, 1.0), np.empty(ABREAST)
    pivots, below = np.empty(ABREAST), np.empty(ABREAST)
    for _ in range(HALVINGS):
        for lane in range(ABREAST):
            middle[lane] = 0.5 * (low[lane] + high[lane])
        _count(diagonal, squares, middle, pivots, below)
        for lane in range(ABREAST):
            higher = n - below[lane] > first + lane
            low[lane] = middle[lane] if higher else low[lane]
            high[lane] = high[lane] if higher else middle[lane]
    for lane in range(ABREAST):
        work.values[first + lane] = 0.5 * (low[lane] + high[lane]) * reach


@kernel
def _shift_of(work: Room, end: int) -> float:
    """Return the eigenvalue of the last two rows up to one that is nearer to its diagonal (Wilkinson's shift)."""
    half = (work.diagonal[end - 1] - work.diagonal[end]) / (2.0 * work.beside[end])
    root = np.sqrt(half * half + 1.0)
    return float(work.diagonal[end] - work.beside[end] / (half + (root if half >= 0.0 else -root)))


@kernel
def _step(work: Room, start: int, end: int, shift: float, turns: Floats, count: int) -> int:
    """Turn the rows from one to another by a QR step, and return how many rotations there are then."""
    diagonal, beside = work.diagonal, work.beside
    at, sine, cosine, moved = diagonal[start] - shift, 1.0, 1.0, 0.0
    for i in range(start + 1, end + 1):
        over, across = sine * beside[i], cosine * beside[i]
        length = np.sqrt(over * over + at * at)
        beside[i - 1] = length
        if length == 0.0:  # the matrix falls apart here
            diagonal[i - 1] -= moved
            beside[start] = 0.0
            return count
        inverse = 1.0 / length
        sine, cosine = over * inverse, at * inverse
        base = diagonal[i - 1] - moved
        twist = (diagonal[i] - base) * sine + 2.0 * cosine * across
        moved = sine * twist
        diagonal[i - 1] = base + moved
        at = cosine * twist - across
        turns[count, 0], turns[count, 1], turns[count, 2] = cosine, sine, i
        count += 1
    diagonal[end] -= moved
    beside[end] = at
    beside[start] = 0.0
    return count


@kernel
def split(work: Room, wanted: int, turns: Floats, which: NDArray[np.int64]) -> tuple[int, int, Floats]:
    """Split the largest eigenvalues off the tridiagonal matrix, by steps that are shifted by what is known of them.

    Their places on the diagonal are written to `which`, largest first. What else is split off on the way stays with
    the rest. Returns how many were found, which are as many as `wanted`, the number of rotations, and these, (cosine,
    sine, place) each: `turns`, or a longer array.
    """
    count, found, slight = 0, 0, SLIGHT * _reach(work)
    least = work.values[wanted - 1] - 16.0 * slight if wanted > 0 else 0.0
    for end in range(len(work.diagonal) - 1, -1, -1):
        if found == wanted:
            break
        start = end
        while start > 0 and abs(work.beside[start]) > slight:
            start -= 1
        for step in range(MOST_STEPS):
            if start == end or abs(work.beside[end]) <= slight:
                break
            if count + end > len(turns):
                more = np.empty((2 * len(turns) + end, 3))
                more[:count] = turns[:count]
                turns = more
            shift = work.values[found] if step == 0 else _shift_of(work, end)
            count = _step(work, start, end, shift, turns, count)
        work.beside[end] = 0.0
        if work.diagonal[end] >= least:
            which[found] = end
            found += 1
    order = np.argsort(-work.diagonal[which[:found]], kind="mergesort")
    which[:found] = which[:found][order]
    return found, count, turns


@kernel
def powers(work: Room, which: NDArray[np.int64], unit: float, sums: Floats) -> None:
    """Write the sums of the first three powers of all eigenvalues but those that were split off, in some unit."""
    rest, before = np.ones(len(work.diagonal), np.bool_), 0.0
    for place in which:
        rest[place] = False
    sums[:] = 0.0
    for i in range(len(rest)):
        if rest[i]:
            here, square = work.diagonal[i] / unit, (work.beside[i] / unit) ** 2
            sums[0] += here
            sums[1] += here * here + 2.0 * square
            sums[2] += here * here * here + 3.0 * square * (here + before)
            before = here


@kernel
def _mirror_back(work: Room, vectors: Floats) -> None:
    """Reflect vectors, shape (wanted, m), as the rows of the matrix were, in reverse."""
    for k in range(1, len(work.diagonal)):
        mirror, factor = work.mirrors[k], work.factors[k]
        if factor == 0.0:
            continue
        for row in range(0, len(vectors), 4):
            a, b, c, d = vectors[row], vectors[row + 1], vectors[row + 2], vectors[row + 3]
            ta, tb, tc, td = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
            for j in range(0, k, LANES):
                m = load(mirror, j)
                ta, tb = fused(m, load(a, j), ta), fused(m, load(b, j), tb)
                tc, td = fused(m, load(c, j), tc), fused(m, load(d, j), td)
            sa, sb = fill(-factor * total(ta)), fill(-factor * total(tb))
            sc, sd = fill(-factor * total(tc)), fill(-factor * total(td))
            for j in range(0, k, LANES):
                m = load(mirror, j)
                store(a, j, fused(m, sa, load(a, j)))
                store(b, j, fused(m, sb, load(b, j)))
                store(c, j, fused(m, sc, load(c, j)))
                store(d, j, fused(m, sd, load(d, j)))


@kernel
def eigenvectors(work: Room, which: NDArray[np.int64], turns: Floats, count: int, vectors: Floats) -> None:
    """Write the vectors of eigenvalues that were split off as rows of `vectors`, shape (len(which), n)."""
    n, m, wanted = len(work.diagonal), len(work.matrix), len(which)
    padded = (wanted + LANES - 1) // LANES * LANES
    columns = np.zeros((n, padded))
    for column in range(wanted):
        columns[which[column], column] = 1.0
    for turn in range(count - 1, -1, -1):
        cosine, sine, place = fill(turns[turn, 0]), fill(turns[turn, 1]), int(turns[turn, 2])
        a, b = columns[place], columns[place - 1]
        for column in range(0, padded, LANES):
            x, y = load(a, column), load(b, column)
            store(a, column, fused(cosine, x, sine * y))
            store(b, column, cosine * y - sine * x)
    rows = np.zeros((padded, m))
    rows[:, :n] = columns.T
    _mirror_back(work, rows)
    vectors[:] = rows[:wanted, :n]

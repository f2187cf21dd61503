"""Dot products of four rows with four others at once, held in vector registers as loops over arrays cannot be.

Each product is summed in as many lanes as 64 bytes hold, and the lanes are then added by halves. So the bits are the
same whatever the width of a machine's registers.

The order of the loops: K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication, 2008,
doi:10.1145/1356052.1356053.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

SIDE = 4
"""Rows on each side: 16 sums and the 8 vectors that they are of fit into 32 registers."""
LANES = 16
"""The length of rows is a whole number of these."""
BYTES = 64
WORD, SHORT = ir.IntType(64), ir.IntType(32)


def _compiled(context: Any, rows: Any, first: Any, other: Any, length: Any, sums: Any) -> Any:
    width = rows.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        matrix, out = (
            context.make_array(signature.args[at])(context, builder, arguments[at]) for at in (0, len(arguments) - 1)
        )
        vector = ir.VectorType(context.get_value_type(rows.dtype), 8 * BYTES // width)
        kind = ir.FunctionType(vector, [vector] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{vector.count}f{width}")
        stride = cgutils.unpack_tuple(builder, matrix.shape)[1]
        ours, theirs = (
            [builder.gep(matrix.data, [builder.mul(builder.add(start, WORD(k)), stride)]) for k in range(SIDE)]
            for start in arguments[1:3]
        )
        nothing = ir.Constant(vector, [0.0] * vector.count)
        totals = [cgutils.alloca_once_value(builder, nothing) for _ in range(SIDE * SIDE)]
        for total in totals:
            builder.store(nothing, total)
        steps = cgutils.for_range_slice(builder, WORD(0), arguments[3], WORD(vector.count), WORD)
        with steps as (at, _):
            x, y = ([_load(builder, start, at, vector, width // 8) for start in side] for side in (ours, theirs))
            for place, total in enumerate(totals):
                a, b = x[place // SIDE], y[place % SIDE]
                builder.store(builder.call(fused, [a, b, builder.load(total)]), total)
        for place, total in enumerate(totals):
            builder.store(_sum(builder, builder.load(total)), builder.gep(out.data, [WORD(place)]))
        return context.get_dummy_value()

    return types.void(rows, types.int64, types.int64, types.int64, sums), generate


def _load(builder: Any, start: Any, at: Any, vector: Any, alignment: int) -> Any:
    """Return a vector of a row, which need be no better aligned than its numbers."""
    loaded = builder.load(builder.bitcast(builder.gep(start, [at]), vector.as_pointer()))
    loaded.align = alignment
    return loaded


def _sum(builder: Any, vector: Any) -> Any:
    """Return the sum of a vector's lanes: the upper half is added to the lower one until one is left."""
    count = vector.type.count
    while count > 1:
        count //= 2
        halves = ir.VectorType(SHORT, count)
        lower, upper = (
            builder.shuffle_vector(
                vector, ir.Constant(vector.type, ir.Undefined), ir.Constant(halves, list(range(low, low + count)))
            )
            for low in (0, count)
        )
        vector = builder.fadd(lower, upper)
    return builder.extract_element(vector, SHORT(0))


def _plain(rows: Any, first: int, other: int, length: int, sums: Any) -> None:
    sums[:] = (rows[first : first + SIDE, :length] @ rows[other : other + SIDE, :length].T).ravel()


dots: Any = _plain if config.DISABLE_JIT else intrinsic(_compiled)
"""Write the dot products of rows ``first`` to ``first + 3`` of a matrix with ``other`` to ``other + 3``.

Takes the matrix, contiguous, ``first``, ``other``, the length up to which rows are multiplied, a whole number of
`LANES`, and an array of 16 sums to write. Nothing is checked. Cost: one fused multiply-add of a vector a cycle.
"""

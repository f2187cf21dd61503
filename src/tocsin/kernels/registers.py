"""Vectors of eight doubles that a kernel holds in registers, where loops over arrays go through memory.

Eight there are on every machine, whatever the width of its registers, and each has sums of its own. So the bits of a
result are the same everywhere, and do not depend on what a compiler makes of a loop.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 8
DOUBLE, SHORT = ir.DoubleType(), ir.IntType(32)
VECTOR = ir.VectorType(DOUBLE, LANES)
NOTHING = ir.Constant(VECTOR, ir.Undefined)


class Lanes(types.Type):  # type: ignore[misc]
    """The type of eight doubles, as the compiler knows it."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Return where eight numbers of an array begin."""
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [at])
    return builder.bitcast(start, ir.VectorType(context.get_value_type(kind.dtype), LANES).as_pointer())


def _load(context: Any, x: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_place(context, builder, x, *arguments))
        loaded.align = x.dtype.bitwidth // 8
        return builder.fpext(loaded, VECTOR) if x.dtype == types.float32 else loaded

    return lanes(x, types.int64), generate


def _store(context: Any, x: Any, at: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _place(context, builder, x, *arguments[:2]))
        stored.align = x.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(x, types.int64, lanes), generate


def _fill(context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(NOTHING, arguments[0], SHORT(0))
        return builder.shuffle_vector(one, NOTHING, ir.Constant(ir.VectorType(SHORT, LANES), [0] * LANES))

    return lanes(types.float64), generate


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f64")
        return builder.call(fused, arguments)

    return lanes(lanes, lanes, lanes), generate


def _known(context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        there = builder.fcmp_ordered("ord", arguments[0], arguments[0])
        return builder.select(there, arguments[0], ir.Constant(VECTOR, [0.0] * LANES))

    return lanes(lanes), generate


def _total(context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, count = arguments[0], LANES
        while count > 1:
            count //= 2
            halves = ir.VectorType(SHORT, count)
            nothing = ir.Constant(left.type, ir.Undefined)
            lower, upper = (
                builder.shuffle_vector(left, nothing, ir.Constant(halves, list(range(start, start + count))))
                for start in (0, count)
            )
            left = builder.fadd(lower, upper)
        return builder.extract_element(left, SHORT(0))

    return types.float64(lanes), generate


def _of_two(make: Callable[[Any, Any, Any], Any]) -> Any:
    """Return a function of two vectors from what builds it of two values."""

    def compiled(context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return make(builder, *arguments)

        return lanes(lanes, lanes), generate

    return intrinsic(compiled)


def _chosen(sign: str) -> Callable[[Any, Any, Any], Any]:
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(sign, a, b), a, b)


def _operate(operation: Any, make: Callable[[Any, Any, Any], Any]) -> None:
    """Let an operator work on two vectors."""
    made = _of_two(make)

    @overload(operation, strict=False)
    def _operation(a: Any, b: Any) -> Any:
        return (lambda a, b: made(a, b)) if a == b == lanes else None


_operate(operator.add, lambda builder, a, b: builder.fadd(a, b))
_operate(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_operate(operator.mul, lambda builder, a, b: builder.fmul(a, b))


def _plain_store(x: Any, at: int, vector: Any) -> None:
    x[at : at + LANES] = vector


def _plain_fused(a: Any, b: Any, c: Any) -> Any:
    wide = [np.asarray(each, np.longdouble) for each in (a, b, c)]
    return (wide[0] * wide[1] + wide[2]).astype(np.float64)


def _plain_total(vector: Any) -> Any:
    while len(vector) > 1:
        vector = vector[: len(vector) // 2] + vector[len(vector) // 2 :]
    return vector[0]


PLAIN = config.DISABLE_JIT

load: Any = (lambda x, at: x[at : at + LANES].astype(np.float64)) if PLAIN else intrinsic(_load)
"""Return eight numbers of a contiguous array, from one on, as doubles. Nothing is checked."""
store: Any = _plain_store if PLAIN else intrinsic(_store)
"""Write a vector into a contiguous array of doubles, from one place on. Nothing is checked."""
fill: Any = (lambda value: np.full(LANES, value, np.float64)) if PLAIN else intrinsic(_fill)
"""Return a vector that holds one double eight times."""
fused: Any = _plain_fused if PLAIN else intrinsic(_fused)
"""Return ``a * b + c``, rounded once."""
lesser: Any = (lambda a, b: np.where(a < b, a, b)) if PLAIN else _of_two(_chosen("<"))
"""Return ``a`` where it is less than ``b``, else ``b``, which may be NaN."""
greater: Any = (lambda a, b: np.where(a > b, a, b)) if PLAIN else _of_two(_chosen(">"))
"""Return ``a`` where it is greater than ``b``, else ``b``, which may be NaN."""
known: Any = (lambda vector: np.where(vector == vector, vector, 0.0)) if PLAIN else intrinsic(_known)
"""Return a vector with 0 in the place of NaN."""
total: Any = _plain_total if PLAIN else intrinsic(_total)
"""Return the sum of a vector's numbers: the upper half is added to the lower one until one is left."""

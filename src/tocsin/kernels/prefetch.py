"""Ask for memory before it is needed: models of thousands of assets fit no cache, and each is read but briefly."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 64
"""Bytes that come at once."""


def _compiled(context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, _ = signature.args
        values = context.make_array(kind)(context, builder, arguments[0])
        pointer = cgutils.get_item_pointer(context, builder, kind, values, [arguments[1]])
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer.type], ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        )
        builder.call(prefetch, [pointer, word(0), word(2), word(1)])  # to be read, into the second cache, as data
        return context.get_dummy_value()

    return types.none(array, types.intp), generate


def _nothing(array: Any, index: int) -> None:
    """Do without."""


prefetch: Any = _nothing if config.DISABLE_JIT else intrinsic(_compiled)
"""Let the cache line of one element of an array come, without waiting for it."""

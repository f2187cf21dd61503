"""Readings of an asset lie in many places, a stretch for each feature, and are asked for before they are used.

A machine guesses what a loop will read next, but not across pages, and a stretch is hardly longer than one. Asked for
all at once, readings come several times as fast as one waits for them, and those of an asset then stay in the second
cache while they are read again and again.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

LINE = 64
"""Bytes that a cache gets at once."""
ROOM = 3 << 18
"""Bytes of readings that stay in the second cache beside what is made of them."""
ABREAST = 8
"""Features that are asked for side by side."""


def _compiled(context: Any, x: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(context.make_array(x)(context, builder, arguments[0]).data, [arguments[1]])
        place = builder.bitcast(place, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(ask, [place, number(0), number(2), number(1)])  # to read, in the second cache, data
        return context.get_dummy_value()

    return types.void(x, types.int64), generate


ask: Any = (lambda x, at: None) if config.DISABLE_JIT else intrinsic(_compiled)
"""Ask for the line of the second cache in which an entry of an array lies; nothing waits for it."""


@kernel
def fetch(values: NDArray[Any], first: int, last: int) -> None:
    """Ask for some rows of all features, shape (n_features, n_rows), unless there are more than there is room for."""
    n_features, step = values.shape[0], LINE // values.itemsize
    if n_features * (last - first) * values.itemsize > ROOM:
        return
    for start in range(0, n_features, ABREAST):
        for row in range(first, last, step):
            for feature in range(start, min(start + ABREAST, n_features)):
                ask(values[feature], row)


@kernel
def rows_at_once(values: NDArray[Any], tile: int) -> int:
    """Return how many rows of all features there is room for, a whole number of tiles."""
    return max(ROOM // (values.shape[0] * values.itemsize * tile), 1) * tile

"""A fused multiply-add that is one on every machine, so that polynomials give the same bits wherever they run."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic


def _compiled(context: Any, a: Any, b: Any, c: Any) -> Any:
    kind = types.float32 if a == b == c == types.float32 else types.float64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        width = context.get_value_type(kind)
        fused = builder.module.declare_intrinsic("llvm.fma", [width], ir.FunctionType(width, [width] * 3))
        return builder.call(fused, arguments)

    return kind(kind, kind, kind), generate


def _plain(a: Any, b: Any, c: Any) -> Any:
    """Round twice where a machine rounds once: the last bit may differ, in one case of many millions."""
    if type(a) is type(b) is type(c) is np.float32:
        return np.float32(float(a) * float(b) + float(c))
    return np.float64(np.longdouble(a) * np.longdouble(b) + np.longdouble(c))


fma: Any = _plain if config.DISABLE_JIT else intrinsic(_compiled)
"""Return a * b + c, rounded once, in single precision if all three are."""

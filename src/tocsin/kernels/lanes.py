"""Steps over several values at once that a compiler does not find by itself: bits of comparisons, and rows picked out.

Each function is plain Python, which says what it does, and is replaced in a compiled kernel by the few instructions
that do it. These are written for vectors of a fixed length, and LLVM makes of them what a processor has.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

F = TypeVar("F", bound=Callable[..., Any])
Singles = NDArray[np.float32]
Places = NDArray[np.uint32]

WORD = 64
"""How many rows have a bit each in one word."""
LANES = 16
"""How many rows are gathered and picked out at once; arrays of them need room for so many beyond their end."""

_BIT, _SHORT, _WHOLE, _LONG, _SINGLE = (*(ir.IntType(bits) for bits in (1, 16, 32, 64)), ir.FloatType())


@kernel
def aligned(size: int) -> Singles:
    """Return room for `size` numbers that begins with a line of the cache, so that no vector lies across two."""
    room = np.empty(size + 16, np.float32)
    skipped = (-room.ctypes.data % 64) // 4
    return room[skipped : skipped + size]


class _Emitter:
    """Writes the instructions of one call; `args` are its arguments, arrays as `numba` passes them."""

    def __init__(self, context: Any, builder: Any, kinds: Any, args: Any) -> None:
        self.builder, self.args = builder, args
        self.data = [
            context.make_array(kind)(context, builder, arg).data if isinstance(kind, types.Array) else None
            for kind, arg in zip(kinds, args, strict=True)
        ]

    def _place(self, arg: int, at: Any, kind: Any, count: int) -> Any:
        start = self.builder.gep(self.data[arg], [at])
        return self.builder.bitcast(start, ir.VectorType(kind, count).as_pointer())

    def load(self, arg: int, at: Any, kind: Any, count: int = LANES) -> Any:
        """Return `count` values of an array from a place on."""
        found = self.builder.load(self._place(arg, at, kind, count))
        found.align = _bytes(kind)
        return found

    def store(self, value: Any, arg: int, at: Any) -> None:
        """Write values to an array from a place on."""
        kind, count = value.type.element, value.type.count
        self.builder.store(value, self._place(arg, at, kind, count)).align = _bytes(kind)

    def all_of(self, value: Any, count: int = LANES) -> Any:
        """Return a vector that has one value everywhere."""
        none = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
        first = self.builder.insert_element(none, value, _WHOLE(0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(_WHOLE, count), [0] * count))

    def upto(self, count: Any) -> Any:
        """Return which lanes come before a number of them."""
        lanes = ir.Constant(ir.VectorType(_WHOLE, LANES), list(range(LANES)))
        return self.builder.icmp_signed("<", lanes, self.all_of(self.builder.trunc(count, _WHOLE)))

    def call(self, name: str, result: Any, *args: Any, **how: Any) -> Any:
        """Call a function of LLVM."""
        kind = ir.FunctionType(result, [arg.type for arg in args])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), args, **how)


def _bytes(kind: Any) -> int:
    return 4 if kind is _SINGLE else int(kind.width) // 8


def _emitted(emit: Callable[[_Emitter], Any], result: Any) -> Callable[[F], F]:
    """Let compiled kernels do what `emit` writes where they call the decorated function."""

    def replace(function: F) -> F:
        def typed(*kinds: Any) -> Any:
            def generate(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
                value = emit(_Emitter(context, builder, kinds.args, args))
                return context.get_dummy_value() if value is None else value

            return result(*kinds[1:]), generate

        own = signature(function)
        context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD)
        typed.__signature__ = own.replace(parameters=[context, *own.parameters.values()])  # type: ignore[attr-defined]
        emitted = intrinsic(typed)

        @overload(function, strict=False)
        def _choose(*_: Any) -> Any:
            return lambda *args: emitted(*args)

        return function

    return replace


def _emit_bits_above(e: _Emitter) -> Any:
    _, at, bound = e.args
    above = e.builder.fcmp_ordered(">", e.load(0, at, _SINGLE, WORD), e.all_of(bound, WORD))
    return e.builder.bitcast(above, _LONG)


@_emitted(_emit_bits_above, types.uint64)
def bits_above(values: Singles, at: int, bound: float) -> Any:
    """Return a word with a bit for each of `values[at : at + WORD]`, set where it is above a bound."""
    return np.packbits(values[int(at) : int(at) + WORD] > bound, bitorder="little").view(np.uint64)[0]


def _emit_mark(e: _Emitter) -> None:
    _, bits, mark = e.args
    codes, start = e.load(0, _LONG(0), _SHORT, WORD), _LONG(0)
    marked = e.builder.or_(codes, e.all_of(mark, WORD))
    where = e.builder.bitcast(bits, ir.VectorType(_BIT, WORD))
    e.store(e.builder.select(where, marked, codes), 0, start)


@_emitted(_emit_mark, types.void)
def mark_where(codes: NDArray[np.uint16], bits: Any, mark: Any) -> None:
    """Set the bits of a mark in those of WORD codes that have their bit in a word."""
    codes |= np.unpackbits(np.array([bits], np.uint64).view(np.uint8), bitorder="little") * mark


def _emit_gather(e: _Emitter) -> None:
    _, shift, _, at, left, _, to, _, _ = e.args
    values, start = ir.Constant(ir.VectorType(_SINGLE, LANES), ir.Undefined), _LONG(0)
    for lane in range(LANES):
        place = e.builder.load(e.builder.gep(e.data[2], [e.builder.add(at, _LONG(lane))]))
        shifted = e.builder.add(e.builder.zext(place, _LONG), shift)
        value = e.builder.load(e.builder.gep(e.data[0], [shifted]))
        values = e.builder.insert_element(values, value, _WHOLE(lane))
    e.store(values, 5, to)
    given = e.upto(left)
    for arg, less in ((7, "<"), (8, ">")):
        known = e.load(arg, start, _SINGLE)
        beyond = e.builder.and_(given, e.builder.fcmp_ordered(less, values, known))
        e.store(e.builder.select(beyond, values, known), arg, start)


@_emitted(_emit_gather, types.void)
def gather(
    x: Singles, shift: int, places: Places, at: int, left: int, values: Singles, to: int, low: Singles, high: Singles
) -> None:
    """Copy from `x` what is `shift` behind LANES of the places, and let the first `left` widen each lane's extremes.

    Of places those from `at` on are looked at, all of which must lie in `x`, and `values` are written from `to` on. A
    gathering instruction is not used: it is no faster than sixteen loads.
    """
    values[to : to + LANES] = x[shift + places[at : at + LANES].astype(np.int64)]
    given = values[to : to + min(left, LANES)]
    low[: len(given)] = np.minimum(low[: len(given)], given)
    high[: len(given)] = np.maximum(high[: len(given)], given)


def _emit_reduced(name: str) -> Callable[[_Emitter], Any]:
    def emit(e: _Emitter) -> Any:
        values = e.load(0, _LONG(0), _SINGLE)
        return e.call(f"llvm.vector.reduce.{name}.v{LANES}f32", _SINGLE, values, fastmath=["nnan"])

    return emit


@_emitted(_emit_reduced("fmin"), types.float32)
def smallest(lanes: Singles) -> Any:
    """Return the smallest of LANES values, none of which is NaN."""
    return lanes.min()


@_emitted(_emit_reduced("fmax"), types.float32)
def largest(lanes: Singles) -> Any:
    """Return the largest of LANES values, none of which is NaN."""
    return lanes.max()


def _emit_pick(e: _Emitter) -> Any:
    _, at, left, _, first, bound, wanted, to = e.args
    places, values = e.load(0, at, _WHOLE), e.load(3, first, _SINGLE)
    above = e.builder.fcmp_ordered(">", values, e.all_of(bound))
    other = e.builder.not_(e.builder.trunc(wanted, _BIT))
    picked = e.builder.and_(e.builder.xor(above, e.all_of(other)), e.upto(left))
    e.store(e.call(f"llvm.experimental.vector.compress.v{LANES}i32", places.type, places, picked, places), 0, to)
    return e.builder.zext(e.builder.ctpop(e.builder.bitcast(picked, _SHORT)), _LONG)


@_emitted(_emit_pick, types.int64)
def pick(places: Places, at: int, left: int, values: Singles, first: int, bound: float, above: bool, to: int) -> int:
    """Copy those of LANES places whose values are above a bound, or with `above` false those whose values are not.

    Of places those from `at` on are looked at, but no more than `left`, and of `values` those from `first` on. Return
    how many were copied; the LANES entries from `to` on hold others of these places behind them.
    """
    count = min(left, LANES)
    picked = places[at : at + count][(values[first : first + count] > bound) == above]
    places[to : to + len(picked)] = picked
    return len(picked)

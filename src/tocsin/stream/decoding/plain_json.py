"""Plain JSON into a table by a kernel: a whole parser takes two or three times as long, and gets what is not plain."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.kernels import json_lines as kernel
from tocsin.stream.decoding.readings import fields_of
from tocsin.stream.sources.base import Shape

_SHORT = 64
"""Less text than this is not worth the call."""
Text = NDArray[np.uint8]
Places = NDArray[np.int64]


class PlainJson:
    """Reads lines that each hold one flat object with the fields of a shape, written as most senders write.

    Parameters
    ----------
    shape : Shape
        Its key and sensor are to be texts of ASCII, its time a whole number, its features numbers, booleans or null.
    """

    def __init__(self, shape: Shape) -> None:
        self._fields = fields_of(shape)
        kinds = {shape.key: kernel.TEXT, shape.sensor: kernel.TEXT, shape.time: kernel.WHOLE}
        self._kinds = np.array([kinds.get(name, kernel.NUMBER) for name in self._fields], np.int64)
        self._places = np.array([np.count_nonzero(self._kinds[:i] == each) for i, each in enumerate(self._kinds)])
        quoted = [name.encode() + b'"' for name in self._fields]
        eights = [-(-len(name) // 8) for name in quoted]
        told = b"".join(name.ljust(8 * n, b"\0") for name, n in zip(quoted, eights, strict=True))
        masks = b"".join((b"\xff" * len(name)).ljust(8 * n, b"\0") for name, n in zip(quoted, eights, strict=True))
        self._names = np.stack([np.frombuffer(each, np.uint64) for each in (told, masks)], axis=1)
        self._bounds = np.cumsum([0, *eights])
        self._sizes = np.array([len(name) - 1 for name in quoted], np.int64)
        bare = all(name.isprintable() and not {'"', "\\"} & set(name) for name in self._fields)
        self._may = bare and len(set(self._fields)) == len(self._fields) > 0

    def read(self, data: bytes, most: int) -> pl.DataFrame | None:
        """Return the fields of at most so many lines as columns; None if anything is not plain, or there are more.

        Texts are String, times Int64, features Float64; null where there is none. Cost: two nanoseconds a byte.
        """
        if not self._may or len(data) < _SHORT:
            return None
        texts, wholes, numbers = (int(np.count_nonzero(self._kinds == kind)) for kind in range(3))
        chars, ends = np.empty((texts, len(data)), np.uint8), np.zeros((texts, most + 1), np.int64)
        whole, bits = np.empty((wholes, most), np.int64), np.empty((numbers, most), np.int64)
        missing = np.zeros(numbers, np.int64)
        n_rows = kernel.read(
            np.frombuffer(data, np.uint8), np.ndarray((len(data) - 7,), np.uint64, data, strides=(1,)),
            self._names, self._bounds, self._sizes, self._kinds, self._places,
            chars, ends, whole, bits, np.full(len(self._kinds), -1), missing,
        )  # fmt: skip
        if n_rows == kernel.NOT_PLAIN:
            return None
        columns: dict[str, pl.Series] = {}
        for name, kind, place in zip(self._fields, self._kinds.tolist(), self._places.tolist(), strict=True):
            if kind == kernel.TEXT:
                columns[name] = _strings(ends[place, : n_rows + 1], chars[place])
            elif kind == kernel.WHOLE:
                columns[name] = pl.Series(whole[place, :n_rows])
            else:
                columns[name] = pl.Series(bits[place, :n_rows].view(np.float64), nan_to_null=bool(missing[place]))
        return pl.DataFrame(columns)


def _strings(ends: Places, chars: Text) -> pl.Series:
    held = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(chars[: ends[-1]]))
    return pl.Series(held)

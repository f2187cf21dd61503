"""Asset keys as small integers, in order of first appearance, whatever their type."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which results show values of a column: text is text however it was stored."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or kind == pa.string_view():
        return pa.string()
    if pa.types.is_large_binary(kind) or kind == pa.binary_view():
        return pa.binary()
    return kind


class KeyIndex:
    """Codes for keys: the first key seen is 0, the next new one 1, and so on.

    Cost: hashing each key once, about 10 to 50 ns; memory grows with the number of different keys only.
    """

    def __init__(self) -> None:
        self._known: pa.Array | None = None

    def __len__(self) -> int:
        """How many different keys have been seen."""
        return 0 if self._known is None else len(self._known)

    def encode(self, keys: pl.Series) -> NDArray[np.int32]:
        """Return the code of each key, shape (n_rows,); -1 where it is null."""
        array = keys.to_arrow()
        array = array.cast(plain_type(array.type))
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        local: NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        place = np.append(self._codes_of(encoded.dictionary), np.int32(-1))
        return place[local]

    def _codes_of(self, distinct: pa.Array) -> NDArray[np.int32]:
        """Return codes of distinct keys, new ones for those not seen before."""
        if self._known is None:
            self._known = distinct
            return np.arange(len(distinct), dtype=np.int32)
        found = pc.index_in(distinct, value_set=self._known)
        codes: NDArray[np.int32] = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        fresh = codes < 0
        if fresh.any():
            codes[fresh] = len(self._known) + np.arange(np.count_nonzero(fresh), dtype=np.int32)
            self._known = pa.concat_arrays([self._known, distinct.filter(pa.array(fresh))])
        return codes

    def keys(self, *, of_text: bool) -> pa.Array:
        """Return the keys in the order of their codes; numbers where a text file holds only whole numbers.

        A number with a leading zero or a plus sign is a name and stays text.
        """
        known = pa.array([], pa.string()) if self._known is None else self._known
        if of_text and pa.types.is_string(known.type) and len(known):
            whole: Any = pc.all(pc.match_substring_regex(known, _INTEGER)).as_py()
            if whole:
                return known.cast(pa.int64())
        return known

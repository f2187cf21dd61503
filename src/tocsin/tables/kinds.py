"""What a column holds, as far as it matters here: numbers or not, and if not, what instead."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

NUMBER, TEXT, MIXED, BOOLEAN, EMPTY, TIME, NESTED = "number", "text", "mixed", "boolean", "empty", "time", "nested"

_TITLES = {
    TEXT: "text",
    MIXED: "numbers and text",
    BOOLEAN: "boolean",
    EMPTY: "empty",
    TIME: "dates or times",
    NESTED: "nested",
}
_COMMA = r"^[+-]?\d+,\d+$"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds.

    Parameters
    ----------
    name : str
        One of the constants of this module.
    example : str
        A value that is no number, of a column that otherwise holds numbers.
    padded : bool
        Whether numbers stand between spaces.
    decimal_comma : bool
        Whether numbers are written as 1,5.
    """

    name: str
    example: str = ""
    padded: bool = False
    decimal_comma: bool = False

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return _TITLES.get(self.name, self.name)

    @property
    def usable(self) -> bool:
        """Whether it can be a feature where the user names it."""
        return self.name in (NUMBER, BOOLEAN)


def kind_of_type(dtype: pl.DataType) -> Kind:
    """Return what a column of a typed table holds."""
    if dtype.is_numeric():
        return Kind(NUMBER)
    if isinstance(dtype, pl.Boolean):
        return Kind(BOOLEAN)
    if isinstance(dtype, pl.Null):
        return Kind(EMPTY)
    if dtype.is_temporal():
        return Kind(TIME)
    if dtype.is_nested() or isinstance(dtype, pl.Object):
        return Kind(NESTED)
    return Kind(TEXT)


def kind_of_text(values: pl.Series, *, commas: bool) -> Kind:
    """Return what a column of text holds, from a sample of it.

    It is mixed if at least half of what is there are numbers, but not all: a mark for what is missing, most likely.
    `commas` says whether ``1,5`` may be a number.
    """
    values = values.drop_nulls()
    if values.is_empty():
        return Kind(EMPTY)
    bare = values.str.strip_chars()
    padded = bool((bare != values).any())
    comma = commas and bool(bare.str.contains(_COMMA).any())
    if comma:
        bare = bare.str.replace(",", ".", literal=True)
    strays = values.filter(bare.cast(pl.Float64, strict=False).is_null())
    if strays.is_empty():
        return Kind(NUMBER, padded=padded, decimal_comma=comma)
    if values.str.to_lowercase().is_in(["true", "false"]).all():
        return Kind(BOOLEAN)
    if 2 * len(strays) <= len(values):
        return Kind(MIXED, example=str(strays[0]), padded=padded, decimal_comma=comma)
    return Kind(TEXT)

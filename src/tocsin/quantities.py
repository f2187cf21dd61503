"""Durations, sizes and rates as people write them, read in one place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tocsin.errors import ParameterError

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_PART = re.compile(rf"{_NUMBER}\s*([a-zµμ]+)\s*", re.IGNORECASE)
_SIZE = re.compile(rf"{_NUMBER}\s*([a-z]*)", re.IGNORECASE)
_RATE = re.compile(rf"{_NUMBER}\s*(?:/|per)\s*([a-zµμ]+)", re.IGNORECASE)

_SECONDS = {
    "ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "m": 60.0, "minute": 60.0, "h": 3600.0,
    "hour": 3600.0, "d": 86_400.0, "day": 86_400.0, "w": 604_800.0, "week": 604_800.0,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "millisecond": 1e-3, "microsecond": 1e-6,
}  # fmt: skip
_PREFIXES = tuple(enumerate("kmgt", 1))
_BYTES = (
    {"": 1.0, "b": 1.0, "byte": 1.0}
    | {f"{letter}{unit}": 1000.0**power for power, letter in _PREFIXES for unit in ("", "b")}
    | {f"{letter}i{unit}": 1024.0**power for power, letter in _PREFIXES for unit in ("", "b")}
)


def seconds(text: str) -> float:
    """Return how long a duration is.

    Raises
    ------
    ParameterError
        If it is none; a number needs its unit, but for 0.

    Examples
    --------
    >>> seconds("10s"), seconds("200 ms"), seconds("1h30m"), seconds("7 days"), seconds("0")
    (10.0, 0.2, 5400.0, 604800.0, 0.0)
    """
    stripped = text.strip()
    if re.fullmatch(r"0+(?:\.0*)?", stripped):
        return 0.0
    total, place = 0.0, 0
    while found := _PART.match(stripped, place):
        each = _unit(found[2], _SECONDS)
        if each is None:
            raise ParameterError(f"{text!r} is no duration: there is no unit {found[2]!r}; take ms, s, min, h or d")
        total += float(found[1]) * each
        place = found.end()
    if not stripped or place < len(stripped) or not math.isfinite(total):
        raise ParameterError(f"{text!r} is no duration; write a number and its unit, such as 200ms, 10s, 1h30m or 7d")
    return total


def size(text: str) -> int:
    """Return how many bytes a size is; kB, MB and GB are thousands, KiB, MiB and GiB are 1,024s.

    Raises
    ------
    ParameterError
        If it is none.

    Examples
    --------
    >>> size("10GB"), size("1.5 kB"), size("4GiB"), size("512")
    (10000000000, 1500, 4294967296, 512)
    """
    found = _SIZE.fullmatch(text.strip())
    each = _unit(found[2], _BYTES) if found else None
    if found is None or each is None or len(found[1]) > 30:
        raise ParameterError(f"{text!r} is no size; write a number and its unit, such as 500MB or 10GB")
    return round(float(found[1]) * each)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a time."""

    count: float
    seconds: float

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a rate.

        Raises
        ------
        ParameterError
            If it is none.

        Examples
        --------
        >>> Rate.of("20/day").per_day, Rate.of("6 per minute").per_day, str(Rate.of("20/d"))
        (20.0, 8640.0, '20/day')
        """
        found = _RATE.fullmatch(text.strip())
        each = _unit(found[2], _SECONDS) if found else None
        if found is None or each is None or not math.isfinite(float(found[1])):
            raise ParameterError(f"{text!r} is no rate; write how many in which time, such as 20/day or 6/minute")
        return cls(float(found[1]), each)

    @property
    def per_day(self) -> float:
        """How many in a day."""
        return self.count * (86_400.0 / self.seconds)

    def __str__(self) -> str:
        """Return the rate as it would be written."""
        words = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86_400.0: "day", 604_800.0: "week"}
        return f"{self.count:g}/{words.get(self.seconds, f'{self.seconds:g}s')}"


def _unit(name: str, known: Mapping[str, float]) -> float | None:
    """Return what a unit is worth, in the singular or plural; None if there is no such unit."""
    folded = name.casefold()
    found = known.get(folded)
    return known.get(folded.removesuffix("s")) if found is None and len(folded) > 2 else found

"""Numbers, times and plurals as a person would write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any


def number(value: float | None) -> str:
    """Return a number with about four significant digits.

    >>> number(0.123456), number(12345.6), number(3.0), number(1e300), number(None)
    ('0.1235', '12,346', '3', '1e+300', 'none')
    """
    if value is None:
        return "none"
    if 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def count(many: int, thing: str, things: str | None = None) -> str:
    """Return how many there are of a thing.

    >>> count(1, "asset"), count(1200, "asset"), count(0, "incident of none")
    ('1 asset', '1,200 assets', '0 incident of nones')
    """
    return f"{many:,} {thing if many == 1 else things or thing + 's'}"


def moment(value: Any) -> str:
    """Return a time without what is zero in it; anything else as it is.

    >>> moment(datetime(2026, 1, 5, 10, 20)), moment(datetime(2026, 1, 5, 10, 20, 30)), moment(17)
    ('2026-01-05 10:20', '2026-01-05 10:20:30', '17')
    """
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S" if value.second or value.microsecond else "%Y-%m-%d %H:%M")
    return value.isoformat() if isinstance(value, date) else str(value)


def duration(span: timedelta | float) -> str:
    """Return a duration in its two largest units.

    >>> duration(timedelta(hours=32, minutes=20)), duration(90.0), duration(0.4), duration(0.05)
    ('1 d 8 h', '1 min 30 s', '0.4 s', '50 ms')
    """
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if 0 < seconds < 0.1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for place, (name, size) in enumerate(units):
        if seconds >= size:
            small, smaller = units[min(place + 1, len(units) - 1)]
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {name}" + (f" {rest} {small}" if rest else "")
    return "0 s"


def size(many: float) -> str:
    """Return a number of bytes in the largest unit that it reaches.

    >>> size(512), size(40_484), size(4e9)
    ('512 B', '40.5 kB', '4 GB')
    """
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if many >= each:
            return f"{many / each:.3g} {unit}"
    return f"{many:.0f} B"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names with commas, or semicolons where names have commas, the first ones only where they are many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    >>> listed(["flow, min of the last 5", "flow, max of the last 5"])
    'flow, min of the last 5; flow, max of the last 5'
    """
    shown = names[:most]
    between, joint = ("; ", "; and") if any(", " in name for name in shown) else (", ", " and")
    return between.join(shown) + (f"{joint} {len(names) - most:,} more" if len(names) > most else "")

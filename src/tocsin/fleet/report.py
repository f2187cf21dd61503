"""What a fleet's last run read and did, and how it tells of progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tocsin.errors import DataError, EmptyDataError, TocsinError

Progress = Callable[[int, int | None], None]

MOST_REMARKS = 5
"""How many of a detector's remarks are noted."""


@dataclass(slots=True)
class Report:
    """What the last fit, score or update read and did.

    Attributes
    ----------
    features, left_out
        The columns that were taken, and the others, each with the reason why it was left.
    rows, assets, alerts
        How many were read, and how many rows scored above their threshold.
    missing
        How many values were missing; they add nothing to a score.
    unknown_assets
        Keys without a model, as text; their rows were not scored.
    unlearned
        Keys of assets that could not be learned, as text, each with the reason.
    notes
        What was skipped or mended while reading, as sentences.
    seconds
        How long it took.
    """

    features: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    assets: int = 0
    alerts: int = 0
    missing: int = 0
    unknown_assets: list[str] = field(default_factory=list)
    unlearned: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """What is to be told of all panels together."""

    remarks: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)
    bare: int = 0

    def add(self, remarks: Mapping[str, int], left_out: Mapping[str, str], bare: int) -> None:
        """Count what was said of one panel."""
        self.remarks.update(remarks)
        self.left_out.update(left_out)
        self.bare += bare

    def nothing(self) -> TocsinError:
        """Return the error for readings of which nothing could be learned."""
        if not self.left_out:
            return EmptyDataError("no readings to learn from")
        key, why = next(iter(self.left_out.items()))
        more = f"; none of the other {len(self.left_out) - 1:,} can be learned, either" * (len(self.left_out) > 1)
        return DataError(f"{_about(key, why)}{more}")

    def lines(self, warm_up: int) -> list[str]:
        """Return the remarks that are true of the most assets, and who was left out."""
        most = self.remarks.most_common(MOST_REMARKS)
        lines = [f"{count:,} {'asset' if count == 1 else 'assets'}: {what}" for what, count in most]
        if more := len(self.remarks) - len(most):
            lines.append(f"{more:,} more such remarks, on fewer assets")
        if self.left_out:
            many = "1 asset" if len(self.left_out) == 1 else f"{len(self.left_out):,} assets"
            lines.append(f"{many} left out: {_about(*next(iter(self.left_out.items())))}")
        return lines + bare_rows(self.bare, warm_up)


def _about(key: str, why: str) -> str:
    """Return the reason why an asset was left out, which may name it already."""
    return why if repr(key) in why else f"asset {key!r}: {why}"


def bare_rows(rows: int, warm_up: int) -> list[str]:
    """Return what is to be said of rows without features."""
    if not rows:
        return []
    what = "row has" if rows == 1 else "rows have"
    return [f"{rows:,} {what} no features: the recipe looks back {warm_up:,} rows, and these are the first known"]

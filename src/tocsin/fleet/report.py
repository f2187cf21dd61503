"""What a fleet's last run read and did, and how it tells of progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[int, int | None], None]


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
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

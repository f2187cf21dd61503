"""How a stream is run, in the terms of its code; `settings` has those of its users."""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.detectors.budget import Budget
from tocsin.insights.recorder import Keep
from tocsin.stream.adapting.context import Adapting
from tocsin.stream.learning import Learning


@dataclass(frozen=True, slots=True)
class Options:
    """How a stream is run.

    Parameters
    ----------
    learning : Learning
        How models go on learning.
    late : int, default 0
        How many nanoseconds a reading may come after a newer one of its asset.
    rows : int, default 200,000
        The most readings a micro-batch.
    linger : float, default 0.02
        Seconds that a micro-batch waits for more readings.
    explain : int, default 3
        How many features to name for each alert.
    budget : Budget, optional
        What alarms are held to; without it, each reading above its model's threshold is an alert.
    long : bool, default False
        Whether a reading holds one sensor's value.
    adapting : Adapting
        What else changes models: nights, and the fleet's folder.
    keep : Keep
        How long insights are kept.
    """

    learning: Learning = field(default_factory=Learning)
    late: int = 0
    rows: int = 200_000
    linger: float = 0.02
    explain: int = 3
    budget: Budget | None = None
    long: bool = False
    adapting: Adapting = field(default_factory=Adapting)
    keep: Keep = field(default_factory=Keep)

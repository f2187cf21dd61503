"""The Skoltech Anomaly Benchmark: experiments with a water circuit, 400 rows of each to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import Grade
from tocsin.evaluate.metrics.pointwise import F1, FalseAlarmRate, MissedAlarmRate
from tocsin.evaluate.protocols.base import Protocol, each_alone, together
from tocsin.evaluate.protocols.cases import Answered, Case
from tocsin.evaluate.protocols.files import csv, found, marks, moments, numbers

TRAINING = 400
"""How many rows of each experiment are learned from."""


@dataclass(frozen=True)
class SKAB(Protocol):
    """SKAB's outliers: rows are judged one by one, those of all experiments together.

    A case is an experiment, a file ``*/*.csv`` but those of ``anomaly-free``, which have no labels; or ``*.csv``, where
    the folder of one valve is given. Its first 400 rows are learned from. A group is a folder. Where a clock is set
    back, the rows keep their order and the later time.

    Figures: f1, false_alarm_rate and missed_alarm_rate, pooled over all rows, by the detector's own threshold; a row
    without a score is no alert. The leaderboard's are of all 34 experiments of valve1, valve2 and other.

    References
    ----------
    Katser and Kozitsin, "Skoltech Anomaly Benchmark (SKAB)", 2020, doi:10.34740/KAGGLE/DSV/1693952.

    Examples
    --------
    >>> SKAB("data/skab").title
    'SKAB'
    """

    name = "skab"
    title = "SKAB"

    def cases(self) -> Iterator[Case]:
        """Yield the experiments."""
        root = self.root
        pattern = "*.csv" if any(root.glob("*.csv")) else "*/*.csv"
        for path in found(root, pattern, "SKAB's experiments, such as valve1/0.csv"):
            if path.parent.name == "anomaly-free":
                continue
            frame = csv(path, ["datetime", "anomaly"], separator=";")
            if len(frame) <= TRAINING:
                raise DataError(f"{path} has {len(frame)} rows, but the first {TRAINING} are for learning")
            features = tuple(name for name in frame.columns if name not in ("datetime", "anomaly", "changepoint"))
            values = numbers(path, frame, features).insert_column(0, moments(path, frame, "datetime"))
            labels = marks(path, numbers(path, frame, ["anomaly"]).to_series(), len(frame))
            yield Case(
                f"{path.parent.name}/{path.stem}",
                values[:TRAINING],
                values[TRAINING:],
                labels[TRAINING:],
                features,
                "datetime",
                path.parent.name,
                labels[:TRAINING],
            )

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        metrics = F1(), FalseAlarmRate(), MissedAlarmRate()
        figures = {metric.name: together(metric, answered) for metric in metrics}
        return figures, {metric.name: each_alone(metric, answered) for metric in metrics}

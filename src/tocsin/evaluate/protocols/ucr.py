"""The UCR anomaly archive: one anomaly a series, and one guess where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import Grade
from tocsin.evaluate.protocols.base import Protocol
from tocsin.evaluate.protocols.cases import Answer, Answered, Case
from tocsin.evaluate.protocols.files import ROW, csv, file, found, npz, numbers, rows_of

WIDE = 100
"""How many rows off the location may be."""


@dataclass(frozen=True)
class UCR(Protocol):
    """Whether the highest score of each series of the UCR anomaly archive is near its anomaly.

    A case is a series, ``NNN.npz`` with x, of which ``labels.csv`` says train_end, anomaly_start and anomaly_end,
    counted from 1, ends included. The answer is one location P, the row of the highest score (the first of several).

    Figures: located, the share of series with anomaly_start - 100 <= P <= anomaly_end + 100; and located_contest, by
    the rule of the contest, min(start - L, start - 100) < P < max(end + L, end + 100) with L the anomaly's length,
    which forgives more where it is long. `judge` takes a whole number as well, the location's row in `test`, counted
    from 0. Facts of a case: first, the number of the first row of `test`; start and end, of the anomaly.

    References
    ----------
    Wu and Keogh, "Current time series anomaly detection benchmarks are flawed and are creating the illusion of
    progress", TKDE 2023, doi:10.1109/TKDE.2021.3112126; the rule stands in the slides of the archive.

    Examples
    --------
    >>> UCR("data/ucr").title
    'the UCR anomaly archive'
    """

    name = "ucr"
    title = "the UCR anomaly archive"

    def _labels(self) -> dict[int, dict[str, Any]]:
        path = file(self.root, "labels.csv", "where each anomaly is")
        wanted = ["index", "train_end", "anomaly_start", "anomaly_end"]
        table = numbers(path, csv(path, wanted), wanted)
        if table.null_count().sum_horizontal().item():
            raise DataError(f"{path} has an empty field in one of {', '.join(wanted)}; fill it in")
        return {int(row["index"]): row for row in table.cast(pl.Int64).iter_rows(named=True)}

    def cases(self) -> Iterator[Case]:
        """Yield the series."""
        labels = self._labels()
        for path in found(self.root, "*.npz", "the archive's series, such as 004.npz"):
            row = labels.get(int(path.stem)) if path.stem.isdigit() else None
            if row is None:
                raise DataError(f"{path} has no row in labels.csv; add it, or take the file away")
            (x,) = npz(path, {"x": 1})
            train, start, end = row["train_end"], row["anomaly_start"], row["anomaly_end"]
            if not 0 < train < start <= end <= len(x):
                raise DataError(
                    f"labels.csv says train_end {train}, anomaly_start {start} and anomaly_end {end} of {path}, which "
                    f"has {len(x):,} rows; they must rise within these"
                )
            marks = np.zeros(len(x), np.int8)
            marks[start - 1 : end] = 1
            values = rows_of(x[:, None], ["x"])
            facts = {"first": train + 1, "start": start, "end": end}
            yield Case(path.stem, values[:train], values[train:], marks[train:], ("x",), ROW, "", marks[:train], facts)

    def _kept(self, case: Case, answer: Answer | ArrayLike) -> Answered:
        if isinstance(answer, int | np.integer):
            if not 0 <= answer < len(case.labels):
                raise DataError(f"{case.name} has {len(case.labels):,} rows to score, but the location is row {answer}")
            answer = (np.arange(len(case.labels)) == answer).astype(np.float64)
        return super()._kept(case, answer)

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        at = [_location(each) for each in answered]
        near = [_within(each, place, WIDE) for each, place in zip(answered, at, strict=True)]
        contest = [
            _within(each, place, max(WIDE, each.facts["end"] - each.facts["start"] + 1) - 1)
            for each, place in zip(answered, at, strict=True)
        ]
        figures = {"located": Grade(float(np.mean(near))), "located_contest": Grade(float(np.mean(contest)))}
        told = {name: [each.facts[name] for each in answered] for name in ("start", "end")}
        return figures, {**told, "location": at, "located": near, "located_contest": contest}

    def _remarks(self) -> list[str]:
        missing = sum(not (self.root / f"{index:03d}.npz").is_file() for index in self._labels())
        return [f"series of labels.csv without a file, not judged: {missing}"] if missing else []


def _location(each: Answered) -> int | None:
    """Return the place of the highest score, counted from 1 over the whole series."""
    return None if each.unscored == len(each.labels) else int(np.argmax(each.ranks)) + int(each.facts["first"])


def _within(each: Answered, place: int | None, most: int) -> bool:
    return place is not None and each.facts["start"] - most <= place <= each.facts["end"] + most

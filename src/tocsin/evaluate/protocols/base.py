"""What every protocol is: a benchmark's cases, and how answers to them are judged, so that a study is one call."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from tocsin.detectors.base import Detector
from tocsin.errors import DataError, ParameterError, did_you_mean
from tocsin.evaluate.metrics.base import Grade, Metric, undefined
from tocsin.evaluate.metrics.card import score_card
from tocsin.evaluate.protocols.cases import Answer, Answered, Case
from tocsin.features.recipe import Recipe
from tocsin.panel import unmasked


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a protocol.

    Attributes
    ----------
    protocol : str
        Which.
    figures : dict of str to Grade
        The figures of the whole, the benchmark's own first; each has a value, NaN where it is not defined, and a note.
    cases : polars.DataFrame
        One row a case: case, group, rows, anomalous, unscored (rows without a score), what the protocol tells of it,
        seconds, and note.
    notes : list of str
        What must be known to read the figures.
    answered : sequence of Answered
        Labels and answers of the cases.
    """

    protocol: str
    figures: dict[str, Grade]
    cases: pl.DataFrame
    notes: list[str]
    answered: Sequence[Answered] = field(repr=False)

    @property
    def value(self) -> float:
        """The benchmark's own figure."""
        return next(iter(self.figures.values())).value

    @property
    def seconds(self) -> float:
        """What it cost, in CPU-seconds of learning and scoring."""
        return float(self.cases["seconds"].sum())

    def __getitem__(self, figure: str) -> float:
        """Return a figure's value."""
        if figure not in self.figures:
            raise ParameterError(f"{self.protocol} has no figure {figure!r}{did_you_mean(figure, self.figures)}")
        return self.figures[figure].value

    def table(self) -> pl.DataFrame:
        """Return the figures as a table: figure, value, note."""
        rows = [(name, float(grade.value), grade.note) for name, grade in self.figures.items()]
        types = {"figure": pl.String, "value": pl.Float64, "note": pl.String}
        return pl.DataFrame(rows, schema=types, orient="row")

    def card(self, only: Iterable[Metric | str] | None = None) -> pl.DataFrame:
        """Hold the same answers against the labels by any metrics, each case a series.

        Parameters
        ----------
        only : iterable of Metric or str, optional
            As in `tocsin.score_card`, which says what is returned.
        """
        labels = [each.labels for each in self.answered]
        alerts = [each.answer.alert for each in self.answered if each.answer.alert is not None]
        return score_card(
            np.concatenate(labels),
            np.concatenate([each.ranks for each in self.answered]),
            np.concatenate(alerts) if len(alerts) == len(labels) else None,
            np.cumsum([0, *map(len, labels)]),
            only=only,
            ordered=all(each.ordered for each in self.answered),
        )


@dataclass(frozen=True)
class Protocol(ABC):
    """A published benchmark: its cases, and its way of judging.

    Parameters
    ----------
    path : path, optional
        Its folder; by default the one of its name in the folder that the environment variable TOCSIN_DATA names.
    """

    name: ClassVar[str]
    """What it is called, and its folder by default."""
    title: ClassVar[str]
    """Its name in full."""

    path: str | Path | None = None

    @property
    def root(self) -> Path:
        """The benchmark's folder.

        Raises
        ------
        ParameterError
            If no path is given.
        DataError
            If there is no such folder.
        """
        hint = f"give the folder of {self.title}, or set TOCSIN_DATA to a folder that holds {self.name}/"
        if self.path is None and not os.environ.get("TOCSIN_DATA"):
            raise ParameterError(f"no path is given; {hint}")
        root = Path(os.environ["TOCSIN_DATA"]) / self.name if self.path is None else Path(self.path)
        if not root.is_dir():
            raise DataError(f"no folder {root}; {hint}")
        return root

    @abstractmethod
    def cases(self) -> Iterator[Case]:
        """Yield the cases, each read when it is asked for.

        Raises
        ------
        DataError
            If the folder is incomplete or a file cannot be used.
        """

    def run(
        self,
        detector: Detector | Callable[[Case], Detector],
        recipe: Recipe | None = None,
        *,
        update_every: int | None = None,
    ) -> Outcome:
        """Let a detector learn from and score all cases, and judge its scores.

        Parameters
        ----------
        detector : Detector or callable
            One for all cases, which are then the assets of a fleet; or a function that makes one for each.
        recipe : Recipe, optional
            How readings become features.
        update_every : int, optional
            How many rows are scored, each batch by what was learned before it, before they are learned. By default
            nothing is learned after training.

        Raises
        ------
        TocsinError
            If the folder is incomplete, or the detector can learn none of the cases.
        """
        from tocsin.evaluate.protocols.running import answers

        outcome = self.judge(answers(self.cases(), detector, recipe, update_every=update_every))
        return replace(outcome, notes=[*outcome.notes, *self._remarks()])

    def judge(self, answered: Iterable[tuple[Case, Answer | ArrayLike]]) -> Outcome:
        """Judge answers from anywhere.

        Parameters
        ----------
        answered : iterable of (Case, Answer or array-like)
            Each case with its answer, or with scores alone. They are taken one by one, and readings are not kept.

        Raises
        ------
        DataError
            If there is no case, or scores are not one a row.
        """
        kept = [self._kept(case, answer) for case, answer in answered]
        if not kept:
            raise DataError(f"no case of {self.title} was answered")
        figures, columns = self._judge(kept)
        table = pl.DataFrame(
            {
                "case": [each.name for each in kept],
                "group": [each.group for each in kept],
                "rows": [len(each.labels) for each in kept],
                "anomalous": [int(np.count_nonzero(each.labels == 1)) for each in kept],
                "unscored": [each.unscored for each in kept],
                **columns,
                "seconds": [each.answer.seconds for each in kept],
                "note": [each.answer.note for each in kept],
            }
        )
        return Outcome(self.name, figures, table, _unscored(kept), kept)

    @abstractmethod
    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        """Return the figures of the whole, and columns for the table of cases."""

    def _remarks(self) -> list[str]:
        """Return what must be known of the folder."""
        return []

    def _kept(self, case: Case, answer: Answer | ArrayLike) -> Answered:
        if not isinstance(answer, Answer):
            answer = Answer(unmasked(answer).astype(np.float64))
        if answer.score.shape != case.labels.shape:
            raise DataError(f"{case.name} has {len(case.labels):,} rows to score but {answer.score.size:,} scores")
        ordered = case.time is not None
        return Answered(case.name, case.group, case.labels, case.training_labels, case.facts, ordered, answer)


def together(metric: Metric, answered: Sequence[Answered]) -> Grade:
    """Return a metric's grade of all cases, each a series."""
    given = [each.ranks if metric.needs == "scores" else each.answer.alert for each in answered]
    alerts = [own for own in given if own is not None]
    if len(alerts) < len(given):
        return undefined("no alerts were given")
    labels = [each.labels for each in answered]
    offsets = np.cumsum([0, *map(len, labels)])
    return metric.grade(np.concatenate(labels), np.concatenate(alerts), offsets)


def each_alone(metric: Metric, answered: Sequence[Answered]) -> list[float | None]:
    """Return a metric's value of each case, None where it is not defined."""
    values = [together(metric, [each]).value for each in answered]
    return [None if math.isnan(value) else value for value in values]


def mean(values: Sequence[float | None], why: str = "no case has a value") -> Grade:
    """Return the mean of the values that there are, and say how many there are not."""
    known = [value for value in values if value is not None]
    if not known:
        return undefined(why)
    left_out = len(values) - len(known)
    return Grade(float(np.mean(known)), f"left out {left_out} of {len(values)} cases" if left_out else "")


def _unscored(answered: Sequence[Answered]) -> list[str]:
    without = [each for each in answered if each.unscored]
    rows = sum(each.unscored for each in without)
    if not rows:
        return []
    why = next((f", such as {each.name}: {each.answer.note}" for each in without if each.answer.note), "")
    cases = "1 case" if len(without) == 1 else f"{len(without)} cases"
    what = "1 row" if rows == 1 else f"{rows:,} rows"
    return [f"{what} of {cases} without a score, ranked last{why}"]

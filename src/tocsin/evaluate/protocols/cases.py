"""One task of a benchmark, and an answer to it: what protocols ask with and what they judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One task of a benchmark: what may be learned from, what is to be scored, and what is known of it.

    Attributes
    ----------
    name, group : str
        What the benchmark calls it, and the part of the benchmark that it belongs to.
    training, test : polars.DataFrame
        The features, and `time` if there is one, ascending; the same object where all rows are learned from and scored.
    labels, training_labels : ndarray of shape (n_rows,), int8
        1 anomalous, 0 normal, of the rows of `test` and `training`; no labels of training where none are published.
    features : tuple of str
        The columns to look at.
    time : str, optional
        The column that orders rows. The times of `test` go on after those of `training` where its rows do.
    facts : mapping
        What else the benchmark tells, as its protocol says.
    """

    name: str
    training: pl.DataFrame
    test: pl.DataFrame
    labels: NDArray[np.int8]
    features: tuple[str, ...]
    time: str | None = None
    group: str = ""
    training_labels: NDArray[np.int8] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would put scores beside the wrong rows."""
        for frame in (self.training, self.test):
            if self.time is not None and (frame[self.time].null_count() or not frame[self.time].is_sorted()):
                raise DataError(f"the times of {self.name} must ascend, and none may be missing")
        if len(self.labels) != len(self.test):
            raise DataError(f"{self.name} has {len(self.test):,} rows to score but {len(self.labels):,} labels")

    @property
    def transductive(self) -> bool:
        """Whether the rows to be scored are those that are learned from."""
        return self.training is self.test


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a detector says of the rows of a case's `test`.

    Attributes
    ----------
    score : ndarray of shape (n_rows,), float64
        Higher is more anomalous; NaN where there is none.
    alert : ndarray of shape (n_rows,), bool, optional
        By the detector's own threshold.
    threshold : ndarray of shape (n_rows,), float64, optional
        That threshold.
    seconds : float
        What it cost, in CPU-seconds of learning and scoring.
    note : str
        Why there is no score, if there is none.
    """

    score: NDArray[np.float64]
    alert: NDArray[np.bool_] | None = None
    threshold: NDArray[np.float64] | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A case without its readings, and the answer to it. A row without a score ranks below all others."""

    name: str
    group: str
    labels: NDArray[np.int8]
    training_labels: NDArray[np.int8] | None
    facts: Mapping[str, Any]
    ordered: bool
    answer: Answer

    @property
    def ranks(self) -> NDArray[np.float64]:
        """The scores, minus infinity where there is none: no row is left out for being hard."""
        return np.where(np.isnan(self.answer.score), -np.inf, self.answer.score)

    @property
    def unscored(self) -> int:
        """How many rows have no score."""
        return int(np.count_nonzero(np.isnan(self.answer.score)))

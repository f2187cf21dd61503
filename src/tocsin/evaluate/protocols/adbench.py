"""ADBench's classical sets: rows in no order, ranked without labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.metrics.base import Grade
from tocsin.evaluate.metrics.ranking import AUROC, AveragePrecision
from tocsin.evaluate.protocols.base import Protocol, each_alone, mean
from tocsin.evaluate.protocols.cases import Answered, Case
from tocsin.evaluate.protocols.files import found, marks, npz
from tocsin.features.settings import check_whole

FEWEST, MOST = 1_000, 10_000
"""To how many rows the paper's protocol resamples a set."""


@dataclass(frozen=True)
class ADBench(Protocol):
    """How well ADBench's anomalies are ranked above the rest of their sets.

    A case is a set, a file ``*.npz`` with X and y.

    Figures: auroc and average_precision, the means over the sets.

    Parameters
    ----------
    path : path, optional
        The folder; see `Protocol`.
    split : {"none", "paper"}, default "none"
        Without a split all rows are learned from, without labels, and judged by the scores they have in training, as
        detectors without labels are used. The paper's protocol draws sets of fewer than 1,000 rows, with repeats, up to
        1,000 and larger ones than 10,000 down to these, learns from 70 %, stratified, scaled to 0..1, and judges the
        rest.
    rows : int, optional
        Without a split: how many rows at random are taken of larger sets; by default all.
    seed : int, default 0
        Chooses rows.

    Raises
    ------
    ParameterError
        If a setting makes no sense.

    References
    ----------
    Han, Hu, Huang, Jiang and Zhao, "ADBench: anomaly detection benchmark", NeurIPS 2022, section 4.1.

    Examples
    --------
    >>> ADBench("data/adbench", split="paper").seed
    0
    """

    name = "adbench"
    title = "ADBench"

    split: Literal["none", "paper"] = "none"
    rows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.split not in ("none", "paper"):
            raise ParameterError(f"split must be 'none' or 'paper', not {self.split!r}")
        check_whole("seed", self.seed, 0)
        if self.rows is not None:
            check_whole("rows", self.rows, 2)
            if self.split == "paper":
                raise ParameterError("rows has no meaning with split='paper', which resamples in its own way")

    def cases(self) -> Iterator[Case]:
        """Yield the sets."""
        for path in found(self.root, "*.npz", "ADBench's sets, such as 4_breastw.npz"):
            X, y = npz(path, {"X": 2, "y": 1})
            labels = marks(path, y, len(X))
            for kind, what in ((1, "anomalous"), (0, "normal")):
                if not (labels == kind).any():
                    raise DataError(f"{path} has no row that y calls {what}, {kind}; both kinds are needed")
            yield self._paper(path.stem, X, labels) if self.split == "paper" else self._whole(path.stem, X, labels)

    def _whole(self, name: str, X: NDArray[Any], labels: NDArray[np.int8]) -> Case:
        if self.rows is not None and len(X) > self.rows:
            rows = np.sort(np.random.default_rng(self.seed).permutation(len(X))[: self.rows])
            X, labels = X[rows], labels[rows]
        features, table = _table(X)
        return Case(name, table, table, labels, features, training_labels=labels)

    def _paper(self, name: str, X: NDArray[Any], labels: NDArray[np.int8]) -> Case:
        rng = np.random.default_rng(self.seed)
        if not FEWEST <= len(X) <= MOST:
            rows = rng.choice(len(X), min(max(len(X), FEWEST), MOST), replace=len(X) < FEWEST)
            X, labels = X[rows], labels[rows]
        train = np.zeros(len(X), np.bool_)
        for kind in (0, 1):
            own = rng.permutation(np.flatnonzero(labels == kind))
            train[own[: round(0.7 * len(own))]] = True
        low, high = X[train].min(axis=0), X[train].max(axis=0)
        scaled = (X - low) / np.where(high > low, high - low, 1.0)
        features, table = _table(scaled)
        return Case(
            name, table.filter(train), table.filter(~train), labels[~train], features, training_labels=labels[train]
        )

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        columns = {metric.name: each_alone(metric, answered) for metric in (AUROC(), AveragePrecision())}
        return {name: mean(values) for name, values in columns.items()}, {**columns}


def _table(X: NDArray[Any]) -> tuple[tuple[str, ...], pl.DataFrame]:
    features = tuple(f"x{place}" for place in range(X.shape[1]))
    return features, pl.DataFrame(dict(zip(features, np.ascontiguousarray(X.T, np.float64), strict=True)))

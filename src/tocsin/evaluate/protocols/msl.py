"""Telemetry of the Mars rover Curiosity: channels with few anomalies whose ends are vague."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import Grade
from tocsin.evaluate.metrics.ranking import AUROC, AveragePrecision
from tocsin.evaluate.metrics.volumes import VUSPR, VUSROC
from tocsin.evaluate.protocols.base import Protocol, each_alone, mean
from tocsin.evaluate.protocols.cases import Answered, Case
from tocsin.evaluate.protocols.files import ROW, csv, file, found, npz, rows_of
from tocsin.features.correlation import strongest_lag
from tocsin.features.settings import check_whole


@dataclass(frozen=True)
class MSL(Protocol):
    """How well what lies in or near an anomaly of MSL is ranked above the rest, channel by channel.

    A case is a channel, a file ``*.npz`` with train and test, of which ``labeled_anomalies.csv`` says
    anomaly_sequences: first and last row, counted from 0 in test. The first column is telemetry, the others are
    commands, 0 or 1.

    Figures: vus_pr, vus_roc, auroc and average_precision, the means over the channels. VUS is of the form of TSB-AD,
    whose leaderboard ranks by it, and so is the buffer: the lag at which the channel's first feature, train and test
    together, correlates most with itself. TSB-AD scores train and test; here test alone is judged. Facts of a case:
    period, that lag.

    Parameters
    ----------
    path : path, optional
        The folder; see `Protocol`.
    buffer : int, optional
        The widest buffer of VUS in rows, for all channels; by default each channel's period.

    Raises
    ------
    ParameterError
        If `buffer` is no whole number of at least 0.

    References
    ----------
    Hundman, Constantinou, Laporte, Colwell and Soderstrom, "Detecting spacecraft anomalies using LSTMs and
    nonparametric dynamic thresholding", KDD 2018, doi:10.1145/3219819.3219845.

    Liu and Paparrizos, "The elephant in the room: towards a reliable time-series anomaly detection benchmark", NeurIPS
    2024.

    Examples
    --------
    >>> MSL("data/msl", buffer=100).buffer
    100
    """

    name = "msl"
    title = "MSL"

    buffer: int | None = None

    def __post_init__(self) -> None:
        """Check the setting."""
        if self.buffer is not None:
            check_whole("buffer", self.buffer, 0)

    def _sequences(self) -> dict[str, list[str]]:
        path = file(self.root, "labeled_anomalies.csv", "where the anomalies are")
        table = csv(path, ["chan_id", "anomaly_sequences"]).select(
            pl.col("chan_id", "anomaly_sequences").cast(pl.String)
        )
        sequences: dict[str, list[str]] = {}
        for channel, text in table.iter_rows():
            sequences.setdefault(channel, []).append(text)
        return sequences

    def cases(self) -> Iterator[Case]:
        """Yield the channels."""
        sequences = self._sequences()
        for path in found(self.root, "*.npz", "MSL's channels, such as M-1.npz"):
            if path.stem not in sequences:
                raise DataError(f"{path} has no row in labeled_anomalies.csv; add it, or take the file away")
            train, test = npz(path, {"train": 2, "test": 2})
            if train.shape[1] != test.shape[1] or not len(train) or not len(test):
                raise DataError(
                    f"train of {path} has shape {train.shape} and test {test.shape}; give both the same columns"
                )
            features = tuple(f"x{place}" for place in range(train.shape[1]))
            labels = np.zeros(len(test), np.int8)
            for text in sequences[path.stem]:
                for first, last in _pairs(text, path.stem, len(test)):
                    labels[first : last + 1] = 1
            period = strongest_lag(np.concatenate([train[:, 0], test[:, 0]]))
            yield Case(
                path.stem,
                rows_of(train, features),
                rows_of(test, features, len(train)),
                labels,
                features,
                ROW,
                facts={"period": period},
            )

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        columns: dict[str, Sequence[Any]] = {}
        buffers = [each.facts["period"] if self.buffer is None else self.buffer for each in answered]
        for kind in (VUSPR, VUSROC):
            pairs = zip(answered, buffers, strict=True)
            columns[kind.name] = [each_alone(kind(buffer=buffer), [each])[0] for each, buffer in pairs]
        columns |= {metric.name: each_alone(metric, answered) for metric in (AUROC(), AveragePrecision())}
        return {name: mean(values) for name, values in columns.items()}, {"buffer": buffers, **columns}

    def _remarks(self) -> list[str]:
        missing = sum(not (self.root / f"{channel}.npz").is_file() for channel in self._sequences())
        return [f"channels of labeled_anomalies.csv without a file, not judged: {missing}"] if missing else []


def _pairs(text: str, channel: str, rows: int) -> list[tuple[int, int]]:
    try:
        pairs = [(int(first), int(last)) for first, last in json.loads(text)]
    except (TypeError, ValueError):
        raise DataError(f"labeled_anomalies.csv has anomaly_sequences of {channel} that are no pairs: {text}") from None
    for first, last in pairs:
        if not 0 <= first <= last < rows:
            raise DataError(
                f"labeled_anomalies.csv has an anomaly of {channel} from row {first} to {last}, "
                f"but test has {rows:,} rows"
            )
    return pairs

"""The Numenta Anomaly Benchmark: single series, scored as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import Grade, undefined
from tocsin.evaluate.metrics.nab import NABLowFN, NABLowFP, NABStandard
from tocsin.evaluate.protocols.base import Protocol, each_alone, together
from tocsin.evaluate.protocols.cases import Answered, Case
from tocsin.evaluate.protocols.files import csv, file, found, moments, numbers, of_json

PROBATION, MOST = 0.15, 750
"""Which share of a series is only for learning, and how many rows at most."""


@dataclass(frozen=True)
class NAB(Protocol):
    """Whether the anomalies of NAB are found, early, and without false alarms.

    A case is a series, a file ``data/*/*.csv``; its windows stand in ``labels/combined_windows.json``. The first 15 %,
    at most 750 rows, are learned from and not judged. A group is a folder. Where a clock is set back, the rows keep
    their order and the later time, so that nothing is known before it came.

    Figures: optimum, the standard profile with the one threshold for all scores that the benchmark chooses, in sight of
    the labels, as for published results; optimum_severity, the same of scores in units of the detector's own
    thresholds, so that all series are on one scale (or less these, if one is not above 0); nab_standard, nab_low_fp and
    nab_low_fn, the three profiles with the detector's own thresholds, chosen without labels. All are of all series
    together.

    References
    ----------
    Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark", ICMLA 2015,
    doi:10.1109/ICMLA.2015.141.

    Examples
    --------
    >>> NAB("data/nab").title
    'NAB'
    """

    name = "nab"
    title = "NAB"

    def _windows(self) -> dict[str, Any]:
        return of_json(file(self.root, "labels/combined_windows.json", "the windows of the anomalies"))

    def cases(self) -> Iterator[Case]:
        """Yield the series."""
        windows = self._windows()
        folder = self.root / "data"
        for path in found(self.root, "data/*/*.csv", "data/ and labels/ of NAB"):
            name = path.relative_to(folder).as_posix()
            if name not in windows:
                raise DataError(f"{path} has no entry in combined_windows.json; add it, or take the file away")
            frame = csv(path, ["timestamp", "value"])
            times = moments(path, frame, "timestamp")
            labels = _labels(frame["timestamp"], windows[name], name)
            cut = int(min(PROBATION * len(frame), MOST))
            if cut < 1:
                raise DataError(f"{path} has {len(frame)} rows; too few to learn from 15 % of them")
            values = numbers(path, frame, ["value"]).insert_column(0, times)
            yield Case(
                name.removesuffix(".csv"),
                values[:cut],
                values[cut:],
                labels[cut:],
                ("value",),
                "timestamp",
                path.parent.name,
                labels[:cut],
            )

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        whole = [_whole(each) for each in answered]
        figures = {"optimum": _optimum(whole, [each.ranks for each in whole]), "optimum_severity": _severity(whole)}
        own = NABStandard(), NABLowFP(), NABLowFN()
        figures |= {metric.name: together(metric, whole) for metric in own}
        return figures, {"nab_standard": each_alone(NABStandard(), whole)}

    def _remarks(self) -> list[str]:
        missing = sum(not (self.root / "data" / name).is_file() for name in self._windows())
        return [f"series of combined_windows.json without a file, not judged: {missing}"] if missing else []


def _labels(times: pl.Series, windows: Any, name: str) -> NDArray[np.int8]:
    """Return 1 for the rows inside the windows, whose ends are included."""
    if not isinstance(windows, list):
        raise DataError(f"combined_windows.json has no list of windows of {name}: {windows}")
    labels = np.zeros(len(times), np.int8)
    pairs = sorted(_pair(window, name) for window in windows)
    for (_, end), (start, _) in pairwise(pairs):
        if start < end:
            raise DataError(f"windows of {name} overlap: one starts at {start}, before another ends at {end}")
    for start, end in pairs:
        inside = ((times >= start) & (times <= end)).to_numpy()
        if not inside.any():
            raise DataError(f"the window of {name} from {start} to {end} holds none of its rows")
        labels[inside] = 1
    return labels


def _pair(window: Any, name: str) -> tuple[datetime, datetime]:
    texts = window if isinstance(window, list) and all(isinstance(text, str) for text in window) else []
    ends = pl.Series(texts, dtype=pl.String).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False).drop_nulls()
    if len(ends) != 2 or ends[1] < ends[0]:
        raise DataError(f"combined_windows.json has a window of {name} that is no pair of rising times: {window}")
    return ends[0], ends[1]


def _whole(each: Answered) -> Answered:
    """Put the rows that were learned from before the others; the metric leaves them out."""
    before = each.training_labels
    assert before is not None
    none, answer = len(before), each.answer
    quiet = None if answer.alert is None else np.concatenate([np.zeros(none, np.bool_), answer.alert])
    threshold = None if answer.threshold is None else np.concatenate([np.ones(none), answer.threshold])
    ranks = np.concatenate([np.full(none, -np.inf), each.ranks])
    told = replace(answer, score=ranks, alert=quiet, threshold=threshold)
    return replace(each, labels=np.concatenate([before, each.labels]), training_labels=None, answer=told)


def _optimum(whole: Sequence[Answered], ranks: Sequence[NDArray[np.float64]]) -> Grade:
    labels = [each.labels for each in whole]
    offsets = np.cumsum([0, *map(len, labels)])
    threshold, value = NABStandard().optimum(np.concatenate(labels), np.concatenate(ranks), offsets)
    return Grade(value, f"threshold {threshold:.6g}, chosen with the labels in sight")


def _severity(whole: Sequence[Answered]) -> Grade:
    thresholds = [each.answer.threshold for each in whole]
    known = [own for own in thresholds if own is not None]
    if len(known) < len(thresholds):
        return undefined("no thresholds were given")
    above = all(bool((own > 0).all()) for own in known)
    scores = [each.ranks for each in whole]
    return _optimum(whole, [s / t if above else s - t for s, t in zip(scores, known, strict=True)])

"""Readings made up, scored and held against the truth in one go, and never stored: how fast, and how well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import ParameterError
from tocsin.evaluate.truth import Findings
from tocsin.models import Models
from tocsin.panel import Panel
from tocsin.synth.made_up import MadeUp
from tocsin.threads import cores, run

TOP = 3
"""How many features are named for the strongest alert within a fault."""
QUIET = 12
"""How many readings without an alert end an incident."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """What a fused run did.

    Attributes
    ----------
    cells, threads : int
        How many values were made and scored, and on how many threads.
    seconds, cpu_seconds : float
        How long it took by the clock, and of all cores.
    findings : Findings
        The alerts held against the truth, over the rows after those that were learned from.
    """

    cells: int
    threads: int
    seconds: float
    cpu_seconds: float
    findings: Findings

    @property
    def rate(self) -> float:
        """Values a second."""
        return self.cells / self.seconds

    @property
    def rate_a_core(self) -> float:
        """Values in a second of a core's time."""
        return self.cells / self.cpu_seconds


class _Graded(NamedTuple):
    """What became of a run of assets: of each fault, in the truth's order, and of the readings without one."""

    alerts: list[int]
    first: list[int]
    score: list[float]
    cause: list[int]
    cause_rank: list[int]
    clean_rows: int
    false_alarms: int
    false_incidents: int


def fused(
    made: MadeUp,
    detector: Detector,
    *,
    assets: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Fused:
    """Make up a fleet, learn from each asset's clean rows, score those that follow, and grade the alerts.

    Assets are taken one after the other, each through the detector's own `fit_panel` and `score_panel` while its values
    are still in the cache. What is kept of them is the grade. Faults are graded as `tocsin.evaluate.truth.match` does.

    Parameters
    ----------
    made : MadeUp
        With faults after its clean rows.
    detector : Detector
        Unsupervised.
    assets : int, optional
        How many assets, from the first on; by default all.
    threads : int, optional
        How many threads; by default one a core.

    Raises
    ------
    ParameterError
        If a number makes no sense, or an asset has no clean row to learn from.
    """
    count = made.assets if assets is None else assets
    if not 1 <= count <= made.assets:
        raise ParameterError(f"assets must be from 1 to {made.assets:,}, not {count:,}")
    if made.clean_rows < 1:
        raise ParameterError("there is no clean row to learn from; give more rows, or clean_rows")
    truth = made.faults(0, count)
    of_asset = _by_asset(truth, count)
    room = threading.local()

    def grade(asset: int) -> _Graded:
        if not hasattr(room, "panels"):
            room.panels = _panel(made, made.clean_rows), _panel(made, made.rows - made.clean_rows)
        clean, later = room.panels
        made.fill(clean.values, (asset, asset + 1), (0, made.clean_rows))
        made.fill(later.values, (asset, asset + 1), (made.clean_rows, made.rows))
        return _grade(detector, clean, later, of_asset[asset])

    started, used = time.perf_counter(), time.process_time()
    parts = []
    for part in run(range(count), grade, threads):
        parts.append(part)
        if progress is not None:
            progress(len(parts) * made.rows, count * made.rows)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    cells = count * made.rows * len(made.sensors)
    return Fused(cells, threads or cores(), seconds, cpu, _findings(made, truth, parts))


class _Spans(NamedTuple):
    """The faults of one asset."""

    features: NDArray[np.int64]
    onsets: NDArray[np.int64]
    ends: NDArray[np.int64]


def _by_asset(truth: pl.DataFrame, count: int) -> list[_Spans]:
    cuts = np.cumsum(np.bincount(truth["asset"].to_numpy(), minlength=count))[:-1]
    columns = (np.split(truth[name].to_numpy(), cuts) for name in ("feature", "onset", "end"))
    return [_Spans(*spans) for spans in zip(*columns, strict=True)]


def _grade(detector: Detector, clean: Panel, later: Panel, faults: _Spans) -> _Graded:
    """Learn from one asset's clean rows, score those that follow, and grade the alerts."""
    models, _ = detector.fit_panel(clean)
    scores, _ = detector.score_panel(models, later, p_values=False)
    alerts = np.flatnonzero(scores.alert)
    onsets, ends = faults.onsets - clean.n_rows, faults.ends - clean.n_rows
    within = [alerts[(alerts >= onset) & (alerts <= end)] for onset, end in zip(onsets, ends, strict=True)]
    strongest = np.array([rows[scores.score[rows].argmax()] for rows in within if len(rows)], np.int64)
    causes = iter(_causes(detector, models, later, strongest))
    named = [next(causes) if len(rows) else None for rows in within]
    faulty = np.zeros(later.n_rows, np.bool_)
    for onset, end in zip(onsets, ends, strict=True):
        faulty[onset : end + 1] = True
    return _Graded(
        alerts=[len(rows) for rows in within],
        first=[int(rows[0]) + clean.n_rows if len(rows) else -1 for rows in within],
        score=[float(scores.score[rows].max()) if len(rows) else np.nan for rows in within],
        cause=[-1 if cause is None else int(cause[0]) for cause in named],
        cause_rank=[_rank(cause, feature) for cause, feature in zip(named, faults.features, strict=True)],
        clean_rows=int(np.count_nonzero(~faulty)),
        false_alarms=int(np.count_nonzero(~faulty[alerts])),
        false_incidents=_false_incidents(alerts, onsets, ends),
    )


def _causes(detector: Detector, models: Models, panel: Panel, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the features that weigh most in some rows, shape (n_rows, TOP), for rows in any order."""
    if not len(rows):
        return np.zeros((0, TOP), np.int32)
    if detector.temporal:  # what a row says rests on the rows before it
        return detector.attribute_panel(models, panel, TOP).feature[rows]
    ascending, place = np.unique(rows, return_inverse=True)
    return detector.attribute_panel(models, panel.take_rows(ascending), TOP).feature[place]


def _rank(named: NDArray[np.int32] | None, feature: int) -> int:
    """Return the place of the feature at fault among those named, each once; 0 where it is not."""
    distinct = [] if named is None else list(dict.fromkeys(named.tolist()))
    return distinct.index(feature) + 1 if feature in distinct else 0


def _false_incidents(alerts: NDArray[np.int64], onsets: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
    """Return how many incidents touch no fault."""
    if not len(alerts):
        return 0
    cuts = np.flatnonzero(np.diff(alerts) > QUIET + 1) + 1
    starts, stops = alerts[np.concatenate([[0], cuts])], alerts[np.concatenate([cuts - 1, [-1]])]
    touches = (starts[:, None] <= ends) & (stops[:, None] >= onsets)
    return int(np.count_nonzero(~touches.any(axis=1)))


def _findings(made: MadeUp, truth: pl.DataFrame, parts: Sequence[_Graded]) -> Findings:
    def every(name: str) -> list[Any]:
        return [entry for part in parts for entry in getattr(part, name)]

    def total(name: str) -> int:
        return sum(getattr(part, name) for part in parts)

    features = pl.Series(made.features, dtype=pl.String)
    cause = pl.Series(every("cause"), dtype=pl.Int64)
    ranks = pl.Series(every("cause_rank"), dtype=pl.Int64)
    alerts = pl.Series(every("alerts"), dtype=pl.Int64)
    first = pl.Series(every("first"), dtype=pl.Int64)
    faults = (
        made.named(truth)
        .with_columns(
            alerts=alerts,
            first_alert=made.moments(first.set(first < 0, None)),
            score=pl.Series(every("score"), dtype=pl.Float64).fill_nan(None),
            cause=features.gather(cause.set(cause < 0, None)),
            cause_rank=ranks.set(ranks == 0, None),
            found=alerts > 0,
        )
        .with_columns(peak_cause="cause", peak_rank="cause_rank")
    )
    later = made.rows - made.clean_rows
    return Findings(
        faults=faults,
        rows=len(parts) * later,
        clean_rows=total("clean_rows"),
        false_alarms=total("false_alarms"),
        false_incidents=total("false_incidents"),
        asset_days=len(parts) * (later - 1) * made.every.total_seconds() / 86_400,
    )


def _panel(made: MadeUp, rows: int) -> Panel:
    """Return room for some rows of one asset."""
    values = np.empty((len(made.sensors), rows), np.float32)
    return Panel(values, np.array([0, rows], np.int64), made.keys(0, 1), made.features)

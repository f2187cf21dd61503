"""One contestant on the sample: what it learns, how it judges, what it costs; each fault is an outcome of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import ParameterError, TocsinError
from tocsin.evaluate.competition.contestants import Contestant
from tocsin.evaluate.competition.samples import blocks
from tocsin.evaluate.metrics.base import Metric
from tocsin.evaluate.metrics.events import delays
from tocsin.fleet.engines import local
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Asked, Pipeline
from tocsin.kernels import runs
from tocsin.panel import Panel

Floats = NDArray[np.float64]
Marks = NDArray[np.int8]

TOP = 3
"""How many sensors are named for the strongest row of a fault."""
QUIET = 12
"""How many readings without an alert end an incident."""


OUTCOMES: dict[str, Any] = {
    "asset": pl.Int64, "round": pl.Int64, "fault": pl.Int64, "kind": pl.String, "value": pl.Float64,
    "found": pl.Boolean, "delay": pl.Int64, "cause_rank": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Readings to judge, and what is known of them.

    Attributes
    ----------
    panel : Panel
        With labels: 1 anomalous, 0 normal, -1 not known.
    faults : polars.DataFrame
        One row an event of the labels, in their order: asset, its place in the panel; first_row and last_row, among
        those of the panel; kind and feature, null where they are not known.
    """

    panel: Panel
    faults: pl.DataFrame

    def take_assets(self, assets: NDArray[np.int64]) -> Round:
        """Return the readings and faults of the given assets, in that order."""
        panel = self.panel.take_assets(assets)
        faults = _moved(self.faults, self.panel, assets, panel)
        return Round(panel, faults.with_columns(asset="place").drop("place").sort("first_row"))


@dataclass(frozen=True, slots=True, eq=False)
class Arena:
    """What all contestants are held against.

    Attributes
    ----------
    training : Panel
        What they learn from.
    rounds : sequence of Round
        What they judge, of the same assets.
    time_type : pyarrow.DataType or None
        In which type times are shown.
    metric : Metric
        What says how well scores rank the rows of a fault above normal ones.
    false_alarms : float
        The share of normal rows of an asset that may be alerts where contestants are compared by alerts.
    """

    training: Panel
    rounds: Sequence[Round]
    time_type: pa.DataType | None
    metric: Metric
    false_alarms: float


@dataclass(slots=True, eq=False)
class Trial:
    """How one contestant did.

    Attributes
    ----------
    outcomes : polars.DataFrame
        One row a fault and turn: asset, its place; round; fault, its place in the round; kind; value, by the metric;
        found, whether an alert was raised within it, at the common share of false alarms; delay in rows, null where it
        was not found; cause_rank, the place of the sensor at fault among those named first, null if none of `TOP`.
    left_out : dict of str to str
        Assets that it learned nothing of, and why.
    failure : str or None
        Why it did not take part at all.
    fit_seconds, score_seconds : float
        Of all cores' time, over all turns.
    fit_rows, score_rows : int
        How many rows were learned and scored in these.
    normal_rows, false_alarms, false_incidents : int
        Of the rows in no fault, how many there are, and how many are alerts by its own thresholds, in how many
        incidents that touch no fault.
    asset_days : float
        How long these assets were watched, over all turns; 0 without times.
    """

    outcomes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OUTCOMES))
    left_out: dict[str, str] = field(default_factory=dict)
    failure: str | None = None
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    fit_rows: int = 0
    score_rows: int = 0
    normal_rows: int = 0
    false_alarms: int = 0
    false_incidents: int = 0
    asset_days: float = 0.0

    @property
    def cost(self) -> float:
        """CPU-seconds to learn a million readings and to score as many."""
        each = ((self.fit_seconds, self.fit_rows), (self.score_seconds, self.score_rows))
        return sum(1e6 * seconds / max(rows, 1) for seconds, rows in each)

    @property
    def first_left_out(self) -> str:
        """The first asset that was left out, and why."""
        key, why = next(iter(self.left_out.items()))
        return why if f"asset {key}" in why or f"asset {key!r}" in why else f"asset {key!r}: {why}"


class _Learned(NamedTuple):
    """The models of a run of assets, and which of the panel's these are."""

    assets: NDArray[np.int64]
    models: ModelTable


def hold(contestant: Contestant, arena: Arena, turns: int, threads: int | None = None) -> Trial:
    """Let a contestant learn and judge, `turns` times if chance has a part in it, else once a round.

    An asset that it cannot learn is left out, with the reason; the others go on. Where it can learn none, or refuses
    the readings as a whole, that is its failure.
    """
    trial = Trial()
    many = turns if contestant.seeded else min(turns, len(arena.rounds))
    learned: list[_Learned] = []
    parts = []
    try:
        for turn in range(many):
            pipeline = contestant.pipeline(turn)
            if turn == 0 or contestant.seeded:
                learned = _learn(pipeline, arena, trial, threads)
            if not learned:
                trial.failure = trial.first_left_out
                return trial
            number = turn % len(arena.rounds)
            parts.append(_judge(pipeline, learned, number, arena, trial, threads))
    except TocsinError as error:
        trial.failure = str(error)
        return trial
    trial.outcomes = pl.concat(parts)
    if not len(trial.outcomes):
        more = f"; {trial.first_left_out}" if trial.left_out else ""
        trial.failure = f"it has learned no asset with anything to find{more}"
    return trial


def _learn(pipeline: Pipeline, arena: Arena, trial: Trial, threads: int | None) -> list[_Learned]:
    """Learn the sample, each asset's first part."""
    panel = arena.training
    used = time.process_time()
    pipeline.check(panel.features, None if panel.times is None else "time", arena.time_type)

    def work(assets: NDArray[np.int64]) -> tuple[NDArray[np.int64], Any]:
        return assets, pipeline.learn(panel.take_assets(assets), arena.time_type)

    found = []
    for assets, learned in local.run(blocks(panel, threads or local.cores()), work, threads):
        trial.left_out |= learned.left_out
        if learned.models is not None:
            place = learned.models.index_of(panel.keys.take(pa.array(assets)))
            found.append(_Learned(assets[place >= 0], learned.models.take(place[place >= 0])))
            trial.fit_rows += int(np.diff(panel.offsets)[assets[place >= 0]].sum())
    trial.fit_seconds += time.process_time() - used
    return found


class _Scored(NamedTuple):
    """What a run of assets is like to a contestant: scores, its own alerts, and the sensors behind each fault."""

    score: Floats
    alert: NDArray[np.bool_]
    causes: list[list[str]]


def _judge(
    pipeline: Pipeline,
    learned: Sequence[_Learned],
    number: int,
    arena: Arena,
    trial: Trial,
    threads: int | None,
) -> pl.DataFrame:
    """Score a round, and hold the scores against what is known of it."""
    judged = arena.rounds[number]

    def work(part: _Learned) -> tuple[Panel, Floats, NDArray[np.bool_]]:
        panel = judged.panel.take_assets(part.assets)
        table = pipeline.judge(part.models, panel, arena.time_type, Asked()).table
        score = table.column("score").to_numpy()
        return panel, score, table.column("alert").to_numpy()

    used = time.process_time()
    scored = list(local.run(learned, work, threads))
    trial.score_seconds += time.process_time() - used
    outcomes = []
    for part, (panel, score, alert) in zip(learned, scored, strict=True):
        trial.score_rows += panel.n_rows
        faults = _faults_of(judged, part.assets, panel)
        grades = _grades(panel, score, faults, arena)
        ranks = _cause_ranks(pipeline, part.models, panel, score, faults)
        outcomes.append(
            faults.select("asset", "fault", "kind").with_columns(
                grades, cause_rank=pl.Series(ranks, dtype=pl.Int64), round=pl.lit(number, pl.Int64)
            )
        )
        _count(panel, alert, trial)
    return pl.concat(outcomes).select(list(OUTCOMES)).cast(pl.Schema(OUTCOMES))


def _faults_of(judged: Round, assets: NDArray[np.int64], panel: Panel) -> pl.DataFrame:
    """Return the faults of some assets, their rows those of a panel of these assets alone."""
    return _moved(judged.faults.with_row_index("fault"), judged.panel, assets, panel).drop("place")


def _moved(faults: pl.DataFrame, whole: Panel, assets: NDArray[np.int64], panel: Panel) -> pl.DataFrame:
    """Return the faults of some assets, of which a panel of its own was taken; their place in it is a column."""
    by = pl.DataFrame(
        {"asset": assets, "place": np.arange(len(assets)), "_by": panel.offsets[:-1] - whole.offsets[:-1][assets]}
    )
    found = faults.join(by, on="asset", maintain_order="left")
    return found.with_columns(pl.col("first_row", "last_row") + pl.col("_by")).drop("_by")


def _grades(panel: Panel, score: Floats, faults: pl.DataFrame, arena: Arena) -> pl.DataFrame:
    """Return value, found and delay of each fault: its rows against all normal ones of its asset."""
    labels = panel.labels
    assert labels is not None
    values = []
    ranks = np.where(np.isnan(score), -np.inf, score)  # a row without a score ranks last, as in protocols
    asset_of = np.searchsorted(panel.offsets, faults["first_row"].to_numpy(), side="right") - 1
    for asset, first, last in zip(asset_of.tolist(), faults["first_row"], faults["last_row"], strict=True):
        begin, end = panel.offsets[asset], panel.offsets[asset + 1]
        own = np.where(labels[begin:end] == 0, np.int8(0), np.int8(-1))
        own[first - begin : last + 1 - begin] = labels[first : last + 1]
        scored = not np.isnan(score[first : last + 1]).all()
        value = arena.metric(own, ranks[begin:end]) if scored else np.nan
        values.append(0.0 if np.isnan(value) else value)  # a fault without a score is not found
    alerts = common_alerts(labels, score, panel.offsets, arena.false_alarms)
    events = delays(labels, alerts, panel.offsets).select("first_alert", "delay", first_row="start")
    found = faults.select("first_row").join(events, on="first_row", how="left", maintain_order="left")
    return found.select(
        value=pl.Series(values, dtype=pl.Float64), found=pl.col("first_alert").is_not_null(), delay="delay"
    )


def common_alerts(labels: Marks, score: Floats, offsets: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Return which rows score above the threshold that at most a share of their asset's normal rows is above.

    >>> common_alerts(np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 2.5]), np.array([0, 4]), 0.4).tolist()
    [False, False, True, True]
    """
    alerts = np.zeros(len(score), np.bool_)
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        own = score[begin:end]
        normal = np.sort(own[(labels[begin:end] == 0) & ~np.isnan(own)])
        if len(normal):
            alerts[begin:end] = own > normal[len(normal) - 1 - int(share * len(normal))]
    return alerts


def _cause_ranks(
    pipeline: Pipeline, models: ModelTable, panel: Panel, score: Floats, faults: pl.DataFrame
) -> list[int | None]:
    """Return the place of the sensor at fault among those that weigh most in each fault's strongest row."""
    known = faults["feature"].is_not_null()
    if not known.any() or not len(faults):
        return [None] * len(faults)
    spans = zip(faults["first_row"], faults["last_row"], strict=True)
    least = np.where(np.isnan(score), -np.inf, score)
    strongest = np.array([first + int(np.argmax(least[first : last + 1])) for first, last in spans], np.int64)
    rows, place = np.unique(strongest, return_inverse=True)
    named = pipeline.causes(models, panel, rows, TOP)
    pairs = zip(place.tolist(), faults["feature"], strict=True)
    return [named[row].index(feature) + 1 if feature in named[row] else None for row, feature in pairs]


def _count(panel: Panel, alert: NDArray[np.bool_], trial: Trial) -> None:
    """Add what a contestant's own thresholds make of the normal rows."""
    assert panel.labels is not None
    normal = panel.labels == 0
    trial.normal_rows += int(normal.sum())
    trial.false_alarms += int((alert & normal).sum())
    for begin, end in zip(panel.offsets[:-1].tolist(), panel.offsets[1:].tolist(), strict=True):
        starts, stops = runs.incidents(alert[begin:end], QUIET)
        events = runs.events(panel.labels[begin:end], panel.labels[begin:end] >= 0)
        trial.false_incidents += len(starts) - runs.touching(starts, stops, *events)
    if panel.times is not None and panel.n_rows:
        ends = panel.offsets[1:][np.diff(panel.offsets) > 0]
        first = panel.offsets[:-1][np.diff(panel.offsets) > 0]
        trial.asset_days += float((panel.times[ends - 1] - panel.times[first]).sum()) / 86_400e9


def check_metric(metric: Metric) -> Metric:
    """Refuse a metric by which contestants cannot be ranked: it must take scores, and more be better.

    Raises
    ------
    ParameterError
        If it is none.
    """
    if metric.needs != "scores" or metric.better != "high":
        raise ParameterError(
            f"metric {metric.name!r} takes {metric.needs}; contestants are ranked by one of scores, whatever their "
            "threshold, such as average_precision or vus_pr"
        )
    return metric

"""What a fleet does to a panel of readings, the same on every engine: features by its recipe, then its detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import ColumnError, DataError
from tocsin.features.recipe import MEMORY, PREFIX, Recipe
from tocsin.fleet.lookup import nearest
from tocsin.fleet.models import ModelTable, is_clock
from tocsin.fleet.results import explanations, row_names, score_table, spread, take_scores, with_explanations
from tocsin.models import Models, Ragged
from tocsin.panel import Panel, Scores

LAST = f"{MEMORY}last"
"""The name of the times of the last rows that a recipe remembers."""


class Learned(NamedTuple):
    """What was learned of a panel.

    `models` and the training rows that are `alerts`, each None if no asset could be learned; the detector's `remarks`;
    who was `left_out` and why; and how many rows were `bare`, without features.
    """

    models: ModelTable | None = None
    alerts: pa.Table | None = None
    remarks: dict[str, int] = {}  # noqa: RUF012 - never changed
    left_out: dict[str, str] = {}  # noqa: RUF012
    bare: int = 0


class Judged(NamedTuple):
    """The scores of a panel as a table, how many rows are alerts, and how many have no features and so no score."""

    table: pa.Table
    alerts: int
    bare: int


class Asked(NamedTuple):
    """What is wanted of scores: how many features of each alert, or of every row; and whether of alerts only."""

    explain: int = 0
    explain_all: bool = False
    only_alerts: bool = False


class Featured(NamedTuple):
    """A panel of features, what its recipe learned or is to remember, and which rows of the readings it has."""

    panel: Panel
    state: Mapping[str, Ragged]
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Pipeline:
    """A detector and, before it, the recipe of its features, if there is one."""

    detector: Detector
    recipe: Recipe | None = None

    @property
    def supervised(self) -> bool:
        """Whether something learns from labels."""
        return self.detector.supervised or (self.recipe is not None and self.recipe.supervised)

    @property
    def warm_up(self) -> int:
        """How many rows of each asset pass before there are features."""
        return 0 if self.recipe is None else self.recipe.warm_up

    @property
    def _too_few(self) -> str:
        rows = f"{self.warm_up + 1:,} rows that the recipe needs" if self.warm_up else "one row that is needed"
        return f"fewer than the {rows}; give more rows or shorter windows"

    def check(self, features: tuple[str, ...], time: str | None, time_type: pa.DataType | None) -> None:
        """Refuse readings that the recipe cannot use.

        Raises
        ------
        ColumnError
            If a step names no feature, or needs true times and there are none.
        """
        if self.recipe is None:
            return
        self.recipe.outputs(features)
        if self.recipe.calendar and (time_type is None or not is_clock(time_type)):
            found = "there is no time column" if time is None else f"column {time!r} holds whole numbers"
            raise ColumnError(f"a calendar step needs dates and times, but {found}")

    # Learning --------------------------------------------------------------------------------------------------------

    def learn(self, panel: Panel, time_type: pa.DataType | None) -> Learned:
        """Learn one model an asset; those of which none can be learned are left out, with the reason."""
        short = np.diff(panel.offsets) <= self.warm_up
        left_out: dict[str, str] = {}
        if short.any():
            keys = panel.keys.filter(pa.array(short)).to_pylist()
            left_out = {str(key): self._too_few for key in keys}
            panel = panel.take_assets(np.flatnonzero(~short))
        if not panel.n_assets:
            return Learned(left_out=left_out)
        try:
            learned = self._learn(panel, time_type)
        except DataError as error:
            if panel.n_assets == 1:
                return Learned(left_out={**left_out, str(panel.keys[0]): str(error)})
            assets = np.arange(panel.n_assets)
            parts = [self.learn(panel.take_assets(half), time_type) for half in np.array_split(assets, 2)]
            learned = _joined(parts)
        return learned._replace(left_out={**left_out, **learned.left_out})

    def _learn(self, panel: Panel, time_type: pa.DataType | None) -> Learned:
        featured = self.learn_features(panel)
        models, scores = self.detector.fit_panel(featured.panel)
        rows = np.flatnonzero(scores.alert)
        alerts = score_table(featured.panel.take_rows(rows), models, take_scores(scores, rows), time_type)
        table = ModelTable.of_panel(_with(models, featured.state), panel, time_type)
        return Learned(table, alerts, self.detector.remarks(models), bare=panel.n_rows - featured.panel.n_rows)

    def update(
        self,
        known: ModelTable,
        panel: Panel,
        time_type: pa.DataType | None,
        fine: NDArray[np.bool_] | None = None,
    ) -> Learned:
        """Let the models of assets that are known learn on, and learn first ones of the others.

        `fine` says which rows known assets learn, by default all; the others only go before those that follow.
        """
        panel, time_type = known.like_own(panel, time_type)
        index = known.index_of(panel.keys)
        old, new = np.flatnonzero(index >= 0), np.flatnonzero(index < 0)
        first = self.learn(panel.take_assets(new), time_type) if len(new) else Learned()
        if not len(old):
            return first
        part, before = panel.take_assets(old), known.take(index[old])
        models = before.to_models()
        featured = self.features(models, part)
        chosen = featured.panel
        if fine is not None:
            own = fine[np.isin(panel.asset_of_row, old)]
            chosen = chosen.take_rows(np.flatnonzero(own if featured.rows is None else own[featured.rows]))
        learned = self.detector.update_panel(models, chosen)
        kept = _kept(models, part, featured.state)
        table = ModelTable.of_panel(_with(learned, kept), part, time_type, before.scalars("version"))
        return _joined([Learned(table.since(before), bare=part.n_rows - featured.panel.n_rows), first])

    # Scoring ---------------------------------------------------------------------------------------------------------

    def judge(self, known: ModelTable, panel: Panel, time_type: pa.DataType | None, asked: Asked) -> Judged:
        """Score rows by `known`, the models of the panel's assets in the same order; rows without features get none."""
        models = known.to_models()
        featured = self.features(models, panel)
        scores, _ = self.detector.score_panel(models, featured.panel)
        rows = np.flatnonzero(scores.alert) if asked.only_alerts else np.arange(featured.panel.n_rows)
        kept = take_scores(scores, rows) if asked.only_alerts else scores
        place = np.arange(len(rows))
        if asked.only_alerts or featured.rows is None:
            part = featured.panel.take_rows(rows) if asked.only_alerts else panel
            table = score_table(part, models, kept, time_type)
        else:
            place = featured.rows
            table = score_table(panel, models, spread(kept, place, panel.n_rows), time_type)
        if asked.explain:
            chosen = np.arange(len(rows)) if asked.explain_all else np.flatnonzero(kept.alert)
            reasons = self.reasons(models, featured.panel, panel.features, scores, rows[chosen], asked.explain)
            table = with_explanations(table, reasons, place[chosen])
        return Judged(table, int(scores.alert.sum()), panel.n_rows - featured.panel.n_rows)

    def transform(self, known: ModelTable, panel: Panel, time_type: pa.DataType | None) -> Judged:
        """Return the features of rows in place of scores: key, time (if there is one), and a column a feature."""
        featured = self.features(known.to_models(), panel).panel
        columns = dict(zip(featured.features, map(pa.array, featured.values), strict=True))
        for name in columns:
            if name in ("key", "time"):
                raise ColumnError(f"a feature is called {name!r}, as another column of the result is; rename it")
        return Judged(pa.table({**row_names(featured, time_type), **columns}), 0, panel.n_rows - featured.n_rows)

    def explain_at(
        self, known: ModelTable, panel: Panel, time_type: pa.DataType | None, at: Any, top: int
    ) -> tuple[pa.Table, pl.DataFrame]:
        """Score and explain the row of one asset that is nearest to a time, or has the highest score."""
        models = known.to_models()
        featured = self.features(models, panel).panel
        if not featured.n_rows:
            raise DataError(f"asset {str(panel.keys[0])!r}: {self._too_few}")
        scores, _ = self.detector.score_panel(models, featured)
        row = int(np.argmax(scores.score)) if at is None else nearest(featured, at, time_type)
        chosen = np.array([row])
        reasons = self.reasons(models, featured, panel.features, scores, chosen, top)
        one = score_table(featured.take_rows(chosen), models, take_scores(scores, chosen), time_type)
        return one, reasons.drop("row")

    def causes(self, known: ModelTable, panel: Panel, rows: NDArray[np.int64], top: int) -> list[list[str]]:
        """Return the sensors that weigh most in some ascending rows, at most `top`, each once; none without features.

        `known` are the models of the panel's assets in the same order.
        """
        models = known.to_models()
        featured = self.features(models, panel)
        having = rows if featured.rows is None else rows[np.isin(rows, featured.rows)]
        place = having if featured.rows is None else np.searchsorted(featured.rows, having)
        if self.detector.temporal:  # what a row says rests on the rows before it
            found = self.detector.attribute_panel(models, featured.panel, top).feature[place]
        else:
            found = self.detector.attribute_panel(models, featured.panel.take_rows(place), top).feature
        sensors: Sequence[str | None] = panel.features
        if self.recipe is not None:
            sensors = [feature.sensor for feature in self.recipe.outputs(panel.features)]
        named = {
            row: list(dict.fromkeys(sensor for i in own if i >= 0 and (sensor := sensors[i]) is not None))
            for row, own in zip(having.tolist(), found.tolist(), strict=True)
        }
        return [named.get(row, []) for row in rows.tolist()]

    def reasons(
        self,
        models: Models,
        featured: Panel,
        features: tuple[str, ...],
        scores: Scores,
        rows: NDArray[np.int64],
        top: int,
    ) -> pl.DataFrame:
        """Explain some rows of a panel of features, and name the sensor behind each where that is another thing."""
        reasons = explanations(self.detector, models, featured, scores, rows, top)
        if self.recipe is None:
            return reasons
        sensors = {feature.name: feature.sensor for feature in self.recipe.outputs(features)}
        named = reasons["feature"].replace_strict(sensors, return_dtype=pl.String)
        return reasons.insert_column(reasons.columns.index("feature") + 1, named.alias("sensor"))

    def learn_features(self, panel: Panel) -> Featured:
        """Learn what the recipe's steps need, and make the features of the same rows."""
        if self.recipe is None:
            return Featured(panel, {})
        state, derived, memory = self.recipe.fit_panel(panel)
        return Featured(derived, {**state, **memory, LAST: _last(panel)}, _last_rows(panel, derived))

    def features(self, models: Models, panel: Panel, follows: NDArray[np.bool_] | None = None) -> Featured:
        """Make features of rows that go on where those that were learned end, or else begin anew.

        `follows` says of which assets the rows do so; by default of those whose times are all later than what was
        learned.
        """
        if self.recipe is None:
            return Featured(panel, {})
        memory = _memory(models)
        last = memory.pop(LAST)
        begin = ~(_later(panel, last) if follows is None else follows)
        derived, after = self.recipe.apply_panel(models.state, panel, self.recipe.anew(memory, begin))
        return Featured(derived, after, _last_rows(panel, derived))


def _memory(models: Models) -> dict[str, Ragged]:
    """Return what models remember of the last rows that they learned."""
    return {name: entry for name, entry in models.state.items() if name.startswith(MEMORY)}


def _kept(models: Models, panel: Panel, after: Mapping[str, Ragged]) -> dict[str, Ragged]:
    """Return what models know of their recipe once rows are learned that leave `after` to be remembered."""
    memory, last = _memory(models), _last(panel)
    if not memory:
        return {}
    latest = _latest(last, memory[LAST])
    new = {**after, LAST: last}
    learned = {name: entry for name, entry in models.state.items() if name.startswith(PREFIX)}
    return learned | {name: Ragged.concat([new[name], entry]).take(latest) for name, entry in memory.items()}


def _joined(parts: Sequence[Learned]) -> Learned:
    """Put what was learned of several panels together."""
    models = [part.models for part in parts if part.models is not None]
    alerts = [part.alerts for part in parts if part.alerts is not None]
    remarks: Counter[str] = Counter()
    left_out: dict[str, str] = {}
    for part in parts:
        remarks.update(part.remarks)
        left_out |= part.left_out
    return Learned(
        ModelTable.concat(models) if models else None,
        pa.concat_tables(alerts) if alerts else None,
        dict(remarks),
        left_out,
        sum(part.bare for part in parts),
    )


def _with(models: Models, state: Mapping[str, Ragged]) -> Models:
    return replace(models, state={**models.state, **state}) if state else models


def _last_rows(panel: Panel, derived: Panel) -> NDArray[np.int64]:
    """Return which rows of a panel a derived one has, that lacks each asset's first ones."""
    kept = np.diff(derived.offsets)
    return np.repeat(panel.offsets[1:] - derived.offsets[1:], kept) + np.arange(derived.n_rows)


def _last(panel: Panel) -> Ragged:
    """Return the time of each asset's last row; no entry has one without rows or times."""
    there = np.diff(panel.offsets) > 0 if panel.times is not None else np.zeros(panel.n_assets, np.bool_)
    times = np.zeros(0, np.int64) if panel.times is None else panel.times[panel.offsets[1:][there] - 1]
    return Ragged(times, np.concatenate([[0], np.cumsum(there)]).astype(np.int64))


def _later(panel: Panel, last: Ragged) -> NDArray[np.bool_]:
    """Return which assets' rows all come after the last one that was learned; none does without times."""
    later = np.zeros(panel.n_assets, np.bool_)
    if panel.times is not None:
        both = (np.diff(panel.offsets) > 0) & (np.diff(last.offsets) > 0)
        later[both] = panel.times[panel.offsets[:-1][both]] > last.values[last.offsets[:-1][both]]
    return later


def _latest(last: Ragged, old: Ragged) -> NDArray[np.int64]:
    """Return for each asset which of two memories, the new ones before the old ones, is of its latest rows."""
    n_assets = len(last.offsets) - 1
    ends = np.full((2, n_assets), np.iinfo(np.int64).min)
    for own, (values, offsets) in zip(ends, (last, old), strict=True):
        own[np.diff(offsets) > 0] = values
    return np.where(ends[0] > ends[1], 0, n_assets) + np.arange(n_assets)

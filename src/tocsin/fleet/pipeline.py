"""What a fleet does to a panel of readings, the same on every engine: features by its recipe, then its detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import ColumnError, DataError
from tocsin.features.recipe import PREFIX, Recipe
from tocsin.fleet.lookup import nearest
from tocsin.fleet.models import ModelTable, is_clock
from tocsin.fleet.results import explanations, row_names, score_table, spread, take_scores, with_explanations
from tocsin.models import Models, Ragged
from tocsin.panel import Panel, Scores


class Learned(NamedTuple):
    """What was learned of a panel: models, the training rows that are alerts, remarks, and who had too few rows."""

    models: ModelTable | None
    alerts: pa.Table | None
    remarks: dict[str, int]
    short: list[str]


class Judged(NamedTuple):
    """The scores of a panel as a table, and how many rows are alerts."""

    table: pa.Table
    alerts: int


class Asked(NamedTuple):
    """What is wanted of scores: how many features of each alert, or of every row; and whether of alerts only."""

    explain: int = 0
    explain_all: bool = False
    only_alerts: bool = False


class Featured(NamedTuple):
    """A panel of features, what its recipe learned, and which rows of the readings it has; None for all."""

    panel: Panel
    state: dict[str, Ragged]
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

    def sensors(self, features: tuple[str, ...]) -> dict[str, str | None]:
        """Return the sensor that each feature is made of."""
        if self.recipe is None:
            return {name: name for name in features}
        return {feature.name: feature.sensor for feature in self.recipe.outputs(features)}

    # Learning --------------------------------------------------------------------------------------------------------

    def learn(self, panel: Panel, time_type: pa.DataType | None) -> Learned:
        """Learn one model an asset; assets without a row of features get none."""
        enough = np.diff(panel.offsets) > self.warm_up
        short = [str(key) for key in panel.keys.filter(pa.array(~enough)).to_pylist()]
        if short:
            panel = panel.take_assets(np.flatnonzero(enough))
        if not panel.n_assets:
            return Learned(None, None, {}, short)
        featured = self._learn_features(panel)
        models, scores = self.detector.fit_panel(featured.panel)
        rows = np.flatnonzero(scores.alert)
        alerts = score_table(featured.panel.take_rows(rows), models, take_scores(scores, rows), time_type)
        table = ModelTable.of_panel(_with(models, featured.state), panel, time_type)
        return Learned(table, alerts, self.detector.remarks(models), short)

    def update(self, known: ModelTable, panel: Panel, time_type: pa.DataType | None) -> Learned:
        """Let the models of assets that are known learn on, and learn first ones of the others."""
        panel, time_type = known.like_own(panel, time_type)
        index = known.index_of(panel.keys)
        old, new = np.flatnonzero(index >= 0), np.flatnonzero(index < 0)
        parts: list[ModelTable] = []
        first = self.learn(panel.take_assets(new), time_type) if len(new) else Learned(None, None, {}, [])
        if len(old):
            part, before = panel.take_assets(old), known.take(index[old])
            models = before.to_models()
            learned = self.detector.update_panel(models, self._features(models, part).panel)
            kept = {name: entry for name, entry in models.state.items() if name.startswith(PREFIX)}
            table = ModelTable.of_panel(_with(learned, kept), part, time_type, before.scalars("version"))
            parts.append(table.since(before))
        if first.models is not None:
            parts.append(first.models)
        return first._replace(models=ModelTable.concat(parts) if parts else None)

    # Scoring ---------------------------------------------------------------------------------------------------------

    def judge(self, known: ModelTable, panel: Panel, time_type: pa.DataType | None, asked: Asked) -> Judged:
        """Score rows by `known`, the models of the panel's assets in the same order; rows without features get none."""
        models = known.to_models()
        featured = self._features(models, panel)
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
            reasons = self._reasons(models, featured.panel, panel.features, scores, rows[chosen], asked.explain)
            table = with_explanations(table, reasons, place[chosen])
        return Judged(table, int(scores.alert.sum()))

    def transform(self, known: ModelTable, panel: Panel, time_type: pa.DataType | None) -> pa.Table:
        """Return the features of rows as a table: key, time (if there is one), and a column a feature."""
        featured = self._features(known.to_models(), panel).panel
        columns = dict(zip(featured.features, map(pa.array, featured.values), strict=True))
        for name in columns:
            if name in ("key", "time"):
                raise ColumnError(f"a feature is called {name!r}, as another column of the result is; rename it")
        return pa.table({**row_names(featured, time_type), **columns})

    def explain_at(
        self, known: ModelTable, panel: Panel, time_type: pa.DataType | None, at: Any, top: int
    ) -> tuple[pa.Table, pl.DataFrame]:
        """Score and explain the row of one asset that is nearest to a time, or has the highest score."""
        models = known.to_models()
        featured = self._features(models, panel).panel
        if not featured.n_rows:
            raise self.too_short([str(panel.keys[0])])
        scores, _ = self.detector.score_panel(models, featured)
        row = int(np.argmax(scores.score)) if at is None else nearest(featured, at, time_type)
        chosen = np.array([row])
        reasons = self._reasons(models, featured, panel.features, scores, chosen, top)
        one = score_table(featured.take_rows(chosen), models, take_scores(scores, chosen), time_type)
        return one, reasons.drop("row")

    def too_short(self, keys: list[str]) -> DataError:
        """Return the error for assets none of which has enough rows for the recipe."""
        whose = f"asset {keys[0]!r} has" if len(keys) == 1 else f"the {len(keys):,} assets, such as {keys[0]!r}, have"
        need = f"{self.warm_up + 1:,} rows for its recipe's windows" if self.warm_up else "a row"
        return DataError(f"{whose} fewer rows than needed: at least {need}; give more rows or shorter windows")

    def _reasons(
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
        named = reasons["feature"].replace_strict(self.sensors(features), return_dtype=pl.String)
        return reasons.insert_column(reasons.columns.index("feature") + 1, named.alias("sensor"))

    def _learn_features(self, panel: Panel) -> Featured:
        if self.recipe is None:
            return Featured(panel, {})
        state, derived, _ = self.recipe.fit_panel(panel)
        return Featured(derived, state, _last_rows(panel, derived))

    def _features(self, models: Models, panel: Panel) -> Featured:
        if self.recipe is None:
            return Featured(panel, {})
        derived, _ = self.recipe.apply_panel(models.state, panel)
        return Featured(derived, {}, _last_rows(panel, derived))


def _with(models: Models, state: dict[str, Ragged]) -> Models:
    return replace(models, state={**models.state, **state}) if state else models


def _last_rows(panel: Panel, derived: Panel) -> NDArray[np.int64]:
    """Return which rows of a panel a derived one has, that lacks each asset's first ones."""
    kept = np.diff(derived.offsets)
    return np.repeat(panel.offsets[1:] - derived.offsets[1:], kept) + np.arange(derived.n_rows)

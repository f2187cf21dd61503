"""Fleet: one model for each of many assets, from readings wherever they lie, to scores, alerts and reasons."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.detectors.base import Detector
from tocsin.detectors.catalog import detector_class
from tocsin.detectors.ecod import ECOD
from tocsin.errors import (
    FleetError,
    NotFittedError,
    ParameterError,
    UnknownAssetError,
)
from tocsin.features.recipe import Recipe
from tocsin.fleet import store
from tocsin.fleet.engines import local
from tocsin.fleet.lookup import only_asset
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Asked, Judged, Learned, Pipeline
from tocsin.fleet.report import Progress, Report, Tally, bare_rows
from tocsin.panel import Panel
from tocsin.tables.columns import Columns
from tocsin.tables.readings import Readings, open_readings
from tocsin.tables.results import ResultWriter

T = TypeVar("T")

FEW = 20
"""Fewer readings than these say too little of what is normal; it is noted."""


class Fleet:
    """A detector, which columns it looks at, and the table of its models, one an asset.

    Parameters
    ----------
    detector : Detector, default ``ECOD()``
        The algorithm with its parameters.
    key : str, optional
        The column that says which asset a reading is of; ``"@file"`` where each file is an asset; None is one asset.
    time : str, optional
        The column that orders an asset's readings.
    features : sequence of str, optional
        Names, globs and ``"!exclusions"``; None takes every numeric column that has no other role.
    sensor, value : str, optional
        The two columns of a long table: one row a sensor's value.
    label : str, optional
        The column that says whether a reading is anomalous, 1, or normal, 0; it is never a feature.
    recipe : Recipe, optional
        How readings become features; by default they are features as they are.

    Attributes
    ----------
    detector, recipe, columns, features, version
        What it was made with, the columns that were taken, and how often it has learned.
    report : Report
        What the last call read and did.

    Examples
    --------
    >>> import polars as pl
    >>> readings = pl.DataFrame({"pump": ["a"] * 300 + ["b"] * 300, "flow": [float(i % 50) for i in range(600)]})
    >>> fleet = Fleet(key="pump").fit(readings)
    >>> fleet.score(pl.DataFrame({"pump": ["b"], "flow": [900.0]}))["alert"].item()
    True
    """

    def __init__(
        self,
        detector: Detector | None = None,
        *,
        key: str | None = None,
        time: str | None = None,
        features: Sequence[str] | None = None,
        sensor: str | None = None,
        value: str | None = None,
        label: str | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self.detector = ECOD() if detector is None else detector
        self.recipe = recipe
        self.columns = Columns(key, time, features, sensor, value, label)
        self.features: tuple[str, ...] = ()
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.version = 0
        self.report = Report()
        self._models: ModelTable | None = None
        self._alerts: pa.Table | None = None

    # Learning --------------------------------------------------------------------------------------------------------

    def fit(self, source: Any, *, progress: Progress | None = None, threads: int | None = None, **reading: Any) -> Self:
        """Learn one model an asset from readings.

        Parameters
        ----------
        source : path, glob, URL, or data frame
            What Polars can scan (CSV, Parquet, Arrow IPC, NDJSON), or a Polars, pandas or Arrow frame.
        progress : callable, optional
            Called with the rows done and the rows in all, None where that is not known.
        threads : int, optional
            How many cores to use; default all.
        **reading
            How to read: see `tocsin.tables.readings.open_readings`.

        Raises
        ------
        TocsinError
            If the readings cannot be used. The fleet is then as it was before.
        """
        self.detector.check_parameters()
        started = clock.perf_counter()
        pipeline = self._pipeline
        readings = self._open(source, None, reading, labelled=pipeline.supervised)
        pipeline.check(readings.features, self.columns.time, readings.time_type)
        report = _report_of(readings)

        def learn(panel: Panel) -> Learned:
            return pipeline.learn(panel, readings.time_type)

        parts, alerts, tally = [], [], Tally()
        for learned in _run(readings, learn, report, progress, threads):
            tally.add(learned.remarks, learned.left_out, learned.bare)
            if learned.models is not None and learned.alerts is not None:
                parts.append(learned.models)
                alerts.append(learned.alerts)
                report.alerts += learned.alerts.num_rows
        if not parts:
            raise tally.nothing()
        report.unlearned = tally.left_out
        self._models = ModelTable.concat(parts)
        self._alerts = pa.concat_tables(alerts)
        self.features, self.dtype, self.version = readings.features, readings.dtype, 1
        few = sum(rows < FEW for rows in self._models.scalars("rows"))
        self._done(report, readings, started)
        if few:
            what = "asset has" if few == 1 else "assets have"
            report.notes.append(f"{few:,} {what} fewer than {FEW} readings; thresholds from so few mean little")
        report.notes += tally.lines(pipeline.warm_up)
        return self

    def update(
        self, source: Any, *, progress: Progress | None = None, threads: int | None = None, **reading: Any
    ) -> Self:
        """Learn from new readings without the old ones; assets that are new get a first model.

        Takes what `fit` takes. The fleet is changed only when all readings have been read.
        """
        known = self._fitted()
        started = clock.perf_counter()
        pipeline = self._pipeline
        readings = self._open(source, self.features, reading, labelled=pipeline.supervised)
        pipeline.check(readings.features, self.columns.time, readings.time_type)
        report = _report_of(readings)

        def learn(panel: Panel) -> Learned:
            return pipeline.update(known, panel.astype(self.dtype), readings.time_type)

        parts, tally = [], Tally()
        for learned in _run(readings, learn, report, progress, threads):
            tally.add(learned.remarks, learned.left_out, learned.bare)
            if learned.models is not None:
                parts.append(learned.models)
        if not parts:
            raise tally.nothing()
        report.unlearned = tally.left_out
        self._models = known.replaced(ModelTable.concat(parts))
        self.version += 1
        self._done(report, readings, started)
        report.notes += tally.lines(pipeline.warm_up)
        return self

    # Scoring ---------------------------------------------------------------------------------------------------------

    def score(
        self,
        source: Any,
        *,
        explain: int = 0,
        explain_all: bool = False,
        only_alerts: bool = False,
        unknown: Literal["skip", "error"] = "skip",
        out: str | Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
        **reading: Any,
    ) -> pl.DataFrame | None:
        """Score readings, each by its asset's model.

        Parameters
        ----------
        source : path, glob, URL, or data frame
            As in `fit`; features that are not the fleet's are left aside, and their order does not matter.
        explain : int, default 0
            How many features to name for each alert.
        explain_all : bool, default False
            Whether to explain rows that are no alerts, too.
        only_alerts : bool, default False
            Whether to return alerts only.
        unknown : {"skip", "error"}, default "skip"
            What to do with assets that have no model; those skipped are in ``report.unknown_assets``.
        out : path, optional
            A file to write to, in bounded memory, in place of returning a frame; its suffix tells the format.
        progress, threads, **reading
            As in `fit`.

        Returns
        -------
        polars.DataFrame or None
            key, time, score, p_value, alert, threshold and, if asked for, explanations; asset by asset.

        Raises
        ------
        UnknownAssetError
            If an asset has no model and `unknown` is "error".
        """
        if explain < 0:
            raise ParameterError(f"explain must be 0 or more features, not {explain}")
        if unknown not in ("skip", "error"):
            raise ParameterError(f"unknown must be 'skip' or 'error', not {unknown!r}")
        started = clock.perf_counter()
        readings = self._open(source, self._features(), reading)
        report = _report_of(readings)
        known, pipeline, asked = self._fitted(), self._pipeline, Asked(explain, explain_all, only_alerts)
        pipeline.check(readings.features, self.columns.time, readings.time_type)

        def judge(panel: Panel) -> tuple[Judged, list[str]]:
            panel, index, missing = known.known(panel)
            if missing and unknown == "error":
                raise _unknown(missing[0], known)
            return pipeline.judge(known.take(index), panel, readings.time_type, asked), missing

        frame, bare = _gathered(_run(readings, judge, report, progress, threads), report, out)
        self._done(report, readings, started)
        report.notes += bare_rows(bare, pipeline.warm_up)
        return frame

    def transform(
        self,
        source: Any,
        *,
        out: str | Path | None = None,
        progress: Progress | None = None,
        threads: int | None = None,
        **reading: Any,
    ) -> pl.DataFrame | None:
        """Return the features of readings, as the detector gets them from the fleet's recipe.

        Takes what `score` takes; assets without a model are left out, and so are each asset's first rows, which have no
        features yet.

        Returns
        -------
        polars.DataFrame or None
            key, time and a column a feature, asset by asset; None if written to `out`.
        """
        started = clock.perf_counter()
        readings = self._open(source, self._features(), reading)
        report = _report_of(readings)
        known, pipeline = self._fitted(), self._pipeline
        pipeline.check(readings.features, self.columns.time, readings.time_type)

        def derive(panel: Panel) -> tuple[Judged, list[str]]:
            panel, index, missing = known.known(panel)
            return pipeline.transform(known.take(index), panel, readings.time_type), missing

        frame, bare = _gathered(_run(readings, derive, report, progress, threads), report, out)
        self._done(report, readings, started)
        report.notes += bare_rows(bare, pipeline.warm_up)
        return frame

    def explain_at(self, source: Any, asset: Any = None, at: Any = None, top: int = 5, **reading: Any) -> pl.DataFrame:
        """Explain one reading: one row for each of the `top` features that weigh most.

        Parameters
        ----------
        source
            As in `score`.
        asset : optional
            Its key; not needed if the fleet has one asset.
        at : optional
            Its time, or the nearest one; default the asset's highest score.
        top : int, default 5
            How many features to name.
        **reading
            As in `fit`.
        """
        known, pipeline = self._fitted(), self._pipeline
        readings = self._open(source, self.features, reading)
        pipeline.check(readings.features, self.columns.time, readings.time_type)
        if asset is None and len(known) == 1:
            asset = known.scalars("key")[0]
        part, index, missing = known.known(only_asset(readings.panels(), asset))
        if missing:
            raise _unknown(missing[0], known)
        one, reasons = pipeline.explain_at(known.take(index), part, readings.time_type, at, top)
        table = pl.from_arrow(one)
        assert isinstance(table, pl.DataFrame)
        return table.join(reasons, how="cross")

    # Keeping ---------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fleet to a folder, in one step for whoever reads it; an older fleet there is replaced.

        Raises
        ------
        OutputError
            If the folder holds something else or cannot be written; what was there is left as it was.
        """
        known = self._fitted()
        assert self._alerts is not None
        store.save(
            Path(path),
            known.table,
            self._alerts,
            detector=type(self.detector).__name__.lower(),
            parameters=self.detector.get_params(),
            columns=asdict(self.columns),
            recipe=None if self.recipe is None else self.recipe.to_dict(),
            features=list(self.features),
            dtype=self.dtype.name,
            version=self.version,
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Open a saved fleet; its models stay on disk until they are used.

        Raises
        ------
        FleetError
            If there is no fleet, it is damaged, or a newer Tocsin wrote it.
        """
        header, models, alerts = store.load(Path(path))
        try:
            detector = detector_class(header.detector)(**header.parameters)
            detector.check_parameters()
            recipe = None if header.recipe is None else Recipe.of_dict(header.recipe)
            fleet = cls(detector, **header.columns, recipe=recipe)
        except (TypeError, ParameterError) as error:
            raise FleetError(f"{path} does not fit this Tocsin: {error}") from None
        store.verify(Path(path), header, models)
        fleet.features, fleet.version = tuple(header.features), header.version
        fleet.dtype = np.dtype(header.dtype)
        fleet._models, fleet._alerts = ModelTable(models), alerts
        return fleet

    def with_models(self, models: ModelTable, version: int) -> Self:
        """Return a fleet of the same kind with other models, which come without training alerts."""
        other = type(self)(self.detector, **asdict(self.columns), recipe=self.recipe)
        other.features, other.dtype, other.version = self.features, self.dtype, version
        self._fitted()
        assert self._alerts is not None
        other._models, other._alerts = models, self._alerts.slice(0, 0)
        return other

    @property
    def models(self) -> pa.Table:
        """One row an asset: key, rows, first_time, last_time, threshold, version, and the detector's state."""
        return self._fitted().table

    @property
    def training_alerts(self) -> pl.DataFrame:
        """The training rows above their threshold: key, time, score, p_value, alert and threshold."""
        self._fitted()
        frame = pl.from_arrow(self._alerts)
        assert isinstance(frame, pl.DataFrame)
        return frame

    @property
    def keys(self) -> list[Any]:
        """The keys of the assets that have a model."""
        return self._fitted().scalars("key")

    @property
    def made(self) -> list[str] | None:
        """The features that the recipe makes; None without a recipe."""
        return None if self.recipe is None else [feature.name for feature in self.recipe.outputs(self.features)]

    def __len__(self) -> int:
        """How many assets have a model."""
        return 0 if self._models is None else len(self._models)

    def __repr__(self) -> str:
        """Return how the fleet was made, and its size."""
        return f"Fleet({self.detector!r}, key={self.columns.key!r}, time={self.columns.time!r}) of {len(self)} assets"

    @property
    def _pipeline(self) -> Pipeline:
        return Pipeline(self.detector, self.recipe)

    def _open(
        self, source: Any, expect: Sequence[str] | None, reading: dict[str, Any], *, labelled: bool = False
    ) -> Readings:
        infinite = self.detector.infinite
        return open_readings(source, self.columns, expect=expect, infinite=infinite, labelled=labelled, **reading)

    def _fitted(self) -> ModelTable:
        if self._models is None:
            raise NotFittedError("this fleet has not learned yet; call fit(source) first")
        return self._models

    def _features(self) -> tuple[str, ...]:
        self._fitted()
        return self.features

    def _done(self, report: Report, readings: Readings, started: float) -> Self:
        report.notes = readings.notes.lines()
        report.seconds = clock.perf_counter() - started
        self.report = report
        return self


def _report_of(readings: Readings) -> Report:
    return Report(features=readings.features, left_out=dict(readings.left_out))


def _run(
    readings: Readings,
    work: Callable[[Panel], T],
    report: Report,
    progress: Progress | None,
    threads: int | None,
) -> Iterator[T]:
    """Run `work` on all panels; count what is read, and tell of progress as it is done."""

    def counting(panel: Panel) -> tuple[T, int, int, int]:
        return work(panel), panel.n_assets, panel.n_rows, panel.missing

    for result, assets, rows, missing in local.run(readings.panels(), counting, threads):
        report.assets += assets
        report.rows += rows
        report.missing += missing
        if progress is not None:
            progress(report.rows, readings.total_rows)
        yield result


def _gathered(
    results: Iterator[tuple[Judged, list[str]]], report: Report, out: str | Path | None
) -> tuple[pl.DataFrame | None, int]:
    """Put tables one under the other, in memory or in a file; each comes with the keys of assets without a model.

    Returns
    -------
    frame : polars.DataFrame or None
        None if it went into a file.
    bare : int
        How many rows have no features.

    Raises
    ------
    UnknownAssetError
        If no asset has a model.
    """
    kept, bare = [], 0
    with ExitStack() as stack:
        writer = stack.enter_context(ResultWriter(out)) if out is not None else None
        for judged, missing in results:
            report.unknown_assets += missing
            report.alerts += judged.alerts
            bare += judged.bare
            if writer is None:
                kept.append(judged.table)
            else:
                writer.write(judged.table)
        if 0 < len(report.unknown_assets) == report.assets:
            raise UnknownAssetError(
                f"none of the {len(report.unknown_assets)} assets has a model, such as "
                f"{report.unknown_assets[0]!r}; is the key column right?"
            )
    if out is not None:
        return None, bare
    frame = pl.from_arrow(pa.concat_tables(kept))
    assert isinstance(frame, pl.DataFrame)
    return frame, bare


def _unknown(key: str, known: ModelTable) -> UnknownAssetError:
    return UnknownAssetError(f"no model of asset {key!r}{known.near(key)}")

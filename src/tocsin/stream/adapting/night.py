"""A night's work: challengers are learned from the history beside the models at work, and put on trial."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.drift import Drift, dependence, drift, sketched
from tocsin.errors import TocsinError
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Pipeline
from tocsin.panel import Panel
from tocsin.stream.adapting.history import STAMP, History
from tocsin.stream.adapting.nightly import DAY, MOST, Nightly, integrate
from tocsin.stream.adapting.policy import own_models
from tocsin.stream.adapting.regimes import adopt
from tocsin.stream.adapting.trial import trial

NAMED = 20
"""Of how many assets it is kept how many rows were held back."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a night has to do: make the version `number` of `base`, the champion, from the history up to `until`.

    The champion has `learned` the journal up to a number; the night is at a mark of event time; from when on some
    assets' readings are `confirmed` as normal.
    """

    number: int
    base: int
    champion: ModelTable
    learned: int
    until: int
    mark: int
    confirmed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: what is kept of it, and whether the new models may take over; `why` not, if there are none."""

    number: int
    base: int
    until: int
    mark: int
    said: dict[str, Any]
    promoted: bool = False
    why: str | None = None


class Night:
    """Learns and judges; changes nothing but the folder of the new version.

    Parameters
    ----------
    fleet : Fleet
        What models are of.
    history : History
    nightly : Nightly
    folder : Path
        Where versions are saved.
    stop : Event
        Set when the stream ends: nothing is saved any more.
    """

    def __init__(self, fleet: Fleet, history: History, nightly: Nightly, folder: Path, stop: Event) -> None:
        self._fleet, self._history, self._nightly, self._folder = fleet, history, nightly, folder
        self._detector: Detector = fleet.detector
        self._recipe: Recipe | None = fleet.recipe
        self._pipeline = Pipeline(fleet.detector, fleet.recipe)
        self._stop = stop

    def work(self, task: Task) -> Made | None:
        """Do a night's work; return None if the stream has ended meanwhile. One thread, so that a core stays free."""
        try:
            return self._work(task)
        except Exception as error:  # a night that fails is no reason to stop watching
            why = " ".join(str(error).split())
            if not isinstance(error, TocsinError):
                why = f"this is a bug in Tocsin, please report it: {type(error).__name__}: {why}"
            said = {"made": task.mark, "fate": "failed", "why": why, "trial": None}
            return Made(task.number, task.base, task.until, task.mark, said, why=why)

    def _work(self, task: Task) -> Made | None:
        nightly = self._nightly
        champion = self._confirmed(task)
        after = task.learned if nightly.how == "update" else 0
        since = task.mark - nightly.window // datetime.timedelta(microseconds=1) * 1000
        files = self._history.files(after=after, until=task.until, since=since)
        made = integrate(
            self._detector, self._recipe, champion, self._panels(files, task, confirmed=nightly.how == "refit"), STAMP,
            how=nightly.how, window=None if nightly.how == "update" else nightly.window, block=nightly.block, threads=1,
        )  # fmt: skip
        if self._stop.is_set():
            return None
        judged = [*self._judged(task)]
        found = trial(
            self._detector, self._recipe, task.champion, made.models, judged, STAMP, bounds=nightly.bounds, threads=1
        )
        if self._stop.is_set():
            return None
        self._fleet.with_models(made.models, task.number).save(self._folder / str(task.number))
        held = sorted(made.held_assets.items(), key=lambda each: -each[1])
        said = {
            "made": task.mark,
            "fate": "promoted" if found.promoted else "waits",
            "learned": made.learned,
            "held": made.held,
            "held_assets": dict(held[:NAMED]),
            "trial": found.to_json(),
        }
        return Made(task.number, task.base, task.until, task.mark, said, found.promoted)

    # Readings --------------------------------------------------------------------------------------------------------

    def _panels(self, files: list[Path], task: Task, *, confirmed: bool) -> Iterator[Panel]:
        """Give the readings of assets that have a model; what was `confirmed` as a new regime, too, or without it."""
        if not files:
            return
        readings = self._history.open(files)
        for whole in readings.panels():
            panel, _, _ = task.champion.known(whole.astype(self._fleet.dtype))
            if panel.n_assets:
                yield panel if confirmed else _before(panel, task.confirmed)

    def _judged(self, task: Task) -> Iterator[Panel]:
        """Give what a trial judges."""
        since = task.mark - self._nightly.judged // datetime.timedelta(microseconds=1) * 1000
        files = self._history.files(until=task.until, since=since)
        if not files:
            return
        rows = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files)
        stride = max(-(-rows // MOST), 1)
        for panel in self._panels(files, task, confirmed=False):
            yield panel if stride == 1 else panel.take_assets(np.arange(0, panel.n_assets, stride))

    def _confirmed(self, task: Task) -> ModelTable:
        """Return the models at work, after those of confirmed assets have taken their new regime for normal."""
        champion = task.champion
        if not task.confirmed:
            return champion
        files = self._history.files(until=task.until, since=min(task.confirmed.values()))
        for whole in self._panels(files, task, confirmed=True):
            panel = _since(whole, task.confirmed)
            if not panel.n_assets:
                continue
            index = champion.index_of(panel.keys)
            before = champion.take(index)
            models = before.to_models()
            featured = self._pipeline.features(models, panel).panel
            learned = adopt(self._detector, models, featured)
            like, time_type = champion.like_own(panel, STAMP)
            table = ModelTable.of_panel(learned, like, time_type, before.scalars("version"))
            champion = champion.replaced(table.since(before))
        return champion

    # Drift -----------------------------------------------------------------------------------------------------------

    def drifts(self, champion: ModelTable, mark: int, until: int) -> Iterator[Drift]:
        """Give how far each asset's last day before a mark is from what its model has learned."""
        files = self._history.files(until=until, since=mark - DAY)
        if not files:
            return
        for whole in self._history.open(files).panels():
            panel, index, _ = champion.known(whole.astype(self._fleet.dtype))
            if panel.n_assets and not self._stop.is_set():
                yield from self._drift(champion.take(index), panel)

    def _drift(self, table: ModelTable, panel: Panel) -> Iterable[Drift]:
        models = table.to_models()
        featured = self._pipeline.features(models, panel).panel
        known = self._detector.sketches(own_models(models))
        if known is not None:
            yield drift(known, sketched(featured), featured.keys, featured.features, dependence(featured))


def _starts(panel: Panel, confirmed: Mapping[str, int]) -> NDArray[np.int64]:
    """Return from when on rows of each asset are a confirmed regime."""
    never = np.iinfo(np.int64).max
    starts = np.array([confirmed.get(str(key), never) for key in panel.keys.to_pylist()], np.int64)
    return np.repeat(starts, np.diff(panel.offsets))


def _before(panel: Panel, confirmed: Mapping[str, int]) -> Panel:
    if not confirmed:
        return panel
    assert panel.times is not None
    return panel.take_rows(np.flatnonzero(panel.times < _starts(panel, confirmed)))


def _since(panel: Panel, confirmed: Mapping[str, int]) -> Panel:
    assert panel.times is not None
    part = panel.take_rows(np.flatnonzero(panel.times >= _starts(panel, confirmed)))
    return part.take_assets(np.flatnonzero(np.diff(part.offsets)))

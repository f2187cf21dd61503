"""A night's work: challengers are learned from the history beside the models at work, and put on trial."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import polars as pl

from tocsin.detectors.base import Detector
from tocsin.detectors.drift import Drift, dependence, drift, sketched
from tocsin.errors import DataError, TocsinError
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Pipeline
from tocsin.kernels.arrivals import NEVER
from tocsin.models import Models
from tocsin.panel import Panel
from tocsin.stream.adapting.history import STAMP, History
from tocsin.stream.adapting.nightly import DAY, MOST, Nightly, integrate
from tocsin.stream.adapting.policy import own_models
from tocsin.stream.adapting.regimes import adopt, begun
from tocsin.stream.adapting.trial import trial

NAMED = 20
"""Of how many assets it is kept how many rows were held back."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a night has to do: make the version `number` of `base`, the champion, from the history up to `until`.

    The champion has `learned` the journal up to a number, and of assets that have `adopted` a regime what came up to a
    time; the night is at a mark of event time. If there are alarms that are `confirmed` as normal, by asset and time,
    only they are learned.
    """

    number: int
    base: int
    champion: ModelTable
    learned: int
    until: int
    mark: int
    adopted: Mapping[str, int]
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
    confirmed: Mapping[str, int] = field(default_factory=dict)


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
            return Made(task.number, task.base, task.until, task.mark, said, why=why, confirmed=task.confirmed)

    def _work(self, task: Task) -> Made | None:
        if task.confirmed:
            return self._confirmed(task)
        nightly = self._nightly
        after = task.learned if nightly.how == "update" else 0
        since = task.mark - nightly.window // datetime.timedelta(microseconds=1) * 1000
        files = self._history.files(after=after, until=task.until, since=since)
        made = integrate(
            self._detector, self._recipe, task.champion, self._learned(files, task), STAMP,
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

    def _panels(self, files: list[Path], task: Task) -> Iterator[Panel]:
        """Give the readings of assets that have a model."""
        if not files:
            return
        readings = self._history.open(files)
        for whole in readings.panels():
            panel, _, _ = task.champion.known(whole.astype(self._fleet.dtype))
            if panel.n_assets:
                yield panel

    def _learned(self, files: list[Path], task: Task) -> Iterator[Panel]:
        """Give what is to be learned; to learn on, without what was adopted."""
        for panel in self._panels(files, task):
            yield panel if self._nightly.how == "refit" else _after(panel, task.adopted)

    def _judged(self, task: Task) -> Iterator[Panel]:
        """Give what a trial judges."""
        since = task.mark - self._nightly.judged // datetime.timedelta(microseconds=1) * 1000
        files = self._history.files(until=task.until, since=since)
        if not files:
            return
        rows = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files)
        stride = max(-(-rows // MOST), 1)
        for panel in self._panels(files, task):
            yield panel if stride == 1 else panel.take_assets(np.arange(0, panel.n_assets, stride))

    # Confirmed ------------------------------------------------------------------------------------------------------

    def _confirmed(self, task: Task) -> Made | None:
        """Let assets take their new regime for normal, as people have confirmed; that needs no trial."""
        champion, rows = task.champion, 0
        files = self._history.files(until=task.until, since=min(task.confirmed.values()) - DAY)
        for whole in self._panels(files, task):
            panel = whole.take_assets(np.flatnonzero(np.isin(_names(whole), [*task.confirmed])))
            if not panel.n_assets:
                continue
            before = champion.take(champion.index_of(panel.keys))
            models = before.to_models()
            regime = self._regime(models, self._pipeline.features(models, panel).panel, task.confirmed)
            learned = adopt(self._detector, models, regime)
            like, time_type = champion.like_own(panel, STAMP)
            table = ModelTable.of_panel(learned, like, time_type, before.scalars("version"))
            champion, rows = champion.replaced(table.since(before)), rows + regime.n_rows
        if not rows:
            raise DataError("there are no past readings of it")
        if self._stop.is_set():
            return None
        self._fleet.with_models(champion, task.number).save(self._folder / str(task.number))
        why = f"confirmed as normal: {', '.join(sorted(task.confirmed))}"
        said = {"made": task.mark, "fate": "promoted", "why": why, "learned": rows, "held": 0, "trial": None}
        return Made(task.number, task.base, task.until, task.mark, said, True, confirmed=task.confirmed)

    def _regime(self, models: Models, panel: Panel, confirmed: Mapping[str, int]) -> Panel:
        """Return the rows of new regimes: from where alerts began on; if chance explains these, from what was said."""
        assert panel.times is not None
        at = np.array([confirmed[name] for name in _names(panel)])
        first, sizes = begun(self._detector, models, panel, at.tolist()), np.diff(panel.offsets)
        place = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], sizes)
        found = place >= np.repeat(first, sizes)
        said = np.repeat(first == sizes, sizes) & (panel.times >= np.repeat(at, sizes))
        return panel.take_rows(np.flatnonzero(found | said))

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


def _names(panel: Panel) -> list[str]:
    return [str(key) for key in panel.keys.to_pylist()]


def _after(panel: Panel, until: Mapping[str, int]) -> Panel:
    """Return the rows of each asset after a time, all of those that have none."""
    if not until:
        return panel
    assert panel.times is not None
    ends = np.array([until.get(name, NEVER) for name in _names(panel)], np.int64)
    return panel.take_rows(np.flatnonzero(panel.times > np.repeat(ends, np.diff(panel.offsets))))

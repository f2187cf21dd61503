"""When models learn at night, and what comes of it: challengers of those at work, which have learned beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.anchor import PREFIX as ANCHOR
from tocsin.detectors.anchor import Anchor
from tocsin.detectors.base import Detector
from tocsin.errors import DataError, EmptyDataError, ParameterError
from tocsin.features.recipe import Recipe
from tocsin.fleet.engines import local
from tocsin.fleet.models import ModelTable, is_clock
from tocsin.fleet.pipeline import Featured, Learned, Pipeline
from tocsin.kernels import drift as kernels
from tocsin.models import Models, Ragged
from tocsin.panel import Panel
from tocsin.stream.adapting.policy import LEARNED, REFERENCE, Rule, cuts, own_models, verdicts
from tocsin.stream.adapting.verdict import Bounds

How = Literal["update", "refit"]
Flags = NDArray[np.bool_]

DAY = 86_400_000_000_000
MOST = 5_000_000
"""How many rows of the history a trial judges at the most; of a larger fleet it watches some assets, evenly."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """When and how models are learned anew while a stream runs.

    Parameters
    ----------
    at : time, default 2 am
        When, in UTC by the readings' own time.
    how : {"update", "refit"}, default "update"
        Whether models learn the day on, or are learned anew from a window.
    window : timedelta, default 14 days
        From how much of each asset's readings models are learned anew.
    block : int, default 144
        How many rows are held against the models at work together; they should span what repeats itself.
    judged : timedelta, default 7 days
        How much of the past a trial judges, at most `MOST` rows.
    bounds : Bounds
        Inside which new models take over by themselves.
    drifting : float, optional
        An extra night comes when more than this share of all assets has drifted, and another when so many more have.
    keep : timedelta, default 15 days
        How long past readings are kept.
    size : int, default 50 GB
        How many bytes of them are kept at the most.
    """

    at: time = time(2, 0)
    how: How = "update"
    window: timedelta = timedelta(days=14)
    block: int = 144
    judged: timedelta = timedelta(days=7)
    bounds: Bounds = field(default_factory=Bounds)
    drifting: float | None = None
    keep: timedelta = timedelta(days=15)
    size: int = 50_000_000_000

    def check(self, detector: Detector) -> None:
        """Raise a `ParameterError` if a detector cannot be learned so."""
        if self.how == "update" and not detector.incremental:
            raise ParameterError(f"{type(detector).__name__} cannot learn from new rows alone; refit it at night")
        if self.drifting is not None and not 0.0 < self.drifting < 1.0:
            raise ParameterError(f"the share of assets that have drifted must be between 0 and 1, not {self.drifting}")

    def night_of(self, mark: int) -> int:
        """Return which night the hour was last passed in, at a mark in nanoseconds of event time."""
        at = self.at
        return (mark - ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000_000) // DAY


@dataclass(frozen=True, slots=True, eq=False)
class Challenger:
    """What was learned in a night.

    Attributes
    ----------
    models : ModelTable
        All of the champion's assets and those that are new. Those that learned have the next version.
    learned, held : int
        How many rows with features were learned, and how many were held back, as no block that is normal.
    held_assets : dict of str to int
        Of which assets rows were held back, and how many.
    left_out : dict of str to str
        Who learned nothing, and why; these keep the champion's model, if they have one.
    """

    models: ModelTable
    learned: int
    held: int
    held_assets: dict[str, int]
    left_out: dict[str, str]


class _Night(NamedTuple):
    """What came of the assets of a panel, which are `assets` of the champion, or new."""

    learned: Learned
    rows: int
    held: dict[str, int]
    assets: NDArray[np.int64]
    usual: Anchor | None = None


def integrate(
    detector: Detector,
    recipe: Recipe | None,
    champion: ModelTable,
    panels: Iterable[Panel],
    time_type: pa.DataType | None,
    *,
    how: How = "update",
    window: timedelta | int | None = None,
    block: int = 144,
    rule: Rule | None = None,
    threads: int | None = None,
) -> Challenger:
    """Learn from the readings of the last days, without touching the models at work.

    Rows are learned in blocks that the champion takes for normal (`Rule`), so that a fault of yesterday is not what is
    normal from today on. The anchor, how features may be distributed, stays where it is from night to night, until
    somebody vouches for models (`tocsin.stream.adapting.policy.vouched`), so that no fault creeps in.

    Parameters
    ----------
    detector, recipe : Detector, Recipe or None
        Those of the fleet.
    champion : ModelTable
        The models at work.
    panels : iterable of Panel
        Readings, each asset whole in one of the panels: those of the day to update, those of all days to learn anew.
    time_type : pyarrow.DataType or None
        The type of their times.
    how : {"update", "refit"}, default "update"
        Whether models learn on, for a detector that can, or are learned anew.
    window : timedelta or int, optional
        How much of each asset's readings counts, to its last one, as a time or as rows; by default all.
    block : int, default 144
        How many rows are held against the champion together. They should span what repeats itself, such as a day.
    rule : Rule, optional
        Which blocks are learned.
    threads : int, optional
        How many cores to use; default all.

    Raises
    ------
    ParameterError
        If `how`, `window` or `block` makes no sense, or the detector cannot learn on.
    EmptyDataError
        If nobody has learned anything.
    """
    pipeline = Pipeline(detector, recipe)
    if how not in ("update", "refit"):
        raise ParameterError(f"how must be 'update' or 'refit', not {how!r}")
    if how == "update" and not detector.incremental:
        raise ParameterError(f"{type(detector).__name__} cannot learn from new rows alone; take how='refit'")
    if block < 1:
        raise ParameterError(f"block must be 1 row or more, not {block}")
    plain, usual = _plain(champion), _usual(detector, champion)
    night = _Integration(pipeline, plain, usual, time_type, how, window, block, rule or Rule())
    parts = [part for several in local.run(panels, night.work, threads) for part in several]
    tables = [part.learned.models for part in parts if part.learned.models is not None]
    left_out = {key: why for part in parts for key, why in part.learned.left_out.items()}
    if not tables:
        reason = next(iter(left_out.items()), None)
        raise EmptyDataError(f"asset {reason[0]!r}: {reason[1]}" if reason else "there are no readings to learn from")
    models = plain.replaced(ModelTable.concat(tables))
    for part in parts:
        if part.usual is not None:
            usual = usual.put(part.assets, part.usual)
    held = {key: rows for part in parts for key, rows in part.held.items()}
    learned = sum(part.rows for part in parts)
    return Challenger(_anchored(detector, models, usual), learned, sum(held.values()), held, left_out)


@dataclass(frozen=True)
class _Integration:
    pipeline: Pipeline
    champion: ModelTable
    usual: Anchor
    time_type: pa.DataType | None
    how: How
    window: timedelta | int | None
    block: int
    rule: Rule

    def work(self, panel: Panel) -> list[_Night]:
        """Learn one panel."""
        panel, time_type = self.champion.like_own(panel, self.time_type)
        panel = recent(panel, self.window, time_type)
        panel = panel.take_assets(np.flatnonzero(np.diff(panel.offsets)))
        index = self.champion.index_of(panel.keys)
        old, new = np.flatnonzero(index >= 0), np.flatnonzero(index < 0)
        nights = []
        if len(new):
            learned = self.pipeline.learn(panel.take_assets(new), time_type)
            rows = 0 if learned.models is None else sum(learned.models.scalars("rows"))
            nights.append(_Night(learned, rows, {}, new[:0]))
        if len(old):
            nights.append(self._known(index[old], panel.take_assets(old), time_type))
        return nights

    def _known(self, assets: NDArray[np.int64], panel: Panel, time_type: pa.DataType | None) -> _Night:
        """Learn more of assets that have a model."""
        before = self.champion.take(assets)
        models = before.to_models()
        featured = self.pipeline.features(models, panel)
        fine, usual = self._fine(models, self.usual.take(assets), panel, featured)
        count = _marked(~fine, panel)
        names = [str(key) for key in panel.keys.to_pylist()]
        held = {name: many for name, many in zip(names, count.tolist(), strict=True) if many}
        if self.how == "update":
            learned = self.pipeline.update(before, panel, time_type, fine)
        else:
            learned = self._anew(before, panel, time_type, fine)
        return _Night(learned, featured.panel.n_rows - int(count.sum()), held, assets, usual)

    def _fine(self, models: Models, usual: Anchor, panel: Panel, featured: Featured) -> tuple[Flags, Anchor]:
        """Return which rows are in no block that is held back, and what blocks are usually like."""
        detector = self.pipeline.detector
        fine = np.ones(panel.n_rows, np.bool_)
        if detector.temporal:
            return fine, usual
        own = own_models(models)
        for part, rows in cuts(featured.panel, self.block):
            why, found, _ = verdicts(detector, own, usual, part, self.rule)
            sizes = np.diff(part.offsets)
            fine[rows if featured.rows is None else featured.rows[rows]] = np.repeat(why == LEARNED, sizes)
            usual = usual.absorb(found, (why == LEARNED) & (sizes == self.block) & (usual.blocks < self.rule.enough))
        return fine, usual

    def _anew(self, before: ModelTable, panel: Panel, time_type: pa.DataType | None, fine: Flags) -> Learned:
        """Learn anew from the rows that are fine; assets that cannot are left out, with the reason."""
        sizes = np.diff(panel.offsets)
        age = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], sizes)
        count = _marked(fine & (age >= self.pipeline.warm_up), panel)
        names = [str(key) for key in panel.keys.to_pylist()]
        why = "no block of its readings is normal, or they are too few; it keeps its model"
        left_out = {name: why for name, many in zip(names, count.tolist(), strict=True) if not many}
        there = np.flatnonzero(count)
        if not len(there):
            return Learned(left_out=left_out)
        chosen = fine[np.repeat(count > 0, sizes)]
        table, more = self._fit(before.take(there), panel.take_assets(there), time_type, chosen)
        return Learned(table, left_out=left_out | more)

    def _fit(
        self, before: ModelTable, panel: Panel, time_type: pa.DataType | None, fine: Flags
    ) -> tuple[ModelTable | None, dict[str, str]]:
        try:
            featured = self.pipeline.learn_features(panel)
            rows = np.flatnonzero(fine if featured.rows is None else fine[featured.rows])
            learned = self.pipeline.detector.fit_panel(featured.panel.take_rows(rows))[0]
        except DataError as error:
            if panel.n_assets == 1:
                return None, {str(panel.keys[0]): str(error)}
            tables: list[ModelTable] = []
            left_out: dict[str, str] = {}
            for half in np.array_split(np.arange(panel.n_assets), 2):
                own = np.isin(panel.asset_of_row, half)
                table, why = self._fit(before.take(half), panel.take_assets(half), time_type, fine[own])
                tables += [] if table is None else [table]
                left_out |= why
            return ModelTable.concat(tables) if tables else None, left_out
        learned = replace(learned, state={**learned.state, **featured.state})
        return ModelTable.of_panel(learned, panel, time_type, before.scalars("version")).since(before), {}


def recent(panel: Panel, window: timedelta | int | None, time_type: pa.DataType | None) -> Panel:
    """Return the last rows of each asset, as many as a window holds; None holds all.

    Raises
    ------
    ParameterError
        If the window is empty, or a time where there are no dates and times.
    """
    if window is None:
        return panel
    last = panel.offsets[1:]
    if isinstance(window, timedelta):
        if window <= timedelta(0):
            raise ParameterError(f"window must be above 0, not {window}")
        if panel.times is None or time_type is None or not is_clock(time_type):
            raise ParameterError("a window of time needs a time column of dates and times; give a number of rows")
        ends = np.append(panel.times, 0)[np.maximum(last - 1, 0)]
        within = panel.times > np.repeat(ends, np.diff(panel.offsets)) - window // timedelta(microseconds=1) * 1000
        return panel.take_rows(np.flatnonzero(within))
    if window < 1:
        raise ParameterError(f"window must be 1 row or more, not {window}")
    return panel.take_rows(np.flatnonzero(np.arange(panel.n_rows) >= np.repeat(last - window, np.diff(panel.offsets))))


def _marked(marks: Flags, panel: Panel) -> NDArray[np.int64]:
    """Return how many rows of each asset are marked."""
    count = np.empty(panel.n_assets, np.int64)
    kernels.counts(marks, panel.offsets, count)
    return count


def _plain(table: ModelTable) -> ModelTable:
    """Return models without what is kept beside the detector's arrays and the recipe's."""
    names = [name for name in table.table.column_names if not name.startswith((ANCHOR, REFERENCE))]
    return ModelTable(table.table.select(names))


def _usual(detector: Detector, table: ModelTable) -> Anchor:
    """Return where models are anchored, and what is known of their blocks; without an anchor, where they are."""
    models = table.to_models()
    if f"{ANCHOR}blocks" in models.state:
        return Anchor.from_state(models.state)
    return Anchor.begin(detector.sketches(own_models(models)), len(models))


def _anchored(detector: Detector, table: ModelTable, usual: Anchor) -> ModelTable:
    """Keep the anchors of known assets where they are, and give new ones theirs; these come last in the table.

    An anchor that followed each night would let pass what creeps.
    """
    if detector.temporal:
        return table
    state, known = usual.to_state(), len(usual.blocks)
    if known < len(table):
        models = own_models(table.take(np.arange(known, len(table))).to_models())
        new = Anchor.begin(detector.sketches(models), len(models)).to_state()
        state = {name: Ragged.concat([entry, new[name]]) for name, entry in state.items()}
    columns = {
        name: pa.LargeListArray.from_arrays(pa.array(entry.offsets), pa.array(entry.values))
        for name, entry in state.items()
    }
    whole = table.table
    return ModelTable(pa.table({**{name: whole.column(name) for name in whole.column_names}, **columns}))

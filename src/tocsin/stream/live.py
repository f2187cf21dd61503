"""A fleet at work on a stream: its models in memory, and for each asset the rows that its model has still to learn.

Nothing here depends on how the stream is cut: whatever rows come in one call, scores and models are the same, bit for
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.budget import Budget
from tocsin.errors import FleetError, ParameterError
from tocsin.features.recipe import MEMORY, PREFIX
from tocsin.fleet.arena import Arena, Held
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Pipeline
from tocsin.fleet.results import score_table, take_scores
from tocsin.kernels import rows as kernels
from tocsin.models import Models, Ragged
from tocsin.panel import Panel, Scores
from tocsin.stream.adapting.drifts import Found
from tocsin.stream.adapting.policy import BESIDE, LEARNED, learn_blocks, vouched
from tocsin.stream.adapting.regimes import adopt, begun
from tocsin.stream.learning import Learning
from tocsin.stream.outcomes import Outcome, Raised, Told, explained

Ints = NDArray[np.int64]

AT_ONCE = 64
"""How many models learn at once, few enough to stay in cache."""
MOST_HELD = 4096
"""How many of an asset's rows that were held back are kept for the case that somebody confirms them as normal."""
STATE = "state."
"""How the names of a model's own arrays begin, among those of its slot."""
NUMBERS = {
    "known": np.bool_(False),
    "begun": np.bool_(False),
    "rows": np.int64(0),
    "threshold": np.float64(np.inf),
    "version": np.int64(0),
    "first_time": np.int64(0),
    "last_time": np.int64(0),
    "block": np.int64(0),
}


@dataclass(slots=True)
class Counts:
    """What has been done since the start; `waited` are rows that came before their asset had a model."""

    rows: int = 0
    waited: int = 0
    alerts: int = 0
    learned: int = 0
    blocks: int = 0
    unlearned: dict[str, str] = field(default_factory=dict)


class Live:
    """The models of a fleet, at work.

    Parameters
    ----------
    fleet : Fleet
        It has learned; it is not changed.
    learning : Learning
        How its models go on learning.
    explain : int, default 3
        How many features to name for each alert.
    budget : Budget, optional
        What alarms are held to; without it, what is above its model's threshold is an alert.

    Raises
    ------
    ParameterError
        If its detector cannot work on a stream, or cannot learn online as it is asked to.
    FleetError
        If its times are whole numbers.
    """

    def __init__(self, fleet: Fleet, learning: Learning, explain: int = 3, budget: Budget | None = None) -> None:
        detector, name = fleet.detector, type(fleet.detector).__name__
        if detector.temporal and not detector.incremental:
            raise ParameterError(f"{name} cannot go on from row to row, so it has no place on a stream; use another")
        if detector.temporal and not learning.online:
            raise ParameterError(f"{name} goes on with each row that it learns; take the policy online, not frozen")
        if learning.online and not detector.incremental:
            raise ParameterError(f"{name} cannot learn online; take the policy frozen or nightly")
        self.pipeline = Pipeline(detector, fleet.recipe)
        self.features, self.dtype, self.learning, self.explain = fleet.features, fleet.dtype, learning, explain
        self.counts, self.budget = Counts(), budget
        self.found: list[Found] | None = None
        """What was found of blocks is put here, if somebody asks for it."""
        kinds = fleet.models.schema
        self.key_type, self.time_type = kinds.field("key").type, kinds.field("first_time").type
        if fleet.columns.time is not None and not pa.types.is_timestamp(self.time_type):
            raise FleetError(f"the fleet's times are {self.time_type}, not dates and times; a stream needs these")
        self.stamp = pa.timestamp("ns", "UTC")
        outputs = self.features if fleet.recipe is None else tuple(o.name for o in fleet.recipe.outputs(self.features))
        self._made, self._width = outputs, len(outputs)
        rows = ("pending", "held", "waiting")
        pending = dict.fromkeys(rows, fleet.dtype) | {f"{name}_times": np.int64 for name in rows}
        self.arena = Arena(NUMBERS, pending)

    # Models ----------------------------------------------------------------------------------------------------------

    def place(self, slots: Ints, table: ModelTable) -> None:
        """Put models into slots, as those that are valid from now on; what waited to be learned is dropped."""
        models = table.to_models()
        if self.learning.online:
            models = vouched(self.pipeline.detector, models)
        numbers = self.arena.numbers
        numbers["known"][slots], numbers["begun"][slots] = True, False
        numbers["version"][slots] = table.table.column("version").to_numpy()
        for name in ("first_time", "last_time"):
            numbers[name][slots] = _nanoseconds(table.table.column(name))
        self._put(slots, models)
        numbers["block"][slots] = self.learning.first_block(models.rows, slots)
        for name in ("pending", "pending_times", "held", "held_times"):
            self.arena.arrays[name].clear(slots)

    def replace(self, slots: Ints, table: ModelTable) -> None:
        """Let other models take over between two rows: what a recipe remembers of the last rows goes on."""
        numbers, arrays = self.arena.numbers, self.arena.arrays
        going = slots[numbers["begun"][slots] & numbers["known"][slots]]
        remembered = {name: each.take(going) for name, each in arrays.items() if name.startswith(f"{STATE}{MEMORY}")}
        last = numbers["last_time"][going]
        self.place(slots, table)
        numbers["begun"][going], numbers["last_time"][going] = True, last
        for name, entry in remembered.items():
            arrays[name].put(going, entry)
        for name in ("waiting", "waiting_times"):
            arrays[name].clear(slots)

    def models(self, slots: Ints, keys: pa.Array) -> ModelTable:
        """Return the models of slots that have one, as a fleet keeps them."""
        models, numbers = self._take(slots), self.arena.numbers
        stamps = {
            name: pa.array(numbers[name][slots]).cast(pa.timestamp("ns")).cast(self.time_type, safe=False)
            if pa.types.is_timestamp(self.time_type)
            else pa.nulls(len(slots), self.time_type)
            for name in ("first_time", "last_time")
        }
        columns = {
            "key": keys.cast(self.key_type),
            "rows": pa.array(models.rows),
            **stamps,
            "threshold": pa.array(models.threshold),
            "version": pa.array(numbers["version"][slots].astype(np.int32)),
        }
        for name, entry in models.state.items():
            columns[name] = pa.LargeListArray.from_arrays(pa.array(entry.offsets), pa.array(entry.values))
        return ModelTable(pa.table(columns))

    def _take(self, slots: Ints, wanted: Callable[[str], bool] = lambda name: True) -> Models:
        """Return the models of slots, with those of their entries whose names are `wanted`."""
        numbers = self.arena.numbers
        state = {
            name.removeprefix(STATE): each.take(slots)
            for name, each in self.arena.arrays.items()
            if name.startswith(STATE) and wanted(name.removeprefix(STATE))
        }
        return Models(numbers["rows"][slots], numbers["threshold"][slots], state)

    def _held(self, slots: Ints, wanted: Callable[[str], bool]) -> Models:
        """Return the models of slots as `_take` does, but where they lie; valid until one of them changes."""
        arrays = {name.removeprefix(STATE): each for name, each in self.arena.arrays.items() if name.startswith(STATE)}
        chosen = {name: each for name, each in arrays.items() if wanted(name)}
        return Models(self.arena.numbers["rows"][slots], self.arena.numbers["threshold"][slots], Held(chosen, slots))

    def _put(self, slots: Ints, models: Models) -> None:
        self.arena.numbers["rows"][slots] = models.rows
        self.arena.numbers["threshold"][slots] = models.threshold
        self._remember(slots, models.state)

    def _remember(self, slots: Ints, state: Mapping[str, Ragged]) -> None:
        for name, entry in state.items():
            self.arena.array(f"{STATE}{name}", entry.values.dtype).put(slots, entry)

    # Rows ------------------------------------------------------------------------------------------------------------

    def absorb(self, slots: Ints, panel: Panel) -> list[Outcome]:
        """Score rows, and let models learn from them.

        Rows of assets without a model wait until there are enough to learn one, and are not scored.
        """
        self.arena.grow(int(slots.max(initial=-1)) + 1)
        outcomes: list[Outcome] = []
        rest: tuple[Ints, Panel] | None = (slots, panel)
        while rest is not None:
            (slots, panel), rest = rest, None
            known = self.arena.numbers["known"][slots]
            there, new = np.flatnonzero(known), np.flatnonzero(~known)
            if len(there):
                outcomes.append(self._judge(slots[there], panel if not len(new) else panel.take_assets(there)))
            if len(new):
                waited, rest = self._wait(slots[new], panel.take_assets(new))
                outcomes.append(waited)
        return outcomes

    def _wait(self, slots: Ints, panel: Panel) -> tuple[Outcome, tuple[Ints, Panel] | None]:
        """Let rows of assets without a model wait; return them, and those that come after a first model was learned."""
        waiting, stamps = self.arena.arrays["waiting"], self.arena.arrays["waiting_times"]
        assert panel.times is not None
        room = self.learning.first - stamps.sizes[slots]
        lengths = np.diff(panel.offsets)
        counts, none = np.minimum(lengths, room), np.zeros(len(slots), np.int64)
        waiting.append(slots, panel.values, panel.offsets, none, counts)
        stamps.append(slots, panel.times[None, :], panel.offsets, none, counts)
        self.counts.rows += int(counts.sum())
        self.counts.waited += int(counts.sum())
        full = slots[counts == room]
        if len(full):
            values, offsets = waiting.rows(full, panel.n_features)
            self._learn_first(full, panel.keys.filter(pa.array(counts == room)), values, offsets)
            waiting.clear(full)
            stamps.clear(full)
        place = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], lengths)
        waits = place < np.repeat(counts, lengths)
        waited = panel.take_rows(np.flatnonzero(waits))
        threshold, version = (self.arena.numbers[name][slots] for name in ("threshold", "version"))
        outcome = Outcome(slots, waited, Told(waited.n_rows, None).scores, threshold, version, None)
        left = np.flatnonzero(lengths > counts)
        rest = (slots[left], panel.take_rows(np.flatnonzero(~waits)).take_assets(left)) if len(left) else None
        return outcome, rest

    def _learn_first(self, slots: Ints, keys: pa.Array, values: NDArray[Any], offsets: Ints) -> None:
        times = self.arena.arrays["waiting_times"].take(slots).values
        panel = Panel(values, offsets, keys, self.features, times)
        learned = self.pipeline.learn(panel, self.stamp)
        self.counts.unlearned |= learned.left_out
        if learned.models is None:
            return
        found = learned.models.index_of(keys)
        there = found >= 0
        self.place(slots[there], learned.models.take(found[there]))
        self.arena.numbers["begun"][slots[there]] = True

    def _judge(self, slots: Ints, panel: Panel) -> Outcome:
        """Score rows of assets that have a model, in passes that end where blocks are whole, which are then learned."""
        numbers = self.arena.numbers
        begun = numbers["begun"][slots]
        assert panel.times is not None
        follows = begun | (panel.times[panel.offsets[:-1]] > numbers["last_time"][slots])
        featured = self.pipeline.features(self._take(slots, _of_recipe), panel, follows)
        self._remember(slots, featured.state)
        numbers["begun"][slots] = True
        numbers["last_time"][slots] = panel.times[panel.offsets[1:] - 1]
        told = Told(panel.n_rows, featured.rows)
        lengths, cursor = np.diff(featured.panel.offsets), np.zeros(len(slots), np.int64)
        raised: list[Raised] = []
        while True:
            counts = np.minimum(lengths - cursor, self._room(slots))
            active = np.flatnonzero(counts)
            if not len(active):
                break
            part = _cut(featured.panel, active, cursor[active], counts[active])
            raised.append(self._pass(slots[active], part, told, featured.panel.offsets[active] + cursor[active]))
            cursor[active] += counts[active]
        self.counts.rows += panel.n_rows
        found = explained(raised, self.pipeline, self.features, self.explain)
        self.counts.alerts += 0 if found is None else found.num_rows
        return Outcome(slots, panel, told.scores, numbers["threshold"][slots], numbers["version"][slots], found)

    def _room(self, slots: Ints) -> Ints:
        """Return how many rows each asset has still to come until its block is whole."""
        if not self.learning.online:
            return np.full(len(slots), np.iinfo(np.int64).max)
        return self.arena.numbers["block"][slots] - self.arena.arrays["pending_times"].sizes[slots]

    def _pass(self, slots: Ints, part: Panel, told: Told, firsts: Ints) -> Raised:
        """Score rows within one block of each asset; learn the blocks that are whole with them."""
        detector = self.pipeline.detector
        models = self._held(slots, _of_detector)
        before = self._block(slots, part) if detector.temporal else part
        scores, _ = detector.score_panel(models, before)
        own = np.arange(part.n_rows)
        if before is not part:
            own += np.repeat((before.offsets - part.offsets)[1:], np.diff(part.offsets))
        said = take_scores(scores, own) if before is not part else scores
        opens = said.alert
        if self.budget is not None:
            assert part.times is not None
            found = self.budget.judge(slots, models, part.offsets, part.times, said.score)
            said, opens = replace(said, alert=found.alert), found.opens
        told.write(firsts, part.offsets, said)
        raised = self._raised(slots, models, part, said, np.flatnonzero(opens), before, scores, own)
        if self.learning.online:
            self._collect(slots, part)
        return raised

    def _raised(
        self,
        slots: Ints,
        models: Models,
        part: Panel,
        said: Scores,
        rows: Ints,
        before: Panel,
        scores: Scores,
        own: Ints,
    ) -> Raised:
        """Return the rows that are alerts; of what they are explained by, no more than is needed."""
        table = score_table(part.take_rows(rows), models, take_scores(said, rows), self.stamp)
        table = table.append_column("version", pa.array(self.arena.numbers["version"][slots][part.asset_of_row[rows]]))
        assets = np.unique(part.asset_of_row[rows])
        chosen, place = own[rows], np.arange(len(rows))
        if before is not part:  # what is said of a row rests on those before it
            there = np.isin(before.asset_of_row, assets)
            chosen, place = np.flatnonzero(there), (np.cumsum(there) - 1)[chosen]
        panel = before.take_rows(chosen).take_assets(assets)
        return Raised(table, self._take(slots[assets], _of_detector), panel, take_scores(scores, chosen), place)

    def _block(self, slots: Ints, part: Panel) -> Panel:
        """Return rows with those before them of the same block."""
        before = self._rows("pending", slots, part.keys)
        assert before.times is not None
        assert part.times is not None
        order = np.argsort(np.concatenate([before.asset_of_row, part.asset_of_row]), kind="stable")
        values = np.ascontiguousarray(np.concatenate([before.values, part.values], axis=1)[:, order])
        times = np.concatenate([before.times, part.times])[order]
        return Panel(values, before.offsets + part.offsets, part.keys, part.features, times)

    # Learning --------------------------------------------------------------------------------------------------------

    def _collect(self, slots: Ints, part: Panel) -> None:
        """Keep rows for the block that they belong to, and learn blocks that are whole."""
        times, blocks = self.arena.arrays["pending_times"], self.arena.numbers["block"]
        new = slots[times.sizes[slots] == 0]
        self.arena.arrays["pending"].reserve(new, blocks[new] * self._width)
        times.reserve(new, blocks[new])
        self._keep("pending", slots, part)
        full = np.flatnonzero(times.sizes[slots] == blocks[slots])
        for some in np.split(full, range(AT_ONCE, len(full), AT_ONCE)):
            if len(some):
                self._learn(slots[some], part.keys.take(pa.array(some)))

    def _learn(self, slots: Ints, keys: pa.Array) -> None:
        """Let models learn the blocks that wait, or hold these back."""
        panel = self._rows("pending", slots, keys)
        lesson = learn_blocks(self.pipeline.detector, self._held(slots, _not_of_recipe), panel, self.learning.rule)
        for assets, models in lesson.parts:
            self._put(slots[assets], models)
        self._remember(slots, lesson.beside)
        if self.found is not None and not self.pipeline.detector.temporal:
            assert panel.times is not None
            ends = panel.times[panel.offsets[1:] - 1]
            self.found.append(Found(slots, ends, lesson.why, lesson.found[:, :-1], lesson.bounds[:, :-1]))
        learned, numbers = lesson.why == LEARNED, self.arena.numbers
        numbers["version"][slots] += learned
        numbers["block"][slots] = self.learning.block(numbers["rows"][slots])
        self.counts.blocks += len(slots)
        self.counts.learned += int(np.diff(panel.offsets)[learned].sum())
        for name in ("pending", "pending_times"):
            self.arena.arrays[name].clear(slots)
        for name in ("held", "held_times"):
            self.arena.arrays[name].clear(slots[learned])
        back = np.flatnonzero(~learned)
        if len(back):
            self._keep("held", slots[back], panel.take_assets(back), MOST_HELD)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the detector looks at."""
        return self._made

    def held(self, slot: int) -> int:
        """Return how many rows of an asset are held back."""
        return int(self.arena.arrays["held_times"].sizes[slot])

    def discard(self, slot: int) -> bool:
        """Forget what was held back of an asset, as it was a fault; return whether there was any."""
        there = self.held(slot) > 0
        for name in ("held", "held_times"):
            self.arena.arrays[name].clear(np.array([slot]))
        return there

    def adopt(self, slot: int, key: pa.Array, at: int | None = None) -> int:
        """Take an asset's new regime for normal, as somebody has confirmed; return how many rows of it there are.

        They are looked for among those that were held back, and those that wait for their block to be whole; `at` is a
        time in the alarm. If chance explains the alerts of all of these, whatever was held back is taken, and the rest.
        Rows that came before stay where they wait.
        """
        slots, detector = np.array([slot]), self.pipeline.detector
        if detector.temporal:
            return 0
        models = self._take(slots)
        waits, back = (self._rows(name, slots, key) for name in ("pending", "held"))
        rows = _joined(back, waits)
        before = int(begun(detector, models, rows, [at], self.learning.rule.level)[0])
        if before == rows.n_rows and back.n_rows:
            before = 0
        if before == rows.n_rows:
            return 0
        self._put(slots, adopt(detector, models, rows.take_rows(np.arange(before, rows.n_rows))))
        self.arena.numbers["version"][slot] += 1
        for name in ("pending", "held"):
            for entry in (name, f"{name}_times"):
                self.arena.arrays[entry].clear(slots)
        self._keep("pending", slots, waits.take_rows(np.arange(max(before - back.n_rows, 0))))
        return rows.n_rows - before

    def _keep(self, name: str, slots: Ints, panel: Panel, most: int | None = None) -> None:
        """Put rows behind those that are kept under a name; where these would be more than `most`, in their place."""
        rows, times = self.arena.arrays[name], self.arena.arrays[f"{name}_times"]
        assert panel.times is not None
        counts, none = np.diff(panel.offsets), np.zeros(len(slots), np.int64)
        if most is not None:
            over = slots[times.sizes[slots] + counts > most]
            rows.clear(over)
            times.clear(over)
        rows.append(slots, panel.values, panel.offsets, none, counts)
        times.append(slots, panel.times[None, :], panel.offsets, none, counts)

    def _rows(self, name: str, slots: Ints, keys: pa.Array) -> Panel:
        """Return the rows of features that are kept under a name."""
        values, offsets = self.arena.arrays[name].rows(slots, self._width)
        return Panel(values, offsets, keys, self._made, self.arena.arrays[f"{name}_times"].take(slots).values)


def _joined(first: Panel, then: Panel) -> Panel:
    """Return rows of one asset with those that follow."""
    assert first.times is not None
    assert then.times is not None
    values = np.ascontiguousarray(np.concatenate([first.values, then.values], axis=1))
    times = np.concatenate([first.times, then.times])
    return Panel(values, first.offsets + then.offsets, then.keys, then.features, times)


def _cut(panel: Panel, assets: Ints, firsts: Ints, counts: Ints) -> Panel:
    """Return `counts` rows of some assets, from the row `firsts` of each on."""
    if counts.sum() == panel.n_rows and len(assets) == panel.n_assets:
        return panel
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    values = np.empty((panel.n_features, offsets[-1]), panel.values.dtype)
    starts = panel.offsets[:-1][assets] + firsts
    every = np.arange(panel.n_features)
    fake = np.concatenate([starts, panel.offsets[-1:]])
    kernels.shifted(panel.values, fake, every, np.zeros(len(assets), np.int64), 0, every, values, offsets)
    place = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    assert panel.times is not None
    return Panel(values, offsets, panel.keys.take(pa.array(assets)), panel.features, panel.times[place])


def _of_recipe(name: str) -> bool:
    """Return whether an entry of a model is needed to make features."""
    return name.startswith((PREFIX, MEMORY))


def _not_of_recipe(name: str) -> bool:
    """Return whether an entry of a model is the detector's, or kept beside it."""
    return not _of_recipe(name)


def _of_detector(name: str) -> bool:
    """Return whether an entry of a model is needed to score features."""
    return not name.startswith(BESIDE)


def _nanoseconds(column: pa.ChunkedArray) -> Ints:
    """Return times as nanoseconds; far in the past where there are none."""
    if not pa.types.is_timestamp(column.type):
        return np.full(len(column), np.iinfo(np.int64).min)
    stamps = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
    found: Ints = stamps.fill_null(np.iinfo(np.int64).min).to_numpy()
    return found

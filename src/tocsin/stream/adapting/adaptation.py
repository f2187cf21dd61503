"""How a stream's models change by more than what comes in: by requests, at night, and with the fleet's folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.budget import Budget
from tocsin.errors import DataError, FleetError, TocsinError, did_you_mean
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.insights.base import Store
from tocsin.insights.recorder import Changes
from tocsin.stream.adapting import drifts, requests
from tocsin.stream.adapting.context import Context
from tocsin.stream.adapting.night import Made
from tocsin.stream.adapting.nights import Measured, Nights
from tocsin.stream.adapting.requests import Request
from tocsin.stream.adapting.versions import Versions, sweep, trial_put, trials
from tocsin.stream.identity import differing, identity, models_in
from tocsin.stream.live import Live
from tocsin.stream.roster import Roster

LOOK = 1.0
"""Seconds between two looks for requests, and at the fleet's folder."""


class Adaptation:
    """What the runner asks between two batches, and with each commit.

    Parameters
    ----------
    context : Context
    store : Store
    live : Live
        Its models are changed here.
    budget : Budget or None

    Raises
    ------
    ParameterError
        If the detector cannot be learned as is asked.
    FleetError
        If a night has no folder for past readings.
    """

    def __init__(self, context: Context, store: Store, live: Live, budget: Budget | None) -> None:
        adapting = context.adapting
        self._store, self._live, self._budget, self._adapting = store, live, budget, adapting
        self._fleet, self._journal, self._say = context.fleet, context.journal, context.say
        self._versions = Versions()
        self._roster = Roster()
        self._found = live.found = list[drifts.Found]()
        self._fleets = adapting.fleets
        self._nights = None if adapting.nightly is None else Nights(context, adapting.nightly)
        self._puts: list[tuple[bytes, bytes]] = []
        self._deletes: list[bytes] = []
        self._dirty = False
        self.renewed = False
        self._looked = -np.inf
        self._refused: str | None = None

    # Beginning and ending --------------------------------------------------------------------------------------------

    def begin(self, roster: Roster) -> None:
        """Begin with a new store."""
        self._roster = roster
        self._versions = Versions(learned={1: 0}, source=self._source())
        self._begun()

    def resume(self, roster: Roster) -> None:
        """Go on with a store, after its journal was run through."""
        self._roster = roster
        self._versions = Versions.load(self._store) or Versions(source=self._source())
        self._begun()

    def _begun(self) -> None:
        self._found.clear()
        if self._nights is None:
            self._versions.cuts, self._versions.due, self._versions.measuring = [], None, None
        else:
            self._nights.begin(self._versions, self._roster)
        self._dirty = True

    def close(self) -> None:
        """Stop what goes on beside the stream; a night that is not over is done again at the next start."""
        if self._nights is not None:
            self._nights.close()

    def _source(self) -> str | None:
        return None if self._adapting.fleet is None else models_in(self._adapting.fleet)

    # What the runner asks --------------------------------------------------------------------------------------------

    @property
    def cuts(self) -> bool:
        """Whether rows must be cut at marks, as days end there for models that learn at night."""
        return self._nights is not None

    def mark(self, now: int) -> None:
        """Hear that the newest event time passes a mark."""
        if self._nights is not None:
            self._nights.mark(now)

    def note(self) -> dict[str, Any]:
        """Return what is noted of the rows that come next: the mark that they are the first after."""
        return {} if self._nights is None else self._nights.note()

    @property
    def doing(self) -> str | None:
        """What goes on beside the stream, or is still to, in words; None if there is nothing."""
        return None if self._nights is None else self._nights.doing

    def due(self, *, last: bool = False) -> list[dict[str, Any]] | None:
        """Do what is to be done between two batches; return what is to be noted of it, None if nothing was done.

        Looks for requests once a second, and if it is the `last` time.
        """
        now = time.monotonic()
        look = last or now - self._looked >= LOOK
        found, keys = requests.asked(self._store) if look else ([], [])
        stale = requests.stale(self._store) if keys else []  # nothing is done before the store has answered
        acts: list[dict[str, Any]] = []
        done = self._finished()
        if look:
            self._looked = now
            done |= self._asked(found, [*keys, *stale], acts)
            done |= self._replaced()
        self._go_on()
        return acts if done else None

    def changes(self, notes: Sequence[Mapping[str, Any]], n_slots: int) -> Changes:
        """Return what a commit is to do beside the rest; called when its entries have their numbers."""
        first = self._journal.number - len(notes)
        for place, note in enumerate(notes):
            if "mark" in note and self._nights is not None:
                self._nights.cut(int(note["mark"]), first + place)
        if self._found:
            self._puts += drifts.puts(self._found, self._roster, self._live.outputs)
            self._found.clear()
        puts, deletes = [*self._puts], [*self._deletes]
        if self._dirty or (self._nights is not None and self._nights.changed):
            puts.append(self._versions.put())
        if self.renewed:
            puts += self._journal.renew(n_slots)
        return Changes(puts, deletes, [])

    def committed(self) -> None:
        """Hear that the last changes are safe."""
        self._puts.clear()
        self._deletes.clear()
        if self.renewed and self._fleets is not None:
            sweep(self._fleets, self._versions.kept)
        self._dirty = self.renewed = False
        if self._nights is not None:
            self._nights.changed = False
        self._go_on()

    def again(self, acts: Sequence[Mapping[str, Any]], behind: NDArray[np.bool_], roster: Roster) -> None:
        """Do again what was noted, to assets that have not seen it yet."""
        for act in acts:
            if behind[act["slot"]]:
                self._act(act, roster)

    # Requests --------------------------------------------------------------------------------------------------------

    def _asked(self, found: Sequence[Request], keys: Sequence[bytes], acts: list[dict[str, Any]]) -> bool:
        """Do what was asked for, and let its keys go; return whether anything was."""
        keys = [key for key in keys if key not in self._deletes]
        if not keys:
            return False
        for request in found:
            try:
                said = self._do(request, acts)
            except TocsinError as error:
                said = f"nothing has changed: {error}"
            self._puts.append(requests.answer(request, said))
            self._say(f"asked to {request.kind}: {said}")
        self._deletes += keys
        return True

    def _do(self, request: Request, acts: list[dict[str, Any]]) -> str:
        if request.kind == "promote":
            return self._promote()
        if request.kind == "rollback":
            return self._roll_back()
        slot = self._roster.slot(request.asset or "")
        if slot is None:
            names = self._roster.since(0)
            raise FleetError(f"there is no asset {request.asset!r}{did_you_mean(request.asset or '', names)}")
        if request.kind == "confirm-fault":
            said = self._fault(slot, request, acts)
        else:
            said = self._normal(slot, request, acts)
        return f"{request.asset}: {'; '.join(said)}"

    def _fault(self, slot: int, request: Request, acts: list[dict[str, Any]]) -> list[str]:
        said = []
        if self._noted({"do": "confirm", "slot": slot, "at": request.at, "real": True}, acts):
            said.append("its alarm is not charged to the budget")
        if self._noted({"do": "discard", "slot": slot}, acts):
            said.append("what was held back is not learned")
        return said or ["nothing of it is learned while it alerts"]

    def _normal(self, slot: int, request: Request, acts: list[dict[str, Any]]) -> list[str]:
        said = []
        if self._noted({"do": "confirm", "slot": slot, "at": request.at, "real": False}, acts):
            said.append("its alarm counts as false")
        if self._fleet.detector.temporal:
            return [*said, "its model learns every row, whatever it is"]
        if self._live.learning.online:
            try:
                rows = self._noted({"do": "adopt", "slot": slot, "at": request.at}, acts)
            except DataError as error:
                return [*said, f"what is new cannot be learned yet: {error}; confirm it again if its alarms last"]
            if rows:
                again = "" if self._fleet.detector.forgets else "; confirm it again after a day if its alarms last"
                return [*said, f"its last {rows:,} rows are normal from now on{again}"]
            return [*said, "nothing of it is held back, and chance explains its alerts; confirm it again if they last"]
        if self._nights is None:
            return [*said, "its model is frozen and goes on as it is; take the policy online or nightly"]
        if request.at is None:
            return [*said, "it has raised no alarm; say with --time since when it is normal"]
        self._versions.confirmed[request.asset or ""] = request.at
        numbers = self._live.arena.numbers
        self._nights.adopt(int(numbers["last_time"][numbers["known"]].max()))
        return [*said, "what it has done since its alarm began is learned now, beside the stream"]

    def _noted(self, act: dict[str, Any], acts: list[dict[str, Any]]) -> int:
        """Do something to an asset, and note it if it has changed anything; return how much, such as rows."""
        done = self._act(act, self._roster)
        if done:
            acts.append(act)
        return done

    def _act(self, act: Mapping[str, Any], roster: Roster) -> int:
        slot = int(act["slot"])
        if act["do"] == "confirm":
            return (
                self._budget is not None
                and act["at"] is not None
                and self._budget.confirm(slot, int(act["at"]), real=bool(act["real"]))
            )
        if act["do"] == "discard":
            return self._live.discard(slot)
        return self._live.adopt(slot, roster.keys(np.array([slot])), act.get("at"))

    # Taking over -----------------------------------------------------------------------------------------------------

    def _promote(self) -> str:
        version = self._versions.waiting
        if version is None:
            return "no new models wait"
        self._take_over(version)
        self._fate(version, "promoted")
        return f"version {version} is at work; tocsin rollback brings version {self._versions.past[-1]} back"

    def _roll_back(self) -> str:
        versions = self._versions
        if not versions.past or self._fleets is None:
            return "there are no former models to go back to"
        table = self._saved(versions.past[-1])
        self._keep()
        left = versions.at
        self._place(table)
        self._fate(left, "rolled back")
        return f"version {versions.roll_back()} is at work again; tocsin promote brings version {left} back"

    def _fate(self, version: int, fate: str) -> None:
        """Say what has become of models, as people have decided; drift brings a night of the others, too."""
        self._versions.drifted = 0.0
        said = next((trial for trial in trials(self._store) if trial["version"] == version), None)
        if said is not None:
            self._puts.append(trial_put(version, {**said, "fate": fate}))

    def _take_over(self, version: int, table: ModelTable | None = None) -> None:
        """Let a version's models take over; those at work are kept to go back to."""
        table = self._saved(version) if table is None else table
        self._keep()
        self._place(table)
        self._versions.take_over(version)
        if self._fleets is None:
            self._versions.past.clear()

    def _saved(self, version: int) -> ModelTable:
        assert self._fleets is not None
        return ModelTable(Fleet.load(self._fleets / str(version)).models)

    def _keep(self) -> None:
        """Save the models at work."""
        if self._fleets is not None:
            at = self._versions.at
            self._fleet.with_models(self._models(), at).save(self._fleets / str(at))

    def _models(self) -> ModelTable:
        known = np.flatnonzero(self._live.arena.numbers["known"])
        return self._live.models(known, self._roster.keys(known))

    def _place(self, table: ModelTable) -> None:
        slots = self._roster.slots_of(pl.Series(table.keys.cast(pa.string())))
        self._live.arena.grow(len(self._roster))
        self._live.replace(slots, table)
        self._dirty = self.renewed = True

    def _replaced(self) -> bool:
        """Let models take over that somebody has saved in the fleet's folder; return whether any have."""
        name, versions, folder = self._source(), self._versions, self._adapting.fleet
        if folder is None or name is None or name in (versions.source, self._refused):
            return False
        try:
            fleet = Fleet.load(folder)
            differs = differing(identity(fleet), identity(self._fleet))
            if differs is not None:
                raise FleetError(f"it has {differs}")
            version = versions.last + 1
            self._take_over(version, ModelTable(fleet.models))
        except TocsinError as error:
            self._refused = name
            self._say(f"{folder} was replaced, but {error}; the models at work go on")
            return False
        versions.last, versions.source, versions.drifted = version, name, 0.0
        versions.learned[version] = self._journal.number
        self._say(f"{folder} was replaced: its models are at work, as version {version}")
        return True

    # Nights ----------------------------------------------------------------------------------------------------------

    def _finished(self) -> bool:
        """Take what has been done beside the stream; return whether it is to be put down at once."""
        done = False
        for found in () if self._nights is None else self._nights.finished():
            done = True
            if isinstance(found, Measured):
                self._drifted(found)
            else:
                self._over(found)
        return done

    def _go_on(self) -> None:
        if self._nights is not None:
            self._nights.go_on(self._models)

    def _drifted(self, found: Measured) -> None:
        nightly, versions = self._adapting.nightly, self._versions
        assert nightly is not None
        self._puts += drifts.puts([found.found], self._roster, self._live.outputs)
        share, least = found.found.share, nightly.drifting
        if least is None:
            return
        if share <= least:
            versions.drifted = 0.0
        elif share > least + versions.drifted and versions.due is None:
            self._say(f"{100 * share:.0f} % of the assets have drifted: models are learned anew now")
            versions.due, versions.drifted = (versions.night or 0, found.mark, versions.archived), share
            self._dirty = True

    def _over(self, made: Made) -> None:
        """Take what came of a night."""
        versions = self._versions
        self._dirty = True
        if made.confirmed:
            self._adopted(made)
            return
        versions.due = None
        said = dict(made.said)
        if made.why is not None:
            self._say(f"nothing was learned in the night: {made.why}")
        else:
            versions.learned[made.number] = made.until
            stays = "outside the bounds" if made.base == versions.at else "others took over meanwhile"
            if made.promoted and made.base == versions.at:
                try:
                    self._take_over(made.number)
                    self._say(f"version {made.number}, learned in the night, is at work")
                    self._puts.append(trial_put(made.number, said))
                    return
                except TocsinError as error:
                    stays = str(error)
            said["fate"] = "waits"
            versions.wait(made.number)
            self._say(f"version {made.number}, learned in the night, waits ({stays}); tocsin promote lets it take over")
        self._puts.append(trial_put(made.number, said))

    def _adopted(self, made: Made) -> None:
        """Let models take over that have learned what people have confirmed; again, if others did meanwhile."""
        versions = self._versions
        if made.why is None and made.base != versions.at:
            return
        versions.confirmed = {asset: at for asset, at in versions.confirmed.items() if made.confirmed.get(asset) != at}
        if versions.adopting == (made.mark, made.until):
            versions.adopting = None
        said, why = dict(made.said), made.why
        if why is None:
            try:
                self._take_over(made.number)
            except TocsinError as error:
                why = str(error)
        if why is None:
            versions.learned[made.number] = versions.learned.get(made.base, 0)
            adopted = versions.adopted.get(made.base, {})
            versions.adopted[made.number] = {**adopted, **dict.fromkeys(made.confirmed, made.mark)}
            self._say(f"version {made.number}, {said['why']}, is at work")
        else:
            said |= {"fate": "failed", "why": why}
            self._say(f"what was confirmed is not learned: {why}; confirm it again if its alarms last")
        self._puts.append(trial_put(made.number, said))

"""Run a stream that is killed while its models are changed: by requests, by another fleet in its folder, at night.

Around each change it is killed before and after every commit and every saving of a fleet, and at night at any moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.stream import killing
from tests.stream.adapting import changing
from tests.stream.adapting.changing import ASSETS, DAY, FROZEN, Gated, judged, nightly, table
from tests.stream.running import SECOND, START, Drawer, later, models, run, trained
from tocsin.fleet.fleet import Fleet
from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store
from tocsin.insights.lmdb import LMDB
from tocsin.stream.adapting import adaptation, requests, versions
from tocsin.stream.adapting.context import Adapting
from tocsin.stream.identity import models_in

END = b"\xff"
NIGHT, SECONDS = 100, 1.0
"""The change that a night makes, and how long after it has begun it is killed at the most, the first time."""
ASKING = 2
"""How many of the points at which a stream is killed come before what it was asked for."""
Ask = tuple[requests.Kind, str | None, int | None]
FAULT = START + 480 * SECOND
"""A time in the alarm of pump 3."""
ASKED: dict[str, dict[int, list[Ask]]] = {
    "acts": {
        1500: [("confirm-normal", "pump 3", FAULT), ("confirm-fault", "pump 1", FAULT)],
        2500: [("rollback", None, None)],
        3000: [("promote", None, None)],
    },
    "night": {},
}
"""What is asked for at which row."""


@dataclass
class Case:
    """A stream in a folder: what it does is told to a pipe, the number of the change that is next."""

    kind: str
    folder: Path
    pipe: int = -1
    told: set[int] = field(default_factory=set)
    tries: dict[int, int] = field(default_factory=dict)
    """How often it was killed around each change."""
    last: int = -1
    """Around which change it was killed last."""
    left: int = -1
    """At how many more points it is not killed; below 0 at any."""

    @property
    def fleet(self) -> Path:
        return self.folder / "fleet"

    @property
    def options(self) -> dict[str, Any]:
        if self.kind == "night":
            return {"learning": FROZEN, "adapting": nightly(self.folder / "store")}
        return {"budget": "4000/day", "adapting": Adapting(beside=self.folder / "store", fleet=self.fleet)}

    def run(self, pipe: int, *, safe: bool = False) -> None:
        """Go on with the stream to its end; it is not killed if it is `safe`."""
        self.pipe, adaptation.LOOK = pipe, 0.0
        acts = [] if safe else [(Fleet, "save")] if self.kind == "night" else [(Fleet, "save"), (LMDB, "commit")]
        for owner, name in acts:
            setattr(owner, name, self._between(getattr(owner, name)))
        store = open_store(str(self.folder / "store"), write=True)
        gates: dict[int, Callable[[], bool]] = {}
        answers = 0
        for row, asked in ASKED[self.kind].items():
            answers += len(asked)
            gates[row] = partial(self._answered, store, answers)
        if self.last in self.tries and self._waits(store):
            self._begins(self.last, ASKING if self.last else 0)  # it is done before the first row
        if self.kind == "night":
            gates[40 * ASSETS], frame = (
                partial(self._passes, NIGHT, lambda: self._over(store)),
                table(0.35, 4, DAY - 36, {"pump 2": 30}),
            )
        else:
            gates[2000], frame = partial(self._passes, 0, lambda: self._replaced(store)), later(500)
        run(Fleet.load(self.fleet), Gated(frame, gates, 100), store, Drawer(self.folder / "ids"), **self.options)
        store.close()
        os.write(pipe, END)

    def tell(self, pipe: int) -> None:
        """Write down which models the stream would go on with."""
        found = models(Fleet.load(self.fleet), self.folder / "store", **self.options)
        with pa.ipc.new_file(self.folder / "models.arrow", found.schema) as file:
            file.write_table(found)

    def _passes(self, change: int, done: Callable[[], bool]) -> bool:
        if done():
            return True
        if change not in self.told:
            self.told.add(change)
            self._begins(change)
        return False

    def _begins(self, change: int, before: int = 0) -> None:
        os.write(self.pipe, bytes([change]))
        self.left = self.tries.get(change, 0) - (1 if change == NIGHT else before)

    def _between(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Let an act have a point before and after it, at which this process may be killed."""

        def between(*given: Any, **more: Any) -> Any:
            self._point()
            found = act(*given, **more)
            self._point()
            return found

        return between

    def _point(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def _answered(self, store: Store, many: int) -> bool:
        """Return whether so many requests have been answered; ask for the next one, once, whoever is killed."""
        answers = len(list(store.scan(Span.of_prefix(requests.ANSWERS))))
        if not self._passes(answers + 1, lambda: answers >= many) and not requests.asked(store)[0]:
            requests.ask(store, *[ask for asked in ASKED[self.kind].values() for ask in asked][answers])
        return answers >= many

    def _over(self, store: Store) -> bool:
        """Return whether a night is over, and drift was measured."""
        known = versions.Versions.load(store)
        return judged(store)() and known is not None and known.measuring is None

    def _waits(self, store: Store) -> bool:
        """Return whether something is asked of the stream that it has not done yet."""
        known = versions.Versions.load(store)
        replaced = self.kind == "acts" and known is not None and known.source != models_in(self.fleet)
        return replaced or bool(requests.asked(store)[0])

    def _replaced(self, store: Store) -> bool:
        """Return whether the models of another fleet have taken over; save them in the stream's folder, once."""
        if models_in(self.fleet) == models_in(self.folder.parent / "fleet"):
            Fleet.load(self.folder.parent / "other").save(self.fleet)
        known = versions.Versions.load(store)
        return known is not None and known.last > 1


def killed(case: Case, rng: np.random.Generator) -> list[int]:
    """Run a stream to its end, killed around each change on the way; return how often around each."""
    while True:
        process, pipe = killing.forked(case.run)
        change = -1
        while (told := os.read(pipe, 1)) and told != END:
            change = told[0]
            if change == NIGHT and change not in case.tries:
                time.sleep(float(rng.uniform(0.0, SECONDS)))
                os.kill(process, signal.SIGKILL)
        os.close(pipe)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == 0:
            return [*case.tries.values()]
        if status != -signal.SIGKILL:
            raise SystemExit(f"a stream ended with {status}")
        case.tries[change] = case.tries.get(change, 0) + 1
        case.last = change


def prepare(kind: str, folder: Path) -> None:
    """Learn the fleets, with all the threads that it likes."""
    if kind == "night":
        changing.learned(folder / "fleet")
    else:
        trained().save(folder / "fleet")
        trained(seed=3).save(folder / "other")


def waited(process: int) -> None:
    if status := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        raise SystemExit(f"a process ended with {status}")


def ran(kind: str, folder: Path) -> None:
    """Run a stream twice, once with kills, and print how many there were around each change."""
    folder.mkdir()
    waited(killing.forked(lambda pipe: prepare(kind, folder))[0])
    killing.warm(Fleet.load(folder / "fleet"))
    cases = [Case(kind, folder / name) for name in ("straight", "killed")]
    for case in cases:
        case.folder.mkdir()
        shutil.copytree(folder / "fleet", case.fleet)
    waited(killing.forked(partial(cases[0].run, safe=True))[0])
    print(*killed(cases[1], np.random.default_rng(12)))
    for case in cases:
        waited(killing.forked(case.tell)[0])


if __name__ == "__main__":
    for name in ASKED:
        ran(name, Path(sys.argv[1]) / name)

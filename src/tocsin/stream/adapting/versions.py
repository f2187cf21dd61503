"""Which models are at work, which wait, and which were: kept in the store, with the models in folders beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tocsin.errors import StoreError
from tocsin.insights.base import Span, Store

STATE, TRIALS = b"s/adapting", b"s/trials/"
FATES = {
    "promoted": "The new models have taken over",
    "waits": "The new models wait",
    "rolled back": "The new models were rolled back",
}
"""What may have become of the models of a night, as it is kept and as it is told; a night may also have "failed"."""
KEPT = 3
"""How many former versions can be returned to."""


@dataclass(slots=True)
class Versions:
    """What a stream knows of its versions; a version is the models of all assets that took over at one moment.

    Attributes
    ----------
    at : int
        Which is at work.
    last : int
        The highest number given so far.
    past : list of int
        Those that were at work before, the latest last.
    waiting : int or None
        Which would take over if somebody promotes it.
    learned : dict of int to int
        Up to which number of the journal a version has learned.
    confirmed : dict of str to int
        A time, in nanoseconds, in an asset's alarm of which somebody has confirmed that what is new is normal; until it
        is learned.
    adopting : tuple of int or None
        Of what is confirmed and still to be learned: the newest event time, and up to which number of the journal.
    adopted : dict of int to dict of str to int
        Up to when, in nanoseconds, some assets of a version have learned more than the rest, as it was confirmed.
    source : str or None
        Which models the fleet's folder held when they were last looked at.
    archived : int
        Up to which number the journal is kept as history.
    cuts : list of int
        Where the next files of the history end.
    night : int or None
        In which night models were last learned.
    due : tuple of int or None
        Of a night that is to come: which it is, the mark in nanoseconds of event time, and up to which number of the
        journal it learns.
    measured : int or None
        At which mark drift was last measured, or is to be.
    measuring : tuple of int or None
        Of drift that is still to be measured: the mark, and up to which number of the journal.
    drifted : float
        Which share of the assets had drifted when that last brought a night, 0 once it has fallen, or people have
        changed the models.
    """

    at: int = 1
    last: int = 1
    past: list[int] = field(default_factory=list)
    waiting: int | None = None
    learned: dict[int, int] = field(default_factory=dict)
    confirmed: dict[str, int] = field(default_factory=dict)
    adopting: tuple[int, int] | None = None
    adopted: dict[int, dict[str, int]] = field(default_factory=dict)
    source: str | None = None
    archived: int = 0
    cuts: list[int] = field(default_factory=list)
    night: int | None = None
    due: tuple[int, int, int] | None = None
    measured: int | None = None
    measuring: tuple[int, int] | None = None
    drifted: float = 0.0

    @classmethod
    def load(cls, store: Store) -> Versions | None:
        """Return what a store says, None if it says nothing.

        Raises
        ------
        StoreError
            If another version of Tocsin wrote it.
        """
        value = store.get(STATE)
        if value is None:
            return None
        try:
            return TypeAdapter(Versions).validate_json(value)
        except ValidationError:
            raise StoreError("another version of Tocsin wrote what the store says of its models; update it") from None

    def put(self) -> tuple[bytes, bytes]:
        """Return the put that says it."""
        return STATE, json.dumps(asdict(self)).encode()

    def new(self) -> int:
        """Return the number of the next version."""
        self.last += 1
        return self.last

    def take_over(self, version: int) -> None:
        """Note that a version is at work now, after the one that was."""
        self.past = [*self.past, self.at][-KEPT:]
        self.at, self.waiting = version, None
        self._forget()

    def roll_back(self) -> int:
        """Note that the former version is at work again, and that the one that was waits; return the former."""
        self.waiting = self.at
        self.at = self.past.pop()
        self._forget()
        return self.at

    def wait(self, version: int) -> None:
        """Note that a version waits to be promoted."""
        self.waiting = version
        self._forget()

    @property
    def kept(self) -> set[int]:
        """The versions that may still be asked for."""
        return {self.at, *self.past, *([] if self.waiting is None else [self.waiting])}

    def _forget(self) -> None:
        kept = self.kept
        self.learned = {version: number for version, number in self.learned.items() if version in kept}
        self.adopted = {version: assets for version, assets in self.adopted.items() if version in kept}


def sweep(folder: Path, kept: set[int]) -> None:
    """Remove the folders of versions that nobody can ask for any more."""
    if folder.is_dir():
        for each in folder.iterdir():
            if each.name.isdigit() and int(each.name) not in kept:
                shutil.rmtree(each, ignore_errors=True)


def trial_put(version: int, said: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the put that keeps what is known of the night in which a version was made."""
    return TRIALS + version.to_bytes(4, "big"), json.dumps({"version": version, **said}).encode()


def trials(store: Store, most: int = 20) -> list[dict[str, Any]]:
    """Return what is kept of the last nights, the newest first.

    Each has the `version`; `made`, in nanoseconds of event time; `fate`: "promoted", "waits", "rolled back" or
    "failed"; how many rows were `learned` and `held` back, and of how many assets (`held_assets`); and the `trial` as
    JSON text, None if it failed or needed none, and then `why`.
    """
    found = store.scan(Span.of_prefix(TRIALS), most=most, backwards=True)
    return [json.loads(value) for _, value in found]

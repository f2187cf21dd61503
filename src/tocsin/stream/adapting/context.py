"""What a stream gives to all that may change its models between two batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tocsin.fleet.fleet import Fleet
from tocsin.stream.adapting.nightly import Nightly
from tocsin.stream.journal import Journal


@dataclass(frozen=True, slots=True)
class Adapting:
    """What may change a stream's models.

    Parameters
    ----------
    nightly : Nightly, optional
        When and how they are learned anew.
    beside : Path, optional
        What the folders of past readings and former models are called, before ``-history`` and ``-fleets``; without it
        there are neither nights nor ways back.
    fleet : Path, optional
        The fleet's folder: models that are saved there take over.
    """

    nightly: Nightly | None = None
    beside: Path | None = None
    fleet: Path | None = None

    @property
    def history(self) -> Path | None:
        """Where past readings are."""
        return self._beside("history")

    @property
    def fleets(self) -> Path | None:
        """Where versions of the models are saved."""
        return self._beside("fleets")

    def _beside(self, name: str) -> Path | None:
        return None if self.beside is None else self.beside.with_name(f"{self.beside.name}-{name}")


@dataclass(frozen=True, slots=True)
class Context:
    """The stream whose models may change.

    Parameters
    ----------
    fleet : Fleet
        What the models are of; it is not changed itself.
    journal : Journal
        Keeps entries until they are in the history.
    adapting : Adapting
        What may change its models.
    say : callable
        Is given a line of news.
    long : bool
        Whether a reading holds one sensor's value.
    """

    fleet: Fleet
    journal: Journal
    adapting: Adapting
    say: Callable[[str], None]
    long: bool = False

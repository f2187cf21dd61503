"""What a detector learned, as plain arrays: one entry an asset, no objects, nothing to unpickle."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_LONG = 64
"""So many values are faster copied at once than each by an index."""


class Ragged(NamedTuple):
    """Arrays of differing lengths in one buffer; entry ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def of_rows(cls, matrix: NDArray[Any]) -> Self:
        """Make entries of the rows of a matrix, all of one length."""
        count, width = matrix.shape
        return cls(matrix.reshape(-1), np.arange(count + 1, dtype=np.int64) * width)

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """Put the entries of several one after the other."""
        starts = np.cumsum([0] + [part.offsets[-1] - part.offsets[0] for part in parts])
        values = [part.values[part.offsets[0] : part.offsets[-1]] for part in parts]
        offsets = [part.offsets[1:] - part.offsets[0] + start for part, start in zip(parts, starts, strict=False)]
        return cls(np.concatenate(values), np.concatenate([np.zeros(1, np.int64), *offsets]))

    def take(self, entries: NDArray[np.int64]) -> Ragged:
        """Return the given entries, in that order."""
        lengths = (self.offsets[1:] - self.offsets[:-1])[entries]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        if len(entries):
            begins = np.append(0, np.flatnonzero(np.diff(entries) != 1) + 1)
            if _LONG * len(begins) < offsets[-1]:  # entries that lie one after the other are copied at once
                firsts, ends = self.offsets[entries[begins]], self.offsets[entries[np.append(begins[1:], 0) - 1] + 1]
                runs = zip(firsts.tolist(), ends.tolist(), strict=True)
                return Ragged(np.concatenate([self.values[first:end] for first, end in runs]), offsets)
        index = np.repeat(self.offsets[:-1][entries] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[index], offsets)


class Place(NamedTuple):
    """Where entries lie in one buffer: entry ``i`` is ``values[starts[i]:starts[i] + sizes[i]]``."""

    values: NDArray[Any]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]


class Shelf(Mapping[str, Ragged]):
    """The state of models that lie anywhere in large buffers: an entry is put together only when it is asked for.

    Who can read what is large where it lies asks for its `place`, and saves a copy.
    """

    @abstractmethod
    def place(self, name: str) -> Place:
        """Return where the entries of a name lie; valid until one of them changes."""

    @abstractmethod
    def of(self, assets: NDArray[np.int64]) -> Shelf:
        """Return the entries of some assets, in that order."""


class Renamed(Shelf):
    """Some entries of a state under other names, without copying any.

    Parameters
    ----------
    state : mapping of str to Ragged
    names : mapping of str to str
        From the new names to those in `state`.
    """

    def __init__(self, state: Mapping[str, Ragged], names: Mapping[str, str]) -> None:
        self._state, self._names = state, names

    def __getitem__(self, name: str) -> Ragged:
        """Return the entries of a name."""
        return self._state[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._names)

    def place(self, name: str) -> Place:
        """Return where the entries of a name lie."""
        return place_of(self._state, self._names[name])

    def of(self, assets: NDArray[np.int64]) -> Renamed:
        """Return the entries of some assets, in that order."""
        return Renamed(_taken(self._state, assets), self._names)


def lent(state: dict[str, Ragged]) -> dict[str, Ragged]:
    """Return a state that may only be read, as Arrow's is, so that kernels are compiled for one kind of it."""
    return {name: Ragged(_read_only(values), offsets) for name, (values, offsets) in state.items()}


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def _taken(state: Mapping[str, Ragged], assets: NDArray[np.int64]) -> Mapping[str, Ragged]:
    if isinstance(state, Shelf):
        return state.of(assets)
    return {name: entry.take(assets) for name, entry in state.items()}


def place_of(state: Mapping[str, Ragged], name: str) -> Place:
    """Return where the entries of a name lie."""
    if isinstance(state, Shelf):
        return state.place(name)
    values, offsets = state[name]
    return Place(values, offsets[:-1], offsets[1:] - offsets[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """Models of several assets, in the order of the panel they were learned from.

    Parameters
    ----------
    rows : ndarray of shape (n_assets,), int64
        How many rows each has seen.
    threshold : ndarray of shape (n_assets,), float64
        A row whose score is above it is an alert.
    state : mapping of str to Ragged
        The detector's own arrays, one entry an asset in each.
    """

    rows: NDArray[np.int64]
    threshold: NDArray[np.float64]
    state: Mapping[str, Ragged]

    def __post_init__(self) -> None:
        """See to it that what was learned is only read."""
        object.__setattr__(self, "threshold", _read_only(self.threshold))
        if not isinstance(self.state, Shelf):
            object.__setattr__(self, "state", lent(dict(self.state)))

    def __len__(self) -> int:
        """How many assets there are models of."""
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays, as they are stored."""
        offsets = len(self) * 8
        return sum(entry.values.nbytes + offsets for entry in self.state.values()) + len(self) * 16

    def take(self, assets: NDArray[np.int64]) -> Models:
        """Return the models of the given assets, in that order."""
        return Models(self.rows[assets], self.threshold[assets], _taken(self.state, assets))

    @classmethod
    def concat(cls, parts: list[Models]) -> Models:
        """Put several models one after the other; all must come from the same detector."""
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.threshold for part in parts]),
            {name: Ragged.concat([part.state[name] for part in parts]) for name in parts[0].state},
        )

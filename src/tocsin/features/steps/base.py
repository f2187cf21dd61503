"""The contract of a step, so that a recipe can run any of them, in one call or in many, and say what comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import ColumnError, DataError, ParameterError, did_you_mean
from tocsin.models import Ragged
from tocsin.panel import Panel

Whole = NDArray[np.int64]


class Feature(NamedTuple):
    """What a detector sees: its name, and the sensor whose readings it is made of; None of what is made of times."""

    name: str
    sensor: str | None


class Layout(NamedTuple):
    """Where a step reads and writes.

    Parameters
    ----------
    outputs : tuple of Feature
        All features after the step, those that it leaves alone among them.
    chosen : ndarray of shape (n_chosen,), int64
        The features that the step looks at.
    targets : ndarray of shape (n_chosen, n_made), int64
        The place among the outputs of what is made of each.
    passed, places : ndarray, int64
        The features that are left as they are, and their places among the outputs.
    """

    outputs: tuple[Feature, ...]
    chosen: Whole
    targets: Whole
    passed: Whole
    places: Whole


class Rows(NamedTuple):
    """What a step works on: its input with the rows before it, and the room for what comes out.

    Parameters
    ----------
    values : ndarray of shape (n_inputs, n_rows)
        Readings and, before each asset's own, up to `Step.warm_up` rows that are known from earlier calls.
    offsets : ndarray of shape (n_assets + 1,), int64
        Where each asset's rows begin in `values`.
    chosen : ndarray of shape (n_chosen,), int64
        Where in `values` the features are that the step looks at.
    targets : ndarray of shape (n_chosen, n_made), int64
        Where in `out` the features belong that are made of each.
    out : ndarray of shape (n_outputs, n_out_rows)
        To be filled. Of each asset it has `Step.warm_up` fewer rows than `values`, the first ones, or none.
    out_offsets : ndarray of shape (n_assets + 1,), int64
        Where each asset's rows begin in `out`.
    times : ndarray of shape (n_out_rows,), int64, optional
        When each row of `out` was read.
    levels : ndarray of shape (n_assets, n_chosen), float64
        Of a step that is `recursive`: what it knows of all earlier rows, NaN in the beginning; to be changed in place.
    """

    values: NDArray[Any]
    offsets: Whole
    chosen: Whole
    targets: Whole
    out: NDArray[Any]
    out_offsets: Whole
    times: NDArray[np.int64] | None
    levels: NDArray[np.float64]

    def learned(self, state: Mapping[str, Ragged], name: str) -> NDArray[Any]:
        """Return what a step learned under that name, one number a column and asset: (n_assets, n_chosen)."""
        shape = len(self.offsets) - 1, len(self.chosen)
        found = state.get(name)
        if found is None or len(found.offsets) != shape[0] + 1 or found.values.size != shape[0] * shape[1]:
            raise DataError(
                f"the state of the recipe is not of the panel's {counted(shape[0], 'asset')} and columns; "
                "give what was learned of them"
            )
        matrix: NDArray[Any] = found.values.reshape(shape)
        return matrix


class Step(ABC):
    """One thing that is done to readings, with its parameters; what it learns is kept by the recipe.

    A subclass is a frozen data class in a file of its own in this room, whose fields are the parameters: plain JSON
    values. The catalog finds it, and with it recipes can name it and the tests test it. A row that comes out must be a
    function of the asset's `warm_up` rows before it and of itself, by operations in an order that depends on nothing
    else; then it does not matter how the rows are cut into calls. Only a step that is `recursive` may remember more.
    """

    @property
    def warm_up(self) -> int:
        """How many rows before a row are looked at; so many first rows of each asset get no features."""
        return 0

    @property
    def recursive(self) -> bool:
        """Whether one number a feature is handed from row to row."""
        return False

    @property
    def supervised(self) -> bool:
        """Whether labels are needed to learn."""
        return False

    @property
    def calendar(self) -> bool:
        """Whether true times are needed."""
        return False

    @abstractmethod
    def layout(self, inputs: Sequence[Feature]) -> Layout:
        """Say what comes out of the given features, and where it belongs.

        Raises
        ------
        ColumnError
            If a column that the step names is not there.
        """

    @abstractmethod
    def fill(self, rows: Rows, state: Mapping[str, Ragged]) -> None:
        """Write what is made of the rows."""

    def learn(self, panel: Panel, chosen: Whole) -> dict[str, Ragged]:
        """Return what must be known of each asset, from the training rows as they reach the step."""
        return {}

    # As plain values -------------------------------------------------------------------------------------------------

    @classmethod
    def title(cls) -> str:
        """Return the step's name in a recipe."""
        return cls.__name__.lower()

    def to_dict(self) -> dict[str, Any]:
        """Return the step's name and its parameters as JSON has them; those that are None are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {"step": self.title(), **{name: _plain(value) for name, value in values.items() if value is not None}}

    @classmethod
    def of_dict(cls, parameters: Mapping[str, Any]) -> Self:
        """Make a step of its parameters."""
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for name in parameters:
            if name not in known:
                raise ParameterError(f"{cls.title()} has no parameter {name!r}{did_you_mean(name, known)}")
        return cls(**parameters)

    # For subclasses --------------------------------------------------------------------------------------------------

    def _wrong(self, what: str) -> ParameterError:
        return ParameterError(f"{self.title()}: {what}")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _whole(self, name: str, least: int, most: int = 10**6) -> None:
        """Keep a parameter as a whole number within limits, or refuse it."""
        value = getattr(self, name)
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value <= most:
            raise self._wrong(f"{name} must be a whole number from {least} to {most:,}, not {value!r}")
        self._set(name, int(value))

    def _number(self, name: str, least: float, most: float, *, least_too: bool = False) -> None:
        """Keep a parameter as a number in (least, most], or [least, most], or refuse it."""
        value = getattr(self, name)
        if not is_number(value) or not (least < value <= most or (least_too and value == least)):
            above = f"from {least:g} to {most:g}" if least_too else f"above {least:g} and at most {most:g}"
            raise self._wrong(f"{name} must be a number {above}, not {value!r}")
        self._set(name, float(value))

    def _flag(self, name: str) -> None:
        """Keep a parameter as True or False, or refuse it."""
        value = getattr(self, name)
        if not isinstance(value, bool | np.bool_):
            raise self._wrong(f"{name} must be true or false, not {value!r}")
        self._set(name, bool(value))

    def _choice(self, name: str, known: Sequence[str]) -> None:
        """Refuse a parameter that is none of the known words."""
        value = getattr(self, name)
        if not isinstance(value, str) or value not in known:
            raise self._wrong(f"{name} must be one of {', '.join(known)}, not {value!r}")

    def _several(self, name: str) -> tuple[Any, ...]:
        """Keep a parameter as a tuple that is not empty and repeats nothing, or refuse it; return it."""
        value = getattr(self, name)
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence | np.ndarray):
            raise self._wrong(f"{name} must be a list, not {value!r}")
        found = tuple(tuple(each) if isinstance(each, list | tuple) else each for each in value)
        if not found:
            raise self._wrong(f"{name} is empty; give one at least")
        for i, each in enumerate(found):
            if each in found[:i]:
                raise self._wrong(f"{name} names {each!r} twice")
        self._set(name, found)
        return found


@dataclass(frozen=True, kw_only=True)
class ColumnStep(Step):
    """A step that makes the same of each column that it is given.

    Parameters
    ----------
    columns : sequence of str, default ``("*",)``
        Which columns: names, globs such as ``"temp*"``, and with ``!`` in front those that are not. Names come before
        globs, so that ``"temp [C]"`` is that column. The other columns stay as they are.
    """

    columns: Sequence[str] = ("*",)

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        if isinstance(self.columns, str):
            self._set("columns", (self.columns,))
        for name in self._several("columns"):
            if not isinstance(name, str):
                raise self._wrong(f"columns must be names, not {name!r}")
        self.check()

    def check(self) -> None:
        """Refuse further parameters that make no sense."""

    @abstractmethod
    def names(self, column: str) -> tuple[str, ...]:
        """Return what is made of a column, as it is called."""

    @property
    def keeps(self) -> bool:
        """Whether the columns stay beside what is made of them."""
        return False

    def layout(self, inputs: Sequence[Feature]) -> Layout:
        """Put what is made of a column in its place, or behind it where that is kept."""
        wanted = set(self.resolve([feature.name for feature in inputs]))
        outputs: list[Feature] = []
        chosen, targets, passed, places = [], [], [], []
        for i, feature in enumerate(inputs):
            used = feature.name in wanted
            if not used or self.keeps:
                passed.append(i)
                places.append(len(outputs))
                outputs.append(feature)
            if used:
                made = [Feature(name, feature.sensor) for name in self.names(feature.name)]
                chosen.append(i)
                targets.append(range(len(outputs), len(outputs) + len(made)))
                outputs += made
        return Layout(tuple(outputs), _index(chosen), _index(targets), _index(passed), _index(places))

    def resolve(self, known: Sequence[str]) -> list[str]:
        """Return the columns that the step is given, in the order of the features.

        Raises
        ------
        ColumnError
            If a name or a glob is no column, or nothing is left.
        """
        chosen: set[str] = set()
        excluded: set[str] = set()
        for pattern in self.columns:
            if pattern.startswith("!") and pattern not in known:
                excluded.update(self._matches(pattern[1:], known))
            else:
                chosen.update(self._matches(pattern, known))
        if all(pattern.startswith("!") and pattern not in known for pattern in self.columns):
            chosen.update(known)
        left = [name for name in known if name in chosen - excluded]
        if not left:
            raise ColumnError(f"{self.title()}: columns {', '.join(map(repr, self.columns))} leave nothing")
        return left

    def _matches(self, pattern: str, known: Sequence[str]) -> list[str]:
        found = [pattern] if pattern in known else [name for name in known if fnmatchcase(name, pattern)]
        if not found:
            verb = "matches" if any(sign in pattern for sign in "*?[") else "is called"
            raise ColumnError(f"{self.title()}: no column {verb} {pattern!r}{did_you_mean(pattern, known)}")
        return found


@dataclass(frozen=True, kw_only=True)
class MakingStep(ColumnStep):
    """A step that makes other columns of those that it is given.

    Parameters
    ----------
    columns : sequence of str, default ``("*",)``
        As in `ColumnStep`.
    keep : bool, default False
        Whether the columns stay beside what is made of them.
    """

    keep: bool = False

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        self._flag("keep")
        super().__post_init__()

    @property
    def keeps(self) -> bool:
        """Whether the columns stay."""
        return self.keep


def is_number(value: object) -> bool:
    """Return whether a parameter is a real number, neither infinite nor missing, and no truth value."""
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(np.isfinite(float(value)))
    )


def counted(count: int, what: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "row"), counted(3, "row")
    ('1 row', '3 rows')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _index(numbers: Sequence[Any]) -> Whole:
    return np.array(numbers, np.int64)


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value

"""How raw readings become features: steps in their order, applied alike in training, in scoring and on streams."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import (
    ColumnError,
    DataError,
    EmptyDataError,
    NotFittedError,
    OutputError,
    ParameterError,
    did_you_mean,
)
from tocsin.features.steps.base import Feature, Layout, Rows, Step, Whole, counted
from tocsin.features.steps.catalog import step_class
from tocsin.kernels import rows as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

__all__ = ["FORMAT_VERSION", "Feature", "Recipe"]

FORMAT_VERSION = 1
PREFIX = "recipe_"
"""How the names of all arrays begin that a recipe learns."""
MEMORY = "memory_"
"""How the names of all arrays begin that say what came before."""
_LARGE = 1 << 20
"""From how many bytes on memory comes from the operating system, page by page."""

State = Mapping[str, Ragged]


class Recipe:
    """Steps that turn readings into features, one after the other.

    Parameters
    ----------
    steps : sequence of Step
        From `tocsin.features`; each works on what the one before gives.

    Notes
    -----
    What is learned of an asset is in the state that `fit_panel` returns, and what must be known of its last rows in the
    memory; a recipe itself does not change. With the memory, rows can be cut into calls in any way: the features are
    the same, bit for bit.

    Examples
    --------
    >>> from tocsin.features import Smooth, Standardise, Window
    >>> recipe = Recipe([Smooth("ewma"), Window(10, ["mean", "max"]), Standardise()])
    >>> recipe.warm_up
    9
    >>> recipe.outputs(["RateRMS"])[1]
    Feature(name='RateRMS, smoothed, max of the last 10, standardised', sensor='RateRMS')
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        if not self.steps:
            raise ParameterError("a recipe needs at least one step")
        for number, step in enumerate(self.steps, 1):
            if not isinstance(step, Step):
                raise ParameterError(f"step {number} is no step but {step!r}; take one such as Window(size=10)")

    def __repr__(self) -> str:
        """Return the steps as they would be written."""
        return f"Recipe([{', '.join(map(repr, self.steps))}])"

    def __eq__(self, other: object) -> bool:
        """Return whether the steps are the same."""
        return isinstance(other, Recipe) and self.steps == other.steps

    def __hash__(self) -> int:
        """Return the hash of the steps."""
        return hash(self.steps)

    # What is asked and what comes out --------------------------------------------------------------------------------

    @property
    def warm_up(self) -> int:
        """How many first rows of each asset get no features."""
        return sum(step.warm_up for step in self.steps)

    @property
    def supervised(self) -> bool:
        """Whether labels are needed to learn."""
        return any(step.supervised for step in self.steps)

    @property
    def calendar(self) -> bool:
        """Whether times must be true ones, in nanoseconds since 1970 UTC."""
        return any(step.calendar for step in self.steps)

    def outputs(self, names: Sequence[str]) -> tuple[Feature, ...]:
        """Return the features that come of raw ones with these names.

        Raises
        ------
        ColumnError
            If a step names a column that is not there, or two features would have one name.
        """
        return self._layouts(names)[-1].outputs

    def _layouts(self, names: Sequence[str]) -> list[Layout]:
        features = tuple(Feature(name, name) for name in names)
        layouts: list[Layout] = []
        for number, step in enumerate(self.steps, 1):
            try:
                layouts.append(step.layout(features))
            except ColumnError as error:
                raise ColumnError(f"step {number} of the recipe: {error}") from None
            features = layouts[-1].outputs
            seen: set[str] = set()
            for name, _ in features:
                if name in seen:
                    raise ColumnError(
                        f"step {number} of the recipe, {step.title()}, makes a second feature {name!r}; "
                        "leave one of the two out, or give the step other columns"
                    )
                seen.add(name)
        return layouts

    # Panels ----------------------------------------------------------------------------------------------------------

    def check_lengths(self, panel: Panel) -> None:
        """Refuse a panel none of whose assets has more rows than warm up.

        Raises
        ------
        EmptyDataError
            It names the longest asset.
        """
        lengths = np.diff(panel.offsets)
        longest = int(np.argmax(lengths)) if len(lengths) else -1
        if longest < 0 or lengths[longest] <= self.warm_up:
            has = "there is no asset"
            if longest >= 0:
                has = f"asset {panel.keys[longest].as_py()!r} has {counted(int(lengths[longest]), 'row')}"
                has += ", and none has more" if len(lengths) > 1 else ""
            raise EmptyDataError(
                f"the recipe needs {self.warm_up + 1} rows of an asset for a first row of features, but {has}; "
                "take shorter windows or longer histories"
            )

    def fit_panel(self, panel: Panel) -> tuple[dict[str, Ragged], Panel, dict[str, Ragged]]:
        """Learn what the steps need of each asset, and make its features.

        Returns
        -------
        state : dict of str to Ragged
            What was learned, one entry an asset; to be given to `apply_panel`.
        derived : Panel
            The features, with keys, times and labels. Each asset lacks its first `warm_up` rows; one that has no more
            than these has none.
        memory : dict of str to Ragged
            What must be known of the rows so far where later ones go on from them, one entry an asset.

        Raises
        ------
        EmptyDataError
            If no asset has enough rows.
        ColumnError
            If a step names a column that is not there.
        DataError
            If labels or times are needed and there are none.
        """
        self.check_lengths(panel)
        state: dict[str, Ragged] = {}
        derived, memory = self._run(panel, state, None, learning=True)
        return state, derived, memory

    def apply_panel(self, state: State, panel: Panel, memory: State | None = None) -> tuple[Panel, dict[str, Ragged]]:
        """Make the features of later rows, or of others of the same assets.

        Parameters
        ----------
        state : mapping of str to Ragged
            From `fit_panel`, for the panel's assets, in their order.
        panel : Panel
            With the features that the recipe was fitted with.
        memory : mapping of str to Ragged, optional
            From the last call, for the panel's assets, in their order: its rows come right before those of the panel.
            Without it each asset begins anew and warms up.

        Returns
        -------
        derived, memory
            As `fit_panel` returns them; all rows have features once an asset has warmed up.
        """
        return self._run(panel, dict(state), memory, learning=False)

    def _run(
        self, panel: Panel, state: dict[str, Ragged], memory: State | None, *, learning: bool
    ) -> tuple[Panel, dict[str, Ragged]]:
        after: dict[str, Ragged] = {}
        for i, (step, layout) in enumerate(zip(self.steps, self._layouts(panel.features), strict=True)):
            own = f"{PREFIX}{i}_"
            if learning:
                state.update({f"{own}{name}": entry for name, entry in step.learn(panel, layout.chosen).items()})
            known = {name.removeprefix(own): entry for name, entry in state.items() if name.startswith(own)}
            panel = _step(step, layout, known, panel, memory, after, f"{MEMORY}{i}_")
        return panel, after

    @staticmethod
    def anew(memory: State, assets: NDArray[np.bool_]) -> dict[str, Ragged]:
        """Return a memory with which the given assets begin anew, as they would without one."""
        kept: dict[str, Ragged] = {}
        for name, (values, offsets) in memory.items():
            lengths = np.diff(offsets)
            those = np.repeat(assets, lengths)
            if name.endswith("levels"):
                kept[name] = Ragged(np.where(those, np.nan, values), offsets)
            else:
                kept[name] = Ragged(values[~those], _starts(np.where(assets, 0, lengths)))
        return kept

    # The face --------------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, times: ArrayLike | None = None) -> Self:
        """Learn from a matrix or data frame of one asset, shape (n_rows, n_features), the oldest row first.

        `y` are labels, for a recipe that is `supervised`; `times`, for one with a calendar, are datetimes in UTC or
        nanoseconds since 1970. Sets `state_`, `features_in_` and `memory_`.
        """
        panel = _panel(X, None, times, y)
        self.state_, _, self.memory_ = self.fit_panel(panel)
        self.features_in_ = panel.features
        return self

    def transform(self, X: ArrayLike, *, times: ArrayLike | None = None) -> pl.DataFrame:
        """Return the features of each row but the first `warm_up`, one named column each."""
        if not hasattr(self, "state_"):
            raise NotFittedError("this Recipe has not learned yet; call fit(X) first")
        derived, _ = self.apply_panel(self.state_, _panel(X, self.features_in_, times))
        return pl.DataFrame(dict(zip(derived.features, derived.values, strict=True)))

    # As plain values -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return {"format_version": FORMAT_VERSION, "steps": [step.to_dict() for step in self.steps]}

    @classmethod
    def of_dict(cls, given: Any) -> Self:
        """Undo `to_dict`.

        Raises
        ------
        ParameterError
            If a newer version wrote it, a step or parameter is not known, or a value makes no sense.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("steps"), list | tuple):
            raise ParameterError("a recipe is a table with format_version and steps, a list of tables")
        version = given.get("format_version", FORMAT_VERSION)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise ParameterError(f"format_version must be {FORMAT_VERSION}, not {version!r}")
        if version > FORMAT_VERSION:
            raise ParameterError(
                f"the recipe has format version {version}, and this Tocsin reads up to {FORMAT_VERSION}; "
                "install a newer Tocsin"
            )
        for name in given:
            if name not in ("format_version", "steps"):
                raise ParameterError(f"a recipe has no {name!r}{did_you_mean(name, ['format_version', 'steps'])}")
        return cls([_step_of(number, entry) for number, entry in enumerate(given["steps"], 1)])

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a recipe from a .toml or .json file.

        Raises
        ------
        DataError
            If there is no such file, or it is neither.
        ParameterError
            As in `of_dict`.
        """
        path = Path(path)
        toml = _is_toml(path)
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise DataError(f"no such file: {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
        try:
            given = tomllib.loads(text) if toml else json.loads(text)
        except ValueError as error:
            raise DataError(f"{path} is no {'TOML' if toml else 'JSON'}: {error}") from None
        try:
            return cls.of_dict(given)
        except ParameterError as error:
            raise ParameterError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write the recipe to a .toml or .json file; one that is there is replaced.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = Path(path)
        text = _toml(self.to_dict()) if _is_toml(path) else json.dumps(self.to_dict(), indent=2) + "\n"
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from None


def _step(
    step: Step, layout: Layout, state: State, panel: Panel, memory: State | None, after: dict[str, Ragged], own: str
) -> Panel:
    """Run one step; put into `after` what it must remember."""
    values, offsets, chosen = _recalled(step, layout.chosen, panel, memory, after, f"{own}rows")
    levels = _levels(step, layout.chosen, panel, memory, after, f"{own}levels")
    known = np.diff(offsets) - np.diff(panel.offsets)
    skips = np.minimum(step.warm_up - known, np.diff(panel.offsets))
    out_offsets = _starts(np.diff(panel.offsets) - skips)
    out = _room(len(layout.outputs), int(out_offsets[-1]), panel.values.dtype)
    kernels.shifted(panel.values, panel.offsets, layout.passed, skips, 0, layout.places, out, out_offsets)
    times = _shorter(panel.times, panel.offsets, skips, out_offsets)
    labels = _shorter(panel.labels, panel.offsets, skips, out_offsets)
    step.fill(Rows(values, offsets, chosen, layout.targets, out, out_offsets, times, levels), state)
    return Panel(out, out_offsets, panel.keys, tuple(feature.name for feature in layout.outputs), times, labels)


def _recalled(
    step: Step, chosen: Whole, panel: Panel, memory: State | None, after: dict[str, Ragged], name: str
) -> tuple[NDArray[Any], Whole, Whole]:
    """Return the rows of each asset with those before them, their offsets, and where the chosen features are now."""
    values, offsets, width = panel.values, panel.offsets, len(chosen)
    if not step.warm_up:
        return values, offsets, chosen
    if memory is not None:
        kept = _remembered(memory, name, panel, values.dtype, width, step.warm_up)
        offsets = _starts(np.diff(panel.offsets) + np.diff(kept.offsets) // width)
        values = np.empty((width, offsets[-1]), values.dtype)
        kernels.joined(panel.values, panel.offsets, chosen, *kept, values, offsets)
        chosen = np.arange(width)
    room = _starts(np.minimum(np.diff(offsets), step.warm_up) * width)
    after[name] = Ragged(np.empty(room[-1], values.dtype), room)
    kernels.latest(values, offsets, chosen, *after[name])
    return values, offsets, chosen


def _levels(
    step: Step, chosen: Whole, panel: Panel, memory: State | None, after: dict[str, Ragged], name: str
) -> NDArray[np.float64]:
    """Return what a recursive step knows of earlier rows; what it makes of it is what is remembered."""
    levels = np.full((panel.n_assets, len(chosen)), np.nan)
    if step.recursive:
        if memory is not None:
            levels[:] = _remembered(memory, name, panel, levels.dtype, len(chosen)).values.reshape(levels.shape)
        after[name] = Ragged.of_rows(levels)
    return levels


def _shorter(what: NDArray[Any] | None, offsets: Whole, skips: Whole, out_offsets: Whole) -> NDArray[Any] | None:
    """Return times or labels without the first rows of each asset."""
    if what is None or not skips.any():
        return what
    left, only = np.empty((1, out_offsets[-1]), what.dtype), np.zeros(1, np.int64)
    kernels.shifted(what[None, :], offsets, only, skips, 0, only, left, out_offsets)
    first: NDArray[Any] = left[0]
    return first


def _remembered(
    memory: State, name: str, panel: Panel, dtype: np.dtype[Any], width: int, most: int | None = None
) -> Ragged:
    """Return an entry of a memory: `width` values for each of at most `most` rows, or without it for just one."""
    found = memory.get(name)
    if found is not None and len(found.offsets) == panel.n_assets + 1:
        lengths = np.diff(found.offsets)
        if bool(
            (lengths == width).all() if most is None else ((lengths % width == 0) & (lengths <= most * width)).all()
        ):
            return Ragged(np.ascontiguousarray(found.values, dtype), found.offsets)
    raise DataError(
        f"the memory of a recipe is not of the panel's {counted(panel.n_assets, 'asset')}, or of another recipe"
    )


def _room(width: int, rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return memory for features.

    Arrow's pool hands out again what the last panel gave back. From the operating system it would come cleared, which
    costs as much as filling it.
    """
    size = width * rows
    if size * dtype.itemsize < _LARGE:
        return np.empty((width, rows), dtype)
    buffer = pa.allocate_buffer(size * dtype.itemsize, resizable=False)
    return np.frombuffer(buffer, dtype).reshape(width, rows)


def _starts(lengths: Whole) -> Whole:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _panel(X: ArrayLike, names: Sequence[str] | None, times: ArrayLike | None, y: ArrayLike | None = None) -> Panel:
    """Make a panel of a matrix or data frame, whose columns are to be `names`."""
    given = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    panel = Panel.of_matrix(X, given, y=y)
    if names is not None and panel.features != tuple(names):
        if panel.n_features != len(names):
            raise DataError(f"X has {panel.n_features} features, but Recipe was fitted with {len(names)}")
        raise ColumnError(
            f"X has the columns {', '.join(panel.features)}, but Recipe was fitted with {', '.join(names)}"
        )
    if times is None:
        return panel
    stamps = np.asarray(times)
    if stamps.dtype.kind == "M":
        stamps = stamps.astype("datetime64[ns]").astype(np.int64)
    if stamps.dtype.kind not in "iu" or stamps.shape != (panel.n_rows,):
        raise DataError(f"times must be {panel.n_rows} datetimes or whole numbers of nanoseconds, one a row")
    return Panel(panel.values, panel.offsets, panel.keys, panel.features, stamps.astype(np.int64), panel.labels)


def _step_of(number: int, entry: Any) -> Step:
    """Make a step of its plain values."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("step"), str):
        raise ParameterError(f'step {number} of the recipe has no name; write step = "window" or the like')
    parameters = {str(name): value for name, value in entry.items() if name != "step"}
    try:
        return step_class(entry["step"]).of_dict(parameters)
    except ParameterError as error:
        raise ParameterError(f"step {number} of the recipe: {error}") from None


def _is_toml(path: Path) -> bool:
    if path.suffix.lower() not in (".toml", ".json"):
        raise ParameterError(f"a recipe is a .toml or .json file, not {path.name!r}")
    return path.suffix.lower() == ".toml"


def _toml(given: Mapping[str, Any]) -> str:
    """Return a recipe as TOML: the version, then a table a step."""
    lines = [f"format_version = {given['format_version']}"]
    for step in given["steps"]:
        lines += ["", "[[steps]]", *(f"{name} = {_toml_value(value)}" for name, value in step.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

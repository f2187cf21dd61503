"""A recipe and every step of the catalog keep the contract; a new step is tested by being there."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tocsin.features
from tocsin.errors import ColumnError, DataError, EmptyDataError, NotFittedError, OutputError, ParameterError
from tocsin.features import (
    Bands,
    Calendar,
    Difference,
    Lags,
    Log,
    Recipe,
    Select,
    Smooth,
    Standardise,
    Subsequence,
    Window,
    step_catalog,
)
from tocsin.features.steps.base import ColumnStep
from tocsin.panel import Panel

EVERY = ("mean", "min", "max", "range", "std", "slope", "median", "q0.9")
MORE = {
    "bands": [Bands(9, [(0.0, 0.5), (0.1, 0.3)], columns=["a"], keep=True)],
    "calendar": [Calendar(["yearday", "month", "weekend"], "Europe/Rome")],
    "lags": [Lags([5, 2], columns="b", keep=False)],
    "log": [Log(0.5, columns=["a"], keep=True)],
    "select": [Select(correlation=0.5, top=2), Select(top=1, by="mutual_information")],
    "smooth": [Smooth("ewma", alpha=0.3), Smooth("savitzky-golay", size=5), Smooth(size=6, beta=0, keep=True)],
    "standardise": [Standardise(robust=True)],
    "subsequence": [Subsequence(4, normalise=True)],
    "window": [Window(1), Window(7, EVERY, columns=["!b"], keep=True), Window(16, EVERY)],
}
CASES = [step for name, make in step_catalog().items() for step in (make(), *MORE.get(name, []))]
CHAINS = [
    Recipe([Calendar(), Smooth("ewma", columns="[abc]"), Window(4, ["mean", "std"]), Difference(2), Standardise()]),
    Recipe([Smooth(size=3), Standardise(), Lags([1, 3], columns=["a*"]), Select(), Smooth("ewma", columns=["b*"])]),
]
RECIPES = [Recipe([step]) for step in CASES] + CHAINS
EACH = pytest.mark.parametrize("recipe", RECIPES, ids=[f"{i}-{r.steps[0].title()}" for i, r in enumerate(RECIPES)])


def readings(lengths=(200, 3, 0, 90), dtype=np.float64, missing=0.03, seed=0):
    rng = np.random.default_rng(seed)
    rows = sum(lengths)
    values = rng.normal(2, 1, (4, rows)).astype(dtype)
    values[1, rng.random(rows) < missing] = np.nan
    values[2] = values[0] * 2 + rng.normal(0, 0.1, rows)
    values[3] = 7
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.concatenate([np.arange(n) for n in lengths]).astype(np.int64) * 3_600_000_000_000
    labels = (values[0] > 3).astype(np.int8)
    keys = pa.array([f"asset {i}" for i in range(len(lengths))])
    return Panel(values, offsets, keys, ("a", "b", "c", "d"), times, labels)


def between(panel, starts, stops):
    """Return the rows of each asset from its start to its stop."""
    rows = np.concatenate([np.arange(low, high) for low, high in zip(starts, stops, strict=True)])
    return panel.take_rows((panel.offsets[:-1].repeat(np.subtract(stops, starts)) + rows).astype(np.int64))


def joined(parts):
    """Return each asset's features, call after call."""
    return [
        np.concatenate([part.values[:, part.offsets[i] : part.offsets[i + 1]] for part in parts], axis=1)
        for i in range(parts[0].n_assets)
    ]


def assert_same_bits(entries, others):
    assert entries.keys() == others.keys()
    for name in entries:
        np.testing.assert_array_equal(entries[name].offsets, others[name].offsets)
        assert entries[name].values.tobytes() == others[name].values.tobytes(), name


@EACH
@settings(max_examples=12)
@given(st.data(), st.sampled_from([np.float32, np.float64]))
def test_rows_may_be_cut_in_any_way(recipe, data, dtype):
    lengths = (120, 3, 0, 40)
    panel = readings(lengths, dtype)
    state, whole, memory = recipe.fit_panel(panel)
    again, once = recipe.apply_panel(state, panel)
    assert again.values.tobytes() == whole.values.tobytes()
    assert_same_bits(once, memory)
    cuts = [sorted(data.draw(st.lists(st.integers(0, n), min_size=3, max_size=3))) for n in lengths]
    bounds = np.array([[0, *cut, n] for cut, n in zip(cuts, lengths, strict=True)]).T
    parts, remembered = [], None
    for starts, stops in pairwise(bounds):
        part, remembered = recipe.apply_panel(state, between(panel, starts, stops), remembered)
        parts.append(part)
    for found, expected in zip(joined(parts), joined([whole]), strict=True):
        assert found.tobytes() == expected.tobytes()
    assert_same_bits(remembered, memory)


@EACH
def test_a_fleet_is_its_assets_one_by_one(recipe):
    panel = readings()
    state, derived, memory = recipe.fit_panel(panel)
    for asset in (0, 3):
        one = panel.take_assets(np.array([asset]))
        own, alone, after = recipe.fit_panel(one)
        rows = slice(derived.offsets[asset], derived.offsets[asset + 1])
        assert alone.values.tobytes() == np.ascontiguousarray(derived.values[:, rows]).tobytes()
        assert_same_bits(own, {name: entry.take(np.array([asset])) for name, entry in state.items()})
        assert_same_bits(after, {name: entry.take(np.array([asset])) for name, entry in memory.items()})


@EACH
def test_what_comes_out_is_as_announced(recipe):
    panel = readings()
    state, derived, memory = recipe.fit_panel(panel)
    outputs = recipe.outputs(panel.features)
    assert derived.features == tuple(feature.name for feature in outputs)
    assert {feature.sensor for feature in outputs} <= {*panel.features, None}
    assert len(derived.features) == len(set(derived.features))
    lengths = np.diff(panel.offsets)
    np.testing.assert_array_equal(np.diff(derived.offsets), np.maximum(lengths - recipe.warm_up, 0))
    assert derived.values.dtype == panel.values.dtype
    assert derived.keys.equals(panel.keys)
    kept = np.concatenate([np.arange(*ends)[recipe.warm_up :] for ends in pairwise(panel.offsets)])
    np.testing.assert_array_equal(derived.times, panel.times[kept])
    np.testing.assert_array_equal(derived.labels, panel.labels[kept])
    for entries in (state, memory):
        assert all(len(entry.offsets) == panel.n_assets + 1 for entry in entries.values())
    assert all(name.startswith("recipe_") for name in state)


@EACH
def test_what_passes_through_is_untouched(recipe):
    panel = readings()
    _, derived, _ = recipe.fit_panel(panel)
    kept = np.concatenate([np.arange(*ends)[recipe.warm_up :] for ends in pairwise(panel.offsets)])
    if any(isinstance(step, Select) for step in recipe.steps):
        return
    for place, name in enumerate(derived.features):
        if name in panel.features:
            np.testing.assert_array_equal(derived.values[place], panel.values[panel.features.index(name), kept])


@EACH
def test_later_rows_see_only_what_training_learned(recipe):
    panel = readings((100, 40))
    state, _, memory = recipe.fit_panel(between(panel, (0, 0), (70, 70 - 40)))
    before = {name: entry.values.copy() for name, entry in (*state.items(), *memory.items())}
    recipe.apply_panel(state, between(panel, (70, 30), (100, 40)), memory)
    for name, entry in (*state.items(), *memory.items()):
        np.testing.assert_array_equal(entry.values, before[name])


@EACH
@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_reads_what_it_writes(recipe, suffix, tmp_path):
    recipe.write(tmp_path / f"recipe.{suffix}")
    again = Recipe.read(tmp_path / f"recipe.{suffix}")
    assert again == recipe
    assert hash(again) == hash(recipe)
    plain = recipe.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert Recipe.of_dict(plain) == recipe
    assert plain["format_version"] == 1


@EACH
def test_few_rows_and_columns_without_values(recipe):
    if recipe.supervised:
        return  # one row has one label
    panel = readings((recipe.warm_up + 1, 0))
    panel.values[2] = np.nan
    state, derived, memory = recipe.fit_panel(panel)
    assert derived.n_rows == 1
    derived, memory = recipe.apply_panel(state, panel.take_rows(np.arange(0)), memory)
    assert derived.n_rows == 0
    assert derived.n_assets == 2


@EACH
def test_needs_an_asset_that_is_long_enough(recipe):
    if not recipe.warm_up:
        return
    rows = recipe.warm_up
    message = rf"needs {rows + 1} rows of an asset .* asset 'asset 1' has {rows} rows?, and none has more"
    with pytest.raises(EmptyDataError, match=message):
        recipe.fit_panel(readings((0, rows)))


@EACH
def test_the_face_is_the_panel_s(recipe):
    panel = readings((150,))
    X, times = panel.values.T, panel.times.astype("datetime64[ns]")
    frame = recipe.fit(pl.DataFrame(X, schema=panel.features), panel.labels, times=times).transform(
        pl.DataFrame(X, schema=panel.features), times=times
    )
    _, derived, _ = recipe.fit_panel(panel)
    assert frame.columns == list(derived.features)
    np.testing.assert_array_equal(frame.to_numpy().T, derived.values)


@pytest.mark.parametrize("name", step_catalog())
def test_steps_are_public_documented_and_told(name):
    make = step_catalog()[name]
    assert getattr(tocsin.features, make.__name__) is make
    assert make.__name__ in tocsin.features.__all__
    for heading in ("Parameters", "Notes", "Examples", ">>> "):
        assert heading in make.__doc__
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    for field in dataclasses.fields(make):
        if field.name not in ("columns", "keep"):
            assert f"`{field.name}" in line, f"docs/recipes.md does not tell of {field.name}"


def test_the_example_of_the_docs_runs(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)):
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        recipe = Recipe.read(path)
        panel = readings((recipe.warm_up + 5,))
        names = ("RateRMS", "temp_oil", "temp_air", "power")
        _, derived, _ = recipe.fit_panel(dataclasses.replace(panel, features=names))
        assert derived.n_rows == 5
    assert number >= 0


def test_names_tell_what_was_done_and_to_which_sensor():
    recipe = Recipe([Smooth(), Window(10, ["min"]), Calendar(["weekend"])])
    assert recipe.outputs(["RateRMS"]) == (
        ("RateRMS, smoothed, min of the last 10", "RateRMS"),
        ("weekend", None),
    )
    assert recipe.calendar
    assert not recipe.supervised
    assert Recipe([Select(top=1, by="mutual_information")]).supervised


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        (["*"], "abcd"), ("b", "b"), (["b", "a"], "ab"), (["!b"], "acd"), (["*", "!b", "!c"], "ad"),
        (["[a-c]", "!b"], "ac"), (["!"], None), (["x"], None), (["!x"], None), (["x*"], None), (["a", "!a"], None),
    ],
)  # fmt: skip
def test_columns(columns, left):
    step = Difference(columns=columns)
    if left is None:
        with pytest.raises(ColumnError, match="difference: "):
            step.resolve(list("abcd"))
    else:
        assert step.resolve(list("abcd")) == list(left)


def test_a_name_that_reads_like_a_pattern_is_a_name_first():
    assert Difference(columns=["temp [C]"]).resolve(["temp [C]", "temp C"]) == ["temp [C]"]
    assert Difference(columns=["!odd"]).resolve(["!odd", "odd"]) == ["!odd"]


WRONG = [
    (lambda: Window(0), r"window: size must be a whole number from 1 to 1,000,000, not 0"),
    (lambda: Window(True), r"window: size .* not True"),
    (lambda: Window(2.5), r"window: size .* not 2.5"),
    (lambda: Window(math.inf), r"window: size .* not inf"),
    (lambda: Window(3, ["mena"]), r"window: no statistic 'mena'; did you mean 'mean'\?"),
    (lambda: Window(3, ["q1.5"]), r"window: no statistic 'q1.5'"),
    (lambda: Window(3, []), r"window: statistics is empty"),
    (lambda: Window(3, "mean"), r"window: statistics must be a list, not 'mean'"),
    (lambda: Window(3, ["min", "min"]), r"window: statistics names 'min' twice"),
    (lambda: Window(1, ["std"]), r"window: std needs a size of at least 2, not 1"),
    (lambda: Window(columns=[]), r"window: columns is empty"),
    (lambda: Window(columns=[3]), r"window: columns must be names, not 3"),
    (lambda: Window(keep="yes"), r"window: keep must be true or false, not 'yes'"),
    (lambda: Lags([0]), r"lags: lags must be whole numbers from 1 to 1,000,000, not 0"),
    (lambda: Lags(3), r"lags: lags must be a list, not 3"),
    (lambda: Subsequence(1), r"subsequence: length must be a whole number from 2"),
    (lambda: Subsequence(4, 1), r"subsequence: normalise must be true or false, not 1"),
    (lambda: Smooth("kaizer"), r"smooth: method must be one of kaiser, ewma, savitzky-golay, not 'kaizer'"),
    (lambda: Smooth("ewma", size=4), r"smooth: ewma has no size; it takes alpha"),
    (lambda: Smooth("ewma", alpha=math.nan), r"smooth: alpha must be a number above 0 and at most 1, not nan"),
    (lambda: Smooth("ewma", alpha=0), r"smooth: alpha must be"),
    (lambda: Smooth(beta=math.inf), r"smooth: beta must be a number from 0 to 500, not inf"),
    (lambda: Smooth("savitzky-golay", size=3, degree=3), r"smooth: degree must be a whole number from 0 to 2, not 3"),
    (lambda: Difference(0), r"difference: lag must be"),
    (lambda: Log(0), r"log: floor must be a number above 0 and at most 1, not 0"),
    (lambda: Standardise("no"), r"standardise: robust must be true or false"),
    (lambda: Calendar(["hours"]), r"calendar: no part 'hours'; did you mean 'hour'\?"),
    (lambda: Calendar(time_zone="Mars"), r"calendar: no time zone 'Mars'; give one such as"),
    (lambda: Bands(3), r"bands: size must be a whole number from 4"),
    (lambda: Bands(8, [(0.1, 0.6)]), r"bands: a band must rise within 0 and 0.5 cycles a row, not \[0.1, 0.6\]"),
    (lambda: Bands(8, [(0.3, 0.1)]), r"bands: a band must rise"),
    (lambda: Bands(8, [(0.1, math.inf)]), r"bands: a band must be two numbers"),
    (lambda: Bands(8, [0.1, 0.2]), r"bands: a band must be two numbers, such as \[0.1, 0.5\], not 0.1"),
    (lambda: Bands(8, [(0.01, 0.02)]), r"bands: band \[0.01, 0.02\] holds no frequency of 8 rows"),
    (lambda: Select(correlation=1.5), r"select: correlation must be a number above 0 and at most 1, not 1.5"),
    (lambda: Select(top=0), r"select: top must be"),
    (lambda: Select(by="luck"), r"select: by must be one of variance, mutual_information, not 'luck'"),
    (lambda: Recipe([]), r"a recipe needs at least one step"),
    (lambda: Recipe([Window]), r"step 1 is no step but"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=range(len(WRONG)))
def test_parameters_that_make_no_sense(make, message):
    with pytest.raises(ParameterError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)


PLAIN = [
    ({"format_version": 2, "steps": []}, r"format version 2, and this Tocsin reads up to 1; install a newer Tocsin"),
    ({"format_version": "1", "steps": []}, r"format_version must be 1, not '1'"),
    ({"steps": {}}, r"a recipe is a table with format_version and steps"),
    (["window"], r"a recipe is a table"),
    ({"steps": ["window"]}, r"step 1 of the recipe has no name"),
    (
        {"steps": [{"step": "lags"}, {"step": "windwo"}]},
        r"step 2 of the recipe: no step 'windwo'; did you mean 'window'",
    ),
    (
        {"steps": [{"step": "window", "sise": 3}]},
        r"step 1 of the recipe: window has no parameter 'sise'; did you mean 's",
    ),
    ({"steps": [{"step": "window", "size": "3"}]}, r"step 1 of the recipe: window: size must be a whole number"),
    ({"steps": [{"step": "window"}], "stpes": 1}, r"a recipe has no 'stpes'; did you mean 'steps'\?"),
]


@pytest.mark.parametrize(("plain", "message"), PLAIN, ids=range(len(PLAIN)))
def test_recipes_that_make_no_sense(plain, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        Recipe.of_dict(plain)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(ParameterError, match=re.escape(str(path))) as raised:
        Recipe.read(path)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Recipe.read(tmp_path / "none.toml")
    with pytest.raises(ParameterError, match=r"a recipe is a \.toml or \.json file, not 'recipe.yaml'"):
        Recipe.read(tmp_path / "recipe.yaml")
    for name, text, message in (
        ("a.toml", "steps = [", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("b.toml", b"\xff\xfe", "it is no text"),
    ):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=message):
            Recipe.read(tmp_path / name)
    with pytest.raises(OutputError, match="cannot be written"):
        Recipe([Window()]).write(tmp_path / "no folder" / "recipe.toml")


def test_odd_column_names_survive_toml(tmp_path):
    recipe = Recipe([Difference(columns=['quo"te', "back\\slash", "line\nbreak", "déjà vu \x7f 温度"])])
    recipe.write(tmp_path / "recipe.toml")
    assert Recipe.read(tmp_path / "recipe.toml") == recipe


def test_columns_that_cannot_be_used():
    panel = readings()
    with pytest.raises(
        ColumnError, match=r"step 1 of the recipe: window: no column is called 'e'; there are: a, b, c, d"
    ):
        Recipe([Window(columns=["e"])]).outputs(panel.features)
    with pytest.raises(ColumnError, match="no column is called 'RateRMs'; did you mean 'RateRMS'"):
        Recipe([Window(columns=["RateRMs"])]).outputs(["RateRMS"])
    with pytest.raises(ColumnError, match=r"step 2 .*: no column is called 'a'; there are: a, change in 1 row"):
        Recipe([Difference(), Window(columns=["a"])]).fit_panel(panel)
    with pytest.raises(ColumnError, match="step 2 of the recipe, lags, makes a second feature 'a, 1 before'"):
        Recipe([Lags([1]), Lags([1, 2], columns=["a"])]).outputs(["a"])
    with pytest.raises(DataError, match="calendar needs the times of the readings"):
        Recipe([Calendar()]).fit_panel(dataclasses.replace(panel, times=None))


def test_labels_that_are_needed():
    recipe, panel = Recipe([Select(top=1, by="mutual_information")]), readings()
    with pytest.raises(DataError, match="learns from labels; give them, or rank by variance"):
        recipe.fit_panel(dataclasses.replace(panel, labels=None))
    # What one asset keeps does not depend on how the others of its panel are labelled.
    state, _, _ = recipe.fit_panel(dataclasses.replace(panel, labels=np.zeros(panel.n_rows, np.int8)))
    filtered, _, _ = Recipe([Select()]).fit_panel(panel)
    np.testing.assert_array_equal(state["recipe_0_kept"].values, filtered["recipe_0_kept"].values)


def test_state_and_memory_must_be_those_of_the_panel():
    panel = readings()
    recipe = Recipe([Window(3), Standardise()])
    state, _, memory = recipe.fit_panel(panel)
    fewer = panel.take_assets(np.array([0]))
    with pytest.raises(DataError, match="the state of the recipe is not of the panel's 1 asset and columns"):
        recipe.apply_panel(state, fewer)
    with pytest.raises(DataError, match="the memory of a recipe is not of the panel's 1 asset,"):
        recipe.apply_panel(state, fewer, memory)
    with pytest.raises(DataError, match="or of another recipe"):
        Recipe([Window(3)]).apply_panel({}, panel, {})
    with pytest.raises(DataError, match="or of another recipe"):
        Recipe([Window(2)]).apply_panel({}, panel, memory)
    with pytest.raises(DataError, match="or of another recipe"):
        Recipe([Smooth("ewma", columns=["a"])]).apply_panel(
            {}, panel, Recipe([Smooth("ewma")]).apply_panel({}, panel)[1]
        )
    with pytest.raises(DataError, match="the state of the recipe"):
        recipe.apply_panel({}, panel)


def test_the_face_says_what_is_wrong():
    recipe = Recipe([Window(2)])
    with pytest.raises(NotFittedError, match=r"call fit\(X\) first"):
        recipe.transform([[1.0]])
    recipe.fit([[1.0], [2.0]])
    with pytest.raises(DataError, match="X has 2 features, but Recipe was fitted with 1"):
        recipe.transform([[1.0, 2.0]])
    with pytest.raises(ColumnError, match="X has the columns b, but Recipe was fitted with x0"):
        recipe.transform(pl.DataFrame({"b": [1.0, 2.0]}))
    with pytest.raises(DataError, match="times must be 2 datetimes"):
        Recipe([Calendar()]).fit([[1.0], [2.0]], times=["now", "then"])


def test_a_column_step_is_given_its_columns():
    assert all(issubclass(make, ColumnStep) for name, make in step_catalog().items() if name != "calendar")

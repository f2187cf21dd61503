"""A fleet at work on a stream: the same scores as in a batch, and the same models, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stream.running import SENSORS, readings
from tocsin import ECOD
from tocsin.detectors.base import Detector
from tocsin.detectors.catalog import catalog
from tocsin.detectors.forgetting import Forgetful
from tocsin.errors import ParameterError
from tocsin.features import Difference, Lags, Smooth, Standardise, Window
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet
from tocsin.stream.learning import Learning
from tocsin.stream.live import Live
from tocsin.stream.ordering import Arrivals, Ordering
from tocsin.stream.outcomes import Outcome
from tocsin.stream.roster import Roster


def fitted(detector: Detector, recipe: Recipe | None = None, assets: int = 3) -> Fleet:
    history = readings(assets, 300, seed=1).with_columns(pl.from_epoch("time", "ns"))
    return Fleet(detector, key="key", time="time", recipe=recipe).fit(history, threads=1)


class Stream:
    """Feeds readings to a fleet at work."""

    def __init__(self, fleet: Fleet, learning: Learning) -> None:
        self.live, self.ordering = Live(fleet, learning), Ordering(fleet.features, fleet.dtype)
        self.roster = Roster(fleet.models.column("key").to_pylist())
        self.live.arena.grow(len(self.roster))
        self.live.place(np.arange(len(self.roster)), fleet._fitted())
        self.told: list[Outcome] = []

    def feed(self, frame: pl.DataFrame) -> None:
        values = np.ascontiguousarray(frame.select(SENSORS).fill_null(np.nan).to_numpy().T)
        rows = Arrivals(self.roster.slots_of(frame["key"]), frame["time"].to_numpy(), values)
        released = self.ordering.arrive(rows, self.roster)
        assert released.late == 0
        self.told += self.live.absorb(released.slots, released.panel)

    def scores(self) -> pl.DataFrame:
        """Return what was said of all rows, asset by asset."""
        parts = [
            pl.DataFrame(
                {
                    "key": one.panel.keys.take(pa.array(one.panel.asset_of_row)),
                    "time": one.panel.times,
                    "score": one.scores.score,
                    "p_value": one.scores.p_value,
                    "alert": one.scores.alert,
                }
            )
            for one in self.told
        ]
        return pl.concat(parts).sort("key", "time")

    def alerts(self) -> pl.DataFrame:
        raised = [pl.from_arrow(one.alerts) for one in self.told if one.alerts is not None]
        return pl.concat(raised).sort("key", "time") if raised else pl.DataFrame()

    def models(self) -> pl.DataFrame:
        slots = np.flatnonzero(self.live.arena.numbers["known"])
        table = pl.from_arrow(self.live.models(slots, self.roster.keys(slots)).table)
        assert isinstance(table, pl.DataFrame)
        return table


def cut(frame: pl.DataFrame, places: list[int]) -> Iterator[pl.DataFrame]:
    edges = [0, *sorted(place % (frame.height + 1) for place in places), frame.height]
    for first, last in pairwise(edges):
        if last > first:
            yield frame[first:last]


RECIPES = {
    "none": None,
    "windows": Recipe([Window(5, ["mean", "max"])]),
    "smoothing, lags, differences": Recipe([Smooth("ewma"), Lags([1, 3]), Difference(), Standardise()]),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_frozen_scores_are_those_of_a_batch(recipe: Recipe | None) -> None:
    fleet = fitted(ECOD(), recipe)
    later = readings(3, 200, seed=2, begin=300)
    stream = Stream(fleet, Learning(online=False))
    for part in cut(later, list(range(0, later.height, 50))):
        stream.feed(part)
    batch = fleet.score(later.with_columns(pl.from_epoch("time", "ns")), explain=3)
    assert batch is not None
    batch = batch.sort("key", "time")
    told = stream.scores()
    assert told["score"].fill_nan(None).equals(batch["score"])
    assert told["p_value"].fill_nan(None).equals(batch["p_value"])
    raised = batch.filter("alert")
    assert raised.height
    assert stream.alerts()["explanations"].to_list() == raised["explanations"].to_list()


@settings(max_examples=15)
@given(st.lists(st.integers(0, 10**6), max_size=12), st.sampled_from(list(RECIPES)))
def test_no_cutting_changes_a_bit(places: list[int], recipe: str) -> None:
    fleet = fitted(ECOD(half_life=300.0), RECIPES[recipe])
    later = readings(5, 260, seed=3, begin=300)  # two assets have no model yet
    whole, parts = (Stream(fleet, Learning(first=100, least=32)) for _ in range(2))
    whole.feed(later)
    for part in cut(later, places):
        parts.feed(part)
    assert parts.scores().equals(whole.scores(), null_equal=True)
    assert parts.models().equals(whole.models())
    assert parts.alerts().equals(whole.alerts())
    assert whole.models().height == 5
    assert whole.models()["version"].max() > 3


@pytest.mark.parametrize("name", sorted(name for name, kind in catalog().items() if kind.incremental))
def test_every_detector_that_learns_online_does_so_on_any_cutting(name: str) -> None:
    kind = catalog()[name]
    detector = kind(period=24) if name == "stl" else kind()
    if detector.supervised or not detector.incremental:
        return
    fleet = fitted(detector)
    later = readings(3, 200, seed=4, begin=300)
    whole, parts = (Stream(fleet, Learning()) for _ in range(2))
    whole.feed(later)
    for part in cut(later, [10, 77, 200, 201, 380]):
        parts.feed(part)
    assert parts.scores().equals(whole.scores(), null_equal=True)
    assert parts.models().equals(whole.models())


FORGETFUL = sorted(name for name, kind in catalog().items() if issubclass(kind, Forgetful))


@pytest.mark.parametrize("name", FORGETFUL)
def test_a_fleet_that_forgets_does_so_on_a_stream_as_in_updates(name: str) -> None:
    block, rows = 64, 192
    later = readings(3, rows, seed=5, begin=300)
    fleet, lasting = (fitted(catalog()[name](half_life=half_life)) for half_life in (100.0, None))
    streams = [Stream(each, Learning(least=block, most=block)) for each in (fleet, lasting)]
    firsts = streams[0].live.arena.numbers["block"][:3].tolist()
    for stream in streams:
        stream.feed(later)
    learned = 0
    for key, first in zip(streams[0].roster.since(0), firsts, strict=True):
        own = later.filter(pl.col("key") == key).with_columns(pl.from_epoch("time", "ns"))
        for start, end in pairwise([0, *range(first, rows + 1, block)]):
            fleet.update(own[start:end], threads=1)
            learned += end - start
    assert [stream.live.counts.learned for stream in streams] == [learned, learned]
    updated = pl.from_arrow(fleet.models)
    assert isinstance(updated, pl.DataFrame)
    same = [column for column in updated.columns if column not in ("version", "last_time")]
    forgetful, remembering = (stream.models().select(same) for stream in streams)
    assert forgetful.equals(updated.select(same), null_equal=True)
    assert not remembering.equals(forgetful, null_equal=True)


def test_assets_of_a_kind_learn_at_different_times_and_as_often() -> None:
    rows = np.full(1000, 800)
    first = Learning().first_block(rows, np.arange(1000))
    assert first.min() == 100
    assert first.max() < 200
    assert np.bincount(first).max() <= 12  # of 1000 in 100 places
    same = Learning().first_block(rows[:7], np.arange(7))
    assert (same == first[:7]).all()


@pytest.mark.parametrize(("name", "online"), [("discord", True), ("ewma", False), ("knn", True)])
def test_detectors_that_have_no_place_are_refused(name: str, online: bool) -> None:
    with pytest.raises(ParameterError, match=r"stream|online"):
        Live(fitted(catalog()[name]()), Learning(online=online))

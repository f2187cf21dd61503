"""Models of a stream change by requests, at night and with the fleet's folder, whatever ends the stream meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.stream.adapting.changing import (
    ASSETS,
    DAY,
    EVERY,
    FROZEN,
    MIDNIGHT,
    STRICT,
    Gated,
    judged,
    learned,
    nightly,
    once,
    recent,
    state,
    table,
)
from tests.stream.running import SENSORS, Drawer, Frames, contents, run
from tocsin.fleet.fleet import Fleet
from tocsin.insights import ask
from tocsin.insights.base import Store
from tocsin.insights.catalog import open_store
from tocsin.stream.adapting import requests, versions
from tocsin.stream.adapting.context import Adapting
from tocsin.stream.adapting.history import ASSET, TIME
from tocsin.stream.adapting.requests import Request
from tocsin.stream.adapting.verdict import Trial
from tocsin.stream.learning import Learning

# Requests ------------------------------------------------------------------------------------------------------------


def test_a_confirmed_regime_is_normal_and_an_unconfirmed_fault_is_not(plant: Fleet, store: Store) -> None:
    frame = table(6, seed=2, faults={"pump 0": DAY, "pump 1": DAY})
    made: list[Request] = []

    def confirm() -> None:
        at = int(ask.alerts(store, None, "pump 0", 1)["time"].to_physical()[0])
        made.append(requests.ask(store, "confirm-normal", "pump 0", at))
        made.append(requests.ask(store, "confirm-fault", "pump 1", at))
        made.append(requests.ask(store, "confirm-normal", "pumpe 2"))

    gate = 3 * DAY * ASSETS
    run(plant, Gated(frame, {gate: once(confirm)}), store, Drawer(), budget="100/day", learning=Learning(least=32))
    said = [requests.wait(store, request, 0.0) for request in made]
    assert said[0] is not None
    assert "rows are normal from now on" in said[0]
    assert said[1] is not None
    assert "what was held back is not learned" in said[1]
    assert said[2] == "nothing has changed: there is no asset 'pumpe 2'; did you mean 'pump 2'?"
    assert requests.asked(store) == ([], [])
    assert recent(store, "pump 1") > 1.5 * recent(store, "pump 0")
    assert recent(store, "pump 0") < 1.5 * recent(store, "pump 3")
    heat = ask.drift(store, 1)
    assert heat.select("key", "why", "sensor").rows() == [("pump 1", "alerts", "heat")]


@pytest.mark.parametrize(("least", "gate"), [(32, 12), (96, 5)], ids=["held back", "in the middle of a block"])
def test_requests_leave_the_same_store_wherever_the_stream_ends(
    plant: Fleet, tmp_path: Path, least: int, gate: int
) -> None:
    frame = table(4, seed=3, faults={"pump 0": 100, "pump 1": 100})
    learning = Learning(least=least)
    for name, stops in (("straight", [None]), ("halting", [1, 8, 9, 4, 1, 1, 6, None])):
        store = open_store(str(tmp_path / name), write=True)

        def confirm(store: Store = store) -> None:
            requests.ask(store, "confirm-normal", "pump 0", MIDNIGHT + 110 * EVERY)
            requests.ask(store, "confirm-fault", "pump 1", MIDNIGHT + 110 * EVERY)

        gates = {96 * gate: once(confirm)}
        for stop in stops:
            source = Gated(frame, gates, stop_after=stop)
            run(plant, source, store, Drawer(), budget="100/day", learning=learning)
        store.close()
    assert contents(tmp_path / "halting") == contents(tmp_path / "straight")
    store = open_store(str(tmp_path / "straight"))
    confirmed, fault = (recent(store, f"pump {i}") for i in range(2))
    store.close()
    assert fault > 1.5 * confirmed


# Nights --------------------------------------------------------------------------------------------------------------


def test_new_models_take_over_or_wait_and_the_old_ones_come_back(plant: Fleet, store: Store, tmp_path: Path) -> None:
    frame = table(4, seed=4, faults={"pump 2": 3 * DAY})
    plain = tmp_path / "plain"
    run(plant, Frames(frame, [96]), plain, Drawer(), learning=FROZEN)
    asked: dict[str, Request] = {}

    def ask_for(kind: requests.Kind) -> Callable[[], bool]:
        return once(lambda: asked.setdefault(kind, requests.ask(store, kind)))

    seen: dict[str, list[float]] = {}

    def back() -> None:
        seen["promoted"] = [ask.latest(store, f"pump {i}").threshold for i in range(ASSETS)]
        asked["rollback"] = requests.ask(store, "rollback")

    gates = {
        96 * 8: judged(store),
        96 * 10: ask_for("promote"),
        96 * 14: once(back),
    }
    said: list[str] = []
    adapting = nightly(tmp_path / "s", STRICT)
    run(plant, Gated(frame, gates), store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    assert any("version 2, learned in the night, waits (outside the bounds)" in line for line in said), said
    assert requests.wait(store, asked["promote"], 0.0) == (
        "version 2 is at work; tocsin rollback brings version 1 back"
    )
    assert requests.wait(store, asked["rollback"], 0.0) == (
        "version 1 is at work again; tocsin promote brings version 2 back"
    )
    kept = versions.trials(store)[-1]
    assert kept["fate"] == "rolled back"
    assert not Trial.of_json(kept["trial"]).promoted
    other = open_store(str(plain))
    for i in range(ASSETS):
        ours, theirs = ask.latest(store, f"pump {i}"), ask.latest(other, f"pump {i}")
        assert (ours.score, ours.p_value, ours.threshold) == (theirs.score, theirs.p_value, theirs.threshold)
        assert seen["promoted"][i] != theirs.threshold
    tail = MIDNIGHT + (14 * 24 + 24) * EVERY
    ids = [ask.alerts(each, tail, most=10_000)["id"].to_list() for each in (store, other)]
    other.close()
    assert ids[0] == ids[1]
    assert len(ids[0]) > 20


def test_a_night_that_is_cut_off_is_done_again(plant: Fleet, tmp_path: Path) -> None:
    frame, kept = table(2.5, seed=5), []
    for name in ("straight", "halting"):
        store, place = open_store(str(tmp_path / name), write=True), tmp_path / f"{name}-"
        adapting = nightly(place, how="refit", drifting=0.9)
        if name == "halting":
            for _ in range(3):  # the last one ends as the night begins
                run(plant, Gated(frame, {}, 200, stop_after=1), store, Drawer(), learning=FROZEN, adapting=adapting)
        source = Gated(frame, {800: judged(store), 1400: judged(store, 2)}, 200)
        run(plant, source, store, Drawer(), learning=FROZEN, adapting=adapting)
        now = state(store)
        assert now.at == now.last
        assert now.past
        kept.append([{k: v for k, v in each.items() if k != "version"} for each in versions.trials(store)])
        store.close()
    for one, two in zip(*kept, strict=True):
        one["trial"], two["trial"] = (Trial.of_json(each["trial"]) for each in (one, two))
        assert one == two
    assert [each["fate"] for each in kept[0]] == ["promoted", "waits"]
    assert kept[0][0]["learned"] > DAY * ASSETS


def test_the_history_is_whole_and_nothing_is_in_it_twice(plant: Fleet, tmp_path: Path) -> None:
    frame = table(1.5, seed=6)
    store = open_store(str(tmp_path / "store"), write=True)
    for stop in (1, 3, 1, 1, 2, 5, None):
        run(
            plant, Frames(frame, [52], stop_after=stop), store, Drawer(), learning=FROZEN,
            adapting=nightly(tmp_path / "store"),
        )  # fmt: skip
    run(plant, Frames(frame, [52]), store, Drawer(), learning=FROZEN, adapting=nightly(tmp_path / "store"))
    store.close()
    files = sorted((tmp_path / "store-history").iterdir())
    found = pl.concat(pl.read_parquet(file) for file in files)
    assert len(files) > 3
    known = found.select(pl.col(ASSET), pl.col(TIME).to_physical(), *SENSORS).rows()
    assert known == frame.rows()[: len(known)]
    numbers = [[int(part) for part in file.stem.split("-")] for file in files]
    assert [first for first, _ in numbers[1:]] == [last + 1 for _, last in numbers[:-1]]


def test_a_fleet_that_is_replaced_takes_over(tmp_path: Path) -> None:
    fleet, frame, said = learned(tmp_path / "pumps"), table(2, seed=7), list[str]()
    store = open_store(str(tmp_path / "store"), write=True)
    gates = {
        96 * 3: once(lambda: learned(tmp_path / "pumps", sensors=SENSORS[:2])),
        96 * 6: once(lambda: learned(tmp_path / "pumps", seed=8)),
    }
    adapting = Adapting(beside=tmp_path / "store", fleet=tmp_path / "pumps")
    run(fleet, Gated(frame, gates), store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    assert "other features" in said[0]
    assert said[1:] == [f"{tmp_path / 'pumps'} was replaced: its models are at work, as version 2"]
    new = dict(
        zip(Fleet.load(tmp_path / "pumps").keys, Fleet.load(tmp_path / "pumps").models["threshold"], strict=True)
    )
    assert ask.latest(store, "pump 1").threshold == new["pump 1"].as_py()
    requests.ask(store, "rollback")
    run(Fleet.load(tmp_path / "pumps"), Frames(frame, [96]), store, Drawer(), learning=FROZEN, adapting=adapting)
    assert state(store).at == 1
    store.close()

"""Faults that last, regimes that are confirmed, drift that brings a night, and a store that is away in one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from tests.services import redis
from tests.stream.adapting.changing import (
    ASSETS,
    DAY,
    EVERY,
    FROZEN,
    MIDNIGHT,
    PATIENCE,
    STRICT,
    Gated,
    judged,
    nightly,
    once,
    state,
    table,
)  # fmt: skip
from tests.stream.running import Drawer, Frames, run, runner_of
from tocsin.detectors.base import Detector
from tocsin.features.recipe import Recipe
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.fleet.pipeline import Pipeline
from tocsin.insights import ask
from tocsin.insights.base import Span, Store
from tocsin.insights.catalog import open_store
from tocsin.insights.records import DRIFT, DRIFT_NAMES
from tocsin.panel import Panel
from tocsin.stream.adapting import night, nights, requests, versions
from tocsin.stream.adapting.nightly import Challenger
from tocsin.stream.adapting.verdict import Bounds, Trial
from tocsin.stream.learning import Learning
from tocsin.stream.outbox import Outbox

SOON = 12
"""How many rows, here of two hours, are looked at together."""


def shifted(frame: pl.DataFrame, size: float, keys: list[str], row: int = 0) -> pl.DataFrame:
    """Let heat of some pumps be higher from a row on."""
    start = frame["time"].min() + row * EVERY  # type: ignore[operator]
    hot = pl.col("key").is_in(keys) & (pl.col("time") >= start)
    return frame.with_columns(heat=pl.when(hot).then(pl.col("heat") + size).otherwise("heat"))


def alerts(store: Store, key: str, first: int, stop: int) -> int:
    """Return how many of an asset's rows from one to another were alerts."""
    found = ask.alerts(store, MIDNIGHT + first * EVERY, key, 100_000)
    return found.filter(pl.col("time").to_physical() < MIDNIGHT + stop * EVERY).height


def test_a_fault_does_not_become_normal_and_a_confirmed_regime_does(plant: Fleet, store: Store, tmp_path: Path) -> None:
    """Both are higher by six deviations, for five days; one of them is confirmed after a day."""
    frame, confirmed = shifted(table(6, seed=21), 6.0, ["pump 0", "pump 1"], DAY), 2 * DAY
    asked: list[requests.Request] = []

    def confirm() -> None:
        asked.append(requests.ask(store, "confirm-normal", "pump 1"))

    frozen = open_store(str(tmp_path / "frozen"), write=True)
    run(plant, Frames(frame, [frame.height]), frozen, Drawer(), learning=FROZEN)
    source = Gated(frame, {confirmed * ASSETS: once(confirm)}, frame.height)
    run(plant, source, store, Drawer(), learning=Learning(least=32, most=32))
    assert requests.wait(store, asked[0], 0.0) == "pump 1: its last 141 rows are normal from now on"
    for day in range(1, 6):
        seen, found = (alerts(each, "pump 0", day * DAY, (day + 1) * DAY) for each in (frozen, store))
        assert found >= 0.95 * seen > 50, "a fault that lasts is one on each of its days"
    frozen.close()
    regime = [alerts(store, "pump 1", first, first + SOON) for first in range(0, 6 * DAY, SOON)]
    before, since = regime[DAY // SOON : confirmed // SOON], regime[confirmed // SOON :]
    assert min(before) >= 2
    assert max(since) <= 2, "it is normal from the row on that comes next"
    assert sum(since) <= 0.02 * 4 * DAY


@pytest.mark.parametrize("rows", [8, 36])
def test_a_regime_is_confirmed_before_its_block_is_whole(plant: Fleet, store: Store, rows: int) -> None:
    """A reading every ten minutes, of which a block takes more than a day; both are higher from its middle on."""
    frame, change = shifted(table(5, seed=26), 6.0, ["pump 0", "pump 1"], 90), 90
    asked: list[requests.Request] = []

    def confirm() -> None:
        asked.extend(requests.ask(store, "confirm-normal", f"pump {i}") for i in (1, 3))

    learning = Learning(least=180)
    run(plant, Gated(frame, {(change + rows) * ASSETS: once(confirm)}, 96), store, Drawer(), learning=learning)
    said = [requests.wait(store, request, 0.0) for request in asked]
    assert said[0] in [f"pump 1: its last {rows - late:,} rows are normal from now on" for late in range(3)]
    assert said[1] is not None
    assert said[1].startswith("pump 3: nothing of it is held back, and chance explains its alerts")
    assert alerts(store, "pump 1", change, change + rows) >= rows / 3
    since = change + rows
    regime = [alerts(store, "pump 1", first, first + SOON) for first in range(since, 5 * DAY - SOON, SOON)]
    assert max(regime) <= 2, "it is normal from the row on that comes next"
    assert sum(regime) <= 0.02 * (5 * DAY - since)
    fault = [alerts(store, "pump 0", first, first + SOON) for first in range(since, 5 * DAY - SOON, SOON)]
    assert sum(fault[-12:]) >= 0.8 * sum(fault[:12]) > 40, "what nobody has confirmed stays a fault"


def held(store: Store, quarters: int = 1) -> Any:
    """Return whether drift has been measured after so many quarters of a day."""

    def measured() -> bool:
        now = versions.Versions.load(store)
        until = MIDNIGHT + quarters * nights.MEASURED
        return now is not None and (now.measured or 0) >= until and now.measuring is None

    return measured


@pytest.mark.parametrize("drifts", [True, False])
def test_drift_brings_a_night_before_its_hour(plant: Fleet, store: Store, tmp_path: Path, drifts: bool) -> None:
    frame, said = table(0.45, seed=22), list[str]()
    if drifts:
        frame = shifted(frame, 1.5, ["pump 0", "pump 3"])
    gates = {45 * ASSETS: held(store)} | ({50 * ASSETS: judged(store)} if drifts else {})
    adapting = nightly(tmp_path / "store", drifting=0.3)
    run(plant, Gated(frame, gates, 40), store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    told = [line for line in said if "have drifted" in line]
    found = versions.trials(store)
    far = ask.drift(store, ASSETS).filter(pl.col("why") == "drift")
    assert state(store).due is None
    if drifts:
        assert told == ["50 % of the assets have drifted: models are learned anew now"]
        assert [each["made"] for each in found] == [MIDNIGHT + 2 * EVERY + nights.MEASURED]
        assert sorted(far["key"]) == ["pump 0", "pump 3"]
        assert set(far["sensor"]) == {"heat"}
    else:
        assert (told, found, far.height) == ([], [], 0)


def test_a_regime_is_confirmed_between_two_nights(plant: Fleet, store: Store, tmp_path: Path) -> None:
    """Two pumps are higher from row 30 on; one of them is confirmed after six hours, and is normal before midnight."""
    change, confirmed, said = 30, 66, list[str]()
    frame = shifted(table(1.3, seed=29), 6.0, ["pump 0", "pump 1"], change)

    def confirm() -> None:
        last = ask.alerts(store, None, "pump 1", 1)["time"].to_physical()[0]
        requests.ask(store, "confirm-normal", "pump 1", int(last))

    def over() -> bool:
        return state(store).adopting is None

    gates = {confirmed * ASSETS: once(confirm), (confirmed + 1) * ASSETS: over}
    adapting, until = nightly(tmp_path / "store"), DAY * ASSETS
    run(plant, Gated(frame[:until], gates), store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    now = state(store)
    assert (now.at, now.past, now.confirmed) == (2, [1], {})
    assert "version 2, confirmed as normal: pump 1, is at work" in said
    seen = {key: alerts(store, key, confirmed + 1, DAY) for key in ("pump 0", "pump 1", "pump 3")}
    assert seen["pump 0"] > 25, "what nobody has confirmed stays a fault"
    assert seen["pump 1"] <= 3
    assert alerts(store, "pump 1", change, confirmed) > 12
    (kept,) = versions.trials(store)
    assert (kept["fate"], kept["why"], kept["trial"]) == ("promoted", "confirmed as normal: pump 1", None)
    assert confirmed - change - 3 <= kept["learned"] <= confirmed - change
    requests.ask(store, "rollback")
    requests.ask(store, "promote")
    source = Gated(frame, {}, 96)
    run(plant, source, store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    assert "asked to rollback: version 1 is at work again; tocsin promote brings version 2 back" in said
    assert "asked to promote: version 2 is at work; tocsin rollback brings version 1 back" in said
    night = versions.trials(store)[0]
    assert night["made"] == MIDNIGHT + DAY * EVERY
    assert night["learned"] + night["held"] == 4 * DAY - confirmed, "what was confirmed is not learned twice"


def test_drift_that_lasts_brings_another_night_when_something_has_changed(
    plant: Fleet, store: Store, tmp_path: Path
) -> None:
    """Half of the pumps have drifted in each quarter of a day; after the second one, new models are promoted."""
    frame, said = shifted(table(0.9, seed=27), 1.5, ["pump 0", "pump 3"]), list[str]()
    seen: list[list[str]] = []

    def promote() -> None:
        seen.append([line for line in said if "have drifted" in line])
        requests.ask(store, "promote")

    gates = {45: held(store), 50: judged(store), 81: held(store, 2), 84: once(promote), 117: held(store, 3)}
    source = Gated(frame, {row * ASSETS: gate for row, gate in gates.items()}, 40)
    adapting = nightly(tmp_path / "store", STRICT, drifting=0.3)
    run(plant, source, store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    assert [len(each) for each in seen] == [1], "drift has lasted, and the first night's models wait"
    assert [each["made"] for each in versions.trials(store)] == [
        MIDNIGHT + 2 * EVERY + quarters * nights.MEASURED for quarters in (3, 1)
    ]
    assert (state(store).at, state(store).waiting) == (2, 3)


def test_a_night_that_is_due_is_done_when_the_source_ends(plant: Fleet, store: Store, tmp_path: Path) -> None:
    said, frame = list[str](), table(0.3, seed=28, begin=DAY - 36)
    adapting = nightly(tmp_path / "store")
    run(plant, Frames(frame, [frame.height]), store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    (kept,) = versions.trials(store)
    assert (kept["fate"], kept["made"]) == ("promoted", MIDNIGHT + DAY * EVERY)
    assert (state(store).at, state(store).due, state(store).measuring) == (2, None, None)
    assert "the source has ended; models are learned for the night of 2023-11-16 00:00" in said
    assert "version 2, learned in the night, is at work" in said


def test_a_night_after_the_source_has_ended_leaves_at_once_when_it_is_told_to(
    plant: Fleet, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, stopped, frame = Event(), list[float](), table(0.3, seed=28, begin=DAY - 36)
    monkeypatch.setattr(night, "integrate", lambda *given, **more: over.wait(PATIENCE))
    outbox = Outbox(store, [], print)

    def say(line: str) -> None:
        if line.startswith("the source has ended; models are learned"):
            stopped.append(time.monotonic())
            runner.stop()

    adapting = nightly(tmp_path / "store")
    source = Frames(frame, [frame.height])
    runner = runner_of(plant, source, store, outbox, say=say, learning=FROZEN, adapting=adapting)
    runner.run()
    assert time.monotonic() - stopped[0] < 2.0
    over.set()
    assert (versions.trials(store), state(store).at) == ([], 1)
    assert state(store).due is not None, "it is done at the next start"


def blind(
    detector: Detector, recipe: Recipe | None, champion: ModelTable, panels: Iterable[Panel], stamp: pa.DataType,
    **more: Any,
) -> Challenger:  # fmt: skip
    """Learn whatever came."""
    rows = 0
    for panel in panels:
        learned = Pipeline(detector, recipe).update(champion.take(champion.index_of(panel.keys)), panel, stamp).models
        assert learned is not None
        champion, rows = champion.replaced(learned), rows + panel.n_rows
    return Challenger(champion, rows, 0, {}, {})


def test_models_that_have_learned_a_fault_wait(
    plant: Fleet, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "integrate", blind)
    frame, said = shifted(table(0.8, seed=23, begin=DAY // 3), 6.0, ["pump 2"], 24), list[str]()
    until = (DAY - DAY // 3 + 6) * ASSETS
    source = Gated(frame, {until: judged(store)}, until)
    adapting = nightly(tmp_path / "store", Bounds())
    run(plant, source, store, Drawer(), say=said.append, learning=FROZEN, adapting=adapting)
    (kept,) = versions.trials(store)
    trial = Trial.of_json(kept["trial"])
    assert kept["fate"] == "waits"
    assert not trial.promoted
    assert "of the alerts are in alarms that would vanish" in trial.reasons[0]
    assert [(alarm.what, alarm.asset, alarm.cause) for alarm in trial.alarms][:1] == [("vanished", "pump 2", "heat")]
    assert any("version 2, learned in the night, waits (outside the bounds)" in line for line in said)
    assert (state(store).at, state(store).waiting) == (1, 2)
    assert alerts(store, "pump 2", DAY + 6, 2 * DAY) >= 5, "the fault goes on"


@pytest.mark.parametrize("cause", ["file", "bug"])
def test_a_night_that_fails_costs_only_itself(
    plant: Fleet, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """Because a file of past readings is damaged, or for a mistake of ours."""
    folder, said, drawer = tmp_path / "store-history", list[str](), Drawer()

    def damage() -> bool:
        files = sorted(folder.glob("*.parquet"))
        if len(files) < 3:
            return False
        files[1].write_bytes(b"PAR1 and no more")
        return True

    def fail(*given: Any, **more: Any) -> None:
        raise ValueError("no\nnumber")

    frame = shifted(table(0.4, seed=25, begin=DAY - 36), 8.0, ["pump 1"], 46)
    gates: dict[int, Any] = {44 * ASSETS: judged(store)}
    if cause == "file":
        gates[20 * ASSETS] = damage
    else:
        monkeypatch.setattr(night, "integrate", fail)
    adapting = nightly(tmp_path / "store")
    run(plant, Gated(frame, gates, 40), store, drawer, say=said.append, learning=FROZEN, adapting=adapting)
    (kept,) = versions.trials(store)
    why = {"file": f"cannot read {folder}/0", "bug": "this is a bug in Tocsin, please report it: ValueError: no number"}
    assert (kept["fate"], kept["trial"]) == ("failed", None)
    assert kept["why"].startswith(why[cause])
    assert f"nothing was learned in the night: {kept['why']}" in said
    assert (state(store).at, state(store).waiting, state(store).due) == (1, None, None)
    assert alerts(store, "pump 1", DAY + 10, 2 * DAY) >= 3, "the stream goes on"


def evening(fleet: Fleet, store: Store, beside: Path, drawer: Drawer, **more: Any) -> list[Any]:
    """Run a stream over midnight; return what must not depend on the store.

    Drift is measured when there is time for it, which may be after the stream's end.
    """
    gates = {44 * ASSETS: judged(store), **more.pop("gates", {})}
    source = Gated(table(0.4, seed=24, begin=DAY - 36), gates, 40)
    run(fleet, source, store, drawer, learning=FROZEN, adapting=nightly(beside), **more)
    (trial,) = versions.trials(store)
    kept = {key: value for key, value in store.scan(Span.of_prefix(b"i/")) if not key.startswith((DRIFT, DRIFT_NAMES))}
    return [trial["fate"], trial["learned"], trial["held"], state(store).at, kept]


def test_a_server_that_goes_away_in_the_evening_costs_no_night(
    plant: Fleet, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is a server, which dies before midnight and comes back when the stream has said that it waits."""
    monkeypatch.setattr(nights, "RETRY", 0.1)
    there, drawers = evening(plant, store, tmp_path / "store", own := Drawer()), [own, Drawer()]
    settings, port, said = ("--appendonly", "yes", "--appendfsync", "always"), redis.free_port(), list[str]()
    with ExitStack() as stack:
        server = stack.enter_context(redis.running(tmp_path, *settings, port=port))

        def die() -> None:
            server.process.kill()
            server.process.wait()

        def say(line: str) -> None:
            said.append(line)
            if "does not answer" in line and line.endswith("waiting") and len(said) == 1:
                stack.enter_context(redis.running(tmp_path, *settings, port=port))

        away = stack.enter_context(closing(open_store(f"redis://127.0.0.1:{port}/0?lease=1s", write=True)))
        more = {"gates": {34 * ASSETS: once(die)}, "say": say}
        found = evening(plant, away, tmp_path / "away", drawers[1], **more)
    assert found == there
    assert found[0] == "promoted"
    assert sorted(drawers[0].ids) == sorted(drawers[1].ids)
    assert "the store is back; going on" in said

"""Who is held on how much, with a clock that the tests turn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.errors import ParameterError
from tocsin.evaluate.competition import heats
from tocsin.evaluate.competition.contestants import Contestant
from tocsin.evaluate.competition.heats import Clock, Heats, warm_up
from tocsin.evaluate.competition.trials import OUTCOMES, Trial

WORTH = {"mad": 0.9, "pca": 0.8, "ecod": 0.7, "zscore": 0.6, "hbos": 0.5, "knn": 0.4}
ALL = [Contestant(name, {}) for name in WORTH]


class Watch:
    """A clock that stands still unless a trial takes its time: some seconds for an asset and round."""

    def __init__(self, monkeypatch, seconds=1.0, **own):
        self.now, self.seconds, self.own, self.log = 0.0, seconds, own, []
        monkeypatch.setattr(heats.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(heats, "hold", self.hold)

    def hold(self, contestant, arena, turns, threads):
        assets, rounds = arena
        self.now += self.own.get(contestant.detector, self.seconds) * assets * rounds
        self.log.append((contestant.detector, assets, rounds))
        rows = [
            {"asset": asset, "round": 0, "fault": asset, "kind": "shift", "value": WORTH[contestant.detector]}
            for asset in range(assets)
        ]
        return Trial(pl.DataFrame(rows, schema=OUTCOMES))

    def run(self, whole, budget):
        return Heats(lambda *size: size, whole, Clock(budget), None, None).run(ALL)


def test_without_a_budget_all_are_held_on_all(monkeypatch):
    watch = Watch(monkeypatch)
    held = watch.run((50, 3), None)
    assert watch.log == [(name, 50, 3) for name in WORTH]
    assert {each.heat for each in held} == {0}


def test_the_better_third_goes_on_to_three_times_the_assets(monkeypatch):
    watch = Watch(monkeypatch)
    held = watch.run((30, 3), 150.0)
    assert watch.log[:6] == [(name, 6, 1) for name in WORTH]
    assert watch.log[6:] == [("mad", 18, 1), ("pca", 18, 1), ("mad", 30, 1), ("pca", 30, 1)]
    assert {each.contestant.detector: each.heat for each in held if each.heat} == {"mad": 2, "pca": 2}
    assert watch.now < 150.0


def test_all_go_on_where_time_is_ample(monkeypatch):
    watch = Watch(monkeypatch)
    held = watch.run((20, 3), 1e4)
    assert watch.log[-6:] == [(name, 20, 3) for name in WORTH]
    assert {each.heat for each in held} == {3}


def test_a_budget_is_kept_and_what_it_leaves_untried_is_told(monkeypatch):
    for budget in (7.0, 15.0, 30.0, 60.0, 120.0, 400.0):
        watch = Watch(monkeypatch)
        clock = Clock(budget)
        held = Heats(lambda *size: size, (20, 3), clock, None, None).run(ALL)
        assert watch.now <= 1.25 * budget
        assert len(held) + len(clock.untried) == 6
        assert all(f"within the budget of {budget:g} s" in why for why in clock.untried.values())


def test_who_is_too_dear_for_the_next_heat_stays_behind(monkeypatch):
    watch = Watch(monkeypatch, pca=20.0)
    held = watch.run((18, 1), 250.0)
    assert ("pca", 6, 1) in watch.log
    assert ("pca", 18, 1) not in watch.log
    assert [each.contestant.detector for each in held if each.heat == 1] == ["mad"]


def test_a_heat_that_was_not_finished_does_not_count(monkeypatch):
    watch = Watch(monkeypatch)
    slow = watch.hold

    def hold(contestant, arena, turns, threads):
        if arena[0] == 18:
            watch.now += 1_000.0
        return slow(contestant, arena, turns, threads)

    monkeypatch.setattr(heats, "hold", hold)
    held = watch.run((18, 1), 200.0)
    assert watch.log[6:] == [("mad", 18, 1)]
    assert {each.heat for each in held} == {0}


def test_those_that_compile_in_seconds_are_got_ready_first(monkeypatch):
    order = []
    monkeypatch.setattr(heats, "_run_through", lambda each, tiny: order.append(each.detector))
    ready, unable = warm_up([Contestant(name, {}) for name in ("adjustedchart", "pca", "mad", "knn")], np.dtype("f8"),
                            Clock(None), None)  # fmt: skip
    assert order[::2] == ["mad", "knn", "adjustedchart", "pca"]
    assert (len(ready), unable) == (4, {})


def test_a_budget_too_small_for_one_fit(monkeypatch):
    watch = Watch(monkeypatch, seconds=30.0)
    with pytest.raises(ParameterError, match=r"50 s is too small for one fit: .* holding mad on 6 assets took 180.0 s"):
        watch.run((20, 3), 50.0)
    clock = Clock(50.0)
    clock.ready = 40.0
    with pytest.raises(ParameterError, match=r"give some times that, or try again: 40.0 s went into reading"):
        Heats(lambda *size: size, (20, 3), clock, None, None).run(ALL)


def test_warming_up_tells_who_cannot_run_here(monkeypatch):
    def refuse(contestant, tiny):
        if contestant.detector == "pca":
            raise ParameterError('PCA needs what is not installed: pip install "tocsin[deep]"')

    monkeypatch.setattr(heats, "_run_through", refuse)
    ready, unable = warm_up(ALL, np.dtype(np.float64), Clock(None), None)
    assert {each.detector for each in ready} == set(WORTH) - {"pca"}
    assert "tocsin[deep]" in unable["pca"]

"""Who is ahead, how sure that is, and who wins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.evaluate.competition.standings import stand
from tocsin.evaluate.competition.trials import OUTCOMES, Trial


def trial(values: np.ndarray, cost: float = 1.0, rounds: int = 1) -> Trial:
    """Return a trial with values of shape (n_assets, n_faults), NaN where an asset was left out."""
    rows = [
        {"asset": asset, "round": number, "fault": asset * 100 + fault, "kind": "shift", "value": value, "found": True,
         "delay": 0, "cause_rank": 1}
        for number in range(rounds)
        for (asset, fault), value in np.ndenumerate(values)
        if not np.isnan(value)
    ]  # fmt: skip
    return Trial(pl.DataFrame(rows, schema=OUTCOMES), fit_seconds=cost, fit_rows=1_000_000)


def drawn(mean: float, seed: int, assets: int = 40, faults: int = 4) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, (assets, faults)), 0.0, 1.0)


def test_means_are_over_faults_and_differences_are_paired():
    base = drawn(0.5, 1)
    found = stand([trial(base), trial(base - 0.02)], prefer="best")
    assert found.mean == pytest.approx([base.mean(), base.mean() - 0.02])
    assert found.behind == pytest.approx([0.0, 0.02])
    # Each alone is uncertain by more than the difference, which is the same on all assets.
    assert found.high[1] > found.low[0]
    assert found.behind_low[1] == pytest.approx(0.02)
    assert found.level.tolist() == [True, False]
    assert (found.drawn, found.units, found.winner) == ("assets", 40, 0)


def test_the_interval_of_a_mean_is_as_wide_as_it_should_be():
    inside = 0
    for seed in range(60):
        found = stand([trial(drawn(0.5, seed))])
        assert found.low[0] < found.mean[0] < found.high[0]
        inside += bool(found.low[0] <= 0.5 <= found.high[0])
    assert inside >= 51  # of 57 that are expected


def test_faults_of_an_asset_stand_together():
    copied = np.repeat(drawn(0.5, 1, faults=1), 6, axis=1)
    once, often = stand([trial(copied[:, :1])]), stand([trial(copied)])
    assert often.high[0] - often.low[0] == pytest.approx(once.high[0] - once.low[0])


def test_the_cheapest_wins_of_those_that_chance_could_have_put_first():
    base = drawn(0.5, 1)
    noisy = np.clip(base + np.random.default_rng(2).normal(-0.002, 0.1, base.shape), 0.0, 1.0)
    trials = [trial(base, cost=50.0), trial(noisy, cost=1.0), trial(base - 0.3, cost=0.1)]
    assert stand(trials).winner == 1
    assert stand(trials, prefer="best").winner == 0
    # Costs within a factor of two are alike, and then the better one wins.
    assert stand([trial(base, cost=1.5), trial(noisy, cost=1.0)]).winner == 0


def test_the_winner_of_many_is_worth_less_on_others_and_it_is_told():
    alike = [trial(drawn(0.5, seed, assets=12)) for seed in range(30)]
    found = stand(alike, prefer="best")
    assert found.mean[found.winner] > 0.51
    assert found.honest_low < 0.5 < found.mean[found.winner]
    assert abs(found.honest - 0.5) < found.mean[found.winner] - 0.5
    assert found.honest_low < found.honest < found.honest_high


def test_who_left_faults_out_stands_behind():
    good, bad = drawn(0.9, 1), drawn(0.4, 2)
    good[:5] = np.nan
    found = stand([trial(good), trial(bad)])
    assert found.complete.tolist() == [False, True]
    assert found.winner == 1
    assert found.behind[0] == pytest.approx(bad[5:].mean() - good[5:].mean())
    assert stand([trial(good), trial(good)]).winner in (0, 1)


def test_of_few_assets_faults_are_drawn():
    found = stand([trial(drawn(0.5, 1, assets=1, faults=20), rounds=2)])
    assert (found.drawn, found.units) == ("faults", 40)
    alone = stand([trial(np.array([[0.5]]))])
    assert (alone.units, alone.winner) == (1, 0)
    assert np.isnan([alone.low[0], alone.honest]).all()


def test_the_same_trials_stand_the_same():
    trials = [trial(drawn(0.5, seed)) for seed in range(4)]
    one, two = stand(trials), stand(trials)
    np.testing.assert_array_equal(one.low, two.low)
    assert one.honest == two.honest

"""The online decomposition: as good as can be told from the past alone, and the same however a stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import OnlineSTL, stl
from tocsin.errors import DataError, NotFittedError, ParameterError, TocsinError

PERIOD = 24
CYCLE = 3.0 * np.sin(2 * np.pi * np.arange(PERIOD) / PERIOD) + np.cos(4 * np.pi * np.arange(PERIOD) / PERIOD)


def series(cycles=20, seed=0, noise=0.5, trend=None):
    n = cycles * PERIOD
    rng = np.random.default_rng(seed)
    return np.tile(CYCLE, cycles) + rng.normal(0.0, noise, n) + (10.0 if trend is None else trend)


@given(cuts=st.lists(st.integers(0, 200), max_size=6), seed=st.integers(0, 5))
def test_any_cutting_gives_the_same_bits(cuts, seed):
    x = series(12, seed)
    x[np.random.default_rng(seed).integers(len(x), size=10)] = np.nan
    history, rest = x[:88], x[88:]
    whole = OnlineSTL(PERIOD).fit(history).update(rest)
    online, blocks = OnlineSTL(PERIOD).fit(history), []
    for block in np.split(rest, sorted(cuts)):
        blocks.append(online.update(block))
        online = OnlineSTL.from_state(online.state)
    for name in whole._fields:
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(each, name) for each in blocks]))


def test_many_series_are_each_their_own():
    many = np.stack([series(seed=seed) for seed in range(3)])
    together = OnlineSTL(PERIOD).fit(many[:, :96])
    alone = [OnlineSTL(PERIOD).fit(each[:96]) for each in many]
    block = together.update(many[:, 96:-1])
    tick = together.update(many[:, -1])
    assert tick.trend.shape == (3,)
    for index, online in enumerate(alone):
        np.testing.assert_array_equal(block.trend[index], online.update(many[index, 96:-1]).trend)
        one = online.update(many[index, -1])
        assert one.resid.shape == ()
        assert one.resid == tick.resid[index]
    np.testing.assert_array_equal(together.forecast(30)[1], alone[1].forecast(30))


def test_near_the_truth_and_near_the_batch_form():
    truth = 10.0 + np.cumsum(np.random.default_rng(1).normal(0.0, 0.03, 20 * PERIOD))
    x = series(trend=truth)
    parts = OnlineSTL(PERIOD).fit(x[:120]).update(x[120:])
    np.testing.assert_allclose(parts.trend + parts.seasonal + parts.resid, x[120:], atol=1e-12)
    assert np.sqrt(np.mean((parts.trend - truth[120:]) ** 2)) < 0.4 * 0.5
    assert np.sqrt(np.mean((parts.seasonal - np.tile(CYCLE, 15)) ** 2)) < 0.6 * 0.5
    batch = stl(x, PERIOD)
    assert np.sqrt(np.mean((parts.trend - batch.trend[120:]) ** 2)) < 0.4 * 0.5


def test_a_step_is_trend_and_not_season():
    x = series(noise=0.1)
    x[240:] += 5.0
    parts = OnlineSTL(PERIOD).fit(x[:96]).update(x[96:])
    after = slice(240 - 96 + PERIOD, None)
    assert np.abs(parts.trend[after] - 15.0).max() < 0.5
    assert np.abs(parts.seasonal[after] - np.tile(CYCLE, 9)).max() < 0.6


def test_a_spike_is_residual_and_not_season():
    x = series(noise=0.1)
    x[200] += 50.0
    parts = OnlineSTL(PERIOD).fit(x[:96]).update(x[96:])
    assert parts.resid[200 - 96] > 49.0
    assert np.abs(parts.resid[200 - 96 + 1 :]).max() < 0.8


def test_a_ramp_is_followed_with_the_lag_of_its_window():
    x = series(30, noise=0.0, trend=np.arange(30 * PERIOD) * 0.05)
    parts = OnlineSTL(PERIOD).fit(x[:240]).update(x[240:])
    lag = (x[240:] - np.tile(CYCLE, 20) - parts.trend)[-PERIOD:] / 0.05
    assert (lag < PERIOD / 3 + 1).all()


def test_missing_samples_have_trend_and_season_but_no_residual():
    x = series()
    x[150:160] = np.nan
    parts = OnlineSTL(PERIOD).fit(x[:96]).update(x[96:])
    gap = slice(150 - 96, 160 - 96)
    assert np.isnan(parts.resid[gap]).all()
    assert np.isnan(parts.resid).sum() == 10
    assert np.ptp(parts.trend[gap]) == 0.0
    np.testing.assert_allclose(parts.seasonal[gap], CYCLE[150 % PERIOD : 150 % PERIOD + 10], atol=0.8)


def test_forecast_repeats_the_cycle_at_the_level():
    x = series(noise=0.1)
    online = OnlineSTL(PERIOD).fit(x[:96])
    online.update(x[96:-30])
    ahead = online.forecast(30)
    np.testing.assert_allclose(ahead, x[-30:], atol=0.6)
    np.testing.assert_array_equal(ahead[:6], ahead[24:])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"period": 1}, "period must be .*at least 2, not 1"),
        ({"period": 2.5}, "period must be a whole number"),
        ({"period": 24, "seasonal": 0}, "seasonal must be .*at least 1, not 0"),
        ({"period": 24, "trend": True}, "trend must be a whole number"),
    ],
)
def test_windows_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        OnlineSTL(**parameters)


def test_bad_input():
    with pytest.raises(NotFittedError, match="call fit"):
        OnlineSTL(24).update([1.0])
    for history, said in [
        (np.zeros(47), "at least two periods of 24, 48 samples"),
        (np.full((2, 96), np.nan), "series 0|all values of series 0"),
        (np.where(np.arange(96) % 24 == 3, np.nan, 1.0), "misses .* a point of the cycle"),
        (np.full(96, np.inf), "infinite"),
        (np.zeros(96, complex), "real numbers"),
        (np.zeros((2, 2, 96)), "shape"),
        ([[1.0, 2.0], [3.0]], "several of the same length"),
        (np.full(96, -1.5e308), "overflow"),
    ]:
        with pytest.raises(TocsinError, match=said):
            OnlineSTL(24).fit(history)
    one, two = OnlineSTL(24).fit(series()), OnlineSTL(24).fit(np.stack([series(), series(seed=1)]))
    with pytest.raises(DataError, match=r"must have the shape \(n,\), not \(2, 3\)"):
        one.update(np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"must have the shape \(2,\) or \(2, n\), not \(3,\)"):
        two.update(np.zeros(3))
    with pytest.raises(DataError, match="not \\(\\)"):
        two.update(1.0)
    with pytest.raises(DataError, match="infinite"):
        one.update([np.inf])
    with pytest.raises(DataError, match="real numbers"):
        one.update(["a"])
    with pytest.raises(DataError, match="overflow"):
        one.update(1.5e308)
    with pytest.raises(ParameterError, match="steps"):
        one.forecast(-1)


def test_what_is_masked_is_missing():
    x = series()
    gaps = np.where(np.arange(len(x)) % 17 == 0, np.nan, x)
    masked = np.ma.masked_invalid(gaps)
    one, two = OnlineSTL(PERIOD).fit(gaps), OnlineSTL(PERIOD).fit(masked)
    np.testing.assert_array_equal(one.update(gaps).resid, two.update(masked).resid)


@pytest.mark.parametrize("change", [{"setting": [24]}, {"numbers": 1.0}, {"season": np.zeros((1, 23))}, None])
def test_refuses_what_is_no_state(change):
    state = {} if change is None else OnlineSTL(24).fit(series()).state | change
    with pytest.raises(DataError, match="not the state of an OnlineSTL"):
        OnlineSTL.from_state(state)


def test_an_empty_block_changes_nothing():
    online = OnlineSTL(24).fit(series())
    before = online.state
    assert online.update([]).trend.shape == (0,)
    for name, array in online.state.items():
        np.testing.assert_array_equal(array, before[name])

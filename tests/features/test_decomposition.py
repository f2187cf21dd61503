"""STL and MSTL as a user calls them: equal to statsmodels, alike for one series and a fleet, clear when refused."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from statsmodels.tsa.seasonal import MSTL, STL

from tocsin import mstl, stl
from tocsin.errors import DataError, EmptyDataError, ParameterError
from tocsin.features.settings import Settings
from tocsin.features.spans import is_long


def series(n, period, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.arange(n)
    return rng.normal(size=n) + 3 * np.sin(steps * 2 * np.pi / period) + 0.02 * steps


def check(ours, theirs, y):
    scale = np.abs(y).max()
    for name in ("trend", "seasonal", "resid", "weights"):
        expected = getattr(theirs, name)
        expected = expected.T.reshape(getattr(ours, name).shape)
        np.testing.assert_allclose(getattr(ours, name), expected, rtol=1e-8, atol=1e-9 * scale, err_msg=name)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"seasonal": 35, "trend": 201, "low_pass": 13},
        {"seasonal": 2_001, "trend": 1_501, "low_pass": 1_333},
        {"seasonal_deg": 0, "trend_deg": 0, "low_pass_deg": 0},
        {"seasonal_jump": 2, "trend_jump": 5, "low_pass_jump": 4},
        {"seasonal_jump": 1_000, "trend_jump": 1_000, "low_pass_jump": 1_000},
    ],
)
def test_agrees_with_statsmodels(parameters, robust):
    y = series(601, 12)
    loops = {"inner_iter": 2, "outer_iter": 2} if robust else {}
    check(stl(y, 12, robust=robust, **parameters, **loops), STL(y, 12, robust=robust, **parameters).fit(**loops), y)


@pytest.mark.parametrize("parameters", [{}, {"seasonal": 13, "trend": 41, "inner_iter": 2}, {"seasonal_deg": 0}])
def test_a_long_series_agrees_with_statsmodels(parameters):
    """Away from its ends it is filtered rather than fitted."""
    y = series(4_000, 12)
    assert is_long(Settings(12, **parameters), len(y))
    loops = {"inner_iter": parameters.get("inner_iter")}
    theirs = STL(y, 12, **{key: value for key, value in parameters.items() if key != "inner_iter"}).fit(**loops)
    check(stl(y, 12, **parameters), theirs, y)


@pytest.mark.parametrize(
    ("periods", "parameters"),
    [((12, 60), {}), ((60, 7), {"windows": (9, 21)}), (24, {}), ((8, 20, 45), {"iterate": 3})],
)
def test_mstl_agrees_with_statsmodels(periods, parameters):
    y = series(600, 12) + series(600, 60, 1)
    check(mstl(y, periods, **parameters), MSTL(y, periods=periods, **parameters).fit(), y)


def test_mstl_passes_parameters_on():
    y = series(300, 12) + series(300, 40, 1)
    ours = mstl(y, (12, 40), robust=True, trend_deg=0, inner_iter=1, outer_iter=2)
    inner = {"robust": True, "trend_deg": 0, "inner_iter": 1, "outer_iter": 2}
    check(ours, MSTL(y, periods=(12, 40), stl_kwargs=inner).fit(), y)


@pytest.mark.parametrize("number", [np.int8, np.uint8, np.int16])
def test_narrow_numbers_do_not_overflow(number):
    y = series(300, 12)
    for whole in (stl, mstl):
        with pytest.raises(ParameterError, match=r"period 100 is (longer|not less) than half the series of 150"):
            whole(y[:150], number(100))
    parameters = {"seasonal": 101, "trend": 125, "low_pass": 127, "seasonal_jump": 100, "inner_iter": 100}
    narrow = stl(y, number(100), **{name: number(value) for name, value in parameters.items()})
    np.testing.assert_array_equal(narrow.trend, stl(y, 100, **parameters).trend)
    several = mstl(y, [number(12), number(100)], windows=[number(7), number(101)], iterate=number(2))
    np.testing.assert_array_equal(several.trend, mstl(y, (12, 100), windows=(7, 101)).trend)


@pytest.mark.parametrize("robust", [False, True])
def test_a_fleet_is_its_series_one_by_one(robust):
    fleet = np.array([series(400, 24, seed) for seed in range(70)])
    fleet[3, 20:90] = np.nan
    together = stl(fleet, 24, robust=robust)
    for i in (0, 3, 69):
        alone = stl(fleet[i], 24, robust=robust)
        for name in ("trend", "seasonal", "resid", "weights"):
            np.testing.assert_array_equal(getattr(together, name)[i], getattr(alone, name))
    several = mstl(fleet[:3], (7, 24))
    assert several.seasonal.shape == (3, 2, 400)
    np.testing.assert_array_equal(several.seasonal[1], mstl(fleet[1], (7, 24)).seasonal)


def test_takes_what_holds_numbers():
    y = series(200, 12).astype(np.float32)
    expected = stl(y.astype(np.float64), 12).resid
    gap = [*y.tolist()[:50], None, *y.tolist()[51:]]
    for x in (y, y.tolist(), pl.Series(y), pd.Series(y), np.repeat(y, 2)[::2]):
        np.testing.assert_array_equal(stl(x, 12).resid, expected)
    for x in (gap, pl.Series(gap), pd.Series(gap)):
        assert np.flatnonzero(np.isnan(stl(x, 12).resid)).tolist() == [50]
    assert stl(np.arange(40), 4).trend.dtype == np.float64


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_what_is_masked_is_missing(kind):
    y = (1000 * series(200, 12)).astype(kind)
    gaps = np.where(np.isin(np.arange(200), (50, 70)), np.nan, y)
    parts = stl(np.ma.array(np.where(np.isnan(gaps), 999, y), mask=np.isnan(gaps)), 12)
    np.testing.assert_array_equal(parts.resid, stl(gaps, 12).resid)
    with pytest.raises(EmptyDataError, match="all values of x are missing"):
        stl(np.ma.masked_all(50), 7)


def test_a_constant_is_its_own_trend():
    for value in (0.0, 3.3, -1e300):
        for robust in (False, True):
            parts = stl(np.full(5_000, value), 7, robust=robust)
            np.testing.assert_allclose(parts.trend, value, rtol=1e-15)
            np.testing.assert_allclose([parts.seasonal, parts.resid], 0.0, atol=1e-15 * abs(value))
            np.testing.assert_array_equal(parts.weights, 1.0)


def test_a_missing_value_counts_for_nothing():
    """Trend and season go on through gaps, and are hardly moved by them."""
    y = series(960, 24)
    gaps = y.copy()
    gaps[np.random.default_rng(5).integers(0, 960, 60)] = np.nan
    gaps[:30] = gaps[500:540] = gaps[-5:] = np.nan
    for robust in (False, True):
        parts, whole = stl(gaps, 24, robust=robust), stl(y, 24, robust=robust)
        assert np.isfinite([parts.trend, parts.seasonal]).all()
        np.testing.assert_array_equal(np.isnan(parts.resid), np.isnan(gaps))
        np.testing.assert_array_equal(parts.weights[np.isnan(gaps)], 0.0)
        np.testing.assert_allclose(parts.trend + parts.seasonal + parts.resid, gaps, atol=1e-12)
        assert (parts.trend - whole.trend)[60:].std() < 0.4
        assert (parts.seasonal - whole.seasonal)[60:].std() < 0.6


def test_missing_values_are_as_if_never_read():
    """A clean season and trend are found through any gaps, even of a phase that is never seen."""
    steps = np.arange(600)
    season = np.tile(np.array([0.0, 2.0, 4.0, 1.0, -3.0, -4.0]), 100)
    y = 5 + 0.1 * steps + season
    gaps = y.copy()
    gaps[np.random.default_rng(0).permutation(600)[:200]] = np.nan
    parts = stl(gaps, 6)
    np.testing.assert_allclose(parts.trend + parts.seasonal, y, atol=0.05)
    unseen = y.copy()
    unseen[2::6] = np.nan
    parts = stl(unseen, 6)
    assert np.isfinite([parts.trend, parts.seasonal]).all()
    np.testing.assert_allclose(np.delete(parts.resid, np.s_[2::6]), 0.0, atol=0.3)


def test_huge_windows_and_jumps_take_no_memory():
    y = series(100, 7)
    parts = stl(y, 7, seasonal=2**31 - 1, trend=2**31 - 1, low_pass=2**31 - 1)
    theirs = STL(y, 7, seasonal=10**7 + 1, trend=10**7 + 1, low_pass=10**7 + 1).fit()
    np.testing.assert_allclose(parts.trend, theirs.trend, atol=1e-3)
    check(stl(y, 7, trend_jump=2**31 - 1), STL(y, 7, trend_jump=10**6).fit(), y)


Y = series(100, 7)

REFUSED = [
    ({"period": 1}, "period must be a whole number of at least 2, not 1"),
    ({"period": 7.0}, "period must be a whole number, not 7.0"),
    ({"period": True}, "period must be a whole number, not True"),
    ({"period": 51}, "period 51 is longer than half the series of 100 values; give at least 102 values"),
    ({"period": 2**70}, "period must be at most 2147483647"),
    ({"seasonal": 8}, "seasonal must be odd, not 8; the nearest are 7 and 9"),
    ({"seasonal": 1}, "seasonal must be an odd number of cycles of at least 3, not 1"),
    ({"seasonal": None}, "seasonal must be an odd number of cycles, not None"),
    ({"trend": 14}, "trend must be odd, not 14; the nearest are 13 and 15"),
    ({"trend": 7}, "trend must be an odd number longer than the period of at least 9, not 7"),
    ({"low_pass": 5}, "low_pass must be an odd number longer than the period of at least 9, not 5"),
    ({"low_pass": 9.5}, "low_pass must be an odd number longer than the period, not 9.5"),
    ({"trend_deg": 2}, "trend_deg must be 0 or 1, not 2"),
    ({"seasonal_deg": "1"}, "seasonal_deg must be 0 or 1, not '1'"),
    ({"low_pass_deg": -1}, "low_pass_deg must be 0 or 1, not -1"),
    ({"seasonal_jump": 0}, "seasonal_jump must be a whole number of at least 1, not 0"),
    ({"trend_jump": 1.5}, "trend_jump must be a whole number, not 1.5"),
    ({"low_pass_jump": 2**40}, "low_pass_jump must be at most"),
    ({"robust": "yes"}, "robust must be True or False, not 'yes'"),
    ({"inner_iter": 0}, "inner_iter must be a whole number of at least 1, not 0"),
    ({"outer_iter": -1}, "outer_iter must be a whole number of at least 0, not -1"),
]


@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_refuses_parameters(parameters, message):
    with pytest.raises(ParameterError, match=re.escape(message)) as caught:
        stl(Y, **{"period": 7, **parameters})
    assert "\n" not in str(caught.value)


BAD = [
    ([], EmptyDataError, "x of shape (0,) is empty"),
    (np.empty((0, 50)), EmptyDataError, "x of shape (0, 50) is empty"),
    (np.full(50, np.nan), EmptyDataError, "all values of x are missing"),
    ([[1.0] * 50, [np.nan] * 50], EmptyDataError, "all values of series 1 are missing"),
    (np.where(np.arange(50) == 9, np.inf, 1.0), DataError, "value 9 is infinite; make it NaN to take it as missing"),
    ([[1.0] * 50, [1.0] * 49 + [-np.inf]], DataError, "value 49 of series 1 is infinite"),
    (np.ones(50, complex), DataError, "x must be real numbers, but it is complex"),
    (["a"] * 50, DataError, "x must be real numbers, but it is of type"),
    ([1.0, "a", None], DataError, "x must be real numbers"),
    ([1.0, object()], DataError, "x must be real numbers, but some of it is not"),
    (np.arange(50).astype("datetime64[s]"), DataError, "x must be real numbers, but it is of type datetime64[s]"),
    (pl.DataFrame({"a": [1.0] * 50}), DataError, "x is a data frame; give one of its columns, or x.to_numpy().T"),
    (pd.DataFrame({"a": [1.0] * 50}), DataError, "x is a data frame; give one of its columns, or x.to_numpy().T"),
    ([[1.0, 2.0, 3.0], [1.0, 2.0]], DataError, "x must be one series, or several of the same length"),
    ([-1.7e308] * 25 + [1.7e308] * 25, DataError, "value 0 is -1.7e+308, and sums of such values overflow"),
    ([[1.0] * 50, [np.nan] * 49 + [-1e301]], DataError, "value 49 of series 1 is -1e+301, and sums of such values"),
    (1.0, DataError, "x must have the shape (n,), or (n_series, n) for several series, not ()"),
    (np.ones((2, 3, 4)), DataError, "not (2, 3, 4)"),
    ([1.0], ParameterError, "period 7 is longer than half the series of 1 values; give at least 14 values"),
]


@pytest.mark.parametrize(("x", "kind", "message"), BAD)
def test_refuses_data(x, kind, message):
    with pytest.raises(kind, match=re.escape(message)) as caught:
        stl(x, 7)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"periods": (7, 50)}, "period 50 is not less than half the series of 100 values; leave it out"),
        ({"periods": ()}, "there are 0 periods and 0 windows"),
        ({"periods": (7, 12), "windows": 11}, "there are 2 periods and 1 windows; give one window a period"),
        ({"periods": (7, "b")}, "period must be a whole number, not 'b'"),
        ({"periods": 7, "windows": 10}, "seasonal must be odd, not 10"),
        ({"periods": 7, "iterate": 0}, "iterate must be a whole number of at least 1, not 0"),
        ({"periods": 7, "seasonal": 7}, "mstl takes windows in place of seasonal"),
        ({"periods": 7, "foo": 3}, "mstl has no parameter 'foo'; there are: inner_iter"),
        ({"periods": 7, "window": 3}, "mstl has no parameter 'window'; did you mean 'windows'?"),
    ],
)
def test_mstl_refuses(arguments, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        mstl(Y, **arguments)

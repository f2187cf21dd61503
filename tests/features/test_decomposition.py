"""STL and MSTL as a user calls them: equal to statsmodels, alike for one series and a fleet, clear when refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from statsmodels.tsa.seasonal import MSTL, STL

from tocsin import mstl, stl


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

"""The kernels of STL agree with statsmodels for any lengths, degrees and jumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.tsa.seasonal import STL

from tocsin.kernels import stl
from tocsin.kernels.convolve import add_filtered, moving_average

odd = st.integers(0, 12).map(lambda half: 2 * half)
pair = st.sampled_from([0, 1])
jump = st.sampled_from([1, 1, 1, 2, 3, 5, 11])


@st.composite
def cases(draw):
    """Draw a short series and all parameters."""
    period = draw(st.integers(2, 9))
    n = 2 * period + draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    y = rng.normal(size=n) + 2 * np.sin(np.arange(n) * 2 * np.pi / period) + 0.03 * np.arange(n)
    if draw(st.booleans()):
        y[rng.integers(n)] += 30
    parameters = {
        "seasonal": draw(odd) + 3,
        "trend": (period + 1 | 1) + draw(odd),
        "low_pass": (period + 1 | 1) + draw(odd),
        "seasonal_deg": draw(pair),
        "trend_deg": draw(pair),
        "low_pass_deg": draw(pair),
        "seasonal_jump": draw(jump),
        "trend_jump": draw(jump),
        "low_pass_jump": draw(jump),
    }
    return y, period, parameters, draw(st.integers(1, 3)), draw(st.sampled_from([0, 0, 1, 3]))


def decompose(y, period, parameters, inner, outer, *, weighted=None):
    """Decompose one series; return trend, season, residual and weights."""
    names = ("seasonal", "trend", "low_pass")
    windows = tuple(parameters[name] for name in names)
    degrees = tuple(parameters[f"{name}_deg"] for name in names)
    jumps = tuple(parameters[f"{name}_jump"] for name in names)
    weighted = outer > 0 if weighted is None else weighted
    plan = stl.plan(len(y), period, windows, degrees, jumps, (inner, outer), len(y), weighted)
    trend, season, resid, weights = np.ones((4, 1, len(y)))
    work = stl.scratch(len(y), period, weighted)
    if weighted:
        stl.decompose_weighted(plan, y[np.newaxis], work, trend, season, resid, weights)
    else:
        stl.decompose(plan, y[np.newaxis], work, trend, season, resid)
    return trend[0], season[0], resid[0], weights[0]


@given(cases())
@settings(max_examples=40)
def test_agrees_with_statsmodels(case):
    y, period, parameters, inner, outer = case
    for before in range(outer):
        resid = STL(y, period, **parameters).fit(inner_iter=inner, outer_iter=before).resid
        # Where a fit leaves nothing but rounding, that is no measure of distance.
        assume(np.median(np.abs(resid)) > 1e-9)
    theirs, rounding = of_statsmodels(y, period, parameters, inner, outer)
    ours = decompose(y, period, parameters, inner, outer)
    for got, expected, uncertain in zip(ours, theirs, rounding, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * np.abs(y).max() + 100 * uncertain)


def of_statsmodels(y, period, parameters, inner, outer):
    """Return statsmodels' four parts, and how far each moves where the last digit of the values does.

    Each weighing may amplify the rounding of the fit before it, and no closer can two implementations be.
    """
    digits = np.random.default_rng(0).choice([-1, 0, 1], (3, len(y))) * np.spacing(y)
    fits = [STL(x, period, robust=outer > 0, **parameters).fit(inner_iter=inner, outer_iter=outer) for x in y + digits]
    fits.append(STL(y, period, robust=outer > 0, **parameters).fit(inner_iter=inner, outer_iter=outer))
    parts = np.array([(fit.trend, fit.seasonal, fit.resid, fit.weights) for fit in fits])
    return parts[-1], np.abs(parts[:-1] - parts[-1]).max(axis=(0, 2)) if outer else np.zeros(4)


def test_is_as_close_to_statsmodels_as_rounding_lets_it():
    y = np.random.default_rng(1).normal(size=300).cumsum()
    parameters = {"seasonal": 3, "trend": 45, "low_pass": 77, "trend_jump": 2, "low_pass_jump": 23, "seasonal_jump": 1}
    parameters |= {"seasonal_deg": 1, "trend_deg": 0, "low_pass_deg": 1}
    theirs, rounding = of_statsmodels(y, 24, parameters, 1, 30)
    ours = decompose(y, 24, parameters, 1, 30)
    assert rounding.max() > 1e-8
    for got, expected, uncertain in zip(ours, theirs, rounding, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=100 * uncertain)


def test_gaps_have_no_weight():
    """What a missing value would have been does not matter, and one that fits is hardly missed."""
    rng = np.random.default_rng(0)
    days = np.arange(84)
    y = 5 + 0.1 * days + 2 * np.sin(days * 2 * np.pi / 7)
    parameters = {"seasonal": 7, "trend": 13, "low_pass": 9}
    parameters |= {f"{name}_{what}": 1 for name in ("seasonal", "trend", "low_pass") for what in ("deg", "jump")}
    gaps = y.copy()
    gaps[[0, 1, 20, 21, 22, 40, 83]] = np.nan
    whole = decompose(y, 7, parameters, 5, 0)
    trend, season, resid, weights = decompose(gaps, 7, parameters, 5, 0, weighted=True)
    np.testing.assert_allclose(trend, whole[0], atol=1e-2)
    np.testing.assert_allclose(season, whole[1], atol=1e-2)
    np.testing.assert_array_equal(np.isnan(resid), np.isnan(gaps))
    np.testing.assert_array_equal(weights, ~np.isnan(gaps))
    noisy = y + rng.normal(size=84)
    np.testing.assert_allclose(
        decompose(noisy, 7, parameters, 2, 0, weighted=True)[0], decompose(noisy, 7, parameters, 2, 0)[0], atol=1e-12
    )


@pytest.mark.parametrize(("taps", "stride"), [(1, 1), (7, 3), (8, 1), (13, 2), (29, 1)])
def test_add_filtered(taps, stride):
    rng = np.random.default_rng(taps)
    weights, n = rng.normal(size=taps), 600
    x = rng.normal(size=n + (taps - 1) * stride)
    out = np.ones(n)
    add_filtered(x, weights, stride, out)
    expected = 1 + sum(weights[j] * x[j * stride : j * stride + n] for j in range(taps))
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_moving_average_forgets_huge_values():
    x = np.random.default_rng(0).normal(size=4_000)
    x[100] = 1e15
    out = np.empty(len(x) - 6)
    moving_average(x, 7, out)
    expected = np.lib.stride_tricks.sliding_window_view(x, 7).mean(1)
    np.testing.assert_allclose(out[1100:], expected[1100:], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 101, 16_384, 20_001])
def test_median(n):
    rng = np.random.default_rng(n)
    # The last has nothing but the extremes where the sample looks.
    odd = np.where(np.arange(n) % max(n // 1024, 1) == 0, 0.0, 1.0 + rng.random(n))
    for x in (rng.integers(0, 9, n).astype(float), rng.normal(size=n), np.zeros(n), odd):
        assert stl.median(x.copy()) == np.median(x)

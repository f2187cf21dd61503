"""The strongest lag is the one that TSB-AD's code finds with statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import argrelextrema
from statsmodels.tsa.stattools import acf

from tocsin.errors import DataError
from tocsin.features.correlation import strongest_lag


def slow(x: np.ndarray) -> int:
    correlation = acf(x[:20_000], nlags=400, fft=True)[3:]
    peaks = argrelextrema(correlation, np.greater)[0]
    if not len(peaks):
        return 125
    best = peaks[np.argmax(correlation[peaks])]
    return 125 if best < 3 or best > 300 else int(best) + 3


@pytest.mark.parametrize("period", [2, 5, 6, 7, 50, 303, 310, 390])
@pytest.mark.parametrize("rows", [450, 3000, 25_000])
def test_it_is_the_lag_of_the_highest_peak(period, rows):
    rng = np.random.default_rng(period)
    x = np.sin(2 * np.pi * np.arange(rows) / period) + 0.3 * rng.normal(size=rows)
    assert strongest_lag(x) == slow(x)


@pytest.mark.parametrize("rows", [420, 1000, 5000])
def test_noise_and_walks_have_a_lag_too(rows):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=rows)
        assert strongest_lag(x) == slow(x)
        assert strongest_lag(x.cumsum()) == slow(x.cumsum())


def test_series_without_a_peak_have_the_usual_width():
    assert strongest_lag(np.ones(500)) == 125
    assert strongest_lag(np.arange(500.0)) == 125
    assert strongest_lag([]) == 125
    assert strongest_lag([1.0, 2.0]) == 125


@pytest.mark.parametrize("x", [np.zeros((3, 2)), [1.0, np.nan], [np.inf, 1.0]])
def test_what_is_no_series_of_numbers_is_told(x):
    with pytest.raises(DataError, match="x must be one series of finite numbers"):
        strongest_lag(x)

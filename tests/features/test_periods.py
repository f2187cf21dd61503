"""The period is found in several shapes, in real readings, and not where there is none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from tocsin import find_period, find_periods, stl
from tocsin.errors import ParameterError

N = 1_000

SHAPES = {
    "sine": lambda phase: np.sin(2 * np.pi * phase),
    "sawtooth": lambda phase: phase,
    "pulse": lambda phase: (phase < 1 / 3).astype(float),
    "spike": lambda phase: (phase < 1e-9).astype(float),
    "two humps": lambda phase: np.sin(2 * np.pi * phase) + 0.8 * np.sin(4 * np.pi * phase + 1),
}


def wave(shape, period, noise, seed=0):
    rng = np.random.default_rng(seed)
    clean = SHAPES[shape]((np.arange(N) % period) / period)
    return clean + noise * clean.std() * rng.normal(size=N) + 0.002 * np.arange(N)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("period", [7, 12, 24, 50])
@pytest.mark.parametrize("shape", SHAPES)
def test_finds_the_period(shape, period, noise):
    assert find_period(wave(shape, period, noise)) == period


def test_finds_a_long_period_nearly():
    """Where there are few cycles, a smooth one is uncertain by a few values."""
    assert abs(find_period(wave("sine", 168, 0.3)) - 168) <= 3


def test_finds_it_beside_a_wandering_trend_gaps_and_spikes():
    rng = np.random.default_rng(1)
    x = wave("pulse", 24, 0.3) + 0.1 * np.cumsum(rng.normal(size=N))
    x[100:160] = np.nan
    x[[17, 400, 803]] = 1e6
    assert find_period(x) == 24


def test_a_fleet_has_one_period():
    fleet = np.array([wave("sine", 30, 1.5, seed) for seed in range(40)])
    assert find_period(fleet) == 30
    parts = stl(fleet)
    assert (parts.period, parts.found) == (30, True)
    assert not stl(fleet, 30).found


NOISE = {
    "white": lambda rng: rng.normal(size=N),
    "wandering": lambda rng: np.cumsum(rng.normal(size=N)),
    "autoregressive": lambda rng: lfilter([1], [1, -0.9], rng.normal(size=N)),
    "a ramp": lambda rng: np.arange(N) ** 2 + rng.normal(size=N),
    "constant": lambda _: np.full(N, 0.1),
    "short": lambda rng: rng.normal(size=7),
}


@pytest.mark.parametrize("kind", NOISE)
def test_finds_none_in_noise(kind):
    for seed in range(20):
        with pytest.raises(ParameterError, match="no period was found"):
            find_period(NOISE[kind](np.random.default_rng(seed)))


SILENT = NOISE | {
    "a moving average": lambda rng: lfilter(np.ones(10), [1], rng.normal(size=N)),
    "swinging": lambda rng: lfilter([1], [1, -2 * 0.95 * np.cos(2 * np.pi / 20), 0.95**2], rng.normal(size=N)),
    "Cauchy": lambda rng: rng.standard_cauchy(N),
}


@pytest.mark.parametrize("kind", SILENT)
def test_finds_one_in_noise_one_time_in_fifty_at_most(kind):
    """It is about one time in a hundred; ten of 300 would be the 99.9 % quantile of that."""
    found = find_periods([SILENT[kind](np.random.default_rng([5, seed])) for seed in range(300)])
    assert (found > 0).sum() < 10


@pytest.mark.parametrize("period", [7, 24, 100])
def test_finds_a_season_far_weaker_than_the_noise(period):
    """The season has a tenth of the variance of the noise, or a fifth where there are ten cycles."""
    rng = np.random.default_rng(6)
    size = np.sqrt(0.4 if period == 100 else 0.2)
    series = size * np.sin(2 * np.pi * np.arange(N) / period) + rng.normal(size=(50, N))
    found = find_periods(series)
    assert (np.abs(found - period) <= max(1, 0.02 * period)).mean() > 2 / 3


def test_finds_the_period_of_each_series_whatever_is_beside_it():
    rows = [wave("sine", 24, 1.0), wave("pulse", 50, 0.5), np.full(N, 3.0), np.full(N, np.nan), wave("sine", 7, 1.0)]
    rows.append(np.random.default_rng(7).normal(size=N))
    assert find_periods(rows).tolist() == [24, 50, 0, 0, 7, 0]
    assert [find_periods(row).item() for row in rows] == [24, 50, 0, 0, 7, 0]
    assert find_period(rows[1]) == 50


def test_several_series_show_what_none_of_them_does():
    rng = np.random.default_rng(8)
    fleet = 0.25 * np.sin(2 * np.pi * np.arange(300) / 20) + rng.normal(size=(32, 300))
    assert find_period(fleet) == 20
    assert (find_periods(fleet) == 20).mean() < 0.5


def test_a_cycle_that_is_not_regular_is_found_by_its_strength():
    """A pulse whose every beat is up to a tenth longer or shorter."""
    rng = np.random.default_rng(9)
    phase = np.cumsum(np.repeat(1 / rng.uniform(36, 44, 200), 40))
    assert abs(find_period(np.sin(2 * np.pi * phase) + 0.1 * rng.normal(size=len(phase))) - 40) <= 2


def test_two_and_a_half_cycles_are_enough_where_they_are_clear():
    assert abs(find_period(wave("sine", 400, 0.2)) - 400) <= 8


@pytest.mark.parametrize(
    ("name", "periods"),
    [
        ("realKnownCause/nyc_taxi.csv", {48, 336}),
        ("artificialWithAnomaly/art_daily_jumpsup.csv", {288}),
        ("realKnownCause/ambient_temperature_system_failure.csv", {24}),
        ("realTweets/Twitter_volume_IBM.csv", {288, 2016}),
        ("realTweets/Twitter_volume_AAPL.csv", {288, 2016}),
        ("realTweets/Twitter_volume_PFE.csv", {288, 2016}),
        ("realAWSCloudwatch/elb_request_count_8c0756.csv", {288}),
    ],
)
def test_finds_days_and_weeks_in_real_readings(need, name, periods):
    assert find_period(pl.read_csv(need(f"nab/data/{name}"))["value"]) in periods


@pytest.mark.parametrize("x", [[3.0] * 300, [1.0], [[1.0, 1.0], [2.0, 2.0]]])
def test_finds_none_in_a_constant(x):
    with pytest.raises(ParameterError, match=r"no period was found in \d+ values, which are constant; give period"):
        find_period(x)


@pytest.mark.parametrize("exponent", [-900, -600, 600, 900])
def test_the_unit_does_not_matter(exponent):
    x = np.sin(np.arange(300) * 2 * np.pi / 24) + np.random.default_rng(0).normal(size=(2, 300))
    np.testing.assert_array_equal(find_periods(np.ldexp(x, exponent)), find_periods(x))
    assert find_periods(x).max() > 0

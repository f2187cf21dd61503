"""The period is found in several shapes, in real readings, and not where there is none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from tocsin import find_period, stl
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


@pytest.mark.parametrize(
    ("name", "periods"),
    [
        ("realKnownCause/nyc_taxi.csv", {48, 336}),
        ("artificialWithAnomaly/art_daily_jumpsup.csv", {288}),
        ("realKnownCause/ambient_temperature_system_failure.csv", {24}),
        ("realTweets/Twitter_volume_IBM.csv", {288, 2016}),
    ],
)
def test_finds_days_and_weeks_in_real_readings(need, name, periods):
    assert find_period(pl.read_csv(need(f"nab/data/{name}"))["value"]) in periods


@pytest.mark.parametrize("x", [[3.0] * 300, [1.0], [[1.0, 1.0], [2.0, 2.0]]])
def test_finds_none_in_a_constant(x):
    with pytest.raises(ParameterError, match=r"no period was found in \d+ values, which are constant; give period"):
        find_period(x)

"""Any part of a made-up fleet is the same, however it is asked for, and its parts are what they say."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tocsin import synth
from tocsin.errors import ParameterError
from tocsin.synth import MadeUp, Sensor
from tocsin.synth.parts import Duty, Gaps, Level, Noise, Regimes, Season, Shared, Trend

EVERYTHING = MadeUp(
    [
        Sensor("plain", (Level(5.0, 1.0), Trend(1e-3, 1e-3), Noise(0.5), Gaps(0.5, rows=300, longest=20))),
        Sensor(
            "busy", (Season(2.0, 60), Season(1.0, 33.3, spread=1.0), Duty(3.0, 144, jitter=0.1), Shared("load", 1.0))
        ),
        Sensor("heavy", (Noise(1.0, "heavy", memory=3.0), Shared("load", -0.7, delay=5), Regimes(4.0, 200, many=3))),
        Sensor("flat", (Noise(1.0, "uniform"),), decimals=2),
    ],
    {"load": (Season(0.5, 144, spread=0.2), Noise(1.0, memory=20.0))},
    assets=7,
    rows=40_000,
    seed=11,
    faults=5,
    faulty=0.8,
)


@cache
def whole():
    """Return all values; not made on import, as workers would all compile the same kernels while they collect."""
    return EVERYTHING.values()


def one(*parts, rows=200_000, seed=0, **more):
    return MadeUp([Sensor("x", parts)], rows=rows, seed=seed, **more)


def spans(count):
    return st.tuples(st.integers(0, count), st.integers(0, count)).map(lambda pair: tuple(sorted(pair)))


@given(assets=spans(7), rows=spans(40_000), features=spans(4))
def test_any_part_is_cut_from_the_whole(assets, rows, features):
    part = EVERYTHING.values(assets, rows, features)
    cube = whole().reshape(4, 7, 40_000)[slice(*features), slice(*assets), slice(*rows)]
    np.testing.assert_array_equal(part, cube.reshape(part.shape))


def digest():
    return hashlib.sha256(np.nan_to_num(whole(), nan=-1e9).tobytes()).hexdigest()


@pytest.mark.parametrize("machine", ["this one", "generic"])
def test_the_bytes_are_the_same_on_any_machine(machine, tmp_path):
    found = digest()
    if machine == "generic":  # without vectors of its own, and without an instruction for a fused multiply-add
        settings = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
        code = f"import runpy; print(runpy.run_path({__file__!r})['digest']())"
        command = [sys.executable, "-c", code]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | settings, timeout=300
        )
        found = ran.stdout.strip()
    assert found == "c9692535c658f6035c9ad22c2a3481e8f53f43abd3ea60019653bfff10255455"


@pytest.mark.parametrize("order", ["asset", "time"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tables_are_in_order_whatever_the_threads(order, threads, monkeypatch):
    monkeypatch.setattr("tocsin.synth.made_up.CELLS", 5_000)
    done = []
    tables = list(EVERYTHING.tables(order, threads, lambda rows, total: done.append((rows, total))))
    assert len(tables) >= 7
    assert done[-1] == (280_000, 280_000)
    assert [rows for rows, _ in done] == sorted(rows for rows, _ in done)
    frame = pl.concat([pl.DataFrame(table) for table in tables])
    expected = frame.sort(["asset", "time"] if order == "asset" else ["time", "asset"])
    assert frame.equals(expected)
    by_asset = frame.sort("asset", "time").select(EVERYTHING.features).to_numpy().T
    np.testing.assert_array_equal(by_asset, whole())


def test_a_long_series_is_the_same_on_any_number_of_threads(monkeypatch):
    made = one(Noise(), Season(0.1, 200), rows=100_003)
    expected = made.values()[0]
    monkeypatch.setattr("tocsin.synth.made_up.CELLS", 7001)
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(made.series(threads), expected)
    with pytest.raises(ParameterError, match="one asset and one feature, not 7 and 4"):
        EVERYTHING.series()


def test_a_panel_has_keys_and_times():
    panel = EVERYTHING.panel((2, 4), (10, 20))
    assert panel.keys.to_pylist() == ["asset-03", "asset-04"]
    assert panel.offsets.tolist() == [0, 10, 20]
    assert np.diff(panel.times[:10]).tolist() == [600 * 10**9] * 9
    frame = EVERYTHING.frame("asset").filter(asset="asset-03")
    assert frame["time"][10].timestamp() * 1e9 == panel.times[0]


def test_level_and_trend():
    values = (
        MadeUp([Sensor("x", (Level(5.0, 2.0), Trend(1e-3, 1e-4)))], assets=400, rows=1001).values().reshape(400, -1)
    )
    assert values[:, 0].mean() == pytest.approx(5, abs=0.4)
    assert values[:, 0].std() == pytest.approx(2, rel=0.15)
    growth = (values[:, -1] - values[:, 0]) / 1000
    assert growth.mean() == pytest.approx(1e-3, rel=0.05)
    assert growth.std() == pytest.approx(1e-4, rel=0.2)


@pytest.mark.parametrize("memory", [0.5, 5.0, 400.0])
def test_noise_remembers(memory):
    x = one(Noise(2.0, memory=memory), rows=2_000_000).values()[0].astype(float)
    assert x.std() == pytest.approx(2, rel=0.1)
    for lag in (1, max(int(memory), 1), int(3 * memory) + 1):
        assert np.corrcoef(x[:-lag], x[lag:])[0, 1] == pytest.approx(np.exp(-lag / memory), abs=0.06)
    early = np.array([one(Noise(memory=memory), rows=1, seed=seed).values()[0, 0] for seed in range(500)])
    assert early.std() == pytest.approx(1, rel=0.15)  # from the first row on


def test_noise_that_remembers_goes_on_over_the_ends_of_blocks():
    made = one(Noise(memory=30.0), rows=400_000)
    x = made.values()[0].astype(float)
    new = x[1:] - np.exp(-1 / 30) * x[:-1]
    ends = np.arange(made._parts.block, 400_000, made._parts.block) - 1
    assert len(ends) > 10
    assert abs(new[ends]).max() < 5 * new.std()
    assert stats.kstest(new[ends] / new.std(), "norm").pvalue > 1e-3


def test_regimes():
    made = one(Regimes(4.0, 500, many=3))
    x = made.values()[0]
    levels, counts = np.unique(x, return_counts=True)
    assert levels.tolist() == [0, 2, 4]
    assert counts.min() > 0.2 * x.size
    assert 100 < np.count_nonzero(np.diff(x)) < 400
    assert x.var() == pytest.approx(Regimes(4.0, 500, many=3).variance, rel=0.1)


def test_duty_cycles():
    x = one(Duty(3.0, 144, start=0.25, share=0.5)).values()[0].reshape(-1)[: 144 * 1000].reshape(-1, 144)
    assert (x == np.where((np.arange(144) >= 36) & (np.arange(144) < 108), 3, 0)).all()
    loose = one(Duty(3.0, 144, start=0.25, share=0.5, jitter=0.1)).values()[0][: 144 * 1000].reshape(-1, 144)
    begins = (np.diff(loose, axis=1) > 0).argmax(1)
    assert begins.min() < 26
    assert begins.max() > 46
    assert np.ptp((loose > 0).sum(1)) <= 1


def test_gaps():
    x = one(Noise(), Gaps(0.3, rows=1000, longest=50)).values()[0]
    missing = np.isnan(x).astype(int)
    assert missing.sum() == pytest.approx(0.3 * 25.5 * 200, rel=0.3)
    assert (np.diff(missing) == 1).sum() == pytest.approx(0.3 * 200, rel=0.3)


def test_seasons_of_any_period():
    for period in (10, 200, 33.3, 5000):
        x = one(Season(2.0, period, phase=0.1)).values()[0]
        row = np.arange(x.size, dtype=np.longdouble)
        np.testing.assert_allclose(x, 2 * np.sin(2 * np.pi * ((row / period + 0.1) % 1).astype(float)), atol=1e-5)


def test_what_sensors_share_ties_them():
    sensors = [Sensor("a", (Shared("load", 0.8), Noise(0.6))), Sensor("b", (Shared("load", 0.8, delay=7), Noise(0.6)))]
    a, b = MadeUp(sensors, {"load": (Noise(memory=2.0),)}, rows=200_000).values()
    assert np.corrcoef(a[:-7], b[7:])[0, 1] == pytest.approx(0.64, abs=0.02)
    assert np.corrcoef(a, b)[0, 1] < 0.1


def test_deviation_is_that_of_the_rows():
    for sensor in EVERYTHING.sensors[1:]:
        long = MadeUp([sensor], EVERYTHING.factors, rows=500_000, assets=1)
        assert np.nanstd(long.values()) == pytest.approx(sensor.deviation, rel=0.1), sensor.name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Season(1.0, 1.0), "Season: period must be at least 2 rows, not 1"),
        (lambda: Season(float("nan"), 10), "Season: amplitude must be a finite number, not nan"),
        (lambda: Noise(-1.0), "scale must not be negative"),
        (lambda: Noise(shape="normel"), "did you mean 'normal'"),
        (lambda: Noise(memory=1e6), "memory must be below"),
        (lambda: Noise(shape="heavy", freedom=2.0), "freedom must be above 2"),
        (lambda: Regimes(1.0, 0), "rows must be at least 1"),
        (lambda: Regimes(1.0, 10, many=1), "at least 2 regimes"),
        (lambda: Duty(1.0, 144, share=0.9, jitter=0.2), "no two days overlap"),
        (lambda: Gaps(1.5), "probability must be from 0 to 1"),
        (lambda: Gaps(0.5, rows=10, longest=20), "longest must be from 1 to rows"),
        (lambda: Shared("load", 1.0, delay=-1), "delay must be"),
        (lambda: one(Shared("load", 1.0)), "no factor 'load'"),
        (lambda: MadeUp([Sensor("x", ())], {"load": (Gaps(0.1),)}), "neither a share in another nor gaps"),
        (lambda: EVERYTHING.values(rows=(5, 50_000)), "rows 5 to 50000 are not all among the 40000"),
    ],
)
def test_numbers_without_sense_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"assets": 2.5}, "assets must be a whole number, not 2.5"),
        ({"rows": "10"}, "rows must be a whole number, not '10'"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"faults": True}, "faults must be a whole number"),
        ({"clean_rows": 50.5}, "clean_rows must be a whole number"),
        ({"every": None}, "every must be a time"),
        ({"every": timedelta(days=400)}, "go beyond the year 2262"),
    ],
)
def test_what_is_no_number_is_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        next(synth.pumps(faulty=1.0, **wrong).tables())


def test_faults_are_told_of_as_long_as_there_are_years():
    made = synth.pumps(faulty=1.0, every=timedelta(days=40_000))
    with pytest.raises(ParameterError, match="go beyond the year 9999"):
        print(made.truth)


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "a"], "two sensors are called 'a'"), (["time"], "cannot be called 'time'")]
)
def test_columns_have_names_of_their_own(names, message):
    with pytest.raises(ParameterError, match=message):
        MadeUp([Sensor(name, (Noise(),)) for name in names])


def test_what_is_to_be_filled_must_fit():
    made = one(Noise(), rows=100)
    with pytest.raises(ParameterError, match=r"out must have the shape \(100,\), not \(50,\)"):
        made.series(out=np.empty(50, np.float32))
    for out in (np.empty((1, 50), np.float32), np.empty((1, 100))):
        with pytest.raises(ParameterError, match="out must be a float32 array of shape"):
            made.fill(out, (0, 1), (0, 100))


def test_four_billion_assets_cost_nothing_until_they_are_made(monkeypatch):
    monkeypatch.setattr("tocsin.synth.made_up.CELLS", 5_000)
    made = MadeUp([Sensor("x", (Noise(),))], assets=4_000_000_000, rows=1)
    assert len(made.truth) == 0
    assert next(made.tables()).num_rows == 5_000
    with pytest.raises(ParameterError, match="too many for order='time'"):
        next(made.tables("time"))


def test_wide_fleets_are_made_some_rows_at_a_time():
    made = MadeUp([Sensor(f"x{index}", (Noise(),)) for index in range(3_000)], rows=20_000)
    (_, (start, stop)) = next(made.cuts())
    assert 0 < (stop - start) * 3_000 <= 1 << 21


def test_faults_that_no_sensor_can_have_are_left_out():
    assert "contact" not in one(Noise(), faulty=0.5).kinds
    assert "contact" in one(Noise(), Level(50.0), faulty=0.5).kinds
    with pytest.raises(ParameterError, match="no sensor can have a fault of the kind correlation"):
        one(Noise(), kinds=["correlation"])


def test_a_hundred_million_normal_values_are_normal():
    x = one(Noise(), rows=100_000_000).series()
    n = x.size
    y = x.astype(np.float64)
    moments = [y.mean()]
    power = y * y
    moments += [power.mean() - 1]
    for order in (3, 4):
        power *= y
        moments += [power.mean() - (3 if order == 4 else 0)]
    for moment, variance in zip(moments, (1, 2, 15, 96), strict=True):
        assert abs(moment) < 5 * np.sqrt(variance / n)
    for lag in (1, 2, 128, 256, 512, 1024, 8192):
        assert abs(np.dot(y[:-lag], y[lag:]) / n) < 5 / np.sqrt(n), lag
    y *= y
    y -= 1
    for lag in (1, 256, 512, 1024):
        assert abs(np.dot(y[:-lag], y[lag:]) / n) < 5 * 2 / np.sqrt(n), lag
    del y, power
    for sigma in (3, 4, 5):
        for count in (np.count_nonzero(x > sigma), np.count_nonzero(x < -sigma)):
            expected = n * stats.norm.sf(sigma)
            assert abs(count - expected) < 5 * np.sqrt(expected)
    assert 5.3 < x.max() < 6.8
    assert -6.8 < x.min() < -5.3
    x.sort()
    ranks = np.arange(0, n, 50)
    below = stats.norm.cdf(x[ranks].astype(np.float64))
    distance = max((below - ranks / n).max(), ((ranks + 1) / n - below).max())
    assert stats.kstwobign.sf(distance * np.sqrt(n)) > 1e-3


def test_pumps_refuse_a_number_of_sensors_before_they_are_made():
    with pytest.raises(ParameterError, match="features must be at most 1,048,576, not 1,000,000,000"):
        synth.pumps(features=10**9)

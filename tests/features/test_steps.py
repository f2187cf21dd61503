"""What steps make is what pandas, SciPy and scikit-learn make."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.signal import lfilter, periodogram, savgol_filter
from scipy.signal.windows import kaiser
from sklearn.feature_selection import mutual_info_classif
from sklearn.preprocessing import StandardScaler

from tocsin import ECOD, PCA
from tocsin.features import (
    Bands,
    Calendar,
    Difference,
    Lags,
    Log,
    Recipe,
    Select,
    Smooth,
    Standardise,
    Subsequence,
    Window,
)
from tocsin.panel import Panel


def signal(rows=300, width=2, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(3, 1, (rows, width)).cumsum(0) * 0.1
    X[rng.random(X.shape) < missing] = np.nan
    return X


def made(step, X, **more):
    return Recipe([step]).fit(X, **more).transform(X, **{name: more[name] for name in more if name == "times"})


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("size", [2, 5, 10])
def test_windows_are_pandas_rolling(size, missing):
    X = signal(missing=missing)
    statistics = ["mean", "min", "max", "std", "median", "q0.9", "range", "q0.05"]
    frame = made(Window(size, statistics), X)
    for column in range(2):
        rolling = pd.Series(X[:, column]).rolling(size, min_periods=1)
        expected = {
            "mean": rolling.mean(), "min": rolling.min(), "max": rolling.max(), "std": rolling.std(),
            "median": rolling.median(), "q0.9": rolling.quantile(0.9), "q0.05": rolling.quantile(0.05),
            "range": rolling.max() - rolling.min(),
        }  # fmt: skip
        for name in statistics:
            found = frame[f"x{column}, {name} of the last {size}"].to_numpy()
            np.testing.assert_allclose(found, expected[name].to_numpy()[size - 1 :], rtol=1e-9, atol=1e-9)


def test_slope_is_that_of_a_line():
    frame = made(Window(8, ["slope"]), 4 - 0.25 * np.arange(30.0)[:, None])
    np.testing.assert_allclose(frame.to_numpy(), -0.25, rtol=1e-12)


def test_lags_and_subsequences_are_shifts():
    X = signal(missing=0.1)
    frame = made(Lags([1, 4]), X)
    assert frame.columns == ["x0", "x0, 1 before", "x0, 4 before", "x1", "x1, 1 before", "x1, 4 before"]
    for i, lag in enumerate((0, 1, 4)):
        np.testing.assert_array_equal(frame[:, i].to_numpy(), X[4 - lag : len(X) - lag, 0])
    stacked = made(Subsequence(5, columns=["x1"]), X).to_numpy()
    np.testing.assert_array_equal(stacked[:, 1:], np.lib.stride_tricks.sliding_window_view(X[:, 1], 5))
    np.testing.assert_array_equal(stacked[:, 0], X[4:, 0])


def test_normalised_subsequences_are_shapes():
    X = signal(60, 1, missing=0.1)
    X[20:30] = 7.0
    windows = np.lib.stride_tricks.sliding_window_view(X[:, 0], 4)
    found = made(Subsequence(4, normalise=True), X).to_numpy()
    spread = np.nanstd(windows, axis=1, keepdims=True)
    expected = (windows - np.nanmean(windows, axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    assert (found[20:27] == 0).all()


def test_kaiser_is_a_filter_and_leaves_missing_values_out():
    X = signal(100, 1)
    weights = kaiser(11, 5.0) / kaiser(11, 5.0).sum()
    found = made(Smooth(), X).to_numpy()[:, 0]
    np.testing.assert_allclose(found, lfilter(weights[::-1], [1.0], X[:, 0])[10:], rtol=1e-12)
    X[50] = np.nan
    found = made(Smooth(), X).to_numpy()[:, 0]
    present = ~np.isnan(X[45:56, 0])
    assert found[45] == pytest.approx(np.average(X[45:56, 0][present], weights=weights[present]), rel=1e-12)
    assert np.isfinite(found).all()
    X[:, 0] = np.nan
    assert np.isnan(made(Smooth(), X).to_numpy()).all()


@pytest.mark.parametrize(("size", "degree"), [(5, 2), (11, 3), (8, 1)])
def test_savitzky_golay_is_the_end_of_a_fitted_polynomial(size, degree):
    X = signal(60, 1)
    found = made(Smooth("savitzky-golay", size=size, degree=degree), X).to_numpy()[:, 0]
    rows = np.arange(size)
    expected = [
        np.polyval(np.polyfit(rows, X[start : start + size, 0], degree), size - 1) for start in range(len(X) - size + 1)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    if size % 2:
        last = savgol_filter(X[-size:, 0], size, degree, mode="interp")[-1]
        assert found[-1] == pytest.approx(last, rel=1e-10)
    X[30] = np.nan
    found = made(Smooth("savitzky-golay", size=size, degree=degree), X).to_numpy()[:, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), np.arange(30 - size + 1, 31))


def test_ewma_is_pandas_ewm():
    X = signal(missing=0.1)
    X[0, 0] = np.nan
    found = made(Smooth("ewma", alpha=0.3), X).to_numpy()
    expected = pd.DataFrame(X).ewm(alpha=0.3, adjust=False, ignore_na=True).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_difference_is_pandas_diff():
    X = signal(missing=0.1)
    np.testing.assert_allclose(made(Difference(3), X), pd.DataFrame(X).diff(3)[3:], rtol=1e-12)


def test_standardise_is_scikit_learn_s_and_of_training_alone():
    X, later = signal(missing=0.1), signal(seed=1)
    recipe = Recipe([Standardise()]).fit(X)
    np.testing.assert_allclose(recipe.transform(later), StandardScaler().fit(X).transform(later), rtol=1e-9)
    robust = Recipe([Standardise(robust=True)]).fit(X).transform(later).to_numpy()
    center = np.nanmedian(X, axis=0)
    scale = 1.482602218505602 * np.nanmedian(abs(X - center), axis=0)
    np.testing.assert_allclose(robust, (later - center) / scale, rtol=1e-9)


@pytest.mark.parametrize("robust", [False, True])
def test_a_constant_is_centred_and_not_scaled(robust):
    recipe = Recipe([Standardise(robust=robust)]).fit([[0.1, np.nan]] * 50)
    found = recipe.transform([[0.1, 1.0], [2.1, 1.0], [np.nan, 1.0]]).to_numpy()
    assert found[:2, 0].tolist() == [0.0, 2.0]
    assert np.isnan(found[2, 0])
    assert np.isnan(found[:, 1]).all()


def test_logarithms_end_at_a_share_of_what_was_usual():
    X = np.exp(signal(missing=0.1))
    size = np.sqrt(np.nanmean(X**2, axis=0))
    recipe = Recipe([Log(0.01)]).fit(X)
    later = np.concatenate([X, size * [[0.02, 0.005], [0.0, -3.0]]])
    np.testing.assert_allclose(recipe.transform(later), np.log(np.maximum(later, 0.01 * size)), rtol=1e-9)


def test_logarithms_of_what_was_never_there_or_always_0():
    recipe = Recipe([Log()]).fit([[0.0, np.nan]] * 3)
    found = recipe.transform([[0.0, 1.0], [2.0, np.nan]]).to_numpy()
    np.testing.assert_allclose(found[:, 0], np.log([0.001, 2.0]), rtol=1e-12)
    assert np.isnan(found[:, 1]).all()


def test_a_stuck_sensor_is_named_by_the_logarithm_of_its_spread():
    X = signal(400, 3)
    recipe = Recipe([Window(12, ["std"], keep=True), Log(columns=["*, std of the last 12"])])
    detector = PCA(components=6).fit(recipe.fit(X).transform(X))
    X = signal(60, 3, seed=1)
    X[20:, 1] = X[20, 1]
    told = detector.explain(recipe.transform(X)[-1:], top=1)
    assert told["feature"].item() == "x1, std of the last 12, logarithm"


def test_bands_are_scipy_s_periodogram():
    X = signal(200, 1)
    frame = made(Bands(20, [(0.0, 0.2), (0.2, 0.5)]), X)
    windows = np.lib.stride_tricks.sliding_window_view(X[:, 0], 20)
    frequencies, power = periodogram(windows, window="hann", detrend="constant", scaling="density")
    np.testing.assert_allclose(frame[:, 0], power[:, frequencies < 0.2].sum(1) / 20, rtol=1e-8)
    np.testing.assert_allclose(frame[:, 1], power[:, frequencies >= 0.2].sum(1) / 20, rtol=1e-8)
    X[100] = np.nan
    missing = made(Bands(20), X).to_numpy()[:, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(missing)), np.arange(81, 101))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_calendar_is_the_clock_on_the_wall(zone):
    times = pd.date_range("2024-02-27", periods=2000, freq="7919s")
    frame = made(Calendar(["hour", "weekday", "month", "yearday", "weekend"], zone), np.zeros((2000, 1)), times=times)
    local = times.tz_localize("UTC").tz_convert(zone)
    seconds = (local.hour * 60 + local.minute) * 60 + local.second
    cycles = {
        "time of day": seconds / 86_400, "day of the week": local.day_of_week / 7,
        "month": (local.month - 1) / 12, "day of the year": (local.day_of_year - 1) / 366,
    }  # fmt: skip
    for name, turn in cycles.items():
        np.testing.assert_allclose(frame[f"{name}, sine"], np.sin(2 * np.pi * turn), atol=1e-12)
        np.testing.assert_allclose(frame[f"{name}, cosine"], np.cos(2 * np.pi * turn), atol=1e-12)
    np.testing.assert_array_equal(frame["weekend"], (local.day_of_week >= 5).astype(float))


def kept(step, X, y=None):
    frame = Recipe([step]).fit(X, y).transform(X)
    return [int(name[1:]) for name in frame.columns if not frame[name].is_nan().all()]


def test_selection_leaves_out_what_says_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)) * [1, 9, 3, 1, 1, 1]
    X[:, 3], X[:, 4], X[:, 5] = 4.0, X[:, 1], X[:, 0] + rng.normal(0, 0.1, 200)
    X[5, 3] = np.nan
    assert kept(Select(), X) == [0, 1, 2, 5]
    assert kept(Select(drop_constant=False), X) == [0, 1, 2, 3, 5]
    assert kept(Select(drop_duplicates=False), X) == [0, 1, 2, 4, 5]
    assert kept(Select(correlation=0.9), X) == [0, 1, 2]
    assert kept(Select(top=2), X) == [1, 2]
    assert kept(Select(top=2, columns=["!x1"]), X) == [1, 2, 4]
    X[7, 4] = np.nan
    assert kept(Select(), X) == [0, 1, 2, 4, 5]


def test_correlation_is_numpy_s():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 2)) @ [[1, 0.5], [0, 1]]
    r = abs(np.corrcoef(X.T)[0, 1])
    assert kept(Select(correlation=r * (1 - 1e-12)), X) == [0]
    assert kept(Select(correlation=r * (1 + 1e-12)), X) == [0, 1]


def test_mutual_information_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 4)) * [9, 1, 1, 1], rng.integers(0, 2, 300)
    X[:, 2] += y * 3
    X[:, 3] += y
    order = np.argsort(-mutual_info_classif(X, y, random_state=0))
    assert kept(Select(top=1, by="mutual_information"), X, y) == [order[0]] == [2]
    assert kept(Select(top=2, by="mutual_information"), X, y) == sorted(order[:2]) == [2, 3]
    unsure = np.where(rng.random(300) < 0.2, np.nan, y)
    assert kept(Select(top=1, by="mutual_information"), X, unsure) == [2]


def test_an_asset_with_labels_of_one_kind_is_not_ranked():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 200))
    labels = np.concatenate([rng.integers(0, 2, 100), np.zeros(100)]).astype(np.int8)
    values[1] += labels * 5
    panel = Panel(values, np.array([0, 100, 200]), pa.array(["told", "untold"]), ("a", "b", "c"), None, labels)
    state, derived, _ = Recipe([Select(top=1, by="mutual_information")]).fit_panel(panel)
    assert state["recipe_0_kept"].values.tolist() == [0, 1, 0, 1, 1, 1]
    assert np.isnan(derived.values[0, :100]).all()
    np.testing.assert_array_equal(derived.values[:, 100:], values[:, 100:])


def test_a_feature_that_is_not_selected_adds_nothing_to_a_score():
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1, 1, 0]
    recipe = Recipe([Select()]).fit(X)
    with_all, with_two = recipe.transform(X), X[:, :2]
    detector = ECOD().fit(with_all.to_numpy())
    np.testing.assert_array_equal(detector.decision_scores_, ECOD().fit(with_two).decision_scores_)
    assert (detector.contributions(with_all.to_numpy())[:, 2] == 0).all()

"""Distances between sketches are those of their rows, as far as the sketches can tell; chance is what scipy says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tocsin.detectors.drift import distances, sketched
from tocsin.kernels import drift
from tocsin.panel import Panel

SAMPLES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=200)


def panel(values):
    return Panel.of_matrix(np.asarray(values, np.float64)[:, None])


def apart(x, y):
    with np.errstate(all="ignore"):  # scipy divides by a distance of 0
        return stats.ks_2samp(x, y, method="asymp").statistic


@given(SAMPLES, SAMPLES)
def test_where_all_values_are_kept_it_is_the_distance_of_scipy(x, y):
    (guess, least, most), *_ = distances(sketched(panel(x)), sketched(panel(y)))
    expected = apart(x, y)
    assert abs(guess) == pytest.approx(expected, abs=1e-12)
    assert (least, most) == pytest.approx((expected, expected), abs=1e-12)


@given(SAMPLES, SAMPLES)
def test_rows_are_as_far_from_kept_values_as_scipy_says(x, y):
    block = panel([*x, np.nan])
    found = np.empty(1)
    drift.apart(block.values, block.offsets, sketched(panel(y)).cells, found)
    assert found.item() == pytest.approx(apart(x, y), abs=1e-12)


def test_the_sign_says_where_recent_values_are():
    low, high = sketched(panel(np.arange(50.0))), sketched(panel(np.arange(50.0) + 9))
    assert distances(low, high)[0, 0] == pytest.approx(9 / 50)
    assert distances(high, low)[0, 0] == pytest.approx(-9 / 50)


@given(st.integers(0, 1000), st.sampled_from([300, 2_000, 9_000]), st.floats(-1.0, 1.0), st.floats(0.5, 2.0))
def test_the_distance_of_the_rows_is_within_the_bounds(seed, rows, shift, scale):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=rows), rng.normal(shift, scale, 700).round(1)
    guess, least, most = distances(sketched(panel(x)), sketched(panel(y)))[0]
    expected = apart(x, y)
    assert least - 1e-12 <= expected <= most + 1e-12
    assert abs(abs(guess) - expected) < 0.04


@given(st.integers(0, 1000), st.integers(1, 5))
def test_merged_sketches_say_the_same_within_their_bounds(seed, parts):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=2_000), rng.normal(0.3, 1.0, 1_500)
    pieces = [sketched(panel(piece)) for piece in np.array_split(y, parts)]
    merged = pieces[0]
    for piece in pieces[1:]:
        merged = merged.combine(piece, 1.2, 0.0)
    guess, least, most = distances(sketched(panel(x)), merged)[0]
    expected = apart(x, y)
    assert least - 1e-12 <= expected <= most + 1e-12
    assert abs(abs(guess) - expected) < 0.05


def test_nothing_is_at_no_distance_from_nothing():
    nothing = sketched(panel([np.nan, np.nan]))
    assert np.isnan(distances(nothing, sketched(panel([1.0])))).all()
    assert np.isnan(drift.chance(np.nan, 10.0, 10.0))
    found = np.empty(1)
    for block, kept in (([np.nan], [1.0]), ([1.0], [np.nan])):
        drift.apart(panel(block).values, np.array([0, 1]), sketched(panel(kept)).cells, found)
        assert np.isnan(found.item())


@pytest.mark.parametrize(("rows", "others"), [(2_000, 3_000), (500, 100), (60, 60)])
@pytest.mark.parametrize("distance", [0.02, 0.05, 0.1, 0.2, 0.5])
def test_chance_is_that_of_scipy(rows, others, distance):
    size = rows * others / (rows + others)
    expected = stats.kstwo.sf(distance, round(size))
    assert drift.chance(distance, float(rows), float(others)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3])
@pytest.mark.parametrize("rows", [1, 36, 144, 5_000])
def test_the_binomial_tail_is_that_of_scipy(rows, share):
    for count in (0, 1, int(rows * share) + 1, int(rows * share) + 7, rows):
        expected = stats.binom.sf(count - 1, rows, share) if count <= rows else 0.0
        assert drift.binomial_tail(min(count, rows), rows, share) == pytest.approx(
            expected if count <= rows else stats.binom.sf(rows - 1, rows, share), rel=1e-8, abs=1e-300
        )


@pytest.mark.parametrize(("rows", "level"), [(36, 1e-4), (144, 1e-4), (144, 1e-6), (1_000, 0.01), (3, 1e-9)])
def test_what_is_tolerated_is_the_last_count_that_chance_explains(rows, level):
    most = drift.tolerated(rows, 0.01, level)
    assert stats.binom.sf(most - 1, rows, 0.01) >= level or most == 0
    assert most == rows or stats.binom.sf(most, rows, 0.01) < level
    found = np.empty(3, np.int64)
    drift.tolerances(np.array([rows, rows, 10]), 0.01, level, found)
    assert found.tolist() == [most, most, drift.tolerated(10, 0.01, level)]


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_rows_that_are_alike_count_as_fewer(keep):
    rng = np.random.default_rng(1)
    x = rng.normal(size=30_000)
    for row in range(1, len(x)):
        x[row] = keep * x[row - 1] + np.sqrt(1 - keep**2) * x[row]
    x[rng.integers(0, len(x), 300)] = np.nan
    found = np.empty((1, 1))
    drift.memories(x[None, :], np.array([0, len(x)]), 500, found)
    assert found.item() == pytest.approx((1 + keep) / (1 - keep), rel=0.15)


def test_marks_are_counted_by_asset():
    found = np.empty(3, np.int64)
    drift.counts(np.array([True, False, True, True]), np.array([0, 2, 2, 4]), found)
    assert found.tolist() == [1, 0, 2]

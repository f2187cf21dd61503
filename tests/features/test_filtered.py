"""One filter for all steps of STL gives what the steps give, and steps aside where it does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import SpanMSTL, SpanSTL, mstl, stl
from tocsin.features import filtered
from tocsin.features.filtered import DirectSpans, FilteredSpans

N = 12_000


def series():
    rng = np.random.default_rng(0)
    steps = np.arange(N)
    return 1e4 + rng.normal(size=N) + 3 * np.sin(steps * 2 * np.pi / 12) + np.cumsum(rng.normal(size=N)) * 0.1


def spans(kind, n, whole=True):
    make = (lambda m: SpanSTL(m, 12)) if kind == "stl" else (lambda m: SpanMSTL(m, (12, 25)))
    made = make(n)
    return FilteredSpans(DirectSpans(made, whole=whole), make(4 * made.context + 1))


@pytest.fixture(autouse=True)
def short_transforms(monkeypatch):
    monkeypatch.setattr(filtered, "_LEAST", 1 << 11)
    monkeypatch.setattr(filtered, "_TIMES", 2)


@pytest.mark.parametrize("kind", ["stl", "mstl"])
@pytest.mark.parametrize("size", [700, 5_000, N])
@pytest.mark.parametrize("whole", [True, False])
def test_equals_the_steps(kind, size, whole):
    x = series()
    parts = stl(x, 12) if kind == "stl" else mstl(x, (12, 25))
    expected = np.vstack([parts.trend, parts.seasonal, parts.resid] if whole else [parts.resid])
    split = spans(kind, N, whole)
    assert 2 * split.context + split.step < N
    for start in range(0, N, size):
        stop = min(start + size, N)
        first, last = split.bounds(start, stop)
        got = split.decompose(x[first:last], start, stop)
        np.testing.assert_allclose(got, expected[:, start:stop], rtol=0, atol=1e-12 * np.abs(x).max())


def test_filters_are_used_where_they_hold(monkeypatch):
    x, split = series(), spans("stl", N)
    direct, steps = [], split._direct.decompose
    monkeypatch.setattr(split._direct, "decompose", lambda x, *place: direct.append(place[0]) or steps(x, *place))
    x[6_000] = np.nan
    split.decompose(x, 0, N)
    blocks = range(split.context, N - split.context, split.step)
    missing = [b for b in blocks if b - split.context <= 6_000 < b + split.step + split.context]
    assert len(missing) < len(blocks) / 2
    assert sorted(direct) == [0, *missing, N - split.context]


def test_missing_values_come_out_as_from_the_steps():
    x = series()
    x[5_000:5_003] = np.nan
    x[7_000] = np.nan
    whole, split = stl(x, 12), spans("stl", N)
    got = split.decompose(x, 0, N)
    assert np.isnan(got[2]).sum() == 4
    np.testing.assert_allclose(got[0], whole.trend, rtol=0, atol=1e-9 * np.nanmax(x))
    np.testing.assert_allclose(got[2], whole.resid, rtol=0, atol=1e-9 * np.nanmax(x))


def test_where_nothing_is_known_nothing_is_said():
    split = DirectSpans(SpanSTL(N, 12))
    first, last = split.bounds(0, 5)
    got = split.decompose(np.full(last - first, np.nan), 0, 5)
    assert got.shape == (3, 5)
    assert np.isnan(got).all()


def test_transforms_are_long_against_their_surroundings_but_not_against_memory(monkeypatch):
    monkeypatch.setattr(filtered, "_TIMES", 8)
    lengths = {10: 1 << 11, 2_000: 1 << 13, 1 << 20: 1 << 22, 1 << 24: 1 << 25}
    assert {surroundings: filtered._length(surroundings) for surroundings in lengths} == lengths

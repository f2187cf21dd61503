"""A span of a long series comes out as in the whole, however the series is cut."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tocsin import SpanSTL, stl
from tocsin.errors import DataError, ParameterError

N = 6_000


def series():
    rng = np.random.default_rng(0)
    steps = np.arange(N)
    return rng.normal(size=N) + 3 * np.sin(steps * 2 * np.pi / 24) + np.cumsum(rng.normal(size=N)) * 0.1


@pytest.mark.parametrize("size", [500, 1_111, 2_400, N])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"seasonal": 13, "trend": 101, "inner_iter": 2, "trend_deg": 0},
        {"seasonal_jump": 2, "trend_jump": 5, "low_pass_jump": 3, "inner_iter": 2},
    ],
)
def test_spans_are_parts_of_the_whole(parameters, size):
    x = series()
    whole = stl(x, 24, **parameters)
    spans = SpanSTL(N, 24, **parameters)
    assert spans.context % 24 == 0
    for start in range(0, N, size):
        stop = min(start + size, N)
        first, last = spans.bounds(start, stop)
        trend, seasonal, resid, weights = spans.decompose(x[first:last], start, stop)
        for got, name in ((trend, "trend"), (seasonal, "seasonal"), (resid, "resid"), (weights, "weights")):
            np.testing.assert_allclose(got, getattr(whole, name)[start:stop], rtol=0, atol=1e-9 * np.abs(x).max())


def test_spans_of_a_series_with_gaps():
    x = series()
    x[np.random.default_rng(1).integers(0, N, 300)] = np.nan
    x[2_000:2_060] = np.nan
    whole, spans = stl(x, 24), SpanSTL(N, 24)
    for start in range(0, N, 1_500):
        first, last = spans.bounds(start, start + 1_500)
        parts = spans.decompose(x[first:last], start, start + 1_500)
        for got, name in zip(parts, ("trend", "seasonal", "resid", "weights"), strict=True):
            np.testing.assert_allclose(got, getattr(whole, name)[start : start + 1_500], rtol=0, atol=1e-8)


def test_a_span_without_any_value_is_unknown():
    spans = SpanSTL(N, 24)
    first, last = spans.bounds(3_000, 3_100)
    trend, seasonal, resid, weights = spans.decompose(np.full(last - first, np.nan), 3_000, 3_100)
    assert np.isnan([trend, seasonal, resid]).all()
    assert not weights.any()


def test_a_filter_and_fits_agree_at_any_scale():
    """The filter that stands in for the fits in the middle keeps the digits of small numbers on a high level."""
    x = 1e6 + 1e-3 * series()
    whole = stl(x, 24)
    plain = stl(np.where(np.arange(N) == N - 1, np.nan, x), 24)  # A gap keeps the filter away.
    np.testing.assert_allclose(whole.trend[:4_000], plain.trend[:4_000], rtol=0, atol=1e-8)
    np.testing.assert_allclose(whole.seasonal[:4_000], plain.seasonal[:4_000], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (10, 5), (0, N + 1)])
def test_refuses_spans_outside(start, stop):
    with pytest.raises(ParameterError, match=f"a span must lie within the series of {N} values"):
        SpanSTL(N, 24).bounds(start, stop)


def test_refuses_other_values_than_needed():
    spans = SpanSTL(N, 24)
    with pytest.raises(DataError, match="the span from 0 to 100 needs the 772 values from 0 to 772"):
        spans.decompose(np.ones(100), 0, 100)
    first, last = spans.bounds(3_072, 3_100)
    x = np.where(np.arange(first, last) == 2_403, np.inf, 1.0)
    with pytest.raises(DataError, match="value 2403 is infinite"):
        spans.decompose(x, 3_072, 3_100)
    with pytest.raises(ParameterError, match="n must be a whole number"):
        SpanSTL(1e9, 24)
    with pytest.raises(ParameterError, match="period 24 is longer than half the series of 40 values"):
        SpanSTL(40, 24)
    with pytest.raises(ParameterError, match="SpanSTL has no parameter 'sesonal'; did you mean 'seasonal'"):
        SpanSTL(300, 12, sesonal=3)


def test_narrow_numbers_do_not_overflow():
    narrow, wide = SpanSTL(np.int16(20_000), np.int8(100)), SpanSTL(20_000, 100)
    assert narrow.bounds(10_000, 11_000) == wide.bounds(10_000, 11_000)
    with pytest.raises(ParameterError, match="period 100 is longer than half the series of 150 values"):
        SpanSTL(150, np.int8(100))


def test_threads_share_one():
    x = series()
    whole, spans = stl(x, 24), SpanSTL(N, 24)

    def trend(start):
        first, last = spans.bounds(start, start + 100)
        return spans.decompose(x[first:last], start, start + 100)[0]

    with ThreadPoolExecutor(4) as pool:
        together = np.concatenate(list(pool.map(trend, range(0, N, 100))))
    np.testing.assert_allclose(together, whole.trend, rtol=0, atol=1e-9 * np.abs(x).max())

"""A span of a series with several seasons comes out as in the whole."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import SpanMSTL, mstl
from tocsin.errors import ParameterError

N = 6_000


def series():
    steps = np.arange(N)
    noise = np.random.default_rng(0).normal(size=N)
    return noise + 3 * np.sin(steps * 2 * np.pi / 12) + 2 * np.cos(steps * 2 * np.pi / 50)


@pytest.mark.parametrize("how", [{}, {"windows": (9, 7), "iterate": 1}, {"inner_iter": 1, "windows": (5, 5)}])
@pytest.mark.parametrize("size", [1_111, N])
def test_spans_are_parts_of_the_whole(how, size):
    x = series()
    whole = mstl(x, (50, 12), **how)
    spans = SpanMSTL(N, (50, 12), **how)
    assert spans.periods == (12, 50)
    for start in range(0, N, size):
        stop = min(start + size, N)
        first, last = spans.bounds(start, stop)
        trend, seasonal, resid, _ = spans.decompose(x[first:last], start, stop)
        for got, name in ((trend, "trend"), (seasonal, "seasonal"), (resid, "resid")):
            np.testing.assert_allclose(got, getattr(whole, name)[..., start:stop], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("periods", "how", "said"),
    [
        ((12, 3000), {}, "period 3000 is not less than half the series"),
        ((12, 50), {"trend_jump": 2}, "trend_jump must stay 1"),
        ((12, 50), {"windows": (7,)}, "2 periods and 1 windows"),
        ((), {}, "0 periods"),
        ((1,), {}, "period must be a whole number of at least 2"),
    ],
)
def test_what_makes_no_sense(periods, how, said):
    with pytest.raises(ParameterError, match=said):
        SpanMSTL(N, periods, **how)


def test_narrow_numbers_and_what_is_none():
    narrow, wide = SpanMSTL(np.int16(N), [np.int8(12), np.int8(50)]), SpanMSTL(N, (12, 50))
    assert (narrow.context, narrow.bounds(2_000, 2_100)) == (wide.context, wide.bounds(2_000, 2_100))
    with pytest.raises(ParameterError, match="n must be a whole number, not 'x'"):
        SpanMSTL("x", 12)

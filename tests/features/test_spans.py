"""A span of a long series comes out as in the whole, however the series is cut."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import SpanSTL, stl

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

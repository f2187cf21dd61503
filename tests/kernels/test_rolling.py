"""Windows against the values they are of: exact where they say so, near in rank elsewhere, whatever the cutting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import rolling as reference
from tocsin.kernels import rolling
from tocsin.kernels.rolling import BUFFER, CLUSTERS, EXACT, FIGURES, MINUTE, SHARES, Ended, Rolling

Batch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def empty(assets: int, channels: int) -> Rolling:
    levels = (assets, 3, channels)
    return Rolling(
        np.zeros(assets, np.int64), np.zeros((assets, 3, 2), np.int64), np.zeros((*levels, 5)),
        np.zeros(levels, np.int32), np.zeros((*levels, CLUSTERS), np.float32), np.zeros((*levels, CLUSTERS), np.uint32),
        np.zeros((assets, channels), np.int32), np.zeros((assets, channels, BUFFER), np.float32),
        np.zeros((assets, 3, 3), np.int64), np.zeros((*levels, FIGURES)),
    )  # fmt: skip


def learned(windows: Rolling, batch: Batch) -> list[tuple[int, int, int, tuple[int, ...], bytes]]:
    """Learn rows, and return the windows that ended."""
    assets, offsets, times, scores, values = batch
    count = rolling.endings(windows, assets, offsets, times)
    ended = Ended(
        *(np.empty(count, np.int64) for _ in range(3)),
        np.empty((count, 2), np.int64),
        np.empty((count, windows.fills.shape[1], FIGURES)),
    )
    assert rolling.learn(windows, assets, offsets, times, scores, scores > 2.0, values, ended) == count
    return [
        (int(a), int(level), int(window), tuple(rows.tolist()), figures.tobytes())
        for a, level, window, rows, figures in zip(*ended, strict=True)
    ]


def one(times: np.ndarray, scores: np.ndarray, values: np.ndarray) -> Batch:
    return np.zeros(1, np.int64), np.array([0, len(times)]), times, scores, values


def now(windows: Rolling, asset: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and figures of the windows of an asset as they are."""
    copies = Rolling(*(array.copy() for array in windows))
    channels = windows.fills.shape[1]
    rows, figures = np.empty((3, 2), np.int64), np.empty((3, channels, FIGURES))
    rolling.current(copies, asset, rows, figures)
    return rows, figures


def readings(rng: np.random.Generator, rows: int, seconds: float, kind: type = np.float64) -> Batch:
    steps = rng.exponential(seconds, rows)
    times = 1_699_999_000_000_000_000 + (np.cumsum(steps) * 1e9).astype(np.int64)
    values = np.stack([rng.normal(300, 2, rows), rng.lognormal(0, 2, rows).round(1)]).astype(kind)
    values[0, rng.random(rows) < 0.1] = np.nan
    values[1, rng.random(rows) < 0.02] = np.inf
    scores = rng.exponential(size=rows)
    scores[: rows // 10] = np.nan
    return one(times, scores, values)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("seconds", [0.7, 20.0, 400.0])
def test_windows_are_what_they_are_of(seconds: float, kind: type):
    rng = np.random.default_rng(1)
    batch = readings(rng, 1000, seconds, kind)
    windows = empty(1, 3)
    ended = learned(windows, batch)
    _, _, times, scores, values = batch
    expected = reference.windows(times, np.vstack([scores, values]))
    found = {(level, window): np.frombuffer(raw).reshape(3, FIGURES) for _, level, window, _, raw in ended}
    rows, figures = now(windows)
    minute = int(times.max() // MINUTE)
    for level, each in enumerate((1, 60, 1440)):
        found[level, minute // each] = figures[level]
    assert found.keys() == expected.keys()
    counted = {(level, window): count for _, level, window, count, _ in ended}
    counted |= {(level, minute // each): tuple(rows[level].tolist()) for level, each in enumerate((1, 60, 1440))}
    for place, figures in found.items():
        np.testing.assert_allclose(figures[:, :5], expected[place][:, :5], rtol=1e-6 if kind == np.float32 else 1e-9)
        inside = times // MINUTE // (1, 60, 1440)[place[0]] == place[1]
        assert counted[place] == (inside.sum(), (scores[inside] > 2.0).sum())
        if inside.sum() <= EXACT:
            np.testing.assert_allclose(figures[:, 5:], expected[place][:, 5:], rtol=1e-6)


DRAWN = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "heavy": lambda rng, n: rng.standard_cauchy(n),
    "far from zero": lambda rng, n: rng.normal(1e5, 10, n),
    "rising": lambda rng, n: np.arange(n) + rng.normal(size=n),
    "falling": lambda rng, n: -np.arange(n, dtype=float),
    "walk": lambda rng, n: rng.normal(size=n).cumsum(),
    "waves": lambda rng, n: np.sin(np.arange(n) * 0.01),
    "two modes": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, 100.0) + rng.normal(size=n),
    "a spike": lambda rng, n: rng.normal(size=n) + 1e9 * (np.arange(n) == n // 2),
    "constant": lambda rng, n: np.full(n, 7.0),
}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("each", [0.3, 3.0])
def test_quantiles_are_near_in_rank(name: str, each: float):
    rng = np.random.default_rng(2)
    n = 8_000
    values = DRAWN[name](rng, n)
    times = (np.arange(n) * each * 1e9).astype(np.int64)
    windows = empty(1, 2)
    learned(windows, one(times, np.zeros(n), values[None]))
    _, figures = now(windows)
    assert windows.sizes.max() < CLUSTERS
    inside = times // MINUTE // 1440 == times[-1] // MINUTE // 1440
    ordered = np.sort(values[inside])
    for share, found in zip(SHARES, figures[2, 1, 5:], strict=True):
        low, high = (np.searchsorted(ordered, found * (1 + s * 1e-6) + s * 1e-6, side) / len(ordered)
                     for s, side in ((-1, "left"), (1, "right")))  # fmt: skip
        assert low - 0.012 <= share <= high + 0.012


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[int, list[int], float]:
    seed = draw(st.integers(0, 2**32 - 1))
    cuts = draw(st.lists(st.integers(1, 299), max_size=12, unique=True))
    return seed, [0, *sorted(cuts), 300], draw(st.sampled_from([0.5, 5.0, 90.0, 2000.0]))


@given(cuttings())
def test_any_cutting_gives_the_same_bytes(drawn: tuple[int, list[int], float]):
    seed, cuts, seconds = drawn
    rng = np.random.default_rng(seed)
    parts = [readings(rng, 300, seconds) for _ in range(2)]
    parts[1][2][::7] -= 100 * MINUTE  # late
    whole, pieces = empty(2, 3), empty(2, 3)
    offsets = np.array([0, 300, 600])
    joined = [np.concatenate([a, b], axis=-1) for a, b in zip(parts[0][2:], parts[1][2:], strict=True)]
    ended = learned(whole, (np.arange(2), offsets, *joined))
    in_pieces = []
    for a, b in pairwise(cuts):
        for asset, (_, _, times, scores, values) in enumerate(parts):
            batch = (
                np.array([asset]),
                np.array([0, b - a]),
                times[a:b],
                scores[a:b],
                np.ascontiguousarray(values[:, a:b]),
            )
            in_pieces += learned(pieces, batch)
    assert sorted(ended) == sorted(in_pieces)
    for one_array, other in zip(whole, pieces, strict=True):
        assert one_array.tobytes() == other.tobytes()


def test_extreme_values_do_no_harm():
    values = np.array([1e150, -1e150, np.inf, -np.inf, np.nan, 0.0] * 50)[None]
    times = np.arange(300) * 10**8
    windows = empty(1, 2)
    learned(windows, one(times, np.zeros(300), values))
    _, figures = now(windows)
    assert figures[0, 1, 0] == 150
    assert (figures[0, 1, 3], figures[0, 1, 4]) == (-1e150, 1e150)
    assert np.isfinite(figures[0, 1, 5:]).all()


def test_a_channel_without_values_has_no_figures():
    windows = empty(1, 2)
    learned(windows, one(np.arange(3) * MINUTE, np.zeros(3), np.full((1, 3), np.nan)))
    rows, figures = now(windows)
    assert figures[2, 1, 0] == 0
    assert np.isnan(figures[2, 1, 1:]).all()
    assert rows[2, 0] == 3
    assert list(SHARES) == [0.05, 0.5, 0.95]

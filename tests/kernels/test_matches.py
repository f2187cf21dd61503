"""Distances from the nearest window are those of the definition, and limits bring them down."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import matches as reference
from tocsin.kernels import matches

WINDOW, ZONE = 6, 3


def series(rows, seed):
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(rows) * 2 * np.pi / WINDOW) + rng.normal(0.0, 0.3, rows)


def distances(history, recent, place, size=WINDOW):
    found = np.empty(len(recent) - size + 1)
    match = np.empty(len(found), np.int64)
    matches.distances(recent, place, ZONE, matches.past(history, size), found, match)
    return found, match


@pytest.mark.parametrize("place", [0, -20, 43, 60])
def test_distances_are_those_of_the_definition(place):
    history, recent = series(48, 0), series(48, 0) if place == 0 else series(40, 1)
    found, match = distances(history, recent, place)
    apart = reference.distances(history, recent, WINDOW, place, ZONE)
    np.testing.assert_allclose(found, apart.min(axis=1), atol=1e-12)
    assert match.tolist() == apart.argmin(axis=1).tolist()


def test_constants_gaps_and_spikes():
    history, recent = series(60, 0), series(40, 1)
    history[20:30], history[40] = 0.4, np.nan
    recent[5:15], recent[20], recent[30] = -0.6, np.nan, 40.0
    found, match = distances(history, recent, 100)
    apart = reference.distances(history, recent, WINDOW, 100, ZONE).min(axis=1)
    np.testing.assert_allclose(found, np.where(np.isinf(apart), np.nan, apart), atol=1e-12)
    assert np.isnan(found).sum() == (match == -1).sum() == WINDOW
    assert found[5 : 16 - WINDOW].tolist() == [0.0] * (11 - WINDOW)
    assert 20 <= match[5] < 30 - WINDOW
    assert found[30] > 10.0
    assert np.isnan(distances(np.full(20, np.nan), recent[:9], 100)[0]).all()
    assert np.isnan(distances(history[:WINDOW], recent[:9], 0)[0][:ZONE]).all()  # nothing beyond the zone


def test_what_has_been_seen_before_is_at_no_distance_at_all():
    history = series(60, 0)
    found, match = distances(history, history[10:40].copy(), 100)
    assert found.tolist() == [0.0] * len(found)
    assert match.tolist() == list(range(10, 10 + len(found)))


def test_what_came_long_before_does_not_show():
    history, recent = series(30, 0), series(matches.RESTART + 40, 1)
    recent[[60, matches.RESTART - 10]] = 1e9
    found, _ = distances(history, recent, 100)
    np.testing.assert_allclose(found[-30:], distances(history, recent[-30 - WINDOW + 1 :], 100)[0], rtol=1e-12)
    np.testing.assert_allclose(found[61:90], distances(history, recent[61 : 90 + WINDOW - 1], 100)[0], rtol=1e-12)


def test_limits_are_the_nearest_values_that_count_little_enough():
    rng = np.random.default_rng(2)
    history, recent = series(60, 0), series(40, 1)
    recent[[12, 25]] = 5.0, -4.0
    gauges = [rng.uniform(0.5, 1.0, 55), rng.uniform(0.5, 1.0, 55)]
    unit = 0.7
    for row in (12, 25):
        start = row - WINDOW + 1
        sides = (
            matches.side(recent[start:row], 0.0, 1.0, matches.past(history, WINDOW), gauges[0]),
            matches.side(
                np.diff(recent[start:row]) / unit,
                recent[row - 1],
                unit,
                matches.past(np.diff(history) / unit, WINDOW - 1),
                gauges[1],
            ),
        )
        most = 1.5
        limit = matches.limit(recent[row], 100 + start, ZONE, *sides, most)
        for value, over in ((recent[row], True), (limit, False), (limit + 1e-6 * np.sign(recent[row] - limit), True)):
            trial = np.append(recent[start:row], value)
            looks = ((history, np.diff(history) / unit), (trial, np.diff(trial) / unit))
            counts = reference.score(looks[0], gauges, looks[1], WINDOW, 100 + start, ZONE)
            assert (counts.item() > most) == over
        assert np.isnan(matches.limit(recent[row], 100 + start, ZONE, *sides, 0.0))

"""Distances from the nearest sub-sequence are those of the definition, and limits bring them down."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import discord as reference
from tocsin.kernels import discord

WINDOW = 6


def series(rows, seed):
    rng = np.random.default_rng(seed)
    return 50.0 + np.sin(np.arange(rows) * 2 * np.pi / WINDOW) + rng.normal(0.0, 0.3, rows)


def distances(history, recent, place):
    found = np.empty(len(recent) - WINDOW + 1)
    discord.distances(recent, WINDOW, place, discord.history(history, WINDOW), found)
    return found


@pytest.mark.parametrize("place", [0, -20, 43, 60])
def test_distances_are_those_of_the_definition(place):
    history, recent = series(48, 0), series(48, 0) if place == 0 else series(40, 1)
    np.testing.assert_allclose(
        distances(history, recent, place), reference.distances(history, recent, WINDOW, place), atol=1e-6
    )


def test_constants_gaps_and_spikes():
    history, recent = series(60, 0), series(40, 1)
    history[20:30], history[40] = 50.0, np.nan
    recent[5:15], recent[20], recent[30] = 51.0, np.nan, 90.0
    found = distances(history, recent, 100)
    np.testing.assert_allclose(found, reference.distances(history, recent, WINDOW, 100), atol=1e-6)
    assert np.isnan(found).sum() == WINDOW
    assert found[5 : 15 - WINDOW].tolist() == [0.0] * (10 - WINDOW)
    assert found[30] > 10.0
    assert distances(np.full(20, 3.0), recent[:11], 100).tolist() == [discord.UNLIKE] * 5 + [0.0]
    assert np.isnan(distances(np.full(20, np.nan), recent[:9], 100)).all()


def test_restarts_do_not_show():
    history, recent = series(30, 0), series(discord.RESTART + 40, 1)
    found = distances(history, recent, 100)
    np.testing.assert_allclose(found[-60:], distances(history, recent[-60 - WINDOW + 1 :], 100), atol=1e-9)


def test_limits_are_the_nearest_values_that_are_near_enough():
    history, recent = series(60, 0), series(40, 1)
    recent[[12, 25]] = 55.0, 40.0
    past, found = discord.history(history, WINDOW), np.empty(35)
    before = distances(history, recent, 100)
    most = 0.8
    asked = np.where(before > most, most / 0.5, np.nan)
    discord.limits(recent, WINDOW, 100, past, asked, 0.5, found)
    assert np.isnan(found[~(before > most)]).all()
    for row in (12, 25):
        limit = found[row - WINDOW + 1]
        for value, over in ((limit, False), (limit + 1e-6 * np.sign(recent[row] - limit), True)):
            trial = recent.copy()
            trial[row] = value
            assert (distances(history, trial, 100)[row - WINDOW + 1] > most) == over

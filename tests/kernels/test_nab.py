"""What alerts earn is what the benchmark's equations say, and the best threshold is the best of all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import nab as slow
from tocsin.kernels.nab import best_threshold, earnings, raw_score
from tocsin.kernels.runs import events

PROFILES = st.sampled_from(list(slow.PROFILES.values()))


def file(seed, rows):
    """Return labels in runs, and scores with ties."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(rows) < 0.2, rng.integers(1, 8, rows))[:rows].astype(np.int8)
    return labels, rng.integers(0, 9, rows) / 8.0


def rows_of(labels, weights, probation):
    starts, stops = events(labels, np.ones(len(labels), np.bool_))
    begin = min(np.floor(probation * len(labels)), probation * 5000)
    return *earnings(labels, starts, stops, begin, weights[0], weights[1]), len(starts)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), PROFILES, st.sampled_from([0.0, 0.15, 0.4]))
def test_the_raw_score_is_that_of_the_twin(seed, rows, weights, probation):
    labels, scores = file(seed, rows)
    found = raw_score(scores >= 0.75, *rows_of(labels, weights, probation), weights[2])
    expected = slow.raw_score(labels.tolist(), (scores >= 0.75).tolist(), weights, probation)
    assert found == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), PROFILES)
def test_the_best_threshold_is_that_of_the_twin(seed, rows, weights):
    labels, scores = file(seed, rows)
    labels[-1] = 1
    best, at = slow.optimum([(labels.tolist(), scores.tolist())], weights)
    threshold = best_threshold(scores, *rows_of(labels, weights, 0.15), weights[2])
    assert slow.score([(labels.tolist(), (scores >= threshold).tolist())], weights) == pytest.approx(best, abs=1e-9)
    assert threshold == at


def test_an_alert_at_the_left_edge_earns_all_and_one_far_behind_costs_all():
    labels = np.array([0] * 4 + [1] * 5 + [0] * 20, np.int8)
    earned, window, windows = rows_of(labels, (1.0, 0.11, 1.0), 0.0)
    assert earned[4] == 1.0
    assert window[[0, 4, 8, 9]].tolist() == [-1, 0, 0, -1]
    assert windows == 1
    assert earned[0] == earned[20] == -0.11
    assert earned[9] == pytest.approx(0.11 * (2 / (1 + math.exp(5 / 4)) - 1))

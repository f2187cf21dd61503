"""Usual ranges of features, and how far a value would have to be from where it was, by trying."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import MAD, Panel, ZScore
from tocsin.detectors.limits import limits
from tocsin.detectors.ranges import Ranges
from tocsin.panel import Contributions


def readings(rows=400, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_ranges_are_quantiles_and_survive_their_state():
    X = readings()
    X[::7, 1] = np.nan
    ranges = Ranges.from_state(Ranges.learn(Panel.of_matrix(X)).to_state())
    low, high = ranges.usual()
    np.testing.assert_allclose(low[0], np.nanquantile(X, 0.05, axis=0), atol=0.05)
    np.testing.assert_allclose(high[0], np.nanquantile(X, 0.95, axis=0), atol=0.05)
    np.testing.assert_allclose(ranges.medians()[0], np.nanmedian(X, axis=0), atol=0.05)


def test_ranges_of_halves_merge():
    X = readings(2000)
    whole = Ranges.learn(Panel.of_matrix(X)).usual()
    halves = [Ranges.learn(Panel.of_matrix(half)) for half in (X[:1000], X[1000:])]
    merged = halves[0].combine(halves[1], 0.0).usual()
    learned = halves[0].absorb(Panel.of_matrix(X[1000:]), np.ones(1000), np.ones(1), 0.0).usual()
    for other in (merged, learned):
        np.testing.assert_allclose(np.stack(other), np.stack(whole), atol=0.1)


def test_evidence_of_a_named_value():
    X = readings()
    ranges = Ranges.learn(Panel.of_matrix(X))
    rows = Panel.of_matrix([[0.0, 9.0, np.nan], [-9.0, 0.0, 0.0]])
    named = Contributions(np.array([[1], [0]], np.int32), np.ones((2, 1)))
    said = ranges.evidence(rows, named)
    assert said.above.tolist() == [[True], [False]]
    np.testing.assert_allclose(said.tail, 1 / 401)
    assert np.isnan(said.limit).all()


@pytest.mark.parametrize("detector", [ZScore(0.05), MAD(0.05)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_by_trying_are_those_by_formula(detector, dtype):
    X = readings().astype(dtype)
    detector.fit(X)
    panel = Panel.of_matrix(X)
    scores, named = detector.score_panel(detector.model_, panel, 2)
    by_formula = detector.evidence_panel(detector.model_, panel, named).limit
    by_formula[~scores.alert] = np.nan
    medians = Ranges.learn(panel).medians()
    found = limits(
        lambda models, rows: detector.score_panel(models, rows, p_values=False)[0].score,
        detector.model_,
        panel,
        named.feature,
        medians,
    )
    assert np.isfinite(found).sum() > 5
    np.testing.assert_allclose(found, by_formula, rtol=1e-6)

"""Drift is told in figures and words, from what models hold or from any readings, and not where chance explains it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tocsin import ECOD, PCA, ZScore
from tocsin.detectors.drift import dependence, drift, sketched
from tocsin.errors import DataError
from tocsin.panel import Panel


def fleet(rng, assets=3, rows=1_000, shift=0.0, scale=1.0):
    values = 50.0 + shift + scale * rng.normal(size=(2, assets * rows))
    offsets = np.arange(assets + 1) * rows
    return Panel(values, offsets, pa.array([f"pump {i}" for i in range(assets)]), ("flow", "heat"))


def test_models_of_ecod_hold_what_is_needed():
    rng = np.random.default_rng(0)
    training, later = fleet(rng), fleet(rng, shift=1.0)
    detector = ECOD()
    models, _ = detector.fit_panel(training)
    found = drift(detector.sketches(models), sketched(later), later.keys, later.features)
    assert found.distance.shape == (3, 2)
    assert np.allclose(found.distance, 0.383, atol=0.06)  # of two normal distributions one deviation apart
    assert (found.p_value < 1e-9).all()
    assert (found.least <= np.abs(found.distance)).all()
    assert (np.abs(found.distance) <= found.most).all()
    assert np.allclose(found.shift, 1.0 / 3.29, atol=0.08)


@pytest.mark.parametrize("kind", [PCA, ZScore])
def test_other_models_hold_it_or_say_that_they_do_not(kind):
    panel = fleet(np.random.default_rng(0))
    models, _ = kind().fit_panel(panel)
    held = kind().sketches(models)
    expected = any(name.startswith("range_") for name in models.state)
    assert (held is not None) == expected
    if held is not None:
        assert drift(held, sketched(panel), panel.keys, panel.features).distance == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ((20.0, 1.0), (22.0, 1.0), "speed runs 10 % higher: its median is 2"),
        ((0.0, 1.0), (-1.0, 1.0), "speed runs lower by 0.3"),
        ((20.0, 1.0), (20.0, 3.0), "speed varies 3 times as much as usual"),
        ((20.0, 1.0), (20.0, 0.3), "speed varies 0.3 times as much as usual"),
        ((20.0, 1.0), (20.0, 1e-6), "speed hardly varies: it stays near 20"),
        ((20.0, 0.0), (21.0, 0.0), "speed runs 5 % higher: its median is 21, and was 20"),
        ((0.0, 0.0), (1.0, 0.0), "speed runs higher than the one value it had"),
    ],
)
def test_sentences_say_what_has_changed(before, after, sentence):
    rng = np.random.default_rng(3)
    one, two = (Panel.of_matrix(rng.normal(*each, (4_001, 1)), ["speed"]) for each in (before, after))
    found = drift(sketched(one), sketched(two), one.keys, one.features).table()
    assert found["sentence"].item().startswith(sentence)


def test_what_was_never_seen_has_no_drift():
    rng = np.random.default_rng(0)
    one, two = fleet(rng, assets=1), fleet(rng, assets=1)
    two.values[1] = np.nan
    found = drift(sketched(one), sketched(two), one.keys, one.features)
    assert found.table()["distance"].is_null().to_list() == [False, True]
    assert found.table()["sentence"].to_list()[1] is None
    assert len(found.worst(level=1.0)) == 1


def test_the_worst_come_first():
    rng = np.random.default_rng(0)
    one, two = fleet(rng), fleet(rng)
    two.values[0, 1_000:2_000] += 0.5
    two.values[1, 2_000:] += 2.0
    found = drift(sketched(one), sketched(two), one.keys, one.features).worst()
    assert found.select("asset", "feature").rows() == [("pump 2", "heat"), ("pump 1", "flow")]


def test_no_drift_is_seldom_taken_for_one():
    rng = np.random.default_rng(7)
    one, two = (fleet(rng, assets=400, rows=300) for _ in range(2))
    found = drift(sketched(one), sketched(two), one.keys, one.features)
    assert np.mean(found.p_value < 0.01) <= 0.02
    assert 0.0 < np.mean(found.p_value < 0.1) <= 0.11


def test_rows_that_are_alike_are_no_evidence_once_that_is_said():
    rng = np.random.default_rng(7)

    def alike():
        panel = fleet(rng, assets=200, rows=1_200)
        for row in range(1, 1_200):
            panel.values[:, row::1_200] = 0.9 * panel.values[:, row - 1 :: 1_200] + 0.44 * panel.values[:, row::1_200]
        return Panel(panel.values[:, panel.offsets[0] :], panel.offsets, panel.keys, panel.features)

    one, two = alike(), alike()
    plain = drift(sketched(one), sketched(two), one.keys, one.features)
    told = drift(sketched(one), sketched(two), one.keys, one.features, dependence(one))
    assert np.mean(plain.p_value < 0.01) > 0.3
    assert np.mean(told.p_value < 0.01) <= 0.02


def test_sketches_of_others_are_refused():
    rng = np.random.default_rng(0)
    one, two = fleet(rng), fleet(rng, assets=2)
    with pytest.raises(DataError, match="4 sketches cannot be held against 6"):
        drift(sketched(one), sketched(two), one.keys, one.features)
    with pytest.raises(DataError, match="6 sketches are not those of 3 assets with 1 features"):
        drift(sketched(one), sketched(one), one.keys, ("flow",))

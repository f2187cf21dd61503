"""Scores are z-scores as NumPy gives them, in standard deviations."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tocsin import Panel, ZScore
from tocsin.errors import ParameterError


def test_one_feature_is_its_own_z_score():
    x = np.random.default_rng(0).gamma(2, size=(700, 1))
    detector = ZScore().fit(x)
    np.testing.assert_allclose(detector.decision_scores_, np.abs((x - x.mean()) / x.std())[:, 0], rtol=1e-12)


def test_several_features_score_as_the_farthest_one():
    X = np.random.default_rng(1).normal(size=(400, 5)) * [1, 10, 100, 1e-3, 1e6]
    X[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan
    detector = ZScore().fit(X)
    z = np.abs(X - np.nanmean(X, 0)) / np.nanstd(X, 0)
    np.testing.assert_allclose(detector.decision_scores_, np.nanmax(z, 1), rtol=1e-11)
    np.testing.assert_allclose(detector.contributions(X), np.nan_to_num(z), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, -273.15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_differs_from_a_constant_is_infinitely_far_but_a_number(constant, dtype):
    X = np.column_stack([np.full(300, constant), np.random.default_rng(0).normal(size=300)]).astype(dtype)
    detector = ZScore().fit(X)
    same, other = detector.contributions([[constant, 0.5], [constant + 0.01, 0.5]])
    assert (same[0], other[0]) == (0.0, 1e9)
    told = detector.explain([[constant + 1, 0.5]], top=1)
    assert told["limit"].item() == pytest.approx(constant, rel=1e-7)
    assert "above its usual" in told["sentence"].item()


def test_a_tail_is_normal_but_never_rarer_than_what_was_seen():
    X = np.random.default_rng(0).normal(size=(999, 1))
    detector = ZScore().fit(X)
    told = detector.explain([[X.mean() + 2 * X.std()], [1e6]])
    assert told["tail_probability"].to_list() == pytest.approx([0.02275, 0.001], rel=1e-3)
    assert told["low"][0] == pytest.approx(X.mean() - 1.6449 * X.std(), rel=1e-4)


def test_updates_and_merges_learn_like_one_fit():
    X = np.random.default_rng(3).normal(size=(3000, 3)) * [1, 1e3, 1] + [1e6, 0, -4]
    X[np.random.default_rng(4).random(X.shape) < 0.05] = np.nan
    whole, parts = ZScore().fit(X), ZScore().fit(X[:500])
    for start in range(500, 3000, 250):
        parts.partial_fit(X[start : start + 250])
    panels = [Panel.of_matrix(part) for part in np.split(X, 3)]
    models = [ZScore().fit_panel(panel)[0] for panel in panels]
    merged = ZScore().merge_models(ZScore().merge_models(models[0], models[1]), models[2])
    new = Panel.of_matrix(X[:100] * 2)
    expected = ZScore().score_panel(whole.model_, new)[0].score
    for model in (parts.model_, merged):
        assert model.rows.tolist() == [3000]
        np.testing.assert_allclose(ZScore().score_panel(model, new)[0].score, expected, rtol=1e-8)


def test_half_life_forgets_and_does_not_care_how_rows_are_cut():
    rng = np.random.default_rng(6)
    first, then = rng.normal(0, 1, (1000, 2)), rng.normal(20, 1, (3000, 2))
    one, many = (ZScore(half_life=200).fit(first) for _ in range(2))
    one.partial_fit(then)
    for start in range(0, 3000, 100):
        many.partial_fit(then[start : start + 100])
    old, new = one.decision_function([[0.0, 0.0], [20.0, 20.0]])
    assert old > 15
    assert new < 1
    np.testing.assert_allclose(one.decision_function(first[:50]), many.decision_function(first[:50]), rtol=1e-9)
    with pytest.raises(ParameterError, match="half_life must be a positive number of rows"):
        ZScore(half_life=0).fit(first)


def test_a_model_is_small_and_of_the_precision_it_learned():
    X = np.random.default_rng(0).normal(size=(2000, 10)).astype(np.float32)
    model = ZScore().fit(X).model_
    assert model.state["moments"].values.nbytes == 240
    assert model.state["precision"].values.dtype == np.float32


def test_assets_without_rows():
    panel = Panel(np.zeros((2, 0)), np.zeros(3, np.int64), pa.array(["a", "b"]), ("x", "y"))
    models, _ = ZScore().fit_panel(panel)
    new = Panel(np.ones((2, 2)), np.array([0, 1, 2]), pa.array(["a", "b"]), ("x", "y"))
    assert ZScore().score_panel(models, new)[0].score.tolist() == [0.0, 0.0]

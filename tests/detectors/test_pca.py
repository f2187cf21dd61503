"""T2, Q and both limits are those of an independent computation; broken relations are found and named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA as Sklearn
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from tocsin import PCA, Panel
from tocsin.errors import DataError, ParameterError


def driven(rows=600, width=8, factors=2, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(factors, width))
    return rng.normal(size=(rows, factors)) @ loadings + noise * rng.normal(size=(rows, width)) + 10


def independent(X, new, components, confidence):
    """T2, Q and their limits, with scikit-learn and SciPy."""
    n = len(X)
    scaler = StandardScaler().fit(X)
    scaler.scale_ = scaler.scale_ * np.sqrt(n / (n - 1))
    fitted = Sklearn(components, svd_solver="full").fit(scaler.transform(X))
    k, z = fitted.n_components_, scaler.transform(new)
    t = fitted.transform(z)
    t2, q = (t**2 / fitted.explained_variance_).sum(1), ((z - fitted.inverse_transform(t)) ** 2).sum(1)
    t2_limit = k * (n**2 - 1) / (n * (n - k)) * stats.f.ppf(confidence, k, n - k)
    rest = np.linalg.eigvalsh(np.corrcoef(X.T))[::-1][k:]
    a, b, c = rest.sum(), (rest**2).sum(), (rest**3).sum()
    h = 1 - 2 * a * c / (3 * b**2)
    normal = stats.norm.ppf(confidence)
    q_limit = a * (normal * np.sqrt(2 * b * h**2) / a + 1 + b * h * (h - 1) / a**2) ** (1 / h)
    return t2, q, t2_limit, q_limit


@pytest.mark.parametrize("components", [1, 3, 0.5, 0.9, 0.99])
def test_equals_an_independent_computation(components):
    X, new = driven(), driven(50, seed=1) * 1.1
    detector = PCA(0.05, components=components).fit(X)
    t2, q, t2_limit, q_limit = independent(X, new, components, 0.95)
    measured = detector.statistics(detector.model_, Panel.of_matrix(new))
    limits = detector.limits(detector.model_)
    np.testing.assert_allclose(measured.t2, t2, rtol=1e-9)
    np.testing.assert_allclose(measured.q, q, rtol=1e-9)
    np.testing.assert_allclose([limits.t2.item(), limits.q.item()], [t2_limit, q_limit], rtol=1e-9)
    np.testing.assert_allclose(detector.decision_function(new), t2 / t2_limit + q / q_limit, rtol=1e-9)


def test_limits_hold_as_often_as_they_say():
    X, new = driven(2000), driven(20_000, seed=1)
    detector = PCA(0.05).fit(X)
    limits = detector.limits(detector.model_)
    t2, q = detector.statistics(detector.model_, Panel.of_matrix(new))
    assert (t2 > limits.t2).mean() == pytest.approx(0.05, abs=0.01)
    assert (q > limits.q).mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("feature", range(8))
def test_a_broken_relation_within_usual_ranges_is_found_and_named(feature):
    detector = PCA(0.001, components=2).fit(driven(noise=0.02))
    rows = driven(200, seed=2, noise=0.02)
    broken = rows.copy()
    broken[:, feature] = 20 - broken[:, feature]
    off = np.abs(broken - rows)[:, feature] > 0.5
    assert off.sum() > 20
    told = detector.explain(broken[off], top=1)
    assert detector.predict(broken[off]).all()
    assert (told["feature"] == f"x{feature}").mean() > 0.9
    named = (told["feature"] == f"x{feature}").to_numpy()
    high = (told["direction"] == "above").to_numpy()
    np.testing.assert_array_equal(high[named], (broken > rows)[off, feature][named])
    mended = told["limit"].is_not_null().to_numpy() & named
    assert mended.mean() > 0.9
    assert ((told["limit"].to_numpy() < broken[off, feature]) == high)[mended].all()


def test_missing_values_are_what_the_others_say_of_them():
    X = driven(noise=0.01)
    detector = PCA(0.01, components=2).fit(X)
    whole = driven(200, seed=3, noise=0.01)
    holed = whole.copy()
    holed[:, 5] = np.nan
    scores, parts = detector.decision_function(holed), detector.contributions(holed)
    assert (scores <= detector.decision_function(whole) + 1e-9).all()
    assert (parts[:, 5] == 0).all()
    np.testing.assert_allclose(parts.sum(1), scores)
    for row in holed[:5]:
        tries = np.tile(row, (2001, 1))
        tries[:, 5] = np.linspace(X[:, 5].min() - 1, X[:, 5].max() + 1, 2001)
        assert detector.decision_function(tries).min() == pytest.approx(detector.decision_function([row])[0], rel=1e-2)
    assert detector.decision_function([[np.nan] * 8])[0] == 0
    holed[:, 0] += 10
    told = detector.explain(holed, top=1)
    assert set(told["feature"]) == {"x0"}
    known = told["limit"].is_not_null().to_numpy()
    assert known.mean() > 0.9
    holed, told = holed[known], told.filter(known)
    mended = np.where(np.arange(8) == 0, told["limit"].to_numpy()[:, None], holed)
    assert not detector.predict(mended).any()
    mended[:, 0] += 1e-6 * np.sign(holed[:, 0] - mended[:, 0])
    assert detector.predict(mended).all()


def test_constants_and_copies():
    X = driven(width=5)
    X[:, 1], X[:, 3] = 7.0, 2 * X[:, 0]
    detector = PCA(components=3).fit(X)
    row = X[:1].copy()
    assert detector.decision_function(row)[0] < 2
    row[0, 1] = 7.1
    told = detector.explain(row, top=1)
    assert (told["feature"].item(), told["limit"].item()) == ("x1", 7.0)
    row[0, 1] = 7.0
    row[0, 3] += 0.01
    assert detector.decision_function(row)[0] > 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_features_than_rows(dtype):
    X = driven(20, width=60, noise=1.0).astype(dtype)
    detector = PCA().fit(X)
    assert len(detector.model_.state["variances"].values) < 20
    usual, odd = detector.decision_function(np.stack([X.mean(0), X.mean(0) + 9 * (np.arange(60) == 7)]))
    assert odd > 100 * usual


@pytest.mark.parametrize("scale", [True, False])
def test_updates_and_merges_learn_like_one_fit(scale):
    X = driven(900) * np.geomspace(1, 100, 8)
    whole = PCA(scale=scale).fit(X)
    updated = PCA(scale=scale).fit(X[:200]).partial_fit(X[200:201]).partial_fit(X[201:])
    first, rest = (PCA(scale=scale).fit_panel(Panel.of_matrix(part))[0] for part in (X[:500], X[500:]))
    merged = PCA(scale=scale).merge_models(first, rest)
    for model in (updated.model_, merged):
        scores = whole.score_panel(model, Panel.of_matrix(X[:50]))[0].score
        np.testing.assert_allclose(scores, whole.decision_function(X[:50]), rtol=1e-8)
        np.testing.assert_allclose(whole.limits(model), whole.limits(whole.model_), rtol=1e-9)


def test_half_life_forgets():
    detector = PCA(half_life=100).fit(driven()).partial_fit(_turned())
    assert detector.decision_function(_turned()).mean() < detector.decision_function(driven()).mean() / 3


def _turned():
    X = driven(2000, seed=4)
    X[:, 0] = 20 - X[:, 0]
    return X


def test_the_tennessee_eastman_process(need):
    normal = np.loadtxt(need("tep/d00.dat")).T
    for fault, least in ((1, 0.95), (4, 0.95), (6, 0.95), (14, 0.95)):
        rows = np.loadtxt(need(f"tep/d{fault:02}_te.dat"))
        scores = PCA().fit(normal).decision_function(rows)
        assert roc_auc_score(np.arange(len(rows)) >= 160, scores) > least


@pytest.mark.parametrize("components", [0, -1, 1.5, "all", True, float("nan")])
def test_components_that_make_no_sense(components):
    with pytest.raises(ParameterError, match="components must be a share of the variance below 1 or a whole number"):
        PCA(components=components).fit(driven())


def test_statistics_of_other_models():
    detector = PCA().fit(driven())
    with pytest.raises(DataError, match="1 models for a panel of 2 assets"):
        detector.statistics(detector.model_, Panel.of_matrix(driven()).take_assets(np.array([0, 0])))
    with pytest.raises(ParameterError, match="scale must be True or False"):
        PCA(scale="yes").fit(driven())

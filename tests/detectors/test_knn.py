"""Distances are scikit-learn's, with missing values too, and limits are where distances pass the threshold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import nan_euclidean_distances

from tocsin import KNN, Panel
from tocsin.errors import ParameterError


def readings(rows=300, width=5, seed=0, holes=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, width)) * np.geomspace(1, 100, width)
    X[rng.random(X.shape) < holes] = np.nan
    return X


def distances(rows, X, scale):
    spread = np.nanstd(X, axis=0) if scale else 1.0
    return nan_euclidean_distances(rows / spread, X / spread)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("neighbors", [1, 4])
def test_equals_scikit_learn(scale, holes, neighbors):
    X, new = readings(holes=holes), readings(40, seed=1, holes=holes)
    largest, mean = (KNN(neighbors=neighbors, method=method, scale=scale).fit(X) for method in ("largest", "mean"))
    near = np.sort(distances(new, X, scale), axis=1)[:, :neighbors]
    np.testing.assert_allclose(largest.decision_function(new), near[:, -1], rtol=1e-6)
    np.testing.assert_allclose(mean.decision_function(new), near.mean(1), rtol=1e-6)
    among = distances(X, X, scale)
    np.fill_diagonal(among, np.inf)
    near = np.sort(among, axis=1)[:, :neighbors]
    np.testing.assert_allclose(largest.decision_scores_, near[:, -1], rtol=1e-6)
    np.testing.assert_allclose(mean.decision_scores_, near.mean(1), rtol=1e-6)


@pytest.mark.parametrize("method", ["largest", "mean"])
def test_contributions_are_shares_of_squared_distances(method):
    X = readings(50)
    detector = KNN(neighbors=2, method=method).fit(X)
    row = readings(1, seed=3)
    squares = ((row - X) / X.std(0)) ** 2
    near = np.argsort(squares.sum(1))[:2]
    shares = squares / np.sqrt(squares.sum(1))[:, None]
    expected = shares[near[1]] if method == "largest" else shares[near].mean(0)
    np.testing.assert_allclose(detector.contributions(row)[0], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_limits_are_the_nearest_there_are(dtype, holes):
    X = readings(width=3, holes=holes).astype(dtype)
    detector = KNN(0.1).fit(X)
    new = (readings(60, width=3, seed=5, holes=holes) * 1.6).astype(dtype)
    told = detector.explain(new, top=3)
    alerts = detector.predict(new)
    checked = 0
    for line in told.iter_rows(named=True):
        if not alerts[line["row"]]:
            continue
        feature, value = int(line["feature"][1:]), line["value"]
        far = 6 * np.nanstd(X[:, feature])
        tries = np.tile(new[line["row"]], (801, 1))
        tries[:, feature] = value + np.linspace(-far, far, 801)
        quiet = np.abs(tries[:, feature] - value)[detector.predict(tries) == 0]
        if line["limit"] is None:
            assert not len(quiet)
            continue
        checked += 1
        assert abs(line["limit"] - value) <= quiet.min(initial=np.inf) * (1 + 1e-6)
        assert (line["direction"] == "above") == (line["limit"] < value)
        row = new[line["row"]].copy()
        row[feature] = line["limit"]
        assert detector.predict([row])[0] == 0
    assert checked > 10


def test_a_sample_stands_for_all_times():
    X = np.arange(1000.0)[:, None]
    small = KNN(sample=100, neighbors=1, scale=False).fit(X)
    rows = small.model_.state["neighbours"].values
    assert (rows // 10 == np.arange(100)).all()
    assert len(set(rows % 10)) > 5
    assert (KNN(sample=100, seed=1).fit(X).model_.state["neighbours"].values != rows).any()
    assert len(KNN(sample=None).fit(X).model_.state["neighbours"].values) == 1000
    among = np.abs(X - rows)
    among[among == 0] = np.inf
    np.testing.assert_allclose(small.decision_scores_, among.min(1))


def test_constants_and_rows_without_values():
    X = readings(width=3)
    X[:, 1] = 5.0
    detector = KNN().fit(X)
    assert detector.decision_function([[np.nan] * 3])[0] == 0
    row = X[:1].copy()
    row[0, 1] = 5.5
    told = detector.explain(row, top=1)
    assert (told["feature"].item(), told["contribution"].item(), told["limit"].item()) == ("x1", 1e9, 5.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"neighbors": 0}, "neighbors must be a whole number of at least 1"),
        ({"neighbors": 2.5}, "neighbors must be a whole number, not 2.5"),
        ({"method": "median"}, "method must be 'largest' or 'mean'"),
        ({"scale": 1}, "scale must be True or False"),
        ({"sample": 1}, "sample must be a whole number of at least 2"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_parameters_that_make_no_sense(given, said):
    with pytest.raises(ParameterError, match=said):
        KNN(**given).fit_panel(Panel.of_matrix(readings(5)))

"""Small samples see groups of anomalies that hide from nearest neighbours among all rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tocsin import KNN, LeSiNN, Panel
from tocsin.errors import ParameterError


def readings(rows=300, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width)) * np.geomspace(1, 100, width)


def test_many_anomalies_of_one_kind_do_not_hide_each_other():
    X, y = readings(1000, 3), np.arange(1000) >= 980
    X[y] = [8.0, -80.0, 800.0] + X[y] * 0.01
    small, all_rows = (roc_auc_score(y, each.fit(X).decision_scores_) for each in (LeSiNN(), KNN()))
    assert small == 1.0
    assert all_rows < 0.7


def test_a_sample_of_one_row_is_the_distance_to_it():
    X, new = readings(50), readings(10, seed=1)
    detector = LeSiNN(samples=1, size=1).fit(X)
    row = detector.model_.state["neighbours"].values
    expected = np.linalg.norm((new - row) / X.std(0), axis=1)
    np.testing.assert_allclose(detector.decision_function(new), expected)
    plain = LeSiNN(samples=1, size=1, scale=False).fit(X)
    np.testing.assert_allclose(plain.decision_function(new), np.linalg.norm(new - row, axis=1))


def test_a_row_is_no_neighbour_of_its_own_in_training():
    X = readings(40)
    detector = LeSiNN(samples=200, size=8).fit(X)
    assert (detector.decision_scores_ > detector.decision_function(X)).all()


def test_the_seed_and_the_rows_choose_the_samples():
    X = readings()
    first, again, other = (LeSiNN(seed=seed).fit(X).decision_scores_ for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.corrcoef(first, other)[0, 1] > 0.98


def test_constants_and_rows_without_values():
    X = readings(width=3)
    X[:, 1] = 5.0
    detector = LeSiNN().fit(X)
    assert detector.decision_function([[np.nan] * 3])[0] == 0
    row = X[:1].copy()
    row[0, 1] = 5.5
    told = detector.explain(row, top=1)
    assert (told["feature"].item(), told["contribution"].item()) == ("x1", 1e9)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows(rows):
    detector = LeSiNN().fit(readings(rows))
    assert np.isfinite(detector.decision_scores_).all()
    assert np.isfinite(detector.decision_function(readings(5, seed=1))).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"samples": 0}, "samples must be a whole number of at least 1"),
        ({"size": 2.5}, "size must be a whole number, not 2.5"),
        ({"scale": 1}, "scale must be True or False"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_parameters_that_make_no_sense(given, said):
    with pytest.raises(ParameterError, match=said):
        LeSiNN(**given).fit_panel(Panel.of_matrix(readings(5)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_limits_are_the_nearest_on_the_way_to_the_median(dtype, holes):
    X, new = readings(width=3).astype(dtype), (readings(40, width=3, seed=5) * 1.8).astype(dtype)
    for seed, each in enumerate((X, new)):
        each[np.random.default_rng(seed).random(each.shape) < holes] = np.nan
    detector = LeSiNN(0.1, samples=16, size=8).fit(X)
    alerts, medians, checked = detector.predict(new), np.nanmedian(X, axis=0), 0
    for line in detector.explain(new, top=3).iter_rows(named=True):
        if not alerts[line["row"]]:
            continue
        feature, value = int(line["feature"][1:]), line["value"]
        tries = np.tile(new[line["row"]], (401, 1))
        tries[:, feature] = value + (medians[feature] - value) * np.linspace(0, 1, 401)
        quiet = detector.predict(tries) == 0
        if line["limit"] is None:
            assert not quiet[::25].any()
            continue
        checked += 1
        assert abs(line["limit"] - value) <= np.abs(tries[quiet, feature] - value).min() * (1 + 1e-5)
        row = new[line["row"]].copy()
        row[feature] = line["limit"]
        assert detector.predict([row])[0] == 0
    assert checked > 10

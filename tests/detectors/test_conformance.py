"""Every detector in the catalog keeps the contract; a new one is tested by being there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from tocsin import Panel
from tocsin.detectors.catalog import catalog, detector_class
from tocsin.errors import DataError, EmptyDataError, NotFittedError, ParameterError
from tocsin.panel import unmasked

VARIANTS = {"extended isolationforest": partial(catalog()["isolationforest"], extended=True)}
"""Forms of a detector that are so different that each keeps the contract by itself."""
MAKERS = {**catalog(), **VARIANTS}
DETECTORS = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def readings(rows=300, width=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def fleet_panel(lengths=(300, 40, 500), width=4, dtype=np.float64):
    values = readings(sum(lengths), width).T.astype(dtype)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    keys = pa.array([f"asset {i}" for i in range(len(lengths))])
    return Panel(np.ascontiguousarray(values), offsets, keys, tuple("abcdefgh"[:width]))


def labels(X):
    """Call a few rows with the largest sums anomalous, evenly among all: one in each stretch of ten."""
    totals = np.nansum(unmasked(X).astype(np.float64), axis=1)
    stretches = np.array_split(totals, -(-len(totals) // 10))
    return np.concatenate([part >= part.max() for part in stretches]).astype(np.int8)


def fitted(make, X, y=None, **settings):
    """Return a detector that has learned from X, from labels too if it needs them."""
    detector = make().set_params(**settings)
    return detector.fit(X, labels(X) if detector.supervised else y)


@DETECTORS
def test_pyod_face(make):
    X = readings()
    detector = make()
    assert detector.fit(X, labels(X)) is detector
    assert detector.decision_scores_.shape == detector.labels_.shape == (300,)
    assert set(np.unique(detector.labels_)) <= {0, 1}
    np.testing.assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    np.testing.assert_array_equal(detector.predict(X), detector.decision_function(X) > detector.threshold_)
    assert (detector.p_values(X) > 0).all()
    assert (detector.p_values(X) <= 1).all()
    assert detector.signed or (detector.decision_scores_ >= 0).all()


@DETECTORS
def test_clone_and_parameters(make):
    detector = make().set_params(contamination=0.07)
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    assert not hasattr(copy, "model_")
    assert json.loads(json.dumps(copy.get_params())) == copy.get_params()


@DETECTORS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fleet_is_its_assets_one_by_one(make, dtype):
    detector, panel = make(), fleet_panel(dtype=dtype)
    panel = replace(panel, labels=labels(panel.values.T))
    models, scores = detector.fit_panel(panel)
    again, _ = detector.score_panel(models, panel)
    for asset in range(panel.n_assets):
        rows = slice(panel.offsets[asset], panel.offsets[asset + 1])
        single = make().fit(panel.values[:, rows].T, panel.labels[rows])
        np.testing.assert_array_equal(scores.score[rows], single.decision_scores_)
        np.testing.assert_array_equal(again.score[rows], single.decision_function(panel.values[:, rows].T))
        assert models.threshold[asset] == single.threshold_
        one = models.take(np.array([asset]))
        for name, entry in one.state.items():
            np.testing.assert_array_equal(entry.values, single.model_.state[name].values)
    np.testing.assert_array_equal(panel.values, fleet_panel(dtype=dtype).values, "nobody writes into a panel")


@DETECTORS
def test_high_score_means_anomaly(make):
    X = readings()
    detector = fitted(make, X)
    usual, odd = detector.decision_function([[0.0] * 4, [50.0] * 4])
    assert odd > usual
    assert detector.predict([[50.0] * 4]).tolist() == [1]
    if not detector.supervised:  # of the rows that it learned from, a tenth were as anomalous as any can be
        assert detector.p_values([[50.0] * 4])[0] < 0.01


@DETECTORS
def test_contributions(make):
    X = readings(seed=1)
    detector = fitted(make, readings())
    parts, scores = detector.contributions(X), detector.decision_function(X)
    assert parts.shape == X.shape
    if detector.additive:
        np.testing.assert_allclose(parts.sum(1), scores, rtol=1e-6)
    top = detector.attribute_panel(detector.model_, Panel.of_matrix(X), 2)
    every = detector.attribute_panel(detector.model_, Panel.of_matrix(X))
    assert every.feature.shape == (300, 4 * max(len(detector.parts), 1))
    order = np.argsort(-every.contribution, axis=1, kind="stable")[:, :2]
    np.testing.assert_allclose(top.contribution, np.take_along_axis(every.contribution, order, 1), rtol=1e-9)
    assert (top.part is None) == (not detector.parts)


@DETECTORS
def test_explanations_name_the_cause_and_the_way_back(make):
    X = readings()
    detector = fitted(make, X)
    row = np.array([[0.1, -0.2, 80.0, 0.3]])
    first = detector.explain(row, top=1).row(0, named=True)
    assert first["feature"] == "x2"
    assert first["value"] == 80.0
    assert first["direction"] == "above"
    assert first["low"] == pytest.approx(np.quantile(X[:, 2], 0.05), abs=0.2)
    assert first["high"] == pytest.approx(np.quantile(X[:, 2], 0.95), abs=0.2)
    said = r"[\d.]+ above what is usual of late" if detector.parts else "above its usual"  # parts say how far, too
    assert re.match(f"x2 was 80, {said}", first["sentence"])


@DETECTORS
def test_explanations_name_no_feature_of_which_nothing_is_known(make):
    X = readings()
    X[:, 0] = np.nan
    detector = fitted(make, X)
    for row, missing in ([np.nan, 9.0, np.nan, 80.0], {"x0", "x2"}), ([5.0, -0.2, 80.0, 0.3], {"x0"}):
        told = detector.explain([row], top=4)
        assert not missing & {*told["feature"]}
        assert f"x{np.nanargmax(row[1:]) + 1}" in told["feature"]
        assert told["rank"].to_list() == list(range(1, len(told) + 1))
        assert not told["sentence"].str.contains("NaN").any()


@DETECTORS
def test_limit_is_the_nearest_value_that_would_not_have_alerted(make):
    X = readings(seed=2)
    restless = {"rest": 0} if "rest" in make().get_params() else {}  # else there are few alerts to try
    detector = fitted(make, readings(seed=5), contamination=0.1, **restless)  # training may match itself
    told = detector.explain(X, top=4).drop_nulls("limit")
    assert len(told) > 5
    for line in told.iter_rows(named=True):
        feature = int(line["feature"][1:])
        rows = (
            X[line["row"] :][:1].copy() if not detector.temporal else X[: line["row"] + 1].copy()
        )  # what came before counts
        assert detector.predict(rows)[-1] == 1
        rows[-1, feature] = line["limit"]
        assert detector.predict(rows)[-1] == 0
        rows[-1, feature] += 1e-6 * np.sign(line["value"] - line["limit"])
        assert detector.predict(rows)[-1] == 1


@DETECTORS
def test_updates(make):
    detector = fitted(make, readings())
    if not detector.incremental:
        with pytest.raises(ParameterError, match="fit it anew"):
            detector.partial_fit(readings(seed=3))
        return
    before = detector.decision_function([[3.5] * 4])[0]
    detector.partial_fit(3.5 + readings(3000, seed=3))
    assert detector.decision_function([[3.5] * 4])[0] < before
    assert detector.model_.rows.tolist() == [3300]
    assert make().partial_fit(readings()).model_.rows.tolist() == [300]


@DETECTORS
def test_bad_input(make):
    with pytest.raises(NotFittedError, match="call fit"):
        make().predict(readings())
    detector = fitted(make, readings())
    with pytest.raises(DataError, match=r"X has 3 features, but .* was fitted with 4"):
        detector.predict(readings(width=3))
    for X, said in [
        (np.zeros((0, 4)), "0 rows"),
        (np.zeros(4), "2 dimensions"),
        ([["a", "b", "c", "d"]], "numeric"),
        (np.zeros((2, 4), complex), "complex"),
    ]:
        with pytest.raises((DataError, EmptyDataError), match=said):
            make().fit(X, [1])


@DETECTORS
def test_fitting_again_forgets_all(make):
    detector = fitted(make, readings())
    detector.fit(readings(100, width=2), labels(readings(100, width=2)))
    np.testing.assert_array_equal(detector.decision_scores_, fitted(make, readings(100, width=2)).decision_scores_)
    assert detector.decision_function([[0.0, 0.0]]).shape == (1,)


@DETECTORS
def test_data_frames_lend_their_names(make):
    frame = pl.DataFrame(readings(width=2), schema=["flow", "heat"], orient="row")
    for X in (frame, frame.to_pandas()):
        assert set(fitted(make, X).explain(X[:5])["feature"]) == {"flow", "heat"}


@DETECTORS
def test_few_rows_and_missing_features(make):
    for rows in (2, 3) if make().supervised else (1, 2, 3):
        detector = fitted(make, readings(rows))
        assert np.isfinite(detector.decision_function(readings(5, seed=1))).all()
    X = readings()
    X[:, 1] = np.nan
    detector = fitted(make, X)
    assert np.isfinite(detector.decision_scores_).all()
    assert np.isfinite(detector.decision_function([[np.nan] * 4, [1.0, 2.0, 3.0, 4.0]])).all()


@DETECTORS
def test_masked_values_are_missing(make):
    X = readings()
    masked = np.ma.array(X, mask=X > 2.0)
    plain = fitted(make, masked.filled(np.nan))
    np.testing.assert_array_equal(fitted(make, masked).decision_scores_, plain.decision_scores_)


@DETECTORS
def test_labels_are_asked_for_only_where_they_are_needed(make):
    X = readings()
    if make().supervised:
        with pytest.raises(DataError, match="learns from labels; give y"):
            make().fit(X)
        with pytest.raises(DataError, match=r"X has only normal rows; .* needs both"):
            make().fit(X, np.zeros(len(X)))
        with pytest.raises(DataError, match="labels must be 0"):
            make().fit(X, np.full(len(X), 2))
    else:
        np.testing.assert_array_equal(make().fit(X, labels(X)).decision_scores_, make().fit(X).decision_scores_)


def test_unknown_detector_gets_a_near_match():
    assert detector_class("ecod") is detector_class("ECOD")
    with pytest.raises(ParameterError, match="no detector 'ecodd'; did you mean 'ecod'"):
        detector_class("ecodd")

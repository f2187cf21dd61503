"""LightGBM learns from labels, stops in time, and sets its threshold where the validation rows say."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tocsin import Fleet, LightGBM, Panel
from tocsin.detectors.boosting import best_threshold
from tocsin.errors import DataError, ParameterError


def labelled(rows=400, seed=0):
    """Return rows that are anomalous where the first two features are both high, a tenth of all."""
    X = np.random.default_rng(seed).normal(size=(rows, 3))
    return X, ((X[:, 0] > 0.45) & (X[:, 1] > 0.45)).astype(float)


def test_finds_what_was_labelled_and_nothing_else():
    X, y = labelled()
    detector = LightGBM().fit(X, y)
    new, truth = labelled(seed=1)
    assert (detector.predict(new) == truth).mean() > 0.95
    told = detector.explain([[1.5, 1.5, 0.0]], top=3)
    assert set(told["feature"][:2]) == {"x0", "x1"}


def test_scores_are_the_librarys_log_odds():
    X, y = labelled()
    detector = LightGBM(rounds=7, validation=0.3).fit(X, y)
    import lightgbm

    cut = 400 - 120
    settings = {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 10, "verbosity": -1, "num_threads": 1}
    settings |= {"scale_pos_weight": (y[:cut] == 0).sum() / y[:cut].sum(), "deterministic": True, "seed": 0}
    booster = lightgbm.train(settings | {"force_row_wise": True}, lightgbm.Dataset(X[:cut], y[:cut]), 7)
    raw = booster.predict(X, raw_score=True)
    np.testing.assert_allclose(np.diff(detector.decision_scores_), np.diff(raw), atol=1e-12)
    np.testing.assert_allclose(detector.contributions(X), booster.predict(X, pred_contrib=True)[:, :-1], atol=1e-12)


def test_unknown_labels_are_left_out():
    X, y = labelled()
    y[::3] = np.nan
    known = ~np.isnan(y)
    some, none = LightGBM().fit(X, y), LightGBM().fit(X[known], y[known])
    np.testing.assert_array_equal(some.decision_function(X), none.decision_function(X))
    assert some.threshold_ == none.threshold_


def test_training_stops_when_the_validation_rows_say_so():
    X, y = labelled()
    y = np.random.default_rng(1).permutation(y)  # there is nothing to learn
    short, long = LightGBM(patience=3).fit(X, y), LightGBM(patience=10_000).fit(X, y)
    sizes = [len(each.model_.state["trees"].values) for each in (short, long, LightGBM(validation=0.001).fit(X, y))]
    assert 5 * max(sizes[:2]) < sizes[2]


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_threshold_has_the_best_f_beta(beta):
    rng = np.random.default_rng(0)
    labels = (rng.random(60) < 0.3).astype(np.int8)
    scores = np.round(labels + rng.normal(size=60), 1)  # some are equal

    def f_beta(threshold):
        hit = ((scores > threshold) & (labels == 1)).sum()
        alerts, real = (scores > threshold).sum(), labels.sum()
        return (1 + beta**2) * hit / (beta**2 * real + alerts)

    found = best_threshold(scores, labels, beta)
    assert f_beta(found) == max(f_beta(each) for each in [scores.min() - 1, *scores])
    assert not np.isin(found, scores)


def test_a_larger_beta_misses_less():
    X, y = labelled(600)
    y = np.where(np.random.default_rng(0).random(600) < 0.1, 1 - y, y)
    careful, eager = LightGBM(beta=0.2).fit(X, y), LightGBM(beta=5.0).fit(X, y)
    assert eager.labels_.sum() > careful.labels_.sum()


def test_a_threshold_below_all_scores_alerts_on_all():
    assert best_threshold(np.array([1.0, 1.0]), np.array([1, 0], np.int8), 1.0) < 1.0


def test_it_is_kept_how_well_the_validation_rows_were_found():
    X, y = labelled(600)
    y = np.where(np.random.default_rng(0).random(600) < 0.05, 1 - y, y)
    detector = LightGBM(validation=0.25).fit(X, y)
    alerts, real = detector.labels_[450:], y[450:]
    counts = [(y == 0).sum(), y.sum(), 1, real.sum(), alerts.sum(), (alerts * real).sum()]
    assert detector.model_.state["tested"].values.tolist() == counts
    assert counts[3] > counts[5] > 0


def test_remarks_say_how_well_and_on_which_rows():
    X, y = labelled()
    good = LightGBM().fit(X, y)
    assert good.remarks(good.model_) == {"F1 of 0.9 or more on the last labelled rows, which were not trained on": 1}
    lost = LightGBM(beta=0.5).fit(X, np.random.default_rng(1).permutation(y))
    assert [what[:14] for what in lost.remarks(lost.model_)] == ["F0.5 below 0.5"]
    y[320:] = 0  # none to validate on
    y[np.flatnonzero(y)[9:]] = 0
    few = LightGBM().fit(X, y)
    first, second = few.remarks(few.model_)
    assert first.startswith("the threshold was chosen on rows that were trained on")
    assert second == "fewer than 10 rows labelled anomalous, little to learn from"
    assert few.model_.state["tested"].values.tolist()[:4] == [391, 9, 0, 9]


def test_remarks_count_assets():
    X, y = labelled()
    panel = Panel.of_matrix(np.concatenate([X, X]), y=np.concatenate([y, np.where(np.arange(400) < 320, y, 0)]))
    panel = Panel(panel.values, np.array([0, 400, 800]), pa.array(["a", "b"]), panel.features, labels=panel.labels)
    models, _ = LightGBM().fit_panel(panel)
    assert list(LightGBM().remarks(models).values()) == [1, 1]


def test_usual_ranges_leave_out_what_is_labelled_anomalous():
    X, y = labelled()
    X[:, 2] = np.where(y == 1, 50.0, X[:, 2])
    y[:40] = np.where(y[:40] == 1, 1, np.nan)  # unknown rows are most likely normal
    told = LightGBM().fit(X, y).explain([[0.0, 0.0, 50.0]], top=1).row(0, named=True)
    assert told["feature"] == "x2"
    assert (told["low"], told["high"]) == pytest.approx(np.quantile(X[y != 1, 2], [0.05, 0.95]), abs=0.2)
    assert "above its usual" in told["sentence"]


def test_one_class_only_names_the_asset():
    X, y = labelled(100)
    panel = Panel.of_matrix(np.concatenate([X, X]), y=np.concatenate([y, np.zeros(100)]))
    panel = Panel(panel.values, np.array([0, 100, 200]), pa.array(["a", "b"]), panel.features, labels=panel.labels)
    with pytest.raises(DataError, match="asset 'b' has only normal rows; LightGBM needs both"):
        LightGBM().fit_panel(panel)
    with pytest.raises(DataError, match="X has only anomalous rows"):
        LightGBM().fit(X, np.ones(100))
    with pytest.raises(DataError, match="X has no labelled rows"):
        LightGBM().fit(X, np.full(100, np.nan))


def test_a_fleet_asks_for_labels():
    readings = pl.DataFrame({"pump": ["a"] * 30, "flow": np.arange(30.0)})
    with pytest.raises((ParameterError, DataError), match="labels"):
        Fleet(LightGBM(), key="pump").fit(readings)


def test_the_library_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(
        ParameterError, match=r'LightGBM needs lightgbm, which is not installed: pip install "tocsin\[boosting\]"'
    ):
        LightGBM().fit(*labelled(50))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"beta": 0.0}, r"beta must be above 0 and at most 1e\+06, not 0.0"),
        ({"rounds": 1.5}, "rounds must be a whole number, not 1.5"),
        ({"leaves": 1}, "leaves must be a whole number of at least 2, not 1"),
        ({"learning_rate": 2.0}, "learning_rate must be above 0 and at most 1, not 2.0"),
        ({"validation": 0.8}, "validation must be above 0 and at most 0.5, not 0.8"),
    ],
)
def test_parameters_that_make_no_sense(settings, said):
    with pytest.raises(ParameterError, match=said):
        LightGBM(**settings).fit(*labelled(50))

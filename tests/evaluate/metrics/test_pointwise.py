"""Pointwise metrics and both areas are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.catalog import metric
from tocsin.evaluate.metrics.pointwise import FBeta


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_pointwise_metrics_are_those_of_scikit_learn(seed, rows):
    rng = np.random.default_rng(seed)
    labels, alerts = rng.random((2, rows)) < 0.4
    labels[:2], alerts[0] = (True, False), True
    known = {"zero_division": 0.0}
    expected = {
        "precision": theirs.precision_score(labels, alerts, **known),
        "recall": theirs.recall_score(labels, alerts, **known),
        "f1": theirs.f1_score(labels, alerts, **known),
        "f_beta": theirs.fbeta_score(labels, alerts, beta=0.5, **known),
        "accuracy": theirs.accuracy_score(labels, alerts),
        "false_alarm_rate": 1 - theirs.recall_score(labels, alerts, pos_label=0, **known),
        "missed_alarm_rate": 1 - theirs.recall_score(labels, alerts, **known),
    }
    assert {name: metric(name)(labels, alerts) for name in expected} == pytest.approx(expected)
    assert FBeta(2.0)(labels, alerts) == pytest.approx(theirs.fbeta_score(labels, alerts, beta=2.0, **known))


def test_several_series_are_counted_together():
    assert metric("precision")([1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 4]) == 0.25


@pytest.mark.parametrize("beta", [0, -1, np.nan, np.inf, "1"])
def test_beta_must_be_above_0(beta):
    with pytest.raises(ParameterError, match="beta must be a number above 0, not"):
        FBeta(beta)

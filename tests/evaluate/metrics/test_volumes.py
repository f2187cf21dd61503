"""Volumes take the published thresholds, and their parameters are checked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import volumes as slow
from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.volumes import VUSPR, VUSROC, RangeAUCPR, RangeAUCROC


def series(rows: int = 700):
    rng = np.random.default_rng(0)
    labels = np.zeros(rows, np.int8)
    for start, length in ((100, 30), (150, 1), (500, 60)):
        labels[start : start + length] = 1
    return labels, rng.standard_normal(rows) + np.convolve(labels, np.ones(9) / 6, "same")


@pytest.mark.parametrize("form", ["current", "2022"])
def test_both_volumes_and_areas_are_those_of_the_twin_at_the_published_thresholds(form):
    labels, scores = series()
    roc, pr = slow.volumes(labels, scores, 30, current=form == "current")
    assert VUSROC(30, form=form)(labels, scores) == pytest.approx(roc, abs=1e-12)
    assert VUSPR(30, form=form)(labels, scores) == pytest.approx(pr, abs=1e-12)
    roc, pr = slow.areas(labels, scores, 50, current=form == "current")
    assert RangeAUCROC(50, form=form)(labels, scores) == pytest.approx(roc, abs=1e-12)
    assert RangeAUCPR(50, form=form)(labels, scores) == pytest.approx(pr, abs=1e-12)


def test_a_buffer_forgives_a_score_that_is_a_little_late():
    labels, _ = series()
    late = np.roll(labels, 5)
    assert RangeAUCROC(40)(labels, late) > RangeAUCROC(0)(labels, late)
    assert RangeAUCPR(40)(labels, late) > RangeAUCPR(0)(labels, late)


def test_parameters_that_make_no_sense_are_told():
    with pytest.raises(ParameterError, match="buffer must be a whole number of at least 0, not -1"):
        VUSPR(-1)
    with pytest.raises(ParameterError, match="thresholds must be a whole number of at least 2, not 1"):
        VUSPR(thresholds=1)
    with pytest.raises(ParameterError, match="buffer must be a whole number, not 1"):
        VUSROC(1.5)
    with pytest.raises(ParameterError, match="form must be 'current' or '2022', not '2023'"):
        VUSPR(form="2023")

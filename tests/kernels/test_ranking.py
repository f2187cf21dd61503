"""Both areas are scikit-learn's, ties and infinite scores included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tocsin.kernels.ranking import areas


@given(st.integers(0, 2**32 - 1), st.integers(2, 80), st.integers(1, 30))
def test_areas_are_those_of_scikit_learn(seed, rows, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, rows).astype(float)
    labels = (rng.random(rows) < 0.4).astype(np.int8)
    labels[:2] = 0, 1
    roc, pr = areas(labels, scores)
    assert roc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert pr == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_infinite_scores_rank_where_they_belong_and_missing_ones_nowhere():
    labels = np.array([1, 0, 0, 1, 1], np.int8)
    scores = np.array([np.inf, -np.inf, 1.0, 2.0, np.nan])
    assert areas(labels, scores) == (1.0, 1.0)
